//! Opens what a plan shows of the host: each source becomes a mount of its own that is attached nowhere yet.
//!
//! The parent does it, in the host's mount namespace, before the clone; the init only attaches.

use crate::plan::{Plan, Source};
use error::{Result, ResultExt};
use rustix::fd::OwnedFd;
use rustix::fs::CWD;
use rustix::io::Errno;
use rustix::mount::{OpenTreeFlags, open_tree};

/// One descriptor for each of `plan.root.sources`, in their order.
pub(crate) fn open(plan: &Plan) -> Result<Vec<OwnedFd>> {
    let open = |source: &Source| {
        let path = || format!("can't open `{}` to mount it", source.host_path.lossy());
        open_source(source).map_err(sys::kernel::error).context(path)
    };
    plan.root.sources.iter().map(open).collect()
}

fn open_source(source: &Source) -> Result<OwnedFd, Errno> {
    let mut flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    if source.recursive {
        flags |= OpenTreeFlags::AT_RECURSIVE;
    }
    let mount = open_tree(CWD, source.host_path.c(), flags)?;
    let (set, clear) = source.attributes;
    if set | clear != 0 {
        sys::mount::set_attributes(&mount, set, clear, 0, source.attributes_recursive)?;
    }
    // A clone of a shared mount is shared, too: what happens inside must not reach the host unasked.
    sys::mount::set_attributes(&mount, 0, 0, source.propagation, source.recursive)?;
    Ok(mount)
}
