//! Our own program where nobody can write to it: what is executed from there cannot be opened for writing through
//! `/proc/<pid>/exe` by a payload that gets hold of that link (CVE-2019-5736).
//!
//! It is a mount of its own, of the program's file alone and read-only for ever, for it belongs to no mount namespace
//! in which it could be changed. Where such a mount cannot be had (an ordinary user may not make one; an upgrade has
//! replaced the file) it is a sealed copy in memory, which costs some milliseconds. An ordinary user who runs a program
//! that only root may write needs neither.

use crate::process::ExecTables;
use error::{Error, Result, ResultExt};
use rustix::fd::{AsRawFd, OwnedFd};
use rustix::fs::{
    CWD, MemfdFlags, Mode, OFlags, SealFlags, StatVfsMountFlags, fcntl_add_seals, fcntl_get_seals, fstat, memfd_create,
    open, readlinkat, stat, statvfs,
};
use rustix::io::Errno;
use rustix::mount::{OpenTreeFlags, open_tree};
use rustix::process::geteuid;
use rustix::thread::capabilities;
use std::ffi::{CString, OsString};
use std::fs::File;
use std::os::unix::ffi::OsStringExt;

const OWN_PROGRAM: &str = "/proc/self/exe";
/// What the link says of a program in a mount of its own: the file is the mount's root. No other program can have this
/// name, for `/` is a directory everywhere else.
const MOUNT_OF_ITS_OWN: &[u8] = b"/";
/// What the link says of the copy in memory (memfd_create(2)).
const COPY_NAME: &str = "isolazi";
const COPY_LINK: &[u8] = b"/memfd:isolazi (deleted)";
/// What no later writer can undo.
const SEALS: SealFlags = SealFlags::WRITE.union(SealFlags::SHRINK).union(SealFlags::GROW).union(SealFlags::SEAL);

/// Does this process run from a place where no payload of it can write?
pub fn is_sealed() -> bool {
    let mut link = [0; 64];
    let Ok(length) = rustix::fs::readlinkat_raw(CWD, OWN_PROGRAM, &mut link[..]) else { return false };
    match &link[..length] {
        MOUNT_OF_ITS_OWN => statvfs(OWN_PROGRAM).is_ok_and(|stat| stat.f_flag.contains(StatVfsMountFlags::RDONLY)),
        COPY_LINK => open(OWN_PROGRAM, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
            .and_then(fcntl_get_seals)
            .is_ok_and(|seals| seals.contains(SEALS)),
        _ => is_out_of_reach(),
    }
}

/// Is the file the real root's and writable by it alone, and we are an ordinary user? Then none of the ids that we or
/// a user namespace of ours can have may write to it, and a copy would be for nothing. (An access list that lets others
/// write shows in the mode's bits for the group, acl(5).)
fn is_out_of_reach() -> bool {
    let is_ordinary = !geteuid().is_root() && capabilities(None).is_ok_and(|sets| sets.permitted.is_empty());
    let is_only_roots = || stat(OWN_PROGRAM).is_ok_and(|stat| stat.st_uid == 0 && stat.st_mode & 0o022 == 0);
    // In another user namespace "root" is somebody else.
    is_ordinary && is_only_roots() && crate::ids::in_initial_namespace()
}

/// Becomes the same program again, in a sealed place: same process, arguments, environment and descriptors. Returns
/// only to say why it could not.
pub fn execute_again(arguments: impl IntoIterator<Item = OsString>) -> Error {
    let words = || "can't execute this program from a place where nobody can write to it";
    let program = match program().context(words) {
        Ok(program) => program,
        Err(error) => return error,
    };
    let text = |bytes: Vec<u8>| CString::new(bytes).expect("what came as an argument has no NUL, nor has a number");
    let arguments: Vec<CString> = arguments.into_iter().map(|word| text(word.into_vec())).collect();
    // Resolved before close-on-exec closes the descriptor behind it.
    let path = text(format!("/proc/self/fd/{}", program.as_raw_fd()).into_bytes());
    let errno = ExecTables::with_own_environment(&arguments).execute(&path);
    Error::from(std::io::Error::from(errno)).context(words())
}

/// A descriptor of the sealed program, to be executed as `/proc/self/fd/<n>`.
pub fn program() -> Result<OwnedFd> {
    let mounted = match copy_mount(OWN_PROGRAM) {
        // The program was started in another mount namespace than this one: that of a rootless user's own.
        Err(Errno::INVAL) => by_path(),
        other => other,
    };
    match mounted {
        Ok(program) => {
            crate::mount::set_attributes(&program, crate::mount::attribute::RDONLY, 0, 0, false)
                .map_err(crate::kernel::error)?;
            Ok(program)
        }
        Err(Errno::INVAL | Errno::NOENT | Errno::STALE | Errno::PERM) => Ok(copy()?),
        Err(errno) => Err(crate::kernel::error(errno)),
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

fn copy() -> std::io::Result<OwnedFd> {
    let mut copy = File::from(memfd_create(COPY_NAME, MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?);
    std::io::copy(&mut File::open(OWN_PROGRAM)?, &mut copy)?;
    fcntl_add_seals(&copy, SEALS)?;
    // Executed through a descriptor that cannot write: a file that is open for writing cannot be executed.
    Ok(File::open(format!("/proc/self/fd/{}", copy.as_raw_fd()))?.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::process::Command;

    #[test]
    fn a_sealed_program_is_the_program_and_refuses_to_be_written() {
        for (name, sealed) in [("copy", copy().unwrap()), ("mount", program().unwrap())] {
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

    #[test]
    fn only_a_program_from_a_sealed_place_says_that_it_is() {
        const ASKED: &str = "--exact sealed::tests::only_a_program_from_a_sealed_place_says_that_it_is --nocapture";
        if std::env::args().any(|argument| argument == "sealed?") {
            // The copy that is started below.
            panic!("sealed={}", is_sealed());
        }
        assert!(!is_sealed());
        for (name, sealed) in [("copy", copy().unwrap()), ("mount", program().unwrap())] {
            let mut command = Command::new(format!("/proc/self/fd/{}", sealed.as_raw_fd()));
            let output = command.args(ASKED.split(' ')).arg("sealed?").output().unwrap();
            let text = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
            assert!(text.contains("sealed=true"), "{name}: {text}");
        }
    }
}
