//! `isolazi version`: what this program is.

use crate::args::{one, text};
use crate::commands::template_of;
use crate::door::Door;
use crate::exit::{self, Of};
use crate::screen::template;
use crate::verbs::{Arity, Verb};
use clap::{Arg, ArgMatches};
use error::Result;
use oci::Platform;
use serde::Serialize;

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
    let format = match template_of(door, one(matches, "format")) {
        Ok(format) => format,
        Err(code) => return Ok(code),
    };
    match format {
        Some(format) => door.console.line(&format.fill(&template::of(&Versions::new()))?),
        None => door.console.out(table()),
    }
    Ok(exit::SUCCESS)
}

/// `isolazi --version`
pub(crate) fn one_line() -> String {
    format!("isolazi version {}, build {}", env!("CARGO_PKG_VERSION"), COMMIT.unwrap_or("unknown"))
}

/// What a template sees.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase", rename = "version")]
struct Versions {
    client: Version,
    server: Version,
}

#[derive(Clone, Serialize)]
#[serde(rename_all = "PascalCase", rename = "version")]
struct Version {
    version: &'static str,
    git_commit: &'static str,
    os: String,
    arch: String,
    oci_image_spec: &'static str,
    oci_runtime_spec: &'static str,
    oci_distribution_spec: &'static str,
}

impl Versions {
    fn new() -> Self {
        let platform = Platform::of_this_machine();
        let client = Version {
            version: env!("CARGO_PKG_VERSION"),
            git_commit: COMMIT.unwrap_or_default(),
            os: platform.os,
            arch: platform.architecture,
            oci_image_spec: IMAGE_SPEC,
            oci_runtime_spec: RUNTIME_SPEC,
            oci_distribution_spec: DISTRIBUTION_SPEC,
        };
        // There is no daemon: what runs containers is this very program.
        Self { server: client.clone(), client }
    }
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
