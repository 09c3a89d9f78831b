//! Environment variables as people give them: `-e` and `--env-file`.

use error::{Error, Result};

/// What one `-e` says, appended to `env`. `caller` looks a bare `KEY` up.
///
/// `-e A=1,B=2` is two variables: a comma splits only when what follows is an upper-case key and the first key is
/// upper-case too, so `NO_PROXY=a,b` and `OPTS=a=b,c=d` stay whole; `\,` keeps a comma that would split.
pub(super) fn push_flag(env: &mut Vec<String>, text: &str, caller: &dyn Fn(&str) -> Option<String>) -> Result<()> {
    let Some((key, value)) = text.split_once('=') else {
        if text.is_empty() {
            return Err(Error::invalid("invalid environment variable: empty name"));
        }
        env.extend(caller(text).map(|value| format!("{text}={value}")));
        return Ok(());
    };
    if key.is_empty() {
        return Err(Error::invalid(format!("invalid environment variable: {text}")));
    }
    if is_upper_key(key) {
        split(env, key, value)
    } else {
        env.push(text.to_owned())
    }
    Ok(())
}

/// `KEY=value` and what a comma splits off it.
fn split(env: &mut Vec<String>, key: &str, value: &str) {
    let mut variable = format!("{key}=");
    let mut rest = value;
    while let Some(comma) = rest.find(',') {
        let (before, after) = (&rest[..comma], &rest[comma + 1..]);
        let begins = after.split_once('=').is_some_and(|(key, _)| is_upper_key(key));
        match before.strip_suffix('\\') {
            Some(unescaped) if begins => {
                variable.push_str(unescaped);
                variable.push(',');
            }
            _ if begins => {
                variable.push_str(before);
                env.push(std::mem::take(&mut variable));
            }
            _ => {
                variable.push_str(before);
                variable.push(',');
            }
        }
        rest = after;
    }
    variable.push_str(rest);
    env.push(variable);
}

/// `[A-Z_][A-Z0-9_]*`
fn is_upper_key(key: &str) -> bool {
    let mut bytes = key.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_uppercase() || b == b'_')
        && bytes.all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
}

/// What an `--env-file` says, appended to `env`: `KEY=value` verbatim (no quotes, no expansion), `#` comments, a bare
/// `KEY` from the caller.
pub(super) fn push_file(
    env: &mut Vec<String>,
    path: &str,
    content: &[u8],
    caller: &dyn Fn(&str) -> Option<String>,
) -> Result<()> {
    let bad = |line: usize, why: String| Error::invalid(format!("invalid env file `{path}`: line {line}: {why}"));
    let content = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content); // the byte order mark some editors write
    for (index, line) in content.split(|&b| b == b'\n').enumerate() {
        let number = index + 1;
        let line = std::str::from_utf8(line).map_err(|_| bad(number, "not UTF-8".into()))?;
        if line.contains('\0') {
            return Err(bad(number, "contains a NUL byte".into()));
        }
        let line = line.strip_suffix('\r').unwrap_or(line).trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let key = line.split_once('=').map_or(line, |(key, _)| key);
        if key.is_empty() {
            return Err(bad(number, format!("no variable name on line '{line}'")));
        }
        if line.contains('=') {
            if key.contains(char::is_whitespace) {
                return Err(bad(number, format!("variable '{key}' contains whitespaces")));
            }
            env.push(line.to_owned());
        } else {
            let key = key.trim_end();
            if key.contains(char::is_whitespace) {
                return Err(bad(number, format!("variable '{key}' contains whitespaces")));
            }
            env.extend(caller(key).map(|value| format!("{key}={value}")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(key: &str) -> Option<String> {
        (key == "HOME").then(|| "/home/me".to_owned())
    }

    #[test]
    fn a_comma_splits_only_between_upper_case_variables() {
        for (text, variables) in [
            ("A=b", &["A=b"][..]),
            ("A=", &["A="]),
            ("K1=V1,K2=V2", &["K1=V1", "K2=V2"]),
            ("A=1,B=2,C=3,", &["A=1", "B=2", "C=3,"]),
            ("NO_PROXY=a,b", &["NO_PROXY=a,b"]),
            ("OPTS=a=b,c=d", &["OPTS=a=b,c=d"]),
            ("opts=a,B=c", &["opts=a,B=c"]),
            (r"A=x\,B=y", &["A=x,B=y"]),
            (r"A=x\,y", &[r"A=x\,y"]),
            ("A=,B=", &["A=", "B="]),
            ("A=1,2B=3", &["A=1,2B=3"]),
            ("_=1,_A9=2", &["_=1", "_A9=2"]),
            ("HOME", &["HOME=/home/me"]),
            ("UNSET", &[]),
        ] {
            let mut env = Vec::new();
            push_flag(&mut env, text, &caller).unwrap();
            assert_eq!(env, variables, "{text}");
        }
        for (text, complaint) in
            [("=x", "invalid environment variable: =x"), ("", "invalid environment variable: empty name")]
        {
            assert_eq!(push_flag(&mut Vec::new(), text, &caller).unwrap_err().to_string(), complaint);
        }
    }

    #[test]
    fn an_env_file_is_taken_verbatim() {
        let content = b"\xef\xbb\xbfA=1\n# comment\n\n  B= two words \r\nC=\"quoted\" $HOME,D=4\nHOME\nUNSET\nE==\n";
        let mut env = Vec::new();
        push_file(&mut env, "f", content, &caller).unwrap();
        assert_eq!(env, ["A=1", "B= two words ", "C=\"quoted\" $HOME,D=4", "HOME=/home/me", "E=="]);
        for (content, complaint) in [
            (&b"A=1\n=x\n"[..], "invalid env file `f`: line 2: no variable name on line '=x'"),
            (b"A B=1", "invalid env file `f`: line 1: variable 'A B' contains whitespaces"),
            (b"A B", "invalid env file `f`: line 1: variable 'A B' contains whitespaces"),
            (b"A=\xff", "invalid env file `f`: line 1: not UTF-8"),
            (b"A=\0", "invalid env file `f`: line 1: contains a NUL byte"),
        ] {
            assert_eq!(push_file(&mut Vec::new(), "f", content, &caller).unwrap_err().to_string(), complaint);
        }
    }
}
