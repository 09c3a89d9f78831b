//! `logs`: what a container said, from its log's files; with `follow`, until it ends.

mod files;
mod tail;
mod view;
pub(crate) mod watch;

use crate::Engine;
use crate::entry::{self, Found};
use api::{LogPart, Logs, State};
use error::{Error, Result, ResultExt};
use files::{Files, Next};
use rustix::fs::{CWD, Mode, OFlags, openat};
use std::ops::ControlFlow::{self, Break, Continue};
use view::{Shown, View};
use watch::Watch;

/// Takes what is told; says whether more is wanted.
pub(crate) type Sink<'a> = &'a mut dyn FnMut(LogPart<'_>) -> ControlFlow<()>;

/// Gives each entry to `sink`, in order.
pub(crate) fn logs(engine: &Engine, request: &Logs, sink: Sink<'_>) -> Result<()> {
    let missing = || Error::not_found(format!("No such container: {}", request.container));
    let container = engine.containers.find(&engine.names, &request.container)?.ok_or_else(missing)?;
    let logging = &container.record.request.logging;
    logging.readable(&container.record.name)?;
    let dir = openat(CWD, &container.dir, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .map_err(std::io::Error::from)
        .context(|| format!("can't open `{}`", container.dir.display()))?;
    // Before the files, so that nothing said in between is missed.
    let watch = request.follow.then(|| Watch::new(&container.dir));
    let mut files = Files::open(dir, logging.limits()?.max_files)?;
    let view = View { since: request.since.as_deref(), until: request.until.as_deref() };
    if let Some(tail) = request.tail {
        files.skip_to_tail(tail)?;
    } else {
        files.skip_older(view.since)?;
    }
    let mut text = Vec::new();
    loop {
        // Looked at before the log, for the same reason.
        let live = is_live(engine, &container.record.id)?;
        if tell(&mut files, request.follow, &view, &mut text, sink)?.is_break() {
            return Ok(());
        }
        let Some(watch) = watch.as_ref().filter(|_| live) else {
            // Of a container that runs, half an entry may just be written.
            if let Some(bytes) = files.rest().filter(|_| !live) {
                let _ = sink(LogPart::Damaged(bytes)); // the last word, whatever they want
            }
            return Ok(());
        };
        if view.is_over() || sink(LogPart::CaughtUp).is_break() {
            return Ok(());
        }
        watch.wait(view.left());
    }
}

/// Does it run, or will it again by itself? One that is removed does not.
fn is_live(engine: &Engine, id: &str) -> Result<bool> {
    let container = engine.containers.read(id)?;
    Ok(container.is_some_and(|found| !matches!(found.state, State::Created | State::Exited | State::Dead)))
}

/// Tells what there is.
fn tell(
    files: &mut Files,
    follow: bool,
    view: &View<'_>,
    text: &mut Vec<u8>,
    sink: Sink<'_>,
) -> Result<ControlFlow<()>> {
    loop {
        let told = match entry::next(files.bytes(), text) {
            Found::Entry(entry, length) => {
                let told = match view.of(&entry.time) {
                    Shown::Yes(time) => {
                        sink(LogPart::Entry { text, stream: entry.stream, time: &time, attributes: &entry.attributes })
                    }
                    Shown::No => Continue(()),
                    Shown::TooLate => Break(()),
                };
                files.pass(length);
                told
            }
            Found::Damaged(length) => {
                files.pass(length);
                sink(LogPart::Damaged(length))
            }
            Found::Partial => match files.read_more(follow)? {
                Next::More => Continue(()),
                Next::Gap => sink(LogPart::Gap),
                Next::Damaged(bytes) => sink(LogPart::Damaged(bytes)),
                Next::Nothing => return Ok(Continue(())),
            },
        };
        if told.is_break() {
            return Ok(told);
        }
    }
}
