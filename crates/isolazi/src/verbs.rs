//! All commands, and both spellings of each: `isolazi ps` and `isolazi container ls`.
//!
//! A command is built only when it is called: building all of them would cost more than many of them do.

use crate::args::{command, described};
use crate::commands;
use crate::door::Door;
use crate::exit::Of;
use clap::{ArgMatches, Command};
use error::Result;

/// One command.
pub(crate) struct Verb {
    /// Its short spelling: `ps`. One that has none is called by its long one: `container inspect`.
    pub name: &'static str,
    /// Long spellings, each a group and names in it.
    pub long: Option<(&'static str, &'static [&'static str])>,
    /// One sentence.
    pub about: &'static str,
    /// What follows the name in the usage line.
    pub usage: &'static str,
    /// How many positional arguments it takes.
    pub arity: Arity,
    /// Flags stop at the first positional argument: the rest belongs to the payload.
    pub stops_at_first: bool,
    /// Whose exit codes it has.
    pub of: Of,
    /// Its flags.
    pub flags: fn() -> Vec<clap::Arg>,
    /// What it does; the number is its exit code.
    pub run: fn(&mut Door, &ArgMatches) -> Result<u8>,
}

/// How many positional arguments a command takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arity {
    /// None.
    None,
    /// So many.
    Exactly(usize),
    /// From so many to so many.
    Between(usize, usize),
    /// One or more.
    AtLeastOne,
    /// Two or more.
    AtLeastTwo,
    /// None or one.
    AtMostOne,
}

/// A group of commands: `isolazi container …`.
pub(crate) struct Group {
    /// Its name.
    pub name: &'static str,
    /// One sentence.
    pub about: &'static str,
}

/// The groups.
pub(crate) const GROUPS: &[Group] = &[
    Group { name: "container", about: "Manage containers" },
    Group { name: "image", about: "Manage images" },
    Group { name: "network", about: "Manage networks" },
    Group { name: "system", about: "Manage isolazi" },
    Group { name: "volume", about: "Manage volumes" },
];

/// The commands, in the order of the help.
pub(crate) const VERBS: &[Verb] = &[
    commands::run::VERB,
    commands::create::VERB,
    commands::start::VERB,
    commands::stop::VERB,
    commands::restart::VERB,
    commands::kill::VERB,
    commands::pause::VERB,
    commands::unpause::VERB,
    commands::wait::VERB,
    commands::attach::VERB,
    commands::exec::VERB,
    commands::rename::VERB,
    commands::ps::VERB,
    commands::logs::VERB,
    commands::why::VERB,
    commands::port::VERB,
    commands::top::VERB,
    commands::stats::VERB,
    commands::events::VERB,
    commands::inspect::VERB,
    commands::inspect::OF_CONTAINER,
    commands::rm::VERB,
    commands::update::VERB,
    commands::cp::VERB,
    commands::diff::VERB,
    commands::export::VERB,
    commands::commit::VERB,
    commands::pull::VERB,
    commands::images::VERB,
    commands::rmi::VERB,
    commands::inspect::OF_IMAGE,
    commands::prune::VERB,
    commands::prune::OF_CONTAINER,
    commands::prune::OF_IMAGE,
    commands::prune::OF_SYSTEM,
    commands::df::VERB,
    commands::volume::create::VERB,
    commands::volume::ls::VERB,
    commands::volume::inspect::VERB,
    commands::volume::rm::VERB,
    commands::volume::prune::VERB,
    commands::network::create::VERB,
    commands::network::ls::VERB,
    commands::network::inspect::VERB,
    commands::network::rm::VERB,
    commands::network::prune::VERB,
    commands::boot::VERB,
    commands::version::VERB,
    commands::info::VERB,
    commands::completion::VERB,
];

impl Verb {
    /// How clap should read its arguments.
    pub(crate) fn command(&self) -> Command {
        let command = command(self.name, self.about, (self.flags)());
        if self.stops_at_first {
            return command.mut_arg(crate::args::REST, |rest| rest.trailing_var_arg(true));
        }
        command
    }

    /// Its usage line: `isolazi run [OPTIONS] IMAGE [COMMAND] [ARG...]`.
    pub(crate) fn usage_line(&self) -> String {
        format!("isolazi {} {}", self.name, self.usage).trim_end().to_owned()
    }

    /// Is it also called without its group?
    pub(crate) fn has_short_name(&self) -> bool {
        !self.name.contains(' ')
    }

    /// All spellings: `isolazi container ls, isolazi container list, isolazi ps`.
    pub(crate) fn spellings(&self) -> Vec<String> {
        let long =
            self.long.iter().flat_map(|(group, names)| names.iter().map(move |n| format!("isolazi {group} {n}")));
        long.chain(self.has_short_name().then(|| format!("isolazi {}", self.name))).collect()
    }
}

/// All names without a group.
pub(crate) fn short_names() -> impl Iterator<Item = &'static str> {
    VERBS.iter().filter(|verb| verb.has_short_name()).map(|verb| verb.name)
}

/// The command of that short name.
pub(crate) fn find(name: &str) -> Option<&'static Verb> {
    VERBS.iter().find(|verb| verb.name == name)
}

/// The command of that name in a group.
pub(crate) fn find_in(group: &str, name: &str) -> Option<&'static Verb> {
    VERBS.iter().find(|verb| verb.long.is_some_and(|(g, names)| g == group && names.contains(&name)))
}

/// Everything as one tree, for manuals and completions.
pub(crate) fn tree() -> Command {
    let describe = |verb: &Verb, name: &'static str| {
        let usage = verb.usage_line();
        let command = described(verb.command()).name(name).no_binary_name(false).override_usage(usage);
        command.mut_arg(crate::args::REST, |rest| rest.hide(false).value_name("ARG"))
    };
    let mut root = Command::new("isolazi")
        .about("Run containers: isolated, from any image, without a daemon")
        .version(env!("CARGO_PKG_VERSION"))
        .disable_help_subcommand(true)
        .args(crate::dispatch::global_flags());
    for verb in VERBS.iter().filter(|verb| verb.has_short_name()) {
        root = root.subcommand(describe(verb, verb.name));
    }
    for group in GROUPS {
        let mut parent = Command::new(group.name).about(group.about).disable_help_subcommand(true);
        for verb in VERBS {
            if let Some((_, [name, aliases @ ..])) = verb.long.filter(|(g, _)| *g == group.name) {
                parent = parent.subcommand(describe(verb, name).aliases(aliases.iter().copied()));
            }
        }
        root = root.subcommand(parent);
    }
    root = root.subcommand(crate::oci::tree());
    root.subcommand(Command::new("help").about("Help about a command").arg(clap::Arg::new("COMMAND").num_args(0..)))
}
