//! Flags in the manner of Docker's (pflag): how each sort is declared to clap, and how its value is taken.
//!
//! Booleans take `--x`, `--x=true` and `--x=false`; short ones cluster (`-it`); values may begin with a dash; the last
//! of repeated single values wins.

use clap::{Arg, ArgAction, ArgMatches, Command};

/// The id of the one positional argument, which takes all that is left.
pub(crate) const REST: &str = "arguments";

/// `--name` as yes or no.
pub(crate) fn switch(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name)
        .long(name)
        .help(help)
        .action(ArgAction::Set)
        .num_args(0..=1)
        .require_equals(true)
        .default_missing_value("true")
        .value_parser(parse_bool)
}

/// `--name VALUE`; `value` is what the help calls it.
pub(crate) fn text(name: &'static str, value: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).help(help).value_name(value).action(ArgAction::Set).allow_hyphen_values(true)
}

/// `--format` of lists.
pub(crate) fn list_format_flag() -> Arg {
    let help = "Format output using a custom template: 'table', 'table TEMPLATE', 'json' or TEMPLATE";
    text("format", "string", help)
}

/// `--name VALUE`, as often as wanted.
pub(crate) fn list(name: &'static str, value: &'static str, help: &'static str) -> Arg {
    text(name, value, help).action(ArgAction::Append)
}

/// `--name VALUE`, where a value that `parse` refuses is a wrong flag, in its words.
pub(crate) fn parsed<T: Clone + Send + Sync + 'static>(
    name: &'static str,
    value: &'static str,
    help: &'static str,
    parse: fn(&str) -> Result<T, String>,
) -> Arg {
    text(name, value, help).value_parser(parse)
}

/// The same, as often as wanted.
pub(crate) fn listed<T: Clone + Send + Sync + 'static>(
    name: &'static str,
    value: &'static str,
    help: &'static str,
    parse: fn(&str) -> Result<T, String>,
) -> Arg {
    list(name, value, help).value_parser(parse)
}

/// A command with the manners that all share. `usage` is what follows the command's name.
pub(crate) fn command(name: &'static str, about: &'static str, flags: Vec<Arg>) -> Command {
    let help = Arg::new("help").long("help").help("Print this help").action(ArgAction::SetTrue);
    let help = if flags.iter().any(|flag| flag.get_short() == Some('h')) { help } else { help.short('h') };
    let rest = Arg::new(REST).num_args(0..).action(ArgAction::Append).hide(true);
    Command::new(name)
        .about(about)
        .disable_help_flag(true)
        .disable_help_subcommand(true)
        .args_override_self(true)
        .no_binary_name(true)
        .args(flags)
        .arg(help)
        .arg(rest)
}

/// The same command for everything that describes it (help, manual, completion), where a switch has no value.
pub(crate) fn described(command: Command) -> Command {
    command.mut_args(|arg| {
        if arg.is_require_equals_set() {
            let help = arg.get_help().cloned().unwrap_or_default();
            let plain = Arg::new(arg.get_id().clone()).help(help).action(ArgAction::SetTrue).hide(arg.is_hide_set());
            let plain = plain.long(clap::builder::Str::from(arg.get_id().clone())); // a switch is called what it is
            return match arg.get_short() {
                Some(short) => plain.short(short),
                None => plain,
            };
        }
        arg
    })
}

/// A switch's value, if it was given.
pub(crate) fn is_given(matches: &ArgMatches, name: &str) -> Option<bool> {
    matches.get_one::<bool>(name).copied()
}

/// A switch that is off unless given.
pub(crate) fn is_on(matches: &ArgMatches, name: &str) -> bool {
    is_given(matches, name).unwrap_or(false)
}

/// A single value.
pub(crate) fn one<'a>(matches: &'a ArgMatches, name: &str) -> Option<&'a str> {
    matches.get_one::<String>(name).map(String::as_str)
}

/// The value of a [`parsed`] flag.
pub(crate) fn value<T: Clone + Send + Sync + 'static>(matches: &ArgMatches, name: &str) -> Option<T> {
    matches.get_one::<T>(name).cloned()
}

/// All values in the order given.
pub(crate) fn all<'a>(matches: &'a ArgMatches, name: &str) -> impl Iterator<Item = &'a str> {
    matches.get_many::<String>(name).into_iter().flatten().map(String::as_str)
}

/// The positional arguments.
pub(crate) fn rest(matches: &ArgMatches) -> Vec<String> {
    all(matches, REST).map(str::to_owned).collect()
}

/// What Go's strconv.ParseBool takes.
fn parse_bool(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err("expected true or false".to_owned()),
    }
}
