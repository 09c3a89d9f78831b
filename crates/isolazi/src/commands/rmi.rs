//! `isolazi rmi`: names of images are removed, and content that no name needs any more.

use crate::args::{is_on, rest, switch};
use crate::commands::each;
use crate::door::{As, Door};
use crate::exit::Of;
use crate::verbs::{Arity, Verb};
use api::Removed;
use clap::{Arg, ArgMatches};
use error::Result;

pub(crate) const VERB: Verb = Verb {
    name: "rmi",
    long: Some(("image", &["rm", "remove"])),
    about: "Remove one or more images",
    usage: "[OPTIONS] IMAGE [IMAGE...]",
    arity: Arity::AtLeastOne,
    stops_at_first: false,
    of: Of::Other,
    flags,
    run,
};

fn flags() -> Vec<Arg> {
    vec![
        switch("force", "Force removal of the image").short('f'),
        // Accepted for scripts: images here have no parents that could be pruned.
        switch("no-prune", "Do not delete untagged parents (there are none)").hide(true),
    ]
}

fn run(door: &mut Door, matches: &ArgMatches) -> Result<u8> {
    let force = is_on(matches, "force");
    let engine = door.engine(As::Root)?;
    Ok(each(door, rest(matches), |door, image| {
        for removed in engine.remove_image(image, force)? {
            match removed {
                Removed::Untagged(name) => door.console.line(&format!("Untagged: {name}")),
                Removed::Deleted(digest) => door.console.line(&format!("Deleted: {digest}")),
            }
        }
        Ok(())
    }))
}
