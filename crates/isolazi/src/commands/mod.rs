//! The commands, one file each: its place in the tree of commands, its flags, and what it does.

pub(crate) mod attach;
pub(crate) mod boot;
pub(crate) mod commit;
pub(crate) mod completion;
pub(crate) mod cp;
pub(crate) mod create;
pub(crate) mod df;
pub(crate) mod diff;
pub(crate) mod events;
pub(crate) mod exec;
pub(crate) mod export;
pub(crate) mod filters;
pub(crate) mod images;
pub(crate) mod info;
pub(crate) mod inspect;
pub(crate) mod internal;
pub(crate) mod kill;
pub(crate) mod logs;
pub(crate) mod network;
pub(crate) mod pause;
pub(crate) mod port;
pub(crate) mod prune;
pub(crate) mod ps;
pub(crate) mod pull;
pub(crate) mod rename;
pub(crate) mod restart;
pub(crate) mod rm;
pub(crate) mod rmi;
pub(crate) mod run;
pub(crate) mod start;
pub(crate) mod stats;
pub(crate) mod stop;
pub(crate) mod top;
pub(crate) mod unpause;
pub(crate) mod update;
pub(crate) mod version;
pub(crate) mod volume;
pub(crate) mod wait;
pub(crate) mod why;

use crate::door::Door;
use crate::screen::template::Template;
use error::Error;

/// The template for a document, if one was given; the exit code when it is none.
fn template_of(door: &mut Door, format: Option<&str>) -> Result<Option<Template>, u8> {
    let format = format.filter(|format| !format.is_empty()).map(Template::parse);
    format.transpose().map_err(|error| {
        door.console.complain(&error);
        crate::exit::BAD_TEMPLATE
    })
}

/// Says what a copy or an archive lacks.
fn tell_left_out(door: &mut Door, left_out: api::LeftOut) {
    let api::LeftOut { sockets, devices, xattrs } = left_out;
    for (count, what) in [(sockets, "sockets"), (devices, "device nodes"), (xattrs, "extended attributes")] {
        if count > 0 {
            door.console.tell(format!("Warning: {what} were left out: {count}\n"));
        }
    }
}

/// Does it for each argument, goes on after a failure, and reports each: the exit code.
fn each(door: &mut Door, arguments: Vec<String>, mut act: impl FnMut(&mut Door, &str) -> Result<(), Error>) -> u8 {
    let mut code = crate::exit::SUCCESS;
    for argument in arguments {
        if let Err(error) = act(door, &argument) {
            door.console.complain(&error);
            code = crate::exit::FAILURE;
        }
    }
    code
}
