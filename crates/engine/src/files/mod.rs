//! A container's files, for people: copied out and in, compared with its image, given away whole.
//!
//! The tree is somebody else's, who may be at work in it with ill will. Nothing of it is executed or loaded, every path
//! of it is resolved by the kernel inside its root (openat2(2)), and what was looked at is what is opened: a path that
//! changes meanwhile leads to another file of the container at most, never to one of the host (CVE-2018-15664,
//! CVE-2019-14271).

mod changes;
mod commit;
mod copy;
mod decide;
mod export;
mod root;
mod typed;

pub(crate) use commit::is_nameless;

use api::LeftOut;
use error::{Error, Kind, Result};
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};

fn left_out(packed: snapshot::Packed, skipped: snapshot::Skipped) -> LeftOut {
    LeftOut { sockets: packed.sockets, devices: skipped.devices, xattrs: skipped.xattrs }
}

/// A writer that stops when somebody says so; whoever finds it stopped asks why.
struct Stoppable<'a, W> {
    writer: W,
    cancel: &'a AtomicBool,
}

impl<W: Write> Write for Stoppable<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.cancel.load(Ordering::Relaxed) {
            return Err(std::io::Error::other("stopped"));
        }
        self.writer.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.writer.flush()
    }
}

/// The error that stands for somebody's wish to stop, if that was it.
fn unless_stopped<T>(result: Result<T>, cancel: &AtomicBool) -> Result<T> {
    match result {
        Err(_) if cancel.load(Ordering::Relaxed) => Err(Error::new(Kind::Interrupted, "stopped")),
        other => other,
    }
}
