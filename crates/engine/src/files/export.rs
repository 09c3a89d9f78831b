//! `export`: a container's whole tree, without what is mounted in it.

use super::{Stoppable, left_out, root, unless_stopped};
use crate::{Engine, events};
use api::LeftOut;
use error::{Error, Result};
use rustix::fd::AsFd;
use snapshot::Packer;
use std::io::Write;
use std::path::Path;
use std::sync::atomic::AtomicBool;

impl Engine {
    /// Writes a container's tree as an archive; `cancel` ends it.
    pub fn export(&self, wanted: &str, out: &mut dyn Write, cancel: &AtomicBool) -> Result<LeftOut> {
        let container = self.containers.get(&self.names, wanted)?;
        // Also of one that runs: in the payload's own view its volumes would be in the way.
        let tree = root::view(self, &container)?;
        let mut out = Stoppable { writer: out, cancel };
        let mut packer = Packer::new(&mut out);
        let packed = packer.content(tree.as_fd()).and_then(|()| packer.finish());
        let packed = unless_stopped(packed, cancel)?;
        events::tell_of(&self.paths.data, &container.record, "export", &[]);
        Ok(left_out(packed, snapshot::Skipped::default()))
    }

    /// Refuses an output path that cannot be written to, in Docker's words.
    pub fn check_output(path: &Path) -> Result<()> {
        super::copy::check_output(path)?;
        if path.is_dir() {
            return Err(Error::invalid(format!("invalid output path: {path:?} is a directory")));
        }
        Ok(())
    }
}
