//! From the command line to a command: global flags, the command's name in either spelling, its arguments.

use crate::args::{self, switch, text};
use crate::console::Console;
use crate::door::Door;
use crate::surroundings::Surroundings;
use crate::usage::{self, Misuse};
use crate::verbs::{self, GROUPS, VERBS, Verb};
use crate::{commands, exit, help};
use clap::Arg;
use error::Kind;
use std::ffi::OsString;
use std::path::PathBuf;

/// Flags before the command.
pub(crate) fn global_flags() -> Vec<Arg> {
    vec![
        text("config", "string", "Location of the client's config files (default ~/.docker)"),
        text("root", "string", "Where to keep images and containers (default ~/.isolazi)"),
        // Habits from Docker that have nothing to choose between here.
        switch("debug", "Accepted for Docker's sake").short('D').hide(true),
        text("log-level", "string", "Accepted for Docker's sake").short('l').hide(true),
        text("context", "string", "Accepted for Docker's sake").short('c').hide(true),
    ]
}

/// What the words before the command's own arguments say.
enum Call {
    Verb(&'static Verb, Vec<OsString>),
    Help(Vec<OsString>),
    Version,
    Misuse(Misuse),
}

/// Runs what `arguments` (without the program's name) ask for; the exit code.
pub(crate) fn dispatch(arguments: Vec<OsString>) -> u8 {
    if arguments.first().is_some_and(|word| word == "internal") {
        return commands::internal::run(&arguments[1..]);
    }
    let mut console = Console::default();
    let (globals, rest) = match take_globals(arguments) {
        Ok(parsed) => parsed,
        Err(misuse) => return report(&mut console, &misuse),
    };
    match globals.call(rest) {
        Call::Misuse(misuse) => report(&mut console, &misuse),
        Call::Version => {
            console.line(&commands::version::one_line());
            end(&mut console, exit::SUCCESS)
        }
        Call::Help(words) => {
            let words: Vec<String> = words.iter().map(|word| word.to_string_lossy().into_owned()).collect();
            match help::page(&words, help::width()) {
                Ok(page) => {
                    console.out(page);
                    end(&mut console, exit::SUCCESS)
                }
                Err(misuse) => report(&mut console, &misuse),
            }
        }
        Call::Verb(verb, words) => call(verb, words, globals, console),
    }
}

/// Parses the command's arguments and runs it.
fn call(verb: &'static Verb, words: Vec<OsString>, globals: Globals, mut console: Console) -> u8 {
    let path = format!("isolazi {}", verb.name);
    let matches = match verb.command().try_get_matches_from(words) {
        Ok(matches) => matches,
        Err(error) => return report(&mut console, &usage::of_flags(&error, &path, &verb.command())),
    };
    if matches.get_flag("help") {
        console.out(help::of_verb(verb, help::width()));
        return end(&mut console, exit::SUCCESS);
    }
    if let Err(misuse) = usage::check_arity(verb, args::all(&matches, args::REST).count()) {
        return report(&mut console, &misuse);
    }
    let mut door = Door { console, surroundings: Surroundings::read(globals.root, globals.config) };
    let code = match (verb.run)(&mut door, &matches) {
        Ok(code) => code,
        Err(error) => {
            let signal = sys::signal::cancelled_by();
            // Who pressed Ctrl-C knows why it ended.
            if error.kind != Kind::Interrupted || signal.is_none() {
                door.console.complain(&error);
            }
            exit::code(verb.of, error.kind, signal)
        }
    };
    end(&mut door.console, code)
}

/// Writes what is left; a result that could not be written is a failure, except when its reader left.
fn end(console: &mut Console, code: u8) -> u8 {
    match console.finish() {
        Ok(()) => code,
        Err(error) if error.kind == Kind::Interrupted => exit::of_signal(sys::signal::number::PIPE),
        Err(error) => {
            console.complain(&error);
            exit::FAILURE.max(code)
        }
    }
}

fn report(console: &mut Console, misuse: &Misuse) -> u8 {
    console.tell(&misuse.text);
    misuse.code
}

/// Values of the global flags.
#[derive(Default)]
struct Globals {
    root: Option<PathBuf>,
    config: Option<PathBuf>,
    help: bool,
    version: bool,
}

/// Splits off the global flags; without any, the usual case, nothing is built.
fn take_globals(arguments: Vec<OsString>) -> Result<(Globals, Vec<OsString>), Misuse> {
    if !arguments.first().is_some_and(|word| word.as_encoded_bytes().starts_with(b"-")) {
        return Ok((Globals::default(), arguments));
    }
    let mut flags = global_flags();
    flags.push(switch("version", "Print version information and quit").short('v'));
    let command = args::command("isolazi", "", flags)
        .mut_arg(args::REST, |rest| rest.trailing_var_arg(true).value_parser(clap::value_parser!(OsString)));
    let matches = command.clone().try_get_matches_from(arguments);
    let mut matches = matches.map_err(|error| usage::of_flags(&error, "isolazi", &command))?;
    let globals = Globals {
        root: args::one(&matches, "root").map(PathBuf::from),
        config: args::one(&matches, "config").map(PathBuf::from),
        help: matches.get_flag("help"),
        version: args::is_on(&matches, "version"),
    };
    Ok((globals, matches.remove_many::<OsString>(args::REST).into_iter().flatten().collect()))
}

impl Globals {
    fn call(&self, mut words: Vec<OsString>) -> Call {
        if self.version {
            return Call::Version;
        }
        if self.help || words.is_empty() {
            return Call::Help(words);
        }
        let name = words.remove(0).to_string_lossy().into_owned();
        if name == "help" {
            return Call::Help(words);
        }
        if let Some(verb) = verbs::find(&name) {
            return Call::Verb(verb, words);
        }
        let Some(group) = GROUPS.iter().find(|group| group.name == name) else {
            let known = verbs::short_names().chain(GROUPS.iter().map(|g| g.name)).chain(["help"]);
            return Call::Misuse(usage::unknown_command("isolazi", &name, known));
        };
        if words.is_empty() || matches!(words[0].to_str(), Some("--help" | "-h")) {
            return Call::Help(vec![group.name.into()]);
        }
        let word = words.remove(0).to_string_lossy().into_owned();
        match verbs::find_in(group.name, &word) {
            Some(verb) => Call::Verb(verb, words),
            None => {
                let known = VERBS.iter().filter_map(|v| v.long.filter(|(g, _)| *g == group.name));
                let known = known.flat_map(|(_, names)| names.iter().copied());
                Call::Misuse(usage::unknown_command(&format!("isolazi {}", group.name), &word, known))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn global_flags_end_where_the_command_begins_and_dockers_habits_do_no_harm() {
        let words = ["-D", "--log-level=debug", "-c", "default", "--root", "/x", "run", "--root", "a"];
        let (globals, rest) =
            take_globals(words.map(OsString::from).to_vec()).unwrap_or_else(|misuse| panic!("{}", misuse.text));
        assert_eq!(globals.root, Some(PathBuf::from("/x")));
        assert_eq!(rest, ["run", "--root", "a"]);
    }
}
