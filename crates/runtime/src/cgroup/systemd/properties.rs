//! Limits in systemd's words. systemd writes its own idea of every limit again whenever it likes (`daemon-reload`): what
//! it was not told is lost then.
//!
//! They are read off the writes into files that would have the same effect, so that units, checks and `unified` are
//! decided in one place. What systemd has no word for stays a write.
//! <https://www.freedesktop.org/software/systemd/man/latest/org.freedesktop.systemd1.html>, systemd.resource-control(5)

use super::super::limits::{Refusal, Write};
use super::message::Writer;

/// Without limit.
const INFINITY: u64 = u64::MAX;
/// A period that nobody chose, in microseconds (`cpu.max` of a new cgroup).
const USUAL_PERIOD_US: u64 = 100_000;
/// systemd keeps a quota as whole hundredths of a processor, in microseconds a second.
const QUOTA_STEP_US: u64 = 10_000;
/// The greatest number of a processor or memory node that is believed, as the kernel's own greatest.
const MOST_NUMBER: usize = 8191;

/// A property of a unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Property {
    pub(super) name: &'static str,
    pub(super) value: Value,
}

/// What a property can be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    Bool(bool),
    Number(u64),
    Text(String),
    Bytes(Vec<u8>),
    Pids(Vec<u32>),
    Pairs(Vec<(String, String)>),
}

impl Property {
    pub(super) fn new(name: &'static str, value: Value) -> Self {
        Self { name, value }
    }
}

/// An array of (name, variant): what `StartTransientUnit` and `SetUnitProperties` take.
pub(super) fn write(out: &mut Writer, properties: &[Property]) {
    out.array(8, |out| {
        for property in properties {
            out.align(8);
            out.text(property.name);
            match &property.value {
                Value::Bool(value) => {
                    out.signature("b");
                    out.bool(*value);
                }
                Value::Number(number) => {
                    out.signature("t");
                    out.u64(*number);
                }
                Value::Text(text) => {
                    out.signature("s");
                    out.text(text);
                }
                Value::Bytes(bytes) => {
                    out.signature("ay");
                    out.array(1, |out| out.0.extend(bytes));
                }
                Value::Pids(pids) => {
                    out.signature("au");
                    out.array(4, |out| pids.iter().for_each(|pid| out.u32(*pid)));
                }
                Value::Pairs(pairs) => {
                    out.signature("a(ss)");
                    out.array(8, |out| {
                        for (first, second) in pairs {
                            out.align(8);
                            out.text(first);
                            out.text(second);
                        }
                    });
                }
            }
        }
    });
}

/// The properties that mean the same as these writes into a v2 cgroup. `period_us` is the one that a quota without a
/// period of its own is counted in.
pub(super) fn of_writes(writes: &[Write], period_us: Option<u64>) -> Vec<Property> {
    let mut properties: Vec<Property> = Vec::new();
    for write in writes {
        // Where BFQ is missing the other weight is meant; systemd writes either from the same number.
        let (file, value) = match &write.refusal {
            Refusal::Else(file, value) => (file, value),
            _ => (&write.file, &write.value),
        };
        for property in of_file(file, value.trim(), period_us.unwrap_or(USUAL_PERIOD_US)) {
            // The later write wins, as it does in the file.
            properties.retain(|earlier| earlier.name != property.name);
            properties.push(property);
        }
    }
    properties
}

/// A value that is no number in systemd's sense is left to the file, which says what is wrong with it.
fn of_file(file: &str, value: &str, period_us: u64) -> Vec<Property> {
    let number = |name| limit(value).map(|number| Property::new(name, Value::Number(number)));
    let weight = |name| {
        let value = value.strip_prefix("default ").unwrap_or(value);
        value.parse().ok().map(|number| Property::new(name, Value::Number(number)))
    };
    let set = |name| bits(value).map(|bytes| Property::new(name, Value::Bytes(bytes)));
    match file {
        "memory.max" => number("MemoryMax"),
        "memory.high" => number("MemoryHigh"),
        "memory.low" => number("MemoryLow"),
        "memory.min" => number("MemoryMin"),
        "memory.swap.max" => number("MemorySwapMax"),
        "pids.max" => number("TasksMax"),
        "cpu.weight" => weight("CPUWeight"),
        "io.weight" => weight("IOWeight"),
        "cpuset.cpus" => set("AllowedCPUs"),
        "cpuset.mems" => set("AllowedMemoryNodes"),
        "cpu.max" => return quota(value, period_us),
        _ => None,
    }
    .into_iter()
    .collect()
}

fn limit(value: &str) -> Option<u64> {
    if value == "max" { Some(INFINITY) } else { value.parse().ok() }
}

/// `cpu.max`: a quota, and perhaps a period.
fn quota(value: &str, period_us: u64) -> Vec<Property> {
    let mut words = value.split_whitespace();
    let quota = words.next().and_then(limit);
    let period = words.next().map(str::parse::<u64>);
    let (Some(quota), Ok(period)) = (quota, period.transpose()) else { return Vec::new() };
    let mut properties = Vec::new();
    let per_second = match (quota, period.unwrap_or(period_us)) {
        (INFINITY, _) => INFINITY,
        (_, 0) => return Vec::new(),
        (quota, period) => {
            let exact = u128::from(quota) * 1_000_000 / u128::from(period);
            u64::try_from(exact).map_or(INFINITY, |exact| exact.max(1).next_multiple_of(QUOTA_STEP_US))
        }
    };
    properties.push(Property::new("CPUQuotaPerSecUSec", Value::Number(per_second)));
    properties.extend(period.map(|period| Property::new("CPUQuotaPeriodUSec", Value::Number(period))));
    properties
}

/// `0-2,8` as a set of bits, the lowest number first.
fn bits(list: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    for part in list.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (first.trim().parse::<usize>().ok()?, last.trim().parse::<usize>().ok()?);
        if first > last || last > MOST_NUMBER {
            return None;
        }
        for number in first..=last {
            if bytes.len() <= number / 8 {
                bytes.resize(number / 8 + 1, 0);
            }
            bytes[number / 8] |= 1 << (number % 8);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write_of(file: &str, value: &str) -> Write {
        let (file, value) = (file.to_owned(), value.to_owned());
        Write { controller: "x", field: String::new(), file, value, refusal: Refusal::Error }
    }

    fn shown(writes: &[Write], period_us: Option<u64>) -> Vec<String> {
        let properties = of_writes(writes, period_us);
        properties.iter().map(|property| format!("{} {:?}", property.name, property.value)).collect()
    }

    #[test]
    fn writes_become_the_properties_that_mean_the_same() {
        let infinity = "Number(18446744073709551615)";
        for (file, value, expected) in [
            ("memory.max", "67108864", "MemoryMax Number(67108864)".to_owned()),
            ("memory.max", "max", format!("MemoryMax {infinity}")),
            ("memory.high", "1", "MemoryHigh Number(1)".to_owned()),
            ("memory.low", "0", "MemoryLow Number(0)".to_owned()),
            ("memory.min", "5", "MemoryMin Number(5)".to_owned()),
            ("memory.swap.max", "max", format!("MemorySwapMax {infinity}")),
            ("pids.max", "50", "TasksMax Number(50)".to_owned()),
            ("cpu.weight", "100", "CPUWeight Number(100)".to_owned()),
            ("io.weight", "default 200", "IOWeight Number(200)".to_owned()),
            ("cpuset.cpus", "0-2,8", "AllowedCPUs Bytes([7, 1])".to_owned()),
            ("cpuset.mems", "0", "AllowedMemoryNodes Bytes([1])".to_owned()),
            ("cpu.max", "max", format!("CPUQuotaPerSecUSec {infinity}")),
            ("cpu.max", "25000", "CPUQuotaPerSecUSec Number(250000)".to_owned()),
        ] {
            assert_eq!(shown(&[write_of(file, value)], None), [expected], "{file} {value}");
        }
    }

    #[test]
    fn quotas_are_counted_in_a_second_and_rounded_up_to_systemds_steps() {
        for (value, period, expected) in [
            ("50000 100000", None, (500_000, Some(100_000))),
            ("50000 200000", None, (250_000, Some(200_000))),
            ("1000 1000000", None, (10_000, Some(1_000_000))),
            ("33333 100000", None, (340_000, Some(100_000))),
            ("50000", Some(25_000), (2_000_000, None)),
            ("max 50000", None, (INFINITY, Some(50_000))),
        ] {
            let mut wanted = vec![Property::new("CPUQuotaPerSecUSec", Value::Number(expected.0))];
            wanted.extend(expected.1.map(|period| Property::new("CPUQuotaPeriodUSec", Value::Number(period))));
            assert_eq!(of_writes(&[write_of("cpu.max", value)], period), wanted, "{value}");
        }
    }

    #[test]
    fn what_systemd_cannot_say_or_read_is_left_to_the_file() {
        for (file, value) in [
            ("memory.oom.group", "1"),
            ("hugetlb.2MB.max", "0"),
            ("io.max", "8:0 rbps=1"),
            ("memory.max", "1k"),
            ("cpu.max", "x 100000"),
            ("cpu.max", "5 0"),
            ("cpuset.cpus", "3-1"),
            ("cpuset.cpus", "99999999"),
            ("cpu.weight", "idle"),
            ("io.weight", "8:0 100"),
        ] {
            assert_eq!(of_writes(&[write_of(file, value)], None), [], "{file} {value}");
        }
    }

    #[test]
    fn the_later_write_wins_and_the_other_weight_is_meant() {
        let wide = Refusal::Else("io.weight".to_owned(), "10000".to_owned());
        let weight = Write { refusal: wide, ..write_of("io.bfq.weight", "1000") };
        let writes = [write_of("pids.max", "5"), weight, write_of("pids.max", "6")];
        assert_eq!(shown(&writes, None), ["IOWeight Number(10000)", "TasksMax Number(6)"]);
    }

    #[test]
    fn properties_are_laid_out_as_an_array_of_structures() {
        let mut out = Writer::default();
        let pairs = vec![("a".to_owned(), "r".to_owned())];
        write(&mut out, &[Property::new("A", Value::Bool(true)), Property::new("B", Value::Pairs(pairs))]);
        let number = |number: u32| number.to_ne_bytes();
        let expected: &[&[u8]] = &[
            &number(54),
            &[0; 4],
            &number(1),
            b"A\0\x01b\0\0\0\0",
            &number(1),
            &number(1),
            b"B\0\x05a(ss)\0\0\0\0",
            &number(14),
            &[0; 4],
            &number(1),
            b"a\0\0\0",
            &number(1),
            b"r\0",
        ];
        assert_eq!(out.0.escape_ascii().to_string(), expected.concat().escape_ascii().to_string());
    }
}
