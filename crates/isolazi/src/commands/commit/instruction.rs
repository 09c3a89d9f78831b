//! `--change`: one line of a Dockerfile, of the instructions that make no layer.

use api::{CommandLine, ConfigChange};
use error::{Error, Result};
use serde_json::{Map, Value, json};

/// What a line says; some instructions take several values.
pub(super) fn parse(line: &str) -> Result<Vec<ConfigChange>> {
    let line = line.trim();
    let (name, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let rest = rest.trim();
    let upper = name.to_ascii_uppercase();
    let needed = |text: &str| {
        let wrong = || Error::invalid(format!("{upper} requires exactly one argument"));
        if text.is_empty() { Err(wrong()) } else { Ok(text.to_owned()) }
    };
    match upper.as_str() {
        "CMD" => Ok(vec![ConfigChange::Cmd(command(rest))]),
        "ENTRYPOINT" => Ok(vec![ConfigChange::Entrypoint(command(rest))]),
        "ENV" => Ok(pairs("ENV", rest)?.into_iter().map(|(key, value)| ConfigChange::Env(key, value)).collect()),
        "LABEL" => Ok(pairs("LABEL", rest)?.into_iter().map(|(key, value)| ConfigChange::Label(key, value)).collect()),
        "EXPOSE" => at_least_one("EXPOSE", words(rest)?)?.iter().map(|port| expose(port)).collect(),
        "HEALTHCHECK" => healthcheck(rest).map(|value| vec![ConfigChange::Healthcheck(value)]),
        "ONBUILD" => Ok(vec![ConfigChange::Onbuild(needed(rest)?)]),
        "STOPSIGNAL" => Ok(vec![ConfigChange::StopSignal(needed(rest)?)]),
        "USER" => Ok(vec![ConfigChange::User(needed(rest)?)]),
        "WORKDIR" => Ok(vec![ConfigChange::Workdir(needed(rest)?)]),
        "VOLUME" => {
            let paths = json_words(rest).map_or_else(|| words(rest), Ok)?;
            Ok(at_least_one("VOLUME", paths)?.into_iter().map(ConfigChange::Volume).collect())
        }
        "" => Err(Error::invalid("file with no instructions")),
        _ => Err(Error::invalid(format!("{name} is not a valid change command"))),
    }
}

/// A JSON list is the words of a command; anything else is a line for a shell.
fn command(text: &str) -> CommandLine {
    match json_words(text) {
        Some(words) => CommandLine::Words(words),
        None if text.is_empty() => CommandLine::Words(Vec::new()),
        None => CommandLine::Shell(text.to_owned()),
    }
}

fn json_words(text: &str) -> Option<Vec<String>> {
    text.starts_with('[').then(|| serde_json::from_str(text).ok()).flatten()
}

fn at_least_one(name: &str, words: Vec<String>) -> Result<Vec<String>> {
    if words.is_empty() { Err(Error::invalid(format!("{name} requires at least one argument"))) } else { Ok(words) }
}

/// `k=v k2="v 2"`, or the old `k v` with one pair.
fn pairs(name: &str, text: &str) -> Result<Vec<(String, String)>> {
    let found = at_least_one(name, words(text)?)?;
    if !found[0].contains('=') {
        let (key, value) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        if value.is_empty() {
            return Err(Error::invalid(format!("{name} must have two arguments")));
        }
        return Ok(vec![(key.to_owned(), value.trim().to_owned())]);
    }
    found
        .iter()
        .map(|word| match word.split_once('=') {
            Some(("", _)) => Err(Error::invalid(format!("{name} names can not be blank"))),
            Some((key, value)) => Ok((key.to_owned(), value.to_owned())),
            None => {
                Err(Error::invalid(format!("Syntax error - can't find = in {word:?}. Must be of the form: name=value")))
            }
        })
        .collect()
}

/// Words as a shell splits them: quotes hold blanks, a backslash the next character.
fn words(text: &str) -> Result<Vec<String>> {
    let (mut words, mut word, mut quote, mut begun) = (Vec::new(), String::new(), None, false);
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match (quote, character) {
            (Some('\''), '\'') | (Some('"'), '"') => quote = None,
            (None, '\'' | '"') => (quote, begun) = (Some(character), true),
            (None | Some('"'), '\\') => {
                word.push(characters.next().unwrap_or('\\'));
                begun = true;
            }
            (None, blank) if blank.is_whitespace() => {
                if std::mem::take(&mut begun) {
                    words.push(std::mem::take(&mut word));
                }
            }
            (_, character) => {
                word.push(character);
                begun = true;
            }
        }
    }
    if quote.is_some() {
        return Err(Error::invalid(format!(
            "unexpected end of statement while looking for matching quote in {text:?}"
        )));
    }
    words.extend(begun.then_some(word));
    Ok(words)
}

/// `80`, `80/udp`, `8000-8010/tcp`.
fn expose(port: &str) -> Result<ConfigChange> {
    let (ports, protocol) = port.split_once('/').unwrap_or((port, "tcp"));
    let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
    let number = |text: &str| text.parse::<u16>().ok().filter(|port| *port > 0);
    let protocol = protocol.to_ascii_lowercase();
    match (number(first), number(last)) {
        (Some(first), Some(last)) if first <= last && ["tcp", "udp", "sctp"].contains(&protocol.as_str()) => {
            Ok(ConfigChange::Expose(format!("{ports}/{protocol}")))
        }
        _ => Err(Error::invalid(format!("invalid containerPort: {port}"))),
    }
}

/// `NONE`, or `[--interval=…] … CMD command`. Docker keeps times in nanoseconds.
fn healthcheck(text: &str) -> Result<Value> {
    let mut check = Map::new();
    let mut rest = text;
    while let Some(flag) = rest.strip_prefix("--") {
        let (flag, after) = flag.split_once(char::is_whitespace).unwrap_or((flag, ""));
        rest = after.trim_start();
        let wrong = || Error::invalid(format!("invalid option `--{flag}` of HEALTHCHECK"));
        let (name, value) = flag.split_once('=').ok_or_else(wrong)?;
        let (key, value) = match name {
            "interval" => ("Interval", nanoseconds(value)),
            "timeout" => ("Timeout", nanoseconds(value)),
            "start-period" => ("StartPeriod", nanoseconds(value)),
            "start-interval" => ("StartInterval", nanoseconds(value)),
            "retries" => ("Retries", value.parse().ok()),
            _ => return Err(wrong()),
        };
        check.insert(key.to_owned(), json!(value.ok_or_else(wrong)?));
    }
    let (word, line) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let test = match (word.to_ascii_uppercase().as_str(), line.trim()) {
        ("NONE", "") => vec!["NONE".to_owned()],
        ("CMD", line) if !line.is_empty() => match command(line) {
            CommandLine::Words(words) => [vec!["CMD".to_owned()], words].concat(),
            CommandLine::Shell(line) => vec!["CMD-SHELL".to_owned(), line],
        },
        ("CMD", _) => return Err(Error::invalid("missing command after HEALTHCHECK CMD")),
        _ => return Err(Error::invalid(format!("unknown type {word:?} in HEALTHCHECK (try CMD)"))),
    };
    check.insert("Test".to_owned(), json!(test));
    Ok(Value::Object(check))
}

/// `1m30s`, `500ms`: Go's way to write a time.
fn nanoseconds(text: &str) -> Option<u64> {
    let mut total = 0_u64;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|character: char| !character.is_ascii_digit())?;
        let number: u64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let end = rest.find(|character: char| character.is_ascii_digit()).unwrap_or(rest.len());
        let unit = match &rest[..end] {
            "h" => 3_600_000_000_000,
            "m" => 60_000_000_000,
            "s" => 1_000_000_000,
            "ms" => 1_000_000,
            "us" | "µs" => 1_000,
            "ns" => 1,
            _ => return None,
        };
        total = total.checked_add(number.checked_mul(unit)?)?;
        rest = &rest[end..];
    }
    (!text.is_empty()).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_in_a_dockerfile() {
        let env = |key: &str, value: &str| ConfigChange::Env(key.into(), value.into());
        for (line, expected) in [
            ("CMD [\"a\", \"b c\"]", vec![ConfigChange::Cmd(CommandLine::Words(vec!["a".into(), "b c".into()]))]),
            ("cmd echo  hi", vec![ConfigChange::Cmd(CommandLine::Shell("echo  hi".into()))]),
            ("ENTRYPOINT []", vec![ConfigChange::Entrypoint(CommandLine::Words(vec![]))]),
            ("ENV A=1 B=\"x y\" C=d\\ e", vec![env("A", "1"), env("B", "x y"), env("C", "d e")]),
            ("ENV A x  y", vec![env("A", "x  y")]),
            ("EXPOSE 80 53/UDP", vec![ConfigChange::Expose("80/tcp".into()), ConfigChange::Expose("53/udp".into())]),
            ("VOLUME [\"/a\",\"/b\"]", vec![ConfigChange::Volume("/a".into()), ConfigChange::Volume("/b".into())]),
            ("LABEL a.b='c d'", vec![ConfigChange::Label("a.b".into(), "c d".into())]),
            ("ONBUILD RUN x", vec![ConfigChange::Onbuild("RUN x".into())]),
            (
                "HEALTHCHECK --interval=1m30s --retries=3 CMD curl x",
                vec![ConfigChange::Healthcheck(
                    json!({"Interval": 90_000_000_000_u64, "Retries": 3, "Test": ["CMD-SHELL", "curl x"]}),
                )],
            ),
        ] {
            assert_eq!(parse(line).unwrap(), expected, "{line}");
        }
    }

    #[test]
    fn what_is_no_change_is_told() {
        for (line, text) in [
            ("RUN true", "RUN is not a valid change command"),
            ("", "file with no instructions"),
            ("USER", "USER requires exactly one argument"),
            ("ENV A", "ENV must have two arguments"),
            ("ENV A=1 B", "Syntax error - can't find = in \"B\". Must be of the form: name=value"),
            ("EXPOSE 0", "invalid containerPort: 0"),
            ("HEALTHCHECK RUN", "unknown type \"RUN\" in HEALTHCHECK (try CMD)"),
        ] {
            assert_eq!(parse(line).unwrap_err().to_string(), text, "{line}");
        }
    }
}
