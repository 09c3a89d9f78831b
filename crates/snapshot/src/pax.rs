//! Pax records read strictly: `<length> <key>=<value>\n`, repeated, to the last byte (POSIX pax, "Extended Header").
//!
//! The parser below us is lenient in places; two readers that disagree about a size see different files in one
//! archive. So sizes, owners and times are read again here, and what is malformed is an error.

use error::{Error, Result};
use rustix::fs::Timespec;

/// The records, in order.
pub(crate) fn records(mut data: &[u8]) -> Result<Vec<(&[u8], &[u8])>> {
    let mut records = Vec::new();
    while !data.is_empty() {
        let (record, rest) = split_record(data).ok_or_else(|| Error::invalid("malformed pax header"))?;
        records.push(record);
        data = rest;
    }
    Ok(records)
}

type Record<'a> = (&'a [u8], &'a [u8]);

fn split_record(data: &[u8]) -> Option<(Record<'_>, &[u8])> {
    let space = data.iter().position(|&byte| byte == b' ')?;
    let length = usize::try_from(decimal(&data[..space])?).ok()?;
    let record = data.get(..length)?.get(space + 1..)?.strip_suffix(b"\n")?;
    let equals = record.iter().position(|&byte| byte == b'=')?;
    Some(((&record[..equals], &record[equals + 1..]), &data[length..]))
}

/// Digits only: no sign, no blanks, no overflow.
pub(crate) fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// Seconds with an optional sign and fraction: `-1.5` is half a second before -1.
pub(crate) fn time(text: &[u8]) -> Option<Timespec> {
    let (negative, text) = text.strip_prefix(b"-").map_or((false, text), |rest| (true, rest));
    let mut parts = text.splitn(2, |&byte| byte == b'.');
    let seconds = i64::try_from(decimal(parts.next()?)?).ok()?;
    let mut nanoseconds = 0i64;
    if let Some(fraction) = parts.next() {
        if !fraction.iter().all(u8::is_ascii_digit) {
            return None;
        }
        for place in 0..9 {
            nanoseconds = nanoseconds * 10 + i64::from(fraction.get(place).map_or(0, |digit| digit - b'0'));
        }
    }
    Some(match (negative, nanoseconds) {
        (false, _) => Timespec { tv_sec: seconds, tv_nsec: nanoseconds },
        (true, 0) => Timespec { tv_sec: -seconds, tv_nsec: 0 },
        (true, _) => Timespec { tv_sec: -seconds - 1, tv_nsec: 1_000_000_000 - nanoseconds },
    })
}

/// A numeric header field: octal digits with blanks or zero bytes around, or GNU's base-256 two's complement.
pub(crate) fn field(bytes: &[u8]) -> Option<i64> {
    let (&first, rest) = bytes.split_first()?;
    if first & 0x80 != 0 {
        // Seven bits of the first byte count; bit 6 is the sign.
        let mut value = i128::from(first & 0x7f) - if first & 0x40 != 0 { 0x80 } else { 0 };
        for &byte in rest {
            value = value.checked_mul(256)?.checked_add(i128::from(byte))?;
        }
        return i64::try_from(value).ok();
    }
    let blank = |byte: &u8| matches!(byte, b' ' | 0);
    let start = bytes.iter().position(|byte| !blank(byte)).unwrap_or(bytes.len());
    let digits: Vec<u8> = bytes[start..].iter().copied().take_while(|byte| !blank(byte)).collect();
    if digits.is_empty() {
        return Some(0);
    }
    if !digits.iter().all(|digit| matches!(digit, b'0'..=b'7')) {
        return None;
    }
    i64::from_str_radix(std::str::from_utf8(&digits).ok()?, 8).ok()
}

/// libarchive's way for binary xattr values (RFC 4648, padding optional).
pub(crate) fn base64(text: &[u8]) -> Option<Vec<u8>> {
    let text = text.strip_suffix(b"==").or_else(|| text.strip_suffix(b"=")).unwrap_or(text);
    let (mut bits, mut count, mut bytes) = (0u32, 0, Vec::with_capacity(text.len() * 3 / 4));
    for &letter in text {
        let value = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count & 0xff) as u8);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_hold_any_bytes_and_are_read_to_the_end() {
        let data = b"11 a=b\nc=d\n6 k=v\n";
        assert_eq!(records(data).unwrap(), [(&b"a"[..], &b"b\nc=d"[..]), (b"k", b"v")]);
        for bad in ["6 k=v", "5 k=v\n", "7 k=v\n", "+6 k=v\n", "6 kvv\n", "x", "99999999999999999999 k=v\n", "0 k=v\n"]
        {
            assert!(records(bad.as_bytes()).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn times_have_signs_and_nanoseconds() {
        for (text, seconds, nanoseconds) in [
            ("0", 0, 0),
            ("12.5", 12, 500_000_000),
            ("1.0000000019", 1, 1),
            ("-1", -1, 0),
            ("-1.5", -2, 500_000_000),
            ("-0.000000001", -1, 999_999_999),
        ] {
            assert_eq!(time(text.as_bytes()), Some(Timespec { tv_sec: seconds, tv_nsec: nanoseconds }), "{text}");
        }
        for bad in ["", "-", "1.x", "+1", "1e3", "9223372036854775808"] {
            assert_eq!(time(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn header_fields_are_octal_or_base_256() {
        for (bytes, value) in [
            (&b"0000644\0"[..], Some(0o644)),
            (b"   644 \0", Some(0o644)),
            (b"\0\0\0\0\0\0\0\0", Some(0)),
            (b"12345678", None),
            (b"-1      ", None),
            (b"\x80\0\0\0\0\0\0\0\0\0\x01\0", Some(256)),
            (b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xfe", Some(-2)),
            (b"\x80\0\0\x01\0\0\0\0\0\0\0\0", None),
        ] {
            assert_eq!(field(bytes), value, "{bytes:?}");
        }
    }

    #[test]
    fn base64_is_decoded_with_and_without_padding() {
        assert_eq!(base64(b"AAEC/w==").unwrap(), [0, 1, 2, 255]);
        assert_eq!(base64(b"AAEC/w").unwrap(), [0, 1, 2, 255]);
        assert_eq!(base64(b"A*"), None);
    }
}
