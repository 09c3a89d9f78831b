//! `isolazi export`: a container's files as a tar archive.

use crate::args::{one, rest, text};
use crate::commands::tell_left_out;
use crate::door::{As, Door};
use crate::exit::{self, Of};
use crate::verbs::{Arity, Verb};
use clap::{Arg, ArgMatches};
use engine::Engine;
use error::{Error, Result, ResultExt};
use std::fs::File;
use std::io::{BufWriter, IsTerminal};
use std::path::{Path, PathBuf};

pub(crate) const VERB: Verb = Verb {
    name: "export",
    long: Some(("container", &["export"])),
    about: "Export a container's filesystem as a tar archive",
    usage: "[OPTIONS] CONTAINER",
    arity: Arity::Exactly(1),
    stops_at_first: false,
    of: Of::Other,
    flags,
    run,
};

/// Bytes written at a time: a pipe's worth.
const GATHERED_BYTES: usize = 64 << 10;

fn flags() -> Vec<Arg> {
    vec![text("output", "string", "Write to a file, instead of STDOUT").short('o')]
}

fn run(door: &mut Door, matches: &ArgMatches) -> Result<u8> {
    let container = rest(matches).remove(0);
    let cancel = door.cancel_flag()?;
    let Some(output) = one(matches, "output").filter(|output| !output.is_empty()) else {
        if std::io::stdout().is_terminal() {
            return Err(Error::invalid("cowardly refusing to save to a terminal. Use the -o flag or redirect"));
        }
        let exported = door.engine(As::Root)?.export(&container, &mut door.console, cancel);
        // It is reported at the end.
        if !door.console.is_broken() {
            tell_left_out(door, exported?);
        }
        return Ok(exit::SUCCESS);
    };
    let path = std::path::absolute(output).context(|| "can't find the working directory")?;
    Engine::check_output(&path).context(|| "failed to export container")?;
    let engine = door.engine(As::Root)?;
    let aside = Aside::begin(&path)?;
    let mut out = BufWriter::with_capacity(GATHERED_BYTES, &aside.file);
    let left_out = engine.export(&container, &mut out, cancel)?;
    drop(out);
    aside.keep(&path)?;
    tell_left_out(door, left_out);
    Ok(exit::SUCCESS)
}

/// A file beside the one that is wanted, which it replaces when it is whole.
struct Aside {
    file: File,
    path: Option<PathBuf>,
}

impl Aside {
    fn begin(target: &Path) -> Result<Self> {
        let mut name = target.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.tmp", std::process::id()));
        let path = target.with_file_name(name);
        let file = File::create_new(&path).context(|| format!("can't write `{}`", path.display()))?;
        Ok(Self { file, path: Some(path) })
    }

    fn keep(mut self, target: &Path) -> Result<()> {
        let Some(path) = self.path.take() else { return Ok(()) };
        std::fs::rename(path, target).context(|| format!("can't write `{}`", target.display()))
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            // The failure that led here is the one to tell.
            let _ = std::fs::remove_file(path);
        }
    }
}
