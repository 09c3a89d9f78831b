//! `update`: options or a document become the limits to change.

use super::document;
use super::door::Door;
use super::words::Words;
use crate::exit::SUCCESS;
use error::{Error, Kind, Result};
use oci::runtime::{BlockIo, Cpu, Memory, Pids, Resources};

/// `update ID`
pub(super) fn run(door: &mut Door, words: &Words) -> Result<u8> {
    let resources = match words.path("resources") {
        Some(file) => document::read(file)?,
        None => resources(words)?,
    };
    door.runtime()?.update(words.id()?, &resources)?;
    Ok(SUCCESS)
}

/// The limits that the options name; what isn't named isn't touched.
fn resources(words: &Words) -> Result<Resources> {
    for option in ["l3-cache-schema", "mem-bw-schema"] {
        if words.one(option).is_some() {
            let message = format!("option `--{option}`: a running container's Intel RDT group can't be changed");
            return Err(Error::new(Kind::Unsupported, message));
        }
    }
    let mut memory = Memory {
        limit: bytes(words, "memory")?,
        reservation: bytes(words, "memory-reservation")?,
        swap: bytes(words, "memory-swap")?,
        kernel: bytes(words, "kernel-memory")?,
        kernel_tcp: bytes(words, "kernel-memory-tcp")?,
        ..Memory::default()
    };
    if memory.limit == Some(-1) && memory.swap.is_none() {
        // A limit of both that is below the new one would forbid it.
        memory.swap = Some(-1);
    }
    let cpu = Cpu {
        shares: words.number("cpu-share")?,
        quota: words.number("cpu-quota")?,
        burst: words.number("cpu-burst")?,
        period: words.number("cpu-period")?,
        realtime_runtime: words.number("cpu-rt-runtime")?,
        realtime_period: words.number("cpu-rt-period")?,
        cpus: words.text("cpuset-cpus")?.unwrap_or_default().to_owned(),
        mems: words.text("cpuset-mems")?.unwrap_or_default().to_owned(),
        idle: words.number("cpu-idle")?,
    };
    let block_io = BlockIo { weight: words.number("blkio-weight")?, ..BlockIo::default() };
    let pids = Pids { limit: words.number("pids-limit")? };
    Ok(Resources {
        memory: said(memory),
        cpu: said(cpu),
        block_io: said(block_io),
        pids: said(pids),
        ..Resources::default()
    })
}

fn said<T: Default + PartialEq>(value: T) -> Option<T> {
    (value != T::default()).then_some(value)
}

/// `-1`, `1048576`, `512m`, `1GiB`: binary units, as go-units' `RAMInBytes` reads them.
fn bytes(words: &Words, option: &str) -> Result<Option<i64>> {
    let Some(text) = words.text(option)?.filter(|text| !text.is_empty()) else { return Ok(None) };
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic() || c == ' ');
    let unit = text[digits.len()..].trim_start().to_ascii_lowercase();
    let shift = match unit.as_str() {
        "" | "b" => Some(0),
        "k" | "kb" | "kib" => Some(10),
        "m" | "mb" | "mib" => Some(20),
        "g" | "gb" | "gib" => Some(30),
        "t" | "tb" | "tib" => Some(40),
        "p" | "pb" | "pib" => Some(50),
        _ => None,
    };
    let number = match digits {
        "-1" if unit.is_empty() => Some(-1),
        _ => digits.parse::<i64>().ok().filter(|number| *number >= 0),
    };
    let size = number.zip(shift).and_then(|(number, shift)| number.checked_mul(1 << shift));
    size.map(Some).ok_or_else(|| Error::invalid(format!("option `--{option}`: `{text}` is no number of bytes")))
}

#[cfg(test)]
mod tests {
    use super::super::{table, words};
    use super::*;
    use std::ffi::OsString;

    fn json(line: &str) -> String {
        let command = table::find("update").unwrap();
        let said = words::parse(command.options, false, line.split(' ').map(OsString::from)).unwrap();
        resources(&said).map_or_else(|error| error.to_string(), |found| serde_json::to_string(&found).unwrap())
    }

    #[test]
    fn options_become_the_limits_that_they_name() {
        for (line, expected) in [
            ("x", "{}"),
            ("--memory 64m x", r#"{"memory":{"limit":67108864}}"#),
            ("--memory=-1 x", r#"{"memory":{"limit":-1,"swap":-1}}"#),
            ("--memory 1GiB --memory-swap 2147483648 --memory-reservation 0 x", {
                r#"{"memory":{"limit":1073741824,"reservation":0,"swap":2147483648}}"#
            }),
            ("--pids-limit 0 x", r#"{"pids":{"limit":0}}"#),
            ("--pids-limit -1 x", r#"{"pids":{"limit":-1}}"#),
            ("--cpu-quota -1 --cpu-period 100000 --cpu-shares 2 --cpu-burst 5 --cpu-idle 1 x", {
                r#"{"cpu":{"shares":2,"quota":-1,"burst":5,"period":100000,"idle":1}}"#
            }),
            ("--cpuset-cpus 0-1 --cpuset-mems 0 --cpu-rt-period 3 --cpu-rt-runtime 2 x", {
                r#"{"cpu":{"realtimeRuntime":2,"realtimePeriod":3,"cpus":"0-1","mems":"0"}}"#
            }),
            ("--blkio-weight 500 x", r#"{"blockIO":{"weight":500}}"#),
            ("--memory 1q x", "option `--memory`: `1q` is no number of bytes"),
            ("--memory -2 x", "option `--memory`: `-2` is no number of bytes"),
            ("--memory 9999999999p x", "option `--memory`: `9999999999p` is no number of bytes"),
            ("--cpu-share x x", "option `--cpu-share`: `x` is no number that fits"),
            ("--blkio-weight 70000 x", "option `--blkio-weight`: `70000` is no number that fits"),
            ("--l3-cache-schema L3:0=f x", {
                "option `--l3-cache-schema`: a running container's Intel RDT group can't be changed"
            }),
        ] {
            assert_eq!(json(line), expected, "{line}");
        }
    }
}
