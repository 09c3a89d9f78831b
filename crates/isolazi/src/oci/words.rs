//! Parsing: words of a command line become options with values, and arguments.
//!
//! `--name value`, `--name=value`, `-name` as Go's programs have it, `-n value`, `-nvalue`, `-n=value`, clusters of
//! letters, `--` before what are no options. Nothing is built at the start: tables are looked through.

use super::table::{HELP, Opt, Takes};
use error::{Error, Result};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::str::FromStr;

/// What was said.
#[derive(Debug, Default)]
pub(super) struct Words {
    options: Vec<(&'static Opt, OsString)>,
    /// What are no options.
    pub rest: Vec<OsString>,
}

const TRUE: &str = "true";
const FALSE: &str = "false";

/// Parses by a table. With `stops_at_first`, options end at the first argument.
pub(super) fn parse(
    table: &'static [Opt],
    stops_at_first: bool,
    words: impl IntoIterator<Item = OsString>,
) -> Result<Words> {
    let mut said = Words::default();
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        match word.as_bytes() {
            b"--" => {
                said.rest.extend(words);
                break;
            }
            [b'-', b'-', long @ ..] => {
                let (name, value) = split(long);
                let option = find_long(table, name).ok_or_else(|| unknown(&word))?;
                said.take(option, value, &mut words)?;
            }
            [b'-', letters @ ..] if !letters.is_empty() => {
                let (name, value) = split(letters);
                match find_long(table, name) {
                    Some(option) => said.take(option, value, &mut words)?,
                    None => said.take_letters(table, &word, &mut words)?,
                }
            }
            _ => {
                said.rest.push(word);
                if stops_at_first {
                    said.rest.extend(words);
                    break;
                }
            }
        }
    }
    Ok(said)
}

impl Words {
    fn take(
        &mut self,
        option: &'static Opt,
        value: Option<&[u8]>,
        words: &mut impl Iterator<Item = OsString>,
    ) -> Result<()> {
        let value = match (option.takes, value) {
            (Takes::Nothing, None) => OsString::from(TRUE),
            (Takes::Nothing, Some(value)) => is_true(option, value)?.into(),
            (_, Some(value)) => OsStr::from_bytes(value).to_owned(),
            (_, None) => {
                words.next().ok_or_else(|| Error::invalid(format!("option `--{}` needs a value", option.long)))?
            }
        };
        self.options.push((option, value));
        Ok(())
    }

    /// `-d`, `-dt`, `-u 0`, `-u0`, `-u=0`.
    fn take_letters(
        &mut self,
        table: &'static [Opt],
        word: &OsStr,
        words: &mut impl Iterator<Item = OsString>,
    ) -> Result<()> {
        let mut letters = &word.as_bytes()[1..];
        while let [letter, rest @ ..] = letters {
            let option = find_short(table, char::from(*letter)).ok_or_else(|| unknown(word))?;
            let value = rest.strip_prefix(b"=");
            if option.takes == Takes::Nothing && value.is_none() {
                self.take(option, None, words)?;
                letters = rest;
                continue;
            }
            return self.take(option, value.or((!rest.is_empty()).then_some(rest)), words);
        }
        Ok(())
    }

    /// Is that switch on?
    pub(super) fn on(&self, long: &str) -> bool {
        self.switch(long).unwrap_or(false)
    }

    /// Was that switch turned, and how?
    pub(super) fn switch(&self, long: &str) -> Option<bool> {
        self.one(long).map(|value| value == TRUE)
    }

    /// The last value of that option.
    pub(super) fn one(&self, long: &str) -> Option<&OsStr> {
        self.all(long).next_back()
    }

    /// All its values.
    pub(super) fn all(&self, long: &str) -> impl DoubleEndedIterator<Item = &OsStr> {
        self.options.iter().filter(move |(option, _)| option.long == long).map(|(_, value)| value.as_os_str())
    }

    /// Its last value as a path.
    pub(super) fn path(&self, long: &str) -> Option<&Path> {
        self.one(long).filter(|value| !value.is_empty()).map(Path::new)
    }

    /// Its last value as text.
    pub(super) fn text(&self, long: &str) -> Result<Option<&str>> {
        self.one(long).map(|value| text(long, value)).transpose()
    }

    /// All its values as texts.
    pub(super) fn texts(&self, long: &str) -> Result<Vec<&str>> {
        self.all(long).map(|value| text(long, value)).collect()
    }

    /// Its last value as a number.
    pub(super) fn number<T: FromStr>(&self, long: &str) -> Result<Option<T>> {
        self.text(long)?.map(|value| number(long, value)).transpose()
    }

    /// The id, which is the first argument of most commands.
    pub(super) fn id(&self) -> Result<&str> {
        let id = self.rest.first().and_then(|id| id.to_str());
        id.filter(|id| !id.is_empty()).ok_or_else(|| Error::invalid("container id cannot be empty or other than UTF-8"))
    }
}

fn text<'a>(long: &str, value: &'a OsStr) -> Result<&'a str> {
    value.to_str().ok_or_else(|| Error::invalid(format!("option `--{long}`: the value is not UTF-8")))
}

/// A number given to an option.
pub(super) fn number<T: FromStr>(long: &str, value: &str) -> Result<T> {
    value.parse().map_err(|_| Error::invalid(format!("option `--{long}`: `{value}` is no number that fits")))
}

/// At the first `=`.
fn split(word: &[u8]) -> (&[u8], Option<&[u8]>) {
    match word.iter().position(|&byte| byte == b'=') {
        Some(at) => (&word[..at], Some(&word[at + 1..])),
        None => (word, None),
    }
}

fn find_long(table: &'static [Opt], name: &[u8]) -> Option<&'static Opt> {
    let is_it =
        |option: &&Opt| option.long.as_bytes() == name || option.alias.is_some_and(|alias| alias.as_bytes() == name);
    table.iter().find(is_it).or_else(|| Some(&HELP).filter(is_it))
}

fn find_short(table: &'static [Opt], letter: char) -> Option<&'static Opt> {
    let is_it = |option: &&Opt| option.short == Some(letter);
    table.iter().find(is_it).or_else(|| Some(&HELP).filter(is_it))
}

/// The words that Go's `strconv.ParseBool` knows, which the callers' switches are written with.
fn is_true(option: &Opt, value: &[u8]) -> Result<&'static str> {
    match value {
        b"1" | b"t" | b"T" | b"true" | b"TRUE" | b"True" => Ok(TRUE),
        b"0" | b"f" | b"F" | b"false" | b"FALSE" | b"False" => Ok(FALSE),
        _ => Err(Error::invalid(format!(
            "option `--{}` takes `true` or `false`, not `{}`",
            option.long,
            String::from_utf8_lossy(value)
        ))),
    }
}

fn unknown(word: &OsStr) -> Error {
    let name = word.as_bytes().split(|&byte| byte == b'=').next().unwrap_or_default();
    Error::invalid(format!("unknown option `{}`", String::from_utf8_lossy(name)))
}

#[cfg(test)]
mod tests {
    use super::super::table::{GLOBAL, find};
    use super::*;

    /// What an `exec` with these words says, as one line.
    fn exec(line: &str) -> String {
        let command = find("exec").unwrap();
        match parse(command.options, command.stops_at_first, line.split(' ').map(OsString::from)) {
            Ok(words) => {
                let options =
                    words.options.iter().map(|(option, value)| format!("{}={}", option.long, value.display()));
                let rest = words.rest.iter().map(|word| word.display().to_string());
                options.chain(["|".to_owned()]).chain(rest).collect::<Vec<_>>().join(" ")
            }
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn options_have_all_spellings_that_callers_use() {
        for (line, said) in [
            ("--detach --pid-file /p x sh", "detach=true pid-file=/p | x sh"),
            ("--pid-file=/p=q --detach=false x", "pid-file=/p=q detach=false | x"),
            ("-pid-file /p -detach x", "pid-file=/p detach=true | x"),
            ("-dt -u 0:0 x sh -c a", "detach=true tty=true user=0:0 | x sh -c a"),
            ("-u1 -e=A=b -eC=d -tdg 5 x", "user=1 env=A=b env=C=d tty=true detach=true additional-gids=5 | x"),
            ("-- -x sh", "| -x sh"),
            ("x -d", "| x -d"),
            ("- x", "| - x"),
            ("-h", "help=true |"),
            ("--tty=maybe x", "option `--tty` takes `true` or `false`, not `maybe`"),
            ("-t=0 x", "tty=false | x"),
            ("--cwd", "option `--cwd` needs a value"),
            ("-u", "option `--user` needs a value"),
            ("--nope=1 x", "unknown option `--nope`"),
            ("-dz x", "unknown option `-dz`"),
        ] {
            assert_eq!(exec(line), said, "{line}");
        }
    }

    #[test]
    fn options_may_follow_the_id_where_nothing_else_can() {
        let command = find("delete").unwrap();
        let words = parse(command.options, command.stops_at_first, ["x", "--force"].map(OsString::from)).unwrap();
        assert!(words.on("force") && words.rest == ["x"]);
    }

    #[test]
    fn the_last_value_counts_and_switches_turn_back() {
        let line = ["--root", "/a", "--root=/b", "--debug", "--debug=false", "create", "--root"];
        let words = parse(GLOBAL, true, line.map(OsString::from)).unwrap();
        assert_eq!(words.one("root"), Some(OsStr::new("/b")));
        assert_eq!((words.on("debug"), words.switch("debug"), words.switch("version")), (false, Some(false), None));
        assert_eq!(words.rest, ["create", "--root"]);
    }

    #[test]
    fn every_name_means_one_option() {
        for command in super::super::table::COMMANDS {
            let mut names: Vec<String> = Vec::new();
            for option in command.options.iter().chain([&HELP]) {
                names.extend([option.long].into_iter().chain(option.alias).map(str::to_owned));
                names.extend(option.short.map(String::from));
            }
            let count = names.len();
            names.sort();
            names.dedup();
            assert_eq!(names.len(), count, "{}", command.name);
        }
    }
}
