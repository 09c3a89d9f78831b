//! `spec`: a `config.json` to begin with.

use super::answers::json;
use super::door::Door;
use super::words::Words;
use crate::exit::SUCCESS;
use error::{Result, ResultExt};
use rustix::process::{getegid, geteuid};
use serde::Serialize;
use std::fs::File;
use std::io::Write;
use std::path::Path;

/// Writes the document; a file that is there is somebody's work and stays.
pub(super) fn run(_: &mut Door, words: &Words) -> Result<u8> {
    let spec = match words.on("rootless") {
        false => runtime::example::example(),
        true => runtime::example::rootless_example(geteuid().as_raw(), getegid().as_raw()),
    };
    let mut text = Vec::new();
    let tabs = serde_json::ser::PrettyFormatter::with_indent(b"\t");
    let written = spec.serialize(&mut serde_json::Serializer::with_formatter(&mut text, tabs));
    json(written.map(|()| String::new()))?;
    text.push(b'\n');
    let path =
        words.path("bundle").unwrap_or(Path::new("")).join(words.path("file").unwrap_or(Path::new("config.json")));
    let file = File::options().write(true).create_new(true).open(&path);
    file.and_then(|mut file| file.write_all(&text)).context(|| format!("can't write `{}`", path.display()))?;
    Ok(SUCCESS)
}
