//! Go's fmt.Sprintf, for the values that templates have.

use super::value::{Value, shortest};

/// Wider or more precise is a mistake, in Go, too.
const MAX_WIDTH: usize = 1_000_000;
/// Digits after the point that are ever computed.
const MAX_PRECISION: usize = 1000;

/// `%[flags][width][.precision]`, and the verb.
#[derive(Debug, Default, Clone)]
struct Directive {
    minus: bool,
    plus: bool,
    sharp: bool,
    blank: bool,
    zero: bool,
    width: usize,
    precision: Option<usize>,
}

/// The format filled with the operands. What does not fit is said in the text, as Go does; an error is a text longer
/// than `limit` bytes.
pub(super) fn printf(format: &str, operands: &[Value], limit: usize) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = format;
    let mut next = 0;
    let mut reordered = false;
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        rest = after;
        let mut directive = Directive::default();
        while let Some(flag) = rest.chars().next() {
            match flag {
                '-' => directive.minus = true,
                '+' => directive.plus = true,
                '#' => directive.sharp = true,
                ' ' => directive.blank = true,
                '0' => directive.zero = true,
                _ => break,
            }
            rest = &rest[1..];
        }
        reordered |= chosen(&mut rest, &mut next);
        match count(&mut rest, operands, &mut next) {
            Count::None => {}
            Count::Is(width) => {
                directive.minus |= width < 0;
                directive.width = usize::try_from(width.unsigned_abs()).unwrap_or(MAX_WIDTH).min(MAX_WIDTH);
            }
            Count::Bad => out.push_str("%!(BADWIDTH)"),
        }
        if let Some(after) = rest.strip_prefix('.') {
            rest = after;
            reordered |= chosen(&mut rest, &mut next);
            match count(&mut rest, operands, &mut next) {
                Count::None => directive.precision = Some(0),
                Count::Is(precision) => directive.precision = usize::try_from(precision).ok(),
                Count::Bad => out.push_str("%!(BADPREC)"),
            }
        }
        reordered |= chosen(&mut rest, &mut next);
        let Some(verb) = rest.chars().next() else {
            out.push_str("%!(NOVERB)");
            break;
        };
        rest = &rest[verb.len_utf8()..];
        if verb == '%' {
            out.push('%');
            continue;
        }
        match operands.get(next) {
            None => {
                out.push_str("%!");
                out.push(verb);
                out.push_str("(MISSING)");
            }
            Some(operand) => {
                next += 1;
                show(&directive, verb, operand, &mut out);
            }
        }
        if out.len() > limit {
            return Err(format!("a text of more than {} MiB", limit >> 20));
        }
    }
    out.push_str(rest);
    if !reordered && next < operands.len() {
        let extra: Vec<String> = operands[next..].iter().map(described).collect();
        out.push_str(&format!("%!(EXTRA {})", extra.join(", ")));
    }
    Ok(out)
}

/// `[2]`: which operand comes next.
fn chosen(rest: &mut &str, next: &mut usize) -> bool {
    let Some((number, after)) = rest.strip_prefix('[').and_then(|inside| inside.split_once(']')) else { return false };
    match number.parse::<usize>() {
        Ok(number) if number > 0 => *next = number - 1,
        _ => *next = usize::MAX, // reported as missing
    }
    *rest = after;
    true
}

enum Count {
    None,
    Is(i64),
    Bad,
}

/// A number, or `*` for an operand that is one.
fn count(rest: &mut &str, operands: &[Value], next: &mut usize) -> Count {
    if let Some(after) = rest.strip_prefix('*') {
        *rest = after;
        let operand = operands.get(*next);
        *next = next.saturating_add(1);
        let most = i64::try_from(MAX_WIDTH).unwrap_or(i64::MAX);
        return match operand {
            Some(Value::Int(number)) if number.abs() <= most => Count::Is(*number),
            _ => Count::Bad,
        };
    }
    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (number, after) = rest.split_at(digits);
    *rest = after;
    match number.parse() {
        _ if number.is_empty() => Count::None,
        Ok(number) if usize::try_from(number).is_ok_and(|number| number <= MAX_WIDTH) => Count::Is(number),
        _ => Count::Bad,
    }
}

/// An operand that does not fit: `int=3`.
fn described(operand: &Value) -> String {
    match operand {
        Value::Nil => "<nil>".to_owned(),
        operand => format!("{}={}", operand.kind(), operand.printed()),
    }
}

/// One operand by one directive.
fn show(directive: &Directive, verb: char, operand: &Value, out: &mut String) {
    if verb == 'T' {
        return pad(directive, operand.kind(), false, out);
    }
    match operand {
        // A list shows each of its values by the same directive.
        Value::List(items) if !matches!(verb, 'v' | 'p') => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(' ');
                }
                show(directive, verb, item, out);
            }
            out.push(']');
        }
        Value::Bool(value) if matches!(verb, 't' | 'v') => pad(directive, &value.to_string(), false, out),
        Value::Int(value) => match int(directive, verb, *value) {
            Some(text) => pad(directive, &text, !matches!(verb, 'c' | 'q' | 'U'), out),
            None => bad(verb, operand, out),
        },
        Value::Float(value) => match float(directive, verb, *value) {
            Some(text) => pad(directive, &text, true, out),
            None => bad(verb, operand, out),
        },
        Value::Text(text) => match string(directive, verb, text) {
            Some(text) => pad(directive, &text, false, out),
            None => bad(verb, operand, out),
        },
        Value::Nil if verb == 'v' => pad(directive, "<nil>", false, out),
        operand if verb == 'v' || verb == 's' && !matches!(operand, Value::Bool(_) | Value::Nil) => {
            pad(directive, &operand.printed(), false, out);
        }
        operand => bad(verb, operand, out),
    }
}

fn bad(verb: char, operand: &Value, out: &mut String) {
    out.push_str(&format!("%!{verb}({})", described(operand)));
}

fn int(directive: &Directive, verb: char, value: i64) -> Option<String> {
    let magnitude = value.unsigned_abs();
    let (prefix, digits) = match verb {
        'd' | 'v' => ("", magnitude.to_string()),
        'x' => (if directive.sharp { "0x" } else { "" }, format!("{magnitude:x}")),
        'X' => (if directive.sharp { "0X" } else { "" }, format!("{magnitude:X}")),
        'o' => (if directive.sharp { "0" } else { "" }, format!("{magnitude:o}")),
        'O' => ("0o", format!("{magnitude:o}")),
        'b' => (if directive.sharp { "0b" } else { "" }, format!("{magnitude:b}")),
        'c' | 'q' | 'U' => {
            let c = u32::try_from(value).ok().and_then(char::from_u32).unwrap_or('\u{fffd}');
            return Some(match verb {
                'c' => c.to_string(),
                'q' => format!("{c:?}"),
                _ if directive.sharp => format!("U+{magnitude:04X} '{c}'"),
                _ => format!("U+{magnitude:04X}"),
            });
        }
        _ => return None,
    };
    let sign = sign(directive, value < 0);
    let mut digits = digits;
    let wanted = match directive.precision {
        Some(precision) => precision,
        None if directive.zero && !directive.minus => directive.width.saturating_sub(sign.len() + prefix.len()),
        None => 0,
    };
    if digits.len() < wanted {
        digits.insert_str(0, &"0".repeat(wanted - digits.len()));
    }
    Some(format!("{sign}{prefix}{digits}"))
}

fn sign(directive: &Directive, negative: bool) -> &'static str {
    match (negative, directive.plus, directive.blank) {
        (true, ..) => "-",
        (false, true, _) => "+",
        (false, false, true) => " ",
        (false, false, false) => "",
    }
}

fn float(directive: &Directive, verb: char, value: f64) -> Option<String> {
    let precision = directive.precision.map(|precision| precision.min(MAX_PRECISION));
    let magnitude = value.abs();
    let text = match verb {
        _ if !value.is_finite() => shortest(magnitude).trim_start_matches('+').to_owned(),
        'f' | 'F' => format!("{magnitude:.*}", precision.unwrap_or(6)),
        'e' | 'E' => with_exponent(&format!("{magnitude:.*e}", precision.unwrap_or(6))),
        'g' | 'G' | 'v' => match precision {
            None => shortest(magnitude),
            Some(precision) => general(magnitude, precision.max(1)),
        },
        _ => return None,
    };
    let text = if matches!(verb, 'E' | 'G') { text.to_uppercase() } else { text };
    let sign = sign(directive, value.is_sign_negative());
    let wanted = if directive.zero && !directive.minus { directive.width.saturating_sub(sign.len()) } else { 0 };
    let zeros = wanted.saturating_sub(text.len());
    Some(format!("{sign}{}{text}", "0".repeat(zeros)))
}

/// Rust's `1e5` as `1e+05`.
fn with_exponent(text: &str) -> String {
    let (digits, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let (sign, exponent) = match exponent.strip_prefix('-') {
        Some(exponent) => ('-', exponent),
        None => ('+', exponent),
    };
    format!("{digits}e{sign}{exponent:0>2}")
}

/// `%g` with a precision: so many digits, without zeros at the end.
fn general(value: f64, precision: usize) -> String {
    let scientific = format!("{value:.*e}", precision - 1);
    let exponent: i32 = scientific.split_once('e').and_then(|(_, exponent)| exponent.parse().ok()).unwrap_or(0);
    let trim = |text: &str| match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text.to_owned(),
    };
    let places = i32::try_from(precision).unwrap_or(i32::MAX);
    if exponent < -4 || exponent >= places {
        let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
        return with_exponent(&format!("{}e{exponent}", trim(digits)));
    }
    trim(&format!("{value:.*}", usize::try_from(places - 1 - exponent).unwrap_or(0)))
}

fn string(directive: &Directive, verb: char, text: &str) -> Option<String> {
    let cut: String = match directive.precision {
        Some(precision) => text.chars().take(precision).collect(),
        None => text.to_owned(),
    };
    let hex = |upper: bool| {
        let bytes = text.bytes().take(directive.precision.unwrap_or(usize::MAX));
        bytes.map(|byte| if upper { format!("{byte:02X}") } else { format!("{byte:02x}") }).collect()
    };
    Some(match verb {
        'v' if directive.sharp => quote(&cut),
        's' | 'v' => cut,
        'q' if directive.sharp && !cut.contains('`') => format!("`{cut}`"),
        'q' => quote(&cut),
        'x' => hex(false),
        'X' => hex(true),
        _ => return None,
    })
}

/// Go's strconv.Quote.
fn quote(text: &str) -> String {
    let mut out = String::from('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\x07' => out.push_str("\\a"),
            '\x08' => out.push_str("\\b"),
            '\x0b' => out.push_str("\\v"),
            '\x0c' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\0'..='\x1f' | '\x7f' => out.push_str(&format!("\\x{:02x}", u32::from(c))),
            c if c.is_control() => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// Blanks up to the width; zeros only before numbers, and those are there already.
fn pad(directive: &Directive, text: &str, is_number: bool, out: &mut String) {
    let missing = directive.width.saturating_sub(text.chars().count());
    let filler = if directive.zero && !directive.minus && !is_number { "0" } else { " " };
    if directive.minus {
        out.push_str(text);
        out.push_str(&" ".repeat(missing));
    } else {
        out.push_str(&filler.repeat(missing));
        out.push_str(text);
    }
}
