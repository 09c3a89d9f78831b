//! The command line of an OCI runtime: `isolazi oci …`, or this program called `runc`, `crun` or `isolazi-oci`.
//!
//! Engines call it for each act on a container, so the way to the act is short: a table is looked through, nothing else
//! is built, and only what engines wait for is read.
//!
//! ```text
//! arguments ─words─► options before the command ─► log file ─► the command's options ─► sealed place? ─► its function
//!                             (table)                               (table)              else again from there
//! failure ─► one line on standard error, one in the log file ─► exit code
//! ```

mod answers;
mod checkpoint;
mod create;
mod document;
mod door;
mod events;
mod exec;
mod foreground;
mod help;
mod kill;
mod log;
mod processes;
mod spec;
mod table;
mod update;
mod words;

pub(crate) use help::{ABOUT, page_of, tree};

use crate::console::Console;
use crate::exit;
use door::Door;
use error::{Error, Kind, Result};
use log::Log;
use std::ffi::{OsStr, OsString};
use std::path::Path;
use table::{Command, GLOBAL};
use words::{Words, parse};

/// The name that means this command line within the other one.
pub(crate) const NAME: &str = "oci";

/// How this program was called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Called {
    /// What people type before a command: `runc`, `isolazi oci`.
    path: &'static str,
    /// The name that `--version` begins with.
    name: &'static str,
}

/// `isolazi oci`.
pub(crate) const BY_COMMAND: Called = Called { path: "isolazi oci", name: "isolazi-oci" };

/// The program's own name, if it means an OCI runtime.
pub(crate) fn called_as(program: &OsStr) -> Option<Called> {
    let name = Path::new(program).file_name()?;
    ["isolazi-oci", "runc", "crun"].into_iter().find(|known| name == *known).map(|name| Called { path: name, name })
}

/// Runs what `words` (without the program's name and without `oci`) ask for; the exit code.
pub(crate) fn run(called: Called, words: Vec<OsString>) -> u8 {
    let mut log = Log::default();
    match obey(called, words, &mut log) {
        Ok(code) => code,
        Err((error, code)) => {
            log.report(&error);
            code
        }
    }
}

/// A failure and its exit code.
type Failure = (Error, u8);

fn obey(called: Called, words: Vec<OsString>, log: &mut Log) -> Result<u8, Failure> {
    let usual = |error| (error, exit::FAILURE);
    let misuse = |error: Error, path: &str| usual(error.hint(format!("see `{path} --help`")));
    let mut globals = parse(GLOBAL, true, words).map_err(|error| misuse(error, called.path))?;
    let mut words = std::mem::take(&mut globals.rest).into_iter();
    *log = Log::open(&globals).map_err(usual)?;
    if globals.on("version") {
        return print(&answers::version_text(called)).map_err(usual);
    }
    let name = words.next();
    let name = name.as_ref().map_or(Some("help"), |name| name.to_str()).filter(|_| !globals.on("help"));
    let name = name.unwrap_or("help");
    if name == "help" || name == "h" {
        let page = help::page(called, words.next().as_deref().and_then(OsStr::to_str));
        return page.and_then(|page| print(&page)).map_err(usual);
    }
    let command = table::find(name).ok_or_else(|| usual(help::unknown(called, name)))?;
    let path = format!("{} {name}", called.path);
    let said = parse(command.options, command.stops_at_first, words).map_err(|error| misuse(error, &path))?;
    if said.on("help") {
        return print(&help::of_command(called, command)).map_err(usual);
    }
    check_arity(command, &path, said.rest.len()).map_err(|error| misuse(error, &path))?;
    act(called, command, globals, &said, log).map_err(|error| (error, command.failure))
}

fn act(called: Called, command: &Command, globals: Words, said: &Words, log: &Log) -> Result<u8> {
    if command.seals && !sys::sealed::is_sealed() {
        return Err(sys::sealed::execute_again(std::env::args_os()));
    }
    if command.seals {
        // It would be the number of a descriptor. A name in `ps` that can't be set is no reason to fail.
        let _ = std::ffi::CString::new(called.name).map(|name| sys::process::set_name(&name));
    }
    door::check_preserved(said)?;
    // Not before: what we inherited would be lost on the way to the sealed place.
    crate::start();
    let mut door = Door { called, globals, log, console: Console::default() };
    let code = (command.run)(&mut door, said)?;
    end(&mut door.console, code)
}

/// Writes what is left. A reader that left (`list | head -0`) ends the command as SIGPIPE would.
fn end(console: &mut Console, code: u8) -> Result<u8> {
    match console.finish() {
        Ok(()) => Ok(code),
        Err(error) if error.kind == Kind::Interrupted => Ok(exit::of_signal(sys::signal::number::PIPE)),
        Err(error) => Err(error),
    }
}

fn check_arity(command: &Command, path: &str, count: usize) -> Result<()> {
    let (least, most) = command.arity;
    let many = |n: usize| if n == 1 { "1 argument".to_owned() } else { format!("{n} arguments") };
    if count < least {
        return Err(Error::invalid(format!("`{path}` needs at least {}", many(least))));
    }
    if count > most {
        return Err(Error::invalid(format!("`{path}` takes at most {}", many(most))));
    }
    Ok(())
}

fn print(text: &str) -> Result<u8> {
    let mut console = Console::default();
    console.out(text);
    end(&mut console, exit::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_runtimes_mean_a_runtime() {
        for (program, name) in [
            ("runc", Some("runc")),
            ("/usr/sbin/crun", Some("crun")),
            ("./isolazi-oci", Some("isolazi-oci")),
            ("isolazi", None),
            ("/runc/isolazi", None),
            ("runc2", None),
            ("", None),
        ] {
            assert_eq!(called_as(OsStr::new(program)).map(|called| called.name), name, "{program}");
        }
    }
}
