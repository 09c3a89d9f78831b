//! `checkpoint` and `restore`.

use super::{Create, Runtime};
use crate::Running;
use crate::criu::{Dump, Restore};
use error::{Error, Kind, Result};

impl Runtime {
    /// Writes a container's processes to disk.
    pub fn checkpoint(&self, id: &str, _options: &Dump) -> Result<()> {
        self.alive(id)?;
        Err(Error::new(Kind::Unsupported, "checkpoints are not supported"))
    }

    /// Makes a container of what a checkpoint wrote.
    pub fn restore(&self, _what: &Create<'_>, _options: &Restore) -> Result<Running> {
        Err(Error::new(Kind::Unsupported, "checkpoints are not supported"))
    }
}
