//! `isolazi prune`, `container prune`, `image prune`, `system prune`: what nobody uses is removed.
//!
//! `prune` alone is `system prune -a` that tells a person first what would go, and asks nobody where there is no person.
//! The others ask as Docker's do: an input that ends without a `y` is a no.

pub(crate) mod filter;

use crate::args::{all, is_on, list, switch};
use crate::attach::terminal::terminals;
use crate::door::{As, Door};
use crate::exit::{self, Of};
use crate::screen::human;
use crate::verbs::{Arity, Verb};
use api::{Prune, Pruned, Removed};
use clap::{Arg, ArgMatches};
use engine::{Engine, Prunable};
use error::{Error, Result};
use filter::Filters;
use std::fmt::Write;
use std::io::BufRead;

pub(crate) const VERB: Verb = Verb {
    name: "prune",
    long: None,
    about: "Remove stopped containers and all images that no container uses",
    usage: "[OPTIONS]",
    arity: Arity::None,
    stops_at_first: false,
    of: Of::Other,
    flags: || vec![filter_flag(), force_flag()],
    run,
};

pub(crate) const OF_CONTAINER: Verb = Verb {
    name: "container prune",
    long: Some(("container", &["prune"])),
    about: "Remove all stopped containers",
    usage: "[OPTIONS]",
    arity: Arity::None,
    stops_at_first: false,
    of: Of::Other,
    flags: || vec![filter_flag(), force_flag()],
    run: containers,
};

pub(crate) const OF_IMAGE: Verb = Verb {
    name: "image prune",
    long: Some(("image", &["prune"])),
    about: "Remove unused images",
    usage: "[OPTIONS]",
    arity: Arity::None,
    stops_at_first: false,
    of: Of::Other,
    flags: || {
        vec![
            switch("all", "Remove all unused images, not just those without a name").short('a'),
            filter_flag(),
            force_flag(),
        ]
    },
    run: images,
};

pub(crate) const OF_SYSTEM: Verb = Verb {
    name: "system prune",
    long: Some(("system", &["prune"])),
    about: "Remove unused data",
    usage: "[OPTIONS]",
    arity: Arity::None,
    stops_at_first: false,
    of: Of::Other,
    flags: || {
        vec![
            switch("all", "Remove all unused images, not just those without a name").short('a'),
            filter_flag(),
            force_flag(),
            switch("volumes", "Prune anonymous volumes"),
        ]
    },
    run: system,
};

pub(crate) fn force_flag() -> Arg {
    switch("force", "Do not prompt for confirmation").short('f')
}

pub(crate) fn filter_flag() -> Arg {
    list("filter", "filter", "Provide filter values (e.g. until=24h, label=KEY[=VALUE], label!=KEY)")
}

const ALL_IMAGES: &str = "all images without at least one container associated to them";
const DANGLING: &str = "all dangling images";

fn run(door: &mut Door, matches: &ArgMatches) -> Result<u8> {
    let filters = Filters::parse(all(matches, "filter"), &["until"])?;
    let engine = door.engine(As::Root)?;
    if !is_on(matches, "force") && terminals().stdin {
        let what = preview(&engine.prunable(&filters.prune)?);
        if !what.is_empty() {
            confirm(door, "prune", &what)?;
        }
    }
    everything(door, &engine, true, false, &filters.prune)
}

/// What a person should know before a yes.
fn preview(prunable: &Prunable) -> String {
    let mut text = String::new();
    let lines = [("container", &prunable.containers), ("image", &prunable.images)];
    for (kind, things) in lines {
        for (name, bytes) in things {
            let _ = writeln!(text, "  {kind:9} {name} ({})", human::size(*bytes)); // a String takes everything
        }
    }
    text.extend(prunable.networks.iter().map(|name| format!("  {:9} {name}\n", "network")));
    if text.is_empty() { text } else { format!("This will remove:\n{text}") }
}

fn containers(door: &mut Door, matches: &ArgMatches) -> Result<u8> {
    let filters = Filters::parse(all(matches, "filter"), &["until"])?;
    if !is_on(matches, "force") {
        confirm(door, "container prune", "WARNING! This will remove all stopped containers.\n")?;
    }
    let pruned = door.engine(As::Root)?.prune_containers(&filters.prune)?;
    tell(door, "Deleted Containers", &pruned);
    total(door, pruned.bytes);
    Ok(exit::SUCCESS)
}

fn images(door: &mut Door, matches: &ArgMatches) -> Result<u8> {
    let filters = Filters::parse(all(matches, "filter"), &["until", "dangling"])?;
    let whole = is_on(matches, "all") || filters.dangling == Some(false);
    if !is_on(matches, "force") {
        let what = if whole { ALL_IMAGES } else { DANGLING };
        confirm(door, "image prune", &format!("WARNING! This will remove {what}.\n"))?;
    }
    let (removed, bytes) = door.engine(As::Root)?.prune_images(whole, &filters.prune)?;
    tell_images(door, &removed);
    total(door, bytes);
    Ok(exit::SUCCESS)
}

fn system(door: &mut Door, matches: &ArgMatches) -> Result<u8> {
    let filters = Filters::parse(all(matches, "filter"), &["until"])?;
    let (whole, volumes) = (is_on(matches, "all"), is_on(matches, "volumes"));
    if volumes && filters.prune.until.is_some() {
        return Err(Error::invalid("The \"until\" filter is not supported with \"--volumes\""));
    }
    if !is_on(matches, "force") {
        let mut text =
            "WARNING! This will remove:\n  - all stopped containers\n  - all networks not used by at least one \
                        container\n"
                .to_owned();
        if volumes {
            text.push_str("  - all anonymous volumes not used by at least one container\n");
        }
        text.push_str(&format!("  - {}\n", if whole { ALL_IMAGES } else { DANGLING }));
        if !filters.texts.is_empty() {
            text.push_str("\n  Items to be pruned will be filtered with:\n");
            text.extend(filters.texts.iter().map(|filter| format!("  - {filter}\n")));
        }
        confirm(door, "system prune", &(text + "\n"))?;
    }
    let engine = door.engine(As::Root)?;
    everything(door, &engine, whole, volumes, &filters.prune)
}

/// Containers first: what only they used is free then.
fn everything(door: &mut Door, engine: &Engine, whole: bool, volumes: bool, prune: &Prune) -> Result<u8> {
    let containers = engine.prune_containers(prune)?;
    tell(door, "Deleted Containers", &containers);
    tell(door, "Deleted Networks", &engine.prune_networks(prune)?);
    let mut bytes = containers.bytes;
    if volumes {
        let volumes = engine.prune_volumes(false, prune)?;
        tell(door, "Deleted Volumes", &volumes);
        bytes += volumes.bytes;
    }
    let (removed, of_images) = engine.prune_images(whole, prune)?;
    tell_images(door, &removed);
    total(door, bytes + of_images);
    Ok(exit::SUCCESS)
}

/// Asks on standard output, as Docker does.
///
/// # Errors
/// When the answer is not yes.
pub(crate) fn confirm(door: &mut Door, what: &str, warning: &str) -> Result<()> {
    door.console.out(format!("{warning}Are you sure you want to continue? [y/N] "));
    door.console.flush();
    let mut answer = String::new();
    // An input that cannot be read gives no answer.
    let _ = std::io::stdin().lock().read_line(&mut answer);
    if answer.trim().eq_ignore_ascii_case("y") {
        return Ok(());
    }
    if !answer.ends_with('\n') {
        door.console.out("\n");
    }
    Err(Error::invalid(format!("{what} has been cancelled")).hint("`--force` asks no question"))
}

/// What went, and an empty line; nothing where nothing went.
pub(crate) fn tell(door: &mut Door, title: &str, pruned: &Pruned) {
    lines(door, title, pruned.gone.iter().cloned());
}

fn tell_images(door: &mut Door, removed: &[Removed]) {
    let words = removed.iter().map(|removed| match removed {
        Removed::Untagged(name) => format!("untagged: {name}"),
        Removed::Deleted(digest) => format!("deleted: {digest}"),
    });
    lines(door, "Deleted Images", words);
}

fn lines(door: &mut Door, title: &str, lines: impl ExactSizeIterator<Item = String>) {
    if lines.len() == 0 {
        return;
    }
    door.console.line(&format!("{title}:"));
    for line in lines {
        door.console.line(&line);
    }
    door.console.line("");
}

pub(crate) fn total(door: &mut Door, bytes: u64) {
    door.console.line(&format!("Total reclaimed space: {}", human::total(bytes)));
}
