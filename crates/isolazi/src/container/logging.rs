//! `--log-driver` and `--log-opt KEY=VALUE`.

use crate::args::{all, one};
use api::Logging;
use clap::ArgMatches;
use error::Result;

/// Where output is kept; of two options with one key the later counts.
pub(super) fn parse(matches: &ArgMatches) -> Result<Logging> {
    let options = all(matches, "log-opt").map(|text| {
        let (key, value) = text.split_once('=').unwrap_or((text, ""));
        (key.to_owned(), value.to_owned())
    });
    Logging::new(one(matches, "log-driver").unwrap_or_default(), options.collect())
}
