//! `isolazi network prune`: networks that no container is on are removed.

use crate::args::{all, is_on, list};
use crate::commands::prune::filter::Filters;
use crate::commands::prune::{confirm, force_flag, tell};
use crate::door::{As, Door};
use crate::exit::{self, Of};
use crate::verbs::{Arity, Verb};
use clap::ArgMatches;
use error::Result;

pub(crate) const VERB: Verb = Verb {
    name: "network prune",
    long: Some(("network", &["prune"])),
    about: "Remove all unused networks",
    usage: "[OPTIONS]",
    arity: Arity::None,
    stops_at_first: false,
    of: Of::Other,
    flags: || {
        vec![
            list("filter", "filter", "Provide filter values (e.g. until=24h, label=KEY[=VALUE], label!=KEY)"),
            force_flag(),
        ]
    },
    run,
};

fn run(door: &mut Door, matches: &ArgMatches) -> Result<u8> {
    let filters = Filters::parse(all(matches, "filter"), &[])?;
    if !is_on(matches, "force") {
        let text = "WARNING! This will remove all custom networks not used by at least one container.\n";
        confirm(door, "network prune", text)?;
    }
    let pruned = door.engine(As::Root)?.prune_networks(&filters.prune)?;
    tell(door, "Deleted Networks", &pruned);
    Ok(exit::SUCCESS)
}
