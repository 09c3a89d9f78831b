//! What a container's networks need while somebody wants something: copies of the monitor that carry what comes to published
//! ports, and answer who asks for names. They end when nobody has wanted anything for a while.

use super::watch::{READABLE, Seen, Watch, What};
use crate::networks::Connection;
use crate::record::Record;
use rustix::event::PollFlags;
use rustix::fd::AsFd;
use rustix::process::{Signal, WaitOptions, pidfd_send_signal, waitpid};
use std::path::Path;
use sys::process::Child;

#[derive(Debug, Default)]
pub(super) struct Services {
    carrier: Option<Child>,
    resolver: Option<Child>,
}

impl Services {
    /// What must be waited for: a copy's end, or that somebody wants one.
    pub(super) fn watch<'a>(&'a self, connection: Option<&'a Connection>, watch: &mut Watch<'a>) {
        let Some(connection) = connection else { return };
        match &self.carrier {
            Some(child) => watch.add(What::Carrier, Some(child.pidfd.as_fd()), PollFlags::IN),
            None => connection.sockets().for_each(|socket| watch.add(What::Port, Some(socket), PollFlags::IN)),
        }
        match &self.resolver {
            Some(child) => watch.add(What::Resolver, Some(child.pidfd.as_fd()), PollFlags::IN),
            None => connection.name_sockets().for_each(|socket| watch.add(What::Question, Some(socket), PollFlags::IN)),
        }
    }

    /// Makes the copies that are wanted, and waits for those that have ended. Without memory for one the visitor waits, and
    /// the next look tries again.
    pub(super) fn serve(&mut self, seen: &Seen, connection: Option<&Connection>, dir: &Path, record: &Record) {
        for (child, end) in [(&mut self.carrier, What::Carrier), (&mut self.resolver, What::Resolver)] {
            if seen.has(end, READABLE) {
                child.take().iter().for_each(wait);
            }
        }
        let Some(connection) = connection else { return };
        let monitor = rustix::process::getpid();
        if seen.has(What::Port, READABLE) {
            self.carrier = runtime::attendant(|| connection.carry(monitor)).ok();
        }
        if seen.has(What::Question, READABLE) {
            self.resolver = runtime::attendant(|| connection.answer(dir, record, monitor)).ok();
        }
    }

    /// Ends them.
    pub(super) fn end(&mut self) {
        for child in [self.carrier.take(), self.resolver.take()].into_iter().flatten() {
            // It is our child: it dies of this.
            let _ = pidfd_send_signal(&child.pidfd, Signal::KILL);
            wait(&child);
        }
    }
}

fn wait(child: &Child) {
    // It is our child and has ended, or is about to: nothing can fail.
    let _ = rustix::io::retry_on_intr(|| waitpid(Some(child.pid), WaitOptions::empty()));
}
