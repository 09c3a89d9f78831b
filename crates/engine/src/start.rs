//! Starting a container: a fresh process of this same program becomes its monitor.

use crate::create::Created;
use error::ResultExt;
use rustix::fd::{AsRawFd, OwnedFd};
use rustix::fs::{CWD, MemfdFlags, SealFlags, fcntl_add_seals, fstat, memfd_create, readlinkat, stat};
use rustix::io::Errno;
use rustix::mount::{OpenTreeFlags, open_tree};
use std::fs::File;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use sys::mount::attribute;

const OWN_PROGRAM: &str = "/proc/self/exe";

/// A live conversation with a container's monitor: an `api::attach` socket.
#[derive(Debug)]
pub struct Session {
    /// `SOCK_SEQPACKET`; the first word is `Running` or `Failed`.
    pub socket: OwnedFd,
}

/// Hands everything over to a new monitor. The lock goes with it and is never free in between.
pub(crate) fn start(created: Created) -> error::Result<Session> {
    let Created { dir, lock, root, .. } = created;
    let words = || "can't start the container's monitor";
    let (ours, theirs) = sys::socket::message_pair().map_err(std::io::Error::from).context(words)?;
    let program = sealed_program().context(words)?;
    // Neither a working directory nor anything else that would keep std from its quick way (posix_spawn): the monitor
    // sees to it. The path is resolved by the child before close-on-exec closes the descriptor behind it.
    let mut command = Command::new(format!("/proc/self/fd/{}", program.as_raw_fd()));
    command.arg0("isolazi").args(["internal", "monitor"]).arg(&dir).env_clear();
    command.stdin(Stdio::from(theirs)).stdout(Stdio::from(lock)).stderr(Stdio::from(root));
    // Not waited for: the monitor outlives us, and tells its end over the socket.
    command.spawn().context(words)?;
    Ok(Session { socket: ours })
}

/// Our own program where nobody can write to it: what is executed from there cannot be opened for writing through
/// `/proc/<pid>/exe` (CVE-2019-5736).
///
/// That is a mount of its own, read-only for ever, for it belongs to no mount namespace in which it could be changed.
/// Where the program's file cannot be found any more (an upgrade replaced it) it is a sealed copy in memory, which
/// costs some milliseconds.
fn sealed_program() -> error::Result<OwnedFd> {
    let mounted = match copy_mount(OWN_PROGRAM) {
        // The program was started in another mount namespace than this one: that of a rootless user's own.
        Err(Errno::INVAL) => by_path(),
        other => other,
    };
    match mounted {
        Ok(program) => {
            sys::mount::set_attributes(&program, attribute::RDONLY, 0, 0, false).map_err(sys::kernel::error)?;
            Ok(program)
        }
        Err(Errno::INVAL | Errno::NOENT | Errno::STALE) => Ok(sealed_copy()?),
        Err(errno) => Err(sys::kernel::error(errno)),
    }
}

fn copy_mount(path: impl rustix::path::Arg) -> Result<OwnedFd, Errno> {
    open_tree(CWD, path, OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC)
}

/// `ESTALE` when the path is another file by now.
fn by_path() -> Result<OwnedFd, Errno> {
    let program = copy_mount(readlinkat(CWD, OWN_PROGRAM, Vec::new())?)?;
    let (found, own) = (fstat(&program)?, stat(OWN_PROGRAM)?);
    if (found.st_dev, found.st_ino) == (own.st_dev, own.st_ino) { Ok(program) } else { Err(Errno::STALE) }
}

fn sealed_copy() -> std::io::Result<OwnedFd> {
    let mut copy = File::from(memfd_create("isolazi", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?);
    std::io::copy(&mut File::open(OWN_PROGRAM)?, &mut copy)?;
    fcntl_add_seals(&copy, SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
    // Executed through a descriptor that cannot write: a file that is open for writing cannot be executed.
    Ok(File::open(format!("/proc/self/fd/{}", copy.as_raw_fd()))?.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn a_sealed_program_is_the_program_and_refuses_to_be_written() {
        for (name, sealed) in [("copy", sealed_copy().unwrap()), ("mount", sealed_program().unwrap())] {
            let path = format!("/proc/self/fd/{}", sealed.as_raw_fd());
            let (mut own, mut other) = (Vec::new(), Vec::new());
            File::open(OWN_PROGRAM).unwrap().read_to_end(&mut own).unwrap();
            File::open(&path).unwrap().read_to_end(&mut other).unwrap();
            assert!(own == other, "{name}");
            let refused =
                std::fs::OpenOptions::new().write(true).open(&path).map(|mut f| std::io::Write::write(&mut f, b"x"));
            assert!(matches!(refused, Err(_) | Ok(Err(_))), "{name}: {refused:?}");
        }
    }
}
