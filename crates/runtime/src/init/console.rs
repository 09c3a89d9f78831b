//! The terminal of the payload: made in the container's own devpts, so that `tty` inside finds its name.

use super::paths::open;
use super::root::{attach_file, clone_tree};
use super::{At, Done, Payload, message};
use crate::failure::Stage;
use crate::plan::ProcessPlan;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{FsWord, Gid, Mode, OFlags, ResolveFlags, Uid, fchown, fstatfs, openat2};
use rustix::io::Errno;
use rustix::net::SendFlags;
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, unlockpt};
use rustix::termios::{OptionalActions, OutputModes, Winsize, tcgetattr, tcsetattr, tcsetwinsize};
use std::io::IoSlice;

/// What statfs(2) says of a devpts (linux/magic.h).
const DEVPTS_SUPER_MAGIC: FsWord = 0x1cd1;

/// When the plan wants a terminal: makes it, covers `/dev/console` with it, sends its controlling end to the parent
/// and returns the payload's end.
pub(super) fn open_console(plan: &ProcessPlan, payload: &Payload<'_>, covers: bool) -> Done<Option<OwnedFd>> {
    let Some((ws_row, ws_col)) = plan.terminal else { return Ok(None) };
    let stage = Stage::Console;
    let controlling = open_multiplexer().at(stage, 0)?;
    unlockpt(&controlling).at(stage, 1)?;
    let end =
        ioctl_tiocgptpeer(&controlling, OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).at(stage, 2)?;
    if ws_row > 0 && ws_col > 0 {
        tcsetwinsize(&controlling, Winsize { ws_row, ws_col, ws_xpixel: 0, ws_ypixel: 0 }).at(stage, 3)?;
    }
    if plan.plain_lines {
        let mut modes = tcgetattr(&end).at(stage, 8)?;
        modes.output_modes.remove(OutputModes::ONLCR);
        tcsetattr(&end, OptionalActions::Now, &modes).at(stage, 8)?;
    }
    // The group stays the one that devpts gave (`gid=5`, tty), as login(1) does it.
    fchown(&end, Some(Uid::from_raw(plan.uid)), None::<Gid>).at(stage, 4)?;
    if covers {
        // From the open descriptor, not from a path that could have been swapped (CVE-2025-52565).
        let mount = clone_tree(&end, c"", false).at(stage, 5)?;
        attach_file(mount.as_fd(), c"/dev/console").at(stage, 6)?;
    }
    let message = [IoSlice::new(message::CONSOLE)];
    sys::socket::send(payload.report, &message, Some(controlling.as_fd()), SendFlags::empty()).at(stage, 7)?;
    Ok(Some(end))
}

/// The multiplexer of the container's devpts and nothing else: a payload that may mount could have put a file of its own
/// there, which answers our requests as it likes (FUSE's even with the number of a descriptor of ours).
fn open_multiplexer() -> Result<OwnedFd, Errno> {
    let dir = open(c"/dev/pts", OFlags::PATH | OFlags::DIRECTORY)?;
    if fstatfs(&dir)?.f_type != DEVPTS_SUPER_MAGIC {
        return Err(Errno::NODEV);
    }
    let how = ResolveFlags::BENEATH | ResolveFlags::NO_XDEV | ResolveFlags::NO_SYMLINKS;
    openat2(dir, c"ptmx", OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty(), how)
}
