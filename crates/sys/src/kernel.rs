//! The oldest kernel that will do, and words for those that will not.

use error::{Error, Kind};
use rustix::io::Errno;

/// As README.md says it. The newest call that nothing can replace is mount_setattr (5.12); with 5.14 a whole cgroup can
/// be killed at once.
const OLDEST: &str = "5.14";

/// An error from a call that [`OLDEST`] has: `ENOSYS` means an older one, or a machine that only looks like Linux.
pub fn error(errno: Errno) -> Error {
    if errno == Errno::NOSYS {
        let message = format!("this kernel lacks a system call: Linux {OLDEST} or later is needed");
        return Error::new(Kind::Unsupported, message).hint("`uname -r` says which kernel runs");
    }
    std::io::Error::from(errno).into()
}
