//! `isolazi pull`: an image is fetched.

use crate::args::{is_on, rest, switch, text};
use crate::container::platform;
use crate::door::{As, Door};
use crate::exit::{self, Of};
use crate::screen::progress::{Progress, summary};
use crate::verbs::{Arity, Verb};
use api::Pull;
use clap::{Arg, ArgMatches};
use error::Result;
use oci::Reference;
use oci::reference::DEFAULT_TAG;

pub(crate) const VERB: Verb = Verb {
    name: "pull",
    long: Some(("image", &["pull"])),
    about: "Download an image from a registry",
    usage: "[OPTIONS] NAME[:TAG|@DIGEST]",
    arity: Arity::Exactly(1),
    stops_at_first: false,
    of: Of::Other,
    flags,
    run,
};

fn flags() -> Vec<Arg> {
    vec![
        text("platform", "string", "Pull the image of this platform (os/architecture[/variant])"),
        switch("quiet", "Suppress verbose output").short('q'),
    ]
}

fn run(door: &mut Door, matches: &ArgMatches) -> Result<u8> {
    let image = rest(matches).remove(0);
    let request = Pull { image, platform: platform(matches, &|name| std::env::var(name).ok())? };
    let quiet = is_on(matches, "quiet");
    let cancel = door.cancel_flag()?;
    let engine = door.engine(As::Root)?;
    if !quiet && names_no_version(&request.image) && request.image.parse::<Reference>().is_ok() {
        door.console.line(&format!("Using default tag: {DEFAULT_TAG}"));
        door.console.flush();
    }
    let progress = Progress::of_pull(quiet);
    let pulled = engine.pull(&request, &|event| progress.tell(event), cancel);
    progress.finish();
    let pulled = pulled?;
    if !quiet {
        door.console.out(summary(&pulled));
    }
    door.console.line(&pulled.reference);
    Ok(exit::SUCCESS)
}

/// Neither tag nor digest: a colon before the last slash belongs to a port.
fn names_no_version(image: &str) -> bool {
    !image.rsplit('/').next().unwrap_or(image).contains([':', '@'])
}
