//! Where this process is copied: the one place of the room that is unsafe.
//!
//! The copy has one thread and all memory as it was in the middle of whatever other threads did. What it runs allocates
//! nothing, takes no lock and ends by an exec or an exit (`init` and a few lines beside it); the tests' allocator ends a
//! copy that does otherwise (`tests/no_allocation.rs`).

use error::{Error, Kind, Result as OurResult, ResultExt};
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

/// Makes a copy of a process of one thread that goes on by itself: it may do all that the original may. It shares every
/// descriptor with it; what `act` returns is its exit code.
///
/// # Errors
/// `Internal` for a process of several threads.
#[allow(unsafe_code, reason = "clone3 makes a copy of this process")]
pub fn attendant(act: impl FnOnce() -> i32) -> OurResult<Child> {
    let words = || "can't make a copy of this process";
    // A link for each thread, besides the folder's own two.
    let tasks = rustix::fs::stat(c"/proc/self/task").map_err(std::io::Error::from).context(words)?;
    if tasks.st_nlink > 3 {
        return Err(Error::new(Kind::Internal, "it has several threads").context(words()));
    }
    // SAFETY: no other thread was in the middle of anything, so the copy is a process as whole as the original.
    match unsafe { clone3(Clone3::default()) }.map_err(std::io::Error::from).context(words)? {
        Some(child) => Ok(child),
        None => sys::process::exit_now(act()),
    }
}
