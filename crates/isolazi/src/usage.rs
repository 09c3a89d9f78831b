//! Wrong command lines, in Docker's words.

use crate::exit;
use crate::verbs::{Arity, Verb};
use clap::Command;
use clap::error::{ContextKind, ContextValue, ErrorKind};

/// A command line that cannot be meant.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Misuse {
    /// All lines for standard error.
    pub text: String,
    /// The exit code.
    pub code: u8,
}

/// What clap found wrong with the arguments of a command; `path` is how it is called: `isolazi run`.
pub(crate) fn of_flags(error: &clap::Error, path: &str, command: &Command) -> Misuse {
    let context = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => text.as_str(),
        Some(ContextValue::Strings(texts)) => texts.first().map_or("", String::as_str),
        _ => "",
    };
    let flag = context(ContextKind::InvalidArg);
    // clap shows a flag with its value's name (`--name <string>`); people know it without.
    let flag = flag.split([' ', '[']).next().unwrap_or(flag);
    let value = context(ContextKind::InvalidValue);
    let message = match error.kind() {
        ErrorKind::UnknownArgument => match flag.strip_prefix('-') {
            Some(short) if !short.starts_with('-') => format!("unknown shorthand flag: '{short}' in -{short}"),
            _ => format!("unknown flag: {flag}"),
        },
        ErrorKind::InvalidValue | ErrorKind::NoEquals | ErrorKind::WrongNumberOfValues if value.is_empty() => {
            format!("flag needs an argument: {flag}")
        }
        ErrorKind::InvalidValue | ErrorKind::ValueValidation => {
            let why = std::error::Error::source(error).map_or_else(String::new, |cause| format!(": {cause}"));
            // As pflag shows it: with the short name first.
            let is_it = |arg: &&clap::Arg| arg.get_long().is_some_and(|long| flag.strip_prefix("--") == Some(long));
            let short = command.get_arguments().find(is_it).and_then(clap::Arg::get_short);
            let flag = short.map_or_else(|| flag.to_owned(), |short| format!("-{short}, {flag}"));
            format!("invalid argument \"{}\" for \"{flag}\" flag{why}", value.escape_debug())
        }
        ErrorKind::InvalidUtf8 => "an argument is not valid UTF-8".to_owned(),
        _ => {
            let text = error.render().to_string();
            let line = text.lines().next().unwrap_or_default();
            line.trim_start_matches("error: ").to_owned()
        }
    };
    Misuse { text: format!("Error: {message}\n\nSee '{path} --help'.\n"), code: exit::OURS }
}

/// Are there as many arguments as the command takes?
pub(crate) fn check_arity(verb: &Verb, count: usize) -> Result<(), Misuse> {
    let path = format!("isolazi {}", verb.name);
    let plural = |n: usize| if n == 1 { "argument" } else { "arguments" };
    let complaint = match verb.arity {
        Arity::None if count > 0 => format!("'{path}' accepts no arguments"),
        Arity::Exactly(wanted) if count != wanted => format!("'{path}' requires {wanted} {}", plural(wanted)),
        Arity::Between(least, most) if !(least..=most).contains(&count) => {
            format!("'{path}' requires at least {least} and at most {most} {}", plural(most))
        }
        Arity::AtLeastOne if count == 0 => format!("'{path}' requires at least 1 argument"),
        Arity::AtLeastTwo if count < 2 => format!("'{path}' requires at least 2 arguments"),
        Arity::AtMostOne if count > 1 => format!("'{path}' requires at most 1 argument"),
        _ => return Ok(()),
    };
    let usage = verb.usage_line();
    let text = format!("Error: {complaint}\n\nUsage:  {usage}\n\nSee '{path} --help' for more information\n");
    Err(Misuse { text, code: exit::FAILURE })
}

/// A command that does not exist. `path` is what was recognised before it: `isolazi` or `isolazi image`.
pub(crate) fn unknown_command<'a>(path: &str, name: &str, known: impl Iterator<Item = &'a str>) -> Misuse {
    let mut text = format!("isolazi: unknown command: {path} {}\n", name.escape_debug());
    if let Some(near) = nearest(name, known) {
        text.push_str(&format!("Hint: did you mean `{path} {near}`?\n"));
    }
    text.push_str(&format!("\nRun '{path} --help' for more information\n"));
    Misuse { text, code: exit::FAILURE }
}

/// The known word that differs least, if it differs little.
pub(crate) fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let limit = match word.chars().count() {
        0 | 1 => 0,
        2..=4 => 1,
        _ => 2,
    };
    known.map(|candidate| (distance(word, candidate), candidate)).filter(|(d, _)| *d <= limit).min().map(|(_, c)| c)
}

/// How many letters must be added, removed, replaced or swapped with their neighbour (optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            if i == 0 || j == 0 {
                rows[i][j] = i + j;
                continue;
            }
            let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            rows[i][j] = replaced.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                rows[i][j] = rows[i][j].min(rows[i - 2][j - 2] + 1);
            }
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn misuse(arguments: &[&str]) -> String {
        let verb = crate::verbs::find("run").unwrap();
        let error = verb.command().try_get_matches_from(arguments).unwrap_err();
        let misuse = of_flags(&error, "isolazi run", &verb.command());
        assert_eq!(misuse.code, 125);
        misuse.text
    }

    #[test]
    fn wrong_flags_are_reported_in_one_line() {
        for (arguments, complaint) in [
            (&["--nope", "alpine"][..], "unknown flag: --nope"),
            (&["--nope=1", "alpine"], "unknown flag: --nope"),
            (&["--publishes", "80:80", "alpine"], "unknown flag: --publishes"),
            (&["-y80:80", "alpine"], "unknown shorthand flag: 'y' in -y"),
            (
                &["-p", "80:x/tcp", "alpine"],
                "invalid argument \"80:x/tcp\" for \"-p, --publish\" flag: invalid containerPort: x",
            ),
            (&["-iz", "alpine"], "unknown shorthand flag: 'z' in -z"),
            (&["--name"], "flag needs an argument: --name"),
            (&["-e"], "flag needs an argument: --env"),
            (&["-m", "64q", "alpine"], "invalid argument \"64q\" for \"-m, --memory\" flag: invalid suffix: 'q'"),
            (
                &["--cpus=x", "alpine"],
                "invalid argument \"x\" for \"--cpus\" flag: failed to parse x as a rational number",
            ),
            (&["-t=maybe", "alpine"], "invalid argument \"maybe\" for \"-t, --tty\" flag: expected true or false"),
        ] {
            let expected = format!("Error: {complaint}\n\nSee 'isolazi run --help'.\n");
            assert_eq!(misuse(arguments), expected, "{arguments:?}");
        }
    }

    #[test]
    fn too_few_arguments_show_the_usage() {
        let text = check_arity(crate::verbs::find("run").unwrap(), 0).unwrap_err();
        assert_eq!(
            text,
            Misuse {
                text: "Error: 'isolazi run' requires at least 1 argument\n\nUsage:  isolazi run [OPTIONS] IMAGE \
                       [COMMAND] [ARG...]\n\nSee 'isolazi run --help' for more information\n"
                    .into(),
                code: 1
            }
        );
    }

    #[test]
    fn a_near_miss_is_guessed_and_a_far_one_is_not() {
        let known = || crate::verbs::VERBS.iter().map(|verb| verb.name);
        for (typed, meant) in [
            ("rnu", Some("run")),
            ("pul", Some("pull")),
            ("imagse", Some("images")),
            ("verison", Some("version")),
            ("foo", None),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(nearest(typed, known()), meant, "{typed}");
        }
        assert_eq!(
            unknown_command("isolazi", "pul", known()).text,
            "isolazi: unknown command: isolazi pul\nHint: did you mean `isolazi pull`?\n\nRun 'isolazi --help' for more \
             information\n"
        );
    }
}
