//! A thread without a umask: what it creates gets exactly the mode asked for, other threads notice nothing.

use rustix::fs::Mode;
use rustix::thread::UnshareFlags;

/// Frees the calling thread from the process's umask, for the rest of its life: start a thread for this.
///
/// Refused (by a seccomp filter) inside some containers; the caller then sets modes afterwards.
#[allow(unsafe_code, reason = "rustix calls every unshare unsafe because of CLONE_FILES")]
pub fn clear_for_this_thread() -> std::io::Result<()> {
    // SAFETY: FS gives this thread its own umask, root and working directory, copied from the shared ones. It closes
    // no descriptor, which is what makes some flags of unshare unsafe. unshare(2).
    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::FS) }?;
    rustix::process::umask(Mode::empty());
    Ok(())
}
