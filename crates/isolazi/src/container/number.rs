//! Numbers, sizes and shares of processors as Docker's flags take them (Go's strconv, go-units), with its words.

/// A signed number.
pub(crate) fn integer(text: &str) -> Result<i64, String> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!("strconv.ParseInt: parsing {text:?}: invalid syntax"));
    }
    text.parse().map_err(|_| format!("strconv.ParseInt: parsing {text:?}: value out of range"))
}

/// A number of 16 bits without sign.
pub(crate) fn small(text: &str) -> Result<u16, String> {
    let why = if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        "invalid syntax"
    } else {
        "value out of range"
    };
    text.parse().map_err(|_| format!("strconv.ParseUint: parsing {text:?}: {why}"))
}

/// A number of bytes: `1048576`, `64m`, `1.5GiB`. Units are powers of 1024.
pub(crate) fn bytes(text: &str) -> Result<i64, String> {
    let invalid = || format!("invalid size: '{text}'");
    let digits = text.rfind(|c: char| c.is_ascii_digit() || c == '.' || c == ' ').ok_or_else(invalid)?;
    let (number, suffix) = text.split_at(digits + 1);
    let number = number.strip_suffix(' ').unwrap_or(number);
    let value: f64 = number
        .parse()
        .ok()
        .filter(|_| number.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte)))
        .ok_or_else(|| format!("strconv.ParseFloat: parsing {number:?}: invalid syntax"))?;
    if value < 0.0 {
        return Err(invalid());
    }
    let suffix = suffix.to_ascii_lowercase();
    let power = match suffix.as_str() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 1,
        "m" | "mb" | "mib" => 2,
        "g" | "gb" | "gib" => 3,
        "t" | "tb" | "tib" => 4,
        "p" | "pb" | "pib" => 5,
        _ => return Err(format!("invalid suffix: '{suffix}'")),
    };
    let bytes = value * 1024_f64.powi(power);
    // Beyond this a float knows no single bytes, and nobody has so much.
    if bytes >= 9.0e18 {
        return Err(invalid());
    }
    #[expect(
        clippy::cast_possible_truncation,
        reason = "it is not negative and below 2⁶³; fractions of a byte are none"
    )]
    Ok(bytes as i64)
}

/// The same, or -1 for any amount.
pub(crate) fn bytes_or_any(text: &str) -> Result<i64, String> {
    if text == "-1" { Ok(-1) } else { bytes(text) }
}

/// Processors in billionths: `1.5`, `1/3`.
pub(crate) fn cpus(text: &str) -> Result<i64, String> {
    let bad = || format!("failed to parse {text} as a rational number");
    let too_precise = || "value is too precise".to_owned();
    const ONE: i128 = 1_000_000_000;
    let (number, divisor) = match text.split_once('/') {
        Some((number, divisor)) => {
            (decimal(number).ok_or_else(bad)?, divisor.parse().ok().filter(|d: &i128| *d > 0).ok_or_else(bad)?)
        }
        None => (decimal(text).ok_or_else(bad)?, 1),
    };
    let (digits, places) = number;
    let divisor = divisor.checked_mul(10_i128.checked_pow(places).ok_or_else(too_precise)?).ok_or_else(too_precise)?;
    let nano = digits.checked_mul(ONE).ok_or_else(bad)?;
    if nano % divisor != 0 {
        return Err(too_precise());
    }
    i64::try_from(nano / divisor).map_err(|_| bad())
}

/// `-1.25` as -125 and 2 places.
fn decimal(text: &str) -> Option<(i128, u32)> {
    let (whole, places) = text.split_once('.').unwrap_or((text, ""));
    let digits = format!("{whole}{places}");
    let bare = digits.strip_prefix(['-', '+']).unwrap_or(&digits);
    if bare.is_empty() || !bare.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some((digits.parse().ok()?, u32::try_from(places.len()).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_dockers_are() {
        for (text, expected) in [
            ("0", 0),
            ("1048576", 1 << 20),
            ("64m", 64 << 20),
            ("64MB", 64 << 20),
            ("1.5GiB", 3 << 29),
            ("10 kb", 10 << 10),
            ("7b", 7),
            (".5k", 512),
            ("1e3", 1000),
        ] {
            assert_eq!(bytes(text), Ok(expected), "{text}");
        }
        for (text, expected) in [
            ("", "invalid size: ''"),
            ("m", "invalid size: 'm'"),
            ("-1", "invalid size: '-1'"),
            ("64q", "invalid suffix: 'q'"),
            ("64mbi", "invalid suffix: 'mbi'"),
            ("x5", "strconv.ParseFloat: parsing \"x5\": invalid syntax"),
            ("1.2.3", "strconv.ParseFloat: parsing \"1.2.3\": invalid syntax"),
            ("9999999p", "invalid size: '9999999p'"),
        ] {
            assert_eq!(bytes(text), Err(expected.to_owned()), "{text}");
        }
        assert_eq!((bytes_or_any("-1"), bytes_or_any("1k")), (Ok(-1), Ok(1024)));
    }

    #[test]
    fn shares_of_processors_are_exact() {
        for (text, expected) in [
            ("2", 2_000_000_000),
            ("0.5", 500_000_000),
            ("1/4", 250_000_000),
            (".01", 10_000_000),
            ("-1", -1_000_000_000),
        ] {
            assert_eq!(cpus(text), Ok(expected), "{text}");
        }
        for text in ["", "x", "1.2.3", "1/0", "1/x", "1e400"] {
            assert_eq!(cpus(text), Err(format!("failed to parse {text} as a rational number")));
        }
        for text in ["0.0000000001", "1/3"] {
            assert_eq!(cpus(text), Err("value is too precise".to_owned()), "{text}");
        }
    }

    #[test]
    fn whole_numbers_complain_as_go_does() {
        assert_eq!((integer("-12"), integer("+3"), small("1000")), (Ok(-12), Ok(3), Ok(1000)));
        let syntax = |text: &str| format!("strconv.ParseInt: parsing \"{text}\": invalid syntax");
        for text in ["", "x", "1.5", "-", "0x10"] {
            assert_eq!(integer(text), Err(syntax(text)));
        }
        let range = "strconv.ParseInt: parsing \"99999999999999999999\": value out of range";
        assert_eq!(integer("99999999999999999999"), Err(range.to_owned()));
        assert_eq!(small("-1"), Err("strconv.ParseUint: parsing \"-1\": invalid syntax".to_owned()));
        assert_eq!(small("70000"), Err("strconv.ParseUint: parsing \"70000\": value out of range".to_owned()));
    }
}
