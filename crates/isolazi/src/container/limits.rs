//! The flags of cgroups: `--memory`, `--cpus`, `--device-read-bps` …

use super::number::{bytes, bytes_or_any, cpus, integer, small};
use crate::args::{all, is_on, list, one, parsed, switch, text, value};
use api::{DeviceRate, Limits};
use clap::{Arg, ArgMatches};
use error::{Error, Result};
use oci::runtime::DeviceRule;

/// Those that `update` knows, too.
pub(crate) fn changeable() -> Vec<Arg> {
    vec![
        parsed("blkio-weight", "uint16", "Block IO (relative weight), between 10 and 1000 (0 for the default)", small),
        parsed("cpu-period", "int", "Length of a period of the processor's scheduler, in microseconds", integer),
        parsed("cpu-quota", "int", "Processor time in each period, in microseconds", integer),
        parsed("cpu-shares", "int", "Processor shares (relative weight)", integer).short('c'),
        parsed("cpus", "decimal", "Number of processors", cpus),
        text("cpuset-cpus", "string", "Processors to run on (0-3, 0,1)"),
        text("cpuset-mems", "string", "Memory nodes to use (0-3, 0,1)"),
        parsed("memory", "bytes", "Memory limit", bytes).short('m'),
        parsed("memory-reservation", "bytes", "Memory soft limit", bytes),
        parsed("memory-swap", "bytes", "Limit of memory and swap together (-1 for any amount of swap)", bytes_or_any),
        parsed("pids-limit", "int", "Most processes and threads (-1 for any number)", integer),
    ]
}

/// Those that are for life.
pub(super) fn fixed() -> Vec<Arg> {
    vec![
        list("device-read-bps", "list", "Limit how many bytes a second are read from a device (/dev/sda:1mb)"),
        list("device-read-iops", "list", "Limit how many reads a second a device gets (/dev/sda:1000)"),
        list("device-write-bps", "list", "Limit how many bytes a second are written to a device"),
        list("device-write-iops", "list", "Limit how many writes a second a device gets"),
        list("device-cgroup-rule", "list", "Add a rule for devices ('c 1:3 rw')"),
        parsed("memory-swappiness", "int", "How readily memory is swapped out, 0 to 100 (cgroup v1 only)", integer),
        switch("oom-kill-disable", "Wait for memory rather than be killed (cgroup v1 only)"),
    ]
}

/// What the changeable flags say. A 0 is as if nothing had been said, but for the number of processes (as in Docker).
pub(crate) fn changed(matches: &ArgMatches) -> Limits {
    let set = |name: &str| one(matches, name).unwrap_or_default().to_owned();
    let number = |name: &str| value::<i64>(matches, name).filter(|number| *number != 0);
    Limits {
        memory: number("memory"),
        memory_swap: number("memory-swap"),
        memory_reservation: number("memory-reservation"),
        nano_cpus: number("cpus"),
        cpu_shares: number("cpu-shares"),
        cpu_period: number("cpu-period"),
        cpu_quota: number("cpu-quota"),
        cpuset_cpus: set("cpuset-cpus"),
        cpuset_mems: set("cpuset-mems"),
        pids: value(matches, "pids-limit"),
        blkio_weight: value(matches, "blkio-weight").filter(|weight| *weight != 0),
        ..Limits::default()
    }
}

/// What all of them say.
pub(super) fn all_of(matches: &ArgMatches) -> Result<Limits> {
    let said = changed(matches);
    let bps = |name| all(matches, name).map(|text| rate(text, Unit::Bytes)).collect::<Result<Vec<_>>>();
    let iops = |name| all(matches, name).map(|text| rate(text, Unit::Operations)).collect::<Result<Vec<_>>>();
    Ok(Limits {
        // Any number is what a container without a limit has.
        pids: said.pids.filter(|most| *most > 0),
        // -1 is how Docker says nothing.
        memory_swappiness: value(matches, "memory-swappiness").filter(|value| *value != -1),
        oom_kill_disable: is_on(matches, "oom-kill-disable"),
        read_bps: bps("device-read-bps")?,
        write_bps: bps("device-write-bps")?,
        read_iops: iops("device-read-iops")?,
        write_iops: iops("device-write-iops")?,
        device_rules: all(matches, "device-cgroup-rule").map(rule).collect::<Result<_>>()?,
        ..said
    })
}

/// What a rate counts.
#[derive(Debug, Clone, Copy)]
enum Unit {
    Bytes,
    Operations,
}

/// `/dev/sda:1mb`, or a plain number of operations.
fn rate(text: &str, unit: Unit) -> Result<DeviceRate> {
    let Some((path, rate)) = text.split_once(':').filter(|(path, _)| !path.is_empty()) else {
        return Err(Error::invalid(format!("bad format: {text}")));
    };
    if !path.starts_with("/dev/") {
        return Err(Error::invalid(format!("bad format for device path: {text}")));
    }
    let number = match unit {
        Unit::Bytes => bytes(rate).ok().and_then(|rate| u64::try_from(rate).ok()),
        Unit::Operations => rate.parse().ok(),
    };
    let Some(rate) = number else {
        let (shape, rest) = match unit {
            Unit::Bytes => ("<number>[<unit>]", ". Unit is optional and can be kb, mb, or gb"),
            Unit::Operations => ("<number>", ""),
        };
        return Err(Error::invalid(format!(
            "invalid rate for device: {text}. The correct format is <device-path>:{shape}. Number must be a positive \
             integer{rest}"
        )));
    };
    Ok(DeviceRate { path: path.into(), rate })
}

/// `c 10:* rwm`
fn rule(text: &str) -> Result<DeviceRule> {
    let bad = || Error::invalid(format!("invalid device cgroup format '{text}'"));
    let words: Vec<&str> = text.split(' ').collect();
    let &[kind @ ("a" | "b" | "c"), device, access] = words.as_slice() else { return Err(bad()) };
    let (major, minor) = device.split_once(':').ok_or_else(bad)?;
    let number = |text: &str| match text {
        "*" => Ok(None),
        _ if text.bytes().all(|byte| byte.is_ascii_digit()) => text.parse().map(Some).map_err(|_| bad()),
        _ => Err(bad()),
    };
    if access.is_empty() || access.len() > 3 || !access.bytes().all(|letter| b"rwm".contains(&letter)) {
        return Err(bad());
    }
    let (major, minor) = (number(major)?, number(minor)?);
    Ok(DeviceRule { allow: true, kind: kind.to_owned(), major, minor, access: access.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_have_a_disk_and_a_number() {
        let read = |text, unit| rate(text, unit).map_err(|error| error.to_string());
        let expected = DeviceRate { path: "/dev/sda".into(), rate: 1 << 20 };
        assert_eq!(read("/dev/sda:1mb", Unit::Bytes), Ok(expected.clone()));
        assert_eq!(read("/dev/sda:1048576", Unit::Operations), Ok(expected));
        let wrong = "invalid rate for device: /dev/sda:1mb. The correct format is <device-path>:<number>. Number must be \
                     a positive integer";
        for (text, unit, complaint) in [
            ("/dev/sda", Unit::Operations, "bad format: /dev/sda"),
            (":1", Unit::Operations, "bad format: :1"),
            ("sda:1", Unit::Operations, "bad format for device path: sda:1"),
            ("/dev/sda:1mb", Unit::Operations, wrong),
        ] {
            assert_eq!(read(text, unit), Err(complaint.to_owned()));
        }
        let words = read("/dev/sda:x", Unit::Bytes).unwrap_err();
        assert!(words.ends_with(
            "<number>[<unit>]. Number must be a positive integer. Unit is optional and can be kb, mb, or gb"
        ));
    }

    #[test]
    fn rules_for_devices_are_dockers() {
        let rule = |text| rule(text).map_err(|error| error.to_string());
        let expected = |kind: &str, major, minor, access: &str| DeviceRule {
            allow: true,
            kind: kind.into(),
            major,
            minor,
            access: access.into(),
        };
        assert_eq!(rule("c 1:3 rwm"), Ok(expected("c", Some(1), Some(3), "rwm")));
        assert_eq!(rule("a *:* r"), Ok(expected("a", None, None, "r")));
        for text in ["", "c", "c 1:3", "d 1:3 r", "c 1 r", "c 1:x r", "c 1:3 rwmr", "c 1:3 x", "c  1:3 r", "c 1: r"] {
            assert_eq!(rule(text), Err(format!("invalid device cgroup format '{text}'")));
        }
    }
}
