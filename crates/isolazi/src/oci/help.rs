//! Help pages and the tree for man pages and completions, both from the table.

use super::table::{COMMANDS, Command, GLOBAL, HELP, Opt, Takes, find};
use super::{BY_COMMAND, Called};
use crate::usage;
use clap::{Arg, ArgAction};
use error::{Error, Result};
use std::fmt::Write;

/// One sentence about all of it.
pub(crate) const ABOUT: &str = "Run containers from OCI bundles, as runc and crun do";
/// Options are described from this column on.
const COLUMN: usize = 32;

/// `isolazi help oci [COMMAND]`.
pub(crate) fn page_of(command: Option<&str>) -> Result<String> {
    page(BY_COMMAND, command)
}

/// The page of a command, or of all.
pub(super) fn page(called: Called, command: Option<&str>) -> Result<String> {
    match command {
        None => Ok(overview(called)),
        Some(name) => find(name).map(|command| of_command(called, command)).ok_or_else(|| unknown(called, name)),
    }
}

/// A command that does not exist.
pub(super) fn unknown(called: Called, name: &str) -> Error {
    let near = usage::nearest(name, COMMANDS.iter().map(|command| command.name));
    let error = Error::invalid(format!("unknown command `{name}`"));
    let error = near.map_or(error.clone(), |near| error.hint(format!("did you mean `{} {near}`?", called.path)));
    error.hint(format!("see `{} --help`", called.path))
}

/// `isolazi oci --help`.
fn overview(called: Called) -> String {
    let mut text = format!("Usage:  {} [OPTIONS] COMMAND\n\n{ABOUT}\n\nCommands:\n", called.path);
    for command in COMMANDS {
        let _ = writeln!(text, "  {:12} {}", command.name, command.about); // a String takes everything
    }
    text.push_str("\nOptions:\n");
    GLOBAL.iter().for_each(|option| describe(&mut text, option));
    let _ = write!(text, "\nRun '{} COMMAND --help' for more information on a command.\n", called.path);
    text
}

/// `isolazi oci create --help`.
pub(super) fn of_command(called: Called, command: &Command) -> String {
    let usage = format!("{} {} [OPTIONS] {}", called.path, command.name, command.usage);
    let mut text = format!("Usage:  {}\n\n{}\n\nOptions:\n", usage.trim_end(), command.about);
    command.options.iter().chain([&HELP]).for_each(|option| describe(&mut text, option));
    text
}

/// One line; the description on a line of its own where the names are long.
fn describe(text: &mut String, option: &Opt) {
    if option.help.is_empty() {
        return;
    }
    let short = option.short.map_or_else(|| "    ".to_owned(), |letter| format!("-{letter}, "));
    let mut names = format!("  {short}--{}", option.long);
    if let Some(alias) = option.alias {
        names.push_str(&format!(", --{alias}"));
    }
    if let Takes::One(value) | Takes::Many(value) = option.takes {
        names.push_str(&format!(" {value}"));
    }
    if names.len() + 2 > COLUMN {
        names.push('\n');
        names.push_str(&" ".repeat(COLUMN));
    }
    let _ = writeln!(text, "{names:COLUMN$}{}", option.help); // a String takes everything
}

/// All of it as a part of the command line's tree.
pub(crate) fn tree() -> clap::Command {
    let mut root = clap::Command::new(super::NAME).about(ABOUT).disable_help_subcommand(true).disable_help_flag(true);
    root = root.args(GLOBAL.iter().map(argument));
    for command in COMMANDS {
        let usage = format!("isolazi oci {} [OPTIONS] {}", command.name, command.usage);
        let mut one = clap::Command::new(command.name).about(command.about).override_usage(usage.trim_end().to_owned());
        one = one.disable_help_flag(true).args(command.options.iter().chain([&HELP]).map(argument));
        root = root.subcommand(one);
    }
    root
}

fn argument(option: &Opt) -> Arg {
    let mut arg = Arg::new(option.long).long(option.long).help(option.help).hide(option.help.is_empty());
    if let Some(letter) = option.short {
        arg = arg.short(letter);
    }
    if let Some(alias) = option.alias {
        arg = arg.visible_alias(alias);
    }
    match option.takes {
        Takes::Nothing => arg.action(ArgAction::SetTrue),
        Takes::One(value) => arg.value_name(value).action(ArgAction::Set),
        Takes::Many(value) => arg.value_name(value).action(ArgAction::Append),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every page, so that a change of words is seen. `UPDATE_GOLDEN=1` writes it anew.
    #[test]
    fn every_page_is_as_recorded() {
        let pages = [None].into_iter().chain(COMMANDS.iter().map(|command| Some(command.name)));
        let text: String = pages
            .map(|name| format!("$ isolazi oci {} --help\n{}\n", name.unwrap_or_default(), page_of(name).unwrap()))
            .collect();
        testkit::golden("tests/golden/oci-help.txt", &text);
    }

    #[test]
    fn the_tree_is_one_that_clap_accepts() {
        tree().debug_assert();
    }

    #[test]
    fn unknown_commands_are_told_with_what_was_meant() {
        let called = super::super::called_as(std::ffi::OsStr::new("runc")).unwrap();
        let error = unknown(called, "strat");
        assert_eq!(error.to_string(), "unknown command `strat`");
        assert_eq!(error.hints, ["did you mean `runc start`?", "see `runc --help`"]);
    }
}
