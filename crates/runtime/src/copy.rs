//! Where this process is copied: the one place of the room that is unsafe.
//!
//! The copy has one thread and all memory as it was in the middle of whatever other threads did. What it runs allocates
//! nothing, takes no lock and ends by an exec or an exit (`init` and a few lines beside it); the tests' allocator ends a
//! copy that does otherwise (`tests/no_allocation.rs`).

use rustix::io::Errno;
use sys::process::{Child, Clone3, clone3};

/// Makes a copy, which does `act` and nothing else.
#[allow(unsafe_code, reason = "clone3 makes a copy of this process")]
pub(crate) fn copy(what: Clone3<'_>, act: impl FnOnce()) -> Result<Child, Errno> {
    // SAFETY: every `act` of this room is written for a copy, as the top of this file says, and does not come back.
    match unsafe { clone3(what) }? {
        Some(child) => Ok(child),
        None => {
            act();
            // None comes back; one that did would go on as a second launcher.
            sys::process::exit_now(127)
        }
    }
}
