//! A program's first act, for one whose `main` the C library calls itself.
//!
//! The standard library's own start reads `/proc/self/maps` and makes a stack for a handler of stack overflows: a
//! tenth of a millisecond, and more memory than many an act of an OCI runtime needs. The kernel's guard page ends a
//! program whose stack overflows anyway, only without a word. What else the standard library does is here.

use rustix::io::Errno;

/// Standard streams that the caller has closed become `/dev/null`, or the next file that is opened would be taken for
/// one; and a reader that is gone is an error of write(2) rather than the end of us.
#[allow(unsafe_code, reason = "whether these numbers are open is the question")]
pub fn prepare() -> Result<(), Errno> {
    let mut streams = [0, 1, 2].map(|fd| libc::pollfd { fd, events: 0, revents: 0 });
    // SAFETY: pointer and length are those of one array.
    crate::process::check(unsafe { libc::poll(streams.as_mut_ptr(), 3, 0) }.into())?;
    for stream in streams {
        if stream.revents & libc::POLLNVAL != 0 {
            // SAFETY: the path is a C string. The lowest number that is free is this one, and it stays open for good.
            crate::process::check(unsafe { libc::open(c"/dev/null".as_ptr(), libc::O_RDWR) }.into())?;
        }
    }
    // SAFETY: it can only fail for a signal that does not exist.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_IGN) };
    Ok(())
}
