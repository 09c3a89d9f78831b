//! `isolazi version`: what this program is.

use crate::args::{one, text};
use crate::door::Door;
use crate::exit::{self, Of};
use crate::screen::template::Format;
use crate::verbs::{Arity, Verb};
use clap::{Arg, ArgMatches};
use error::Result;
use oci::Platform;
use serde_json::{Map, Value, json};

pub(crate) const VERB: Verb = Verb {
    name: "version",
    long: None,
    about: "Show the version information",
    usage: "[OPTIONS]",
    arity: Arity::None,
    stops_at_first: false,
    of: Of::Other,
    flags,
    run,
};

/// Versions of the specifications that this program follows.
const IMAGE_SPEC: &str = "1.1.1";
const RUNTIME_SPEC: &str = "1.2.1";
const DISTRIBUTION_SPEC: &str = "1.1.1";

/// The commit this was built from, if the build said so.
const COMMIT: Option<&str> = option_env!("ISOLAZI_COMMIT");

fn flags() -> Vec<Arg> {
    vec![text("format", "string", "Format output using a custom template: 'json' or TEMPLATE").short('f')]
}

fn run(door: &mut Door, matches: &ArgMatches) -> Result<u8> {
    match one(matches, "format") {
        Some(format) if !format.is_empty() => {
            let text = Format::parse(format)?.one(fields())?;
            door.console.line(&text);
        }
        _ => door.console.out(table()),
    }
    Ok(exit::SUCCESS)
}

/// `isolazi --version`
pub(crate) fn one_line() -> String {
    format!("isolazi version {}, build {}", env!("CARGO_PKG_VERSION"), COMMIT.unwrap_or("unknown"))
}

fn fields() -> Map<String, Value> {
    let platform = Platform::of_this_machine();
    let client = json!({
        "Arch": platform.architecture,
        "GitCommit": COMMIT.unwrap_or_default(),
        "OciDistributionSpec": DISTRIBUTION_SPEC,
        "OciImageSpec": IMAGE_SPEC,
        "OciRuntimeSpec": RUNTIME_SPEC,
        "Os": platform.os,
        "Version": env!("CARGO_PKG_VERSION"),
    });
    // There is no daemon: what runs containers is this very program.
    [("Client".to_owned(), client.clone()), ("Server".to_owned(), client)].into_iter().collect()
}

fn table() -> String {
    let platform = Platform::of_this_machine();
    let rows = [
        ("Version", env!("CARGO_PKG_VERSION").to_owned()),
        ("OCI image", IMAGE_SPEC.to_owned()),
        ("OCI runtime", RUNTIME_SPEC.to_owned()),
        ("OCI distribution", DISTRIBUTION_SPEC.to_owned()),
        ("Git commit", COMMIT.unwrap_or("unknown").to_owned()),
        ("OS/Arch", format!("{}/{}", platform.os, platform.architecture)),
    ];
    let rows = rows.iter().map(|(name, value)| format!(" {:18}{value}\n", format!("{name}:")));
    std::iter::once("Client: isolazi\n".to_owned()).chain(rows).collect()
}
