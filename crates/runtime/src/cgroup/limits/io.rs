//! Disks: weights and rates.
//!
//! A weight is the BFQ scheduler's where that is in the kernel, else the old CFQ's (v1) or `iocost`'s (v2).

use super::{Refusal, Section, Version, invalid};
use error::Result;
use oci::runtime::{BlockDevice, BlockIo, ThrottleDevice};

pub(super) fn plan(section: &mut Section, block_io: &BlockIo) -> Result<()> {
    if let Some(weight) = block_io.weight.filter(|weight| *weight != 0) {
        set_weight(section, "blockIO.weight", None, check("blockIO.weight", weight)?);
    }
    if let Some(weight) = block_io.leaf_weight.filter(|weight| *weight != 0) {
        section.only_v1("blockIO.leafWeight")?;
        section.set("blockIO.leafWeight", "blkio.leaf_weight", check("blockIO.leafWeight", weight)?);
    }
    for (index, weights) in block_io.weight_device.iter().enumerate() {
        let field = |name: &str| format!("blockIO.weightDevice[{index}].{name}");
        if let Some(weight) = weights.weight.filter(|weight| *weight != 0) {
            let field = field("weight");
            set_weight(section, &field, Some(weights.device), check(&field, weight)?);
        }
        if let Some(weight) = weights.leaf_weight.filter(|weight| *weight != 0) {
            let field = field("leafWeight");
            section.only_v1(&field)?;
            let value = format!("{} {}", number(weights.device), check(&field, weight)?);
            section.set(&field, "blkio.leaf_weight_device", value);
        }
    }
    let rates = [
        ("throttleReadBpsDevice", "read_bps", "rbps", &block_io.throttle_read_bps_device),
        ("throttleWriteBpsDevice", "write_bps", "wbps", &block_io.throttle_write_bps_device),
        ("throttleReadIOPSDevice", "read_iops", "riops", &block_io.throttle_read_iops_device),
        ("throttleWriteIOPSDevice", "write_iops", "wiops", &block_io.throttle_write_iops_device),
    ];
    for (name, v1, v2, devices) in rates {
        for (index, device) in devices.iter().enumerate() {
            throttle(section, &format!("blockIO.{name}[{index}]"), v1, v2, device);
        }
    }
    Ok(())
}

fn set_weight(section: &mut Section, field: &str, device: Option<BlockDevice>, weight: u16) {
    let value = |weight: u64| match device {
        Some(device) => format!("{} {weight}", number(device)),
        None => weight.to_string(),
    };
    let (file, value, refusal) = match (section.version, device) {
        (Version::V1, device) => {
            let tail = if device.is_some() { "_device" } else { "" };
            let other = (format!("blkio.bfq.weight{tail}"), value(weight.into()));
            (format!("blkio.weight{tail}"), value(weight.into()), Refusal::Else(other.0, other.1))
        }
        (Version::V2, _) => {
            // 10 to 1000 becomes 1 to 10000 on a straight line.
            let wide = 1 + (u64::from(weight) - 10) * 9999 / 990;
            ("io.bfq.weight".to_owned(), value(weight.into()), Refusal::Else("io.weight".to_owned(), value(wide)))
        }
    };
    section.set_or(refusal, field, &file, value);
}

/// A rate of 0 takes a limit away.
fn throttle(section: &mut Section, field: &str, v1: &str, v2: &str, device: &ThrottleDevice) {
    let (number, rate) = (number(device.device), device.rate);
    let refusal = if rate == 0 { Refusal::Harmless } else { Refusal::Error };
    match (section.version, rate) {
        (Version::V1, _) => {
            section.set_or(refusal, field, &format!("blkio.throttle.{v1}_device"), format!("{number} {rate}"));
        }
        (Version::V2, 0) => section.set_or(refusal, field, "io.max", format!("{number} {v2}=max")),
        (Version::V2, _) => section.set_or(refusal, field, "io.max", format!("{number} {v2}={rate}")),
    }
}

fn number(device: BlockDevice) -> String {
    format!("{}:{}", device.major, device.minor)
}

fn check(field: &str, weight: u16) -> Result<u16> {
    if (10..=1000).contains(&weight) {
        Ok(weight)
    } else {
        Err(invalid(field, format_args!("{weight} is not between 10 and 1000")))
    }
}
