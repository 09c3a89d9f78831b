//! What every command gets: a way to talk, the caller's surroundings, and the engine when it asks for it.

use crate::console::Console;
use crate::surroundings::Surroundings;
use engine::Engine;
use error::Result;
use std::sync::atomic::AtomicBool;
use sys::signal::number;

/// Signals that end a command which is in the middle of something.
const CANCELLING: [u8; 3] = [number::INT, number::TERM, number::HUP];

/// A command's view of the world.
#[derive(Debug)]
pub(crate) struct Door {
    /// The way to talk.
    pub console: Console,
    /// The caller.
    pub surroundings: Surroundings,
}

/// Who a command must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum As {
    /// The caller: it only reads.
    Caller,
    /// Root, of an own user namespace if need be: it mounts, or handles files of many owners.
    Root,
}

impl Door {
    /// The engine. With [`As::Root`] the rootless prologue comes first, so no thread may run yet.
    pub(crate) fn engine(&self, who: As) -> Result<Engine> {
        let paths = self.surroundings.paths()?;
        let options = self.surroundings.options();
        if who == As::Root && self.surroundings.uid != 0 {
            engine::enter_rootless()?;
        }
        Ok(Engine::open(paths, options))
    }

    /// A flag that Ctrl-C and the like set, for what takes long.
    pub(crate) fn cancel_flag(&self) -> Result<&'static AtomicBool> {
        sys::signal::cancel_on(&CANCELLING).map_err(|errno| std::io::Error::from(errno).into())
    }
}
