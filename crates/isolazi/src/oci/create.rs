//! `create`, `start` and `run`.

use super::door::{self, Door};
use super::foreground;
use super::words::Words;
use crate::exit::SUCCESS;
use error::{Error, Kind, Result, ResultExt};
use runtime::Running;
use runtime::container::{Create, Runtime};
use std::path::PathBuf;

/// `create ID`
pub(super) fn create(door: &mut Door, words: &Words) -> Result<u8> {
    let places = Places::of(words)?;
    let warnings = door.runtime()?.create(&places.create(words)?)?;
    door.warn(&warnings);
    Ok(SUCCESS)
}

/// `start ID`
pub(super) fn start(door: &mut Door, words: &Words) -> Result<u8> {
    let warnings = door.runtime()?.start(words.id()?)?;
    door.warn(&warnings);
    Ok(SUCCESS)
}

/// `run ID`
pub(super) fn run(door: &mut Door, words: &Words) -> Result<u8> {
    let runtime = door.runtime()?;
    let places = Places::of(words)?;
    let what = places.create(words)?;
    if words.on("detach") {
        return run_detached(door, &runtime, &what);
    }
    let what = Create { window: foreground::window(), ..what };
    wait(door, words, &runtime, what.id, || door.telling(|warnings| runtime.run(&what, warnings)))
}

/// Nobody waits: what must hold of a `create` (a terminal needs somebody who takes it) must hold here, too.
fn run_detached(door: &Door, runtime: &Runtime, what: &Create<'_>) -> Result<u8> {
    let mut warnings = runtime.create(what)?;
    match runtime.start(what.id) {
        Ok(more) => {
            warnings.extend(more);
            door.warn(&warnings);
            Ok(SUCCESS)
        }
        Err(error) => {
            // The failure that the caller asked about is the first one; what is left can still be deleted by name.
            let _ = runtime.delete(what.id, true);
            Err(error)
        }
    }
}

/// Starts a payload in the foreground, waits for its end and clears up.
pub(super) fn wait(
    door: &Door,
    words: &Words,
    runtime: &Runtime,
    id: &str,
    start: impl FnOnce() -> Result<Running>,
) -> Result<u8> {
    refuse_console_socket(words)?;
    let mut started = false;
    let code = foreground::run(|| start().inspect(|_| started = true));
    if started && !(words.on("keep") && code.is_ok()) {
        match runtime.delete(id, true) {
            Ok(warnings) => door.warn(&warnings),
            // `delete` by somebody else, while we waited.
            Err(error) if error.kind == Kind::NotFound => {}
            Err(error) => door.log.warn(&error),
        }
    }
    code
}

/// A terminal in the foreground is relayed: nobody else can have it.
pub(super) fn refuse_console_socket(words: &Words) -> Result<()> {
    match words.path("console-socket") {
        Some(_) => Err(Error::invalid("cannot use console socket if the runtime will not detach or allocate tty")
            .hint("add `--detach`, or leave `--console-socket` out")),
        None => Ok(()),
    }
}

/// Paths that a [`Create`] borrows.
pub(super) struct Places {
    bundle: PathBuf,
    notify_socket: Option<PathBuf>,
}

impl Places {
    /// As the options and the environment say.
    pub(super) fn of(words: &Words) -> Result<Self> {
        if words.path("config").is_some() {
            let message = "option `--config`: the document is always the bundle's `config.json`";
            return Err(Error::new(Kind::Unsupported, message));
        }
        let bundle = words.path("bundle").map_or_else(std::env::current_dir, std::path::absolute);
        let bundle = bundle.context(|| "can't find the bundle")?;
        Ok(Self { bundle, notify_socket: door::notify_socket() })
    }

    /// All that a `create` takes.
    pub(super) fn create<'a>(&'a self, words: &'a Words) -> Result<Create<'a>> {
        Ok(Create {
            id: words.id()?,
            bundle: &self.bundle,
            pid_file: words.path("pid-file"),
            console_socket: words.path("console-socket"),
            pidfd_socket: words.path("pidfd-socket"),
            no_pivot: words.on("no-pivot"),
            no_new_keyring: words.on("no-new-keyring"),
            preserve_fds: words.number("preserve-fds")?.unwrap_or(0),
            listen_fds: door::listen_fds(),
            notify_socket: self.notify_socket.as_deref(),
            window: None,
        })
    }
}
