//! `isolazi volume prune`: volumes that no container uses are removed.

use crate::args::{all, is_given, is_on, list, switch};
use crate::commands::prune::filter::Filters;
use crate::commands::prune::{confirm, force_flag, tell, total};
use crate::door::{As, Door};
use crate::exit::{self, Of};
use crate::verbs::{Arity, Verb};
use clap::ArgMatches;
use error::{Error, Result};

pub(crate) const VERB: Verb = Verb {
    name: "volume prune",
    long: Some(("volume", &["prune"])),
    about: "Remove unused local volumes",
    usage: "[OPTIONS]",
    arity: Arity::None,
    stops_at_first: false,
    of: Of::Other,
    flags: || {
        vec![
            switch("all", "Remove all unused volumes, not just anonymous ones").short('a'),
            list("filter", "filter", "Provide filter values (e.g. label=KEY[=VALUE], label!=KEY)"),
            force_flag(),
        ]
    },
    run,
};

fn run(door: &mut Door, matches: &ArgMatches) -> Result<u8> {
    let filters = Filters::parse(all(matches, "filter"), &["all"])?;
    if is_given(matches, "all").is_some() && filters.all.is_some() {
        return Err(Error::invalid("conflicting options: cannot specify both --all and --filter all=1"));
    }
    let whole = is_on(matches, "all") || filters.all == Some(true);
    if !is_on(matches, "force") {
        let what = if whole { "all local" } else { "anonymous local" };
        let text = format!("WARNING! This will remove {what} volumes not used by at least one container.\n");
        confirm(door, "volume prune", &text)?;
    }
    let pruned = door.engine(As::Root)?.prune_volumes(whole, &filters.prune)?;
    tell(door, "Deleted Volumes", &pruned);
    total(door, pruned.bytes);
    Ok(exit::SUCCESS)
}
