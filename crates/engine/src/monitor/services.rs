//! What a container's networks need while somebody wants something: copies of the monitor that carry what comes to published
//! ports, and answer who asks for names. They end when nobody has wanted anything for a while.

use super::watch::{READABLE, Seen, Watch, What};
use crate::networks::Connection;
use crate::record::Record;
use rustix::event::PollFlags;
use rustix::fd::{AsFd, BorrowedFd};
use rustix::process::{Signal, WaitOptions, pidfd_send_signal, waitpid};
use std::path::Path;
use std::time::{Duration, Instant};
use sys::process::Child;

/// After a copy that could not be made, or could not do its work, nobody is listened to for so long: who wants something
/// stays, and would be heard again at once.
const PAUSE: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub(super) struct Services {
    carrier: Service,
    resolver: Service,
}

#[derive(Debug, Default)]
struct Service {
    child: Option<Child>,
    /// Until when nobody is listened to.
    pause: Option<Instant>,
}

impl Services {
    /// What must be waited for: a copy's end, or that somebody wants one.
    pub(super) fn watch<'a>(&'a self, connection: Option<&'a Connection>, watch: &mut Watch<'a>) {
        if let Some(connection) = connection {
            self.carrier.watch(What::Carrier, What::Port, connection.sockets(), watch);
            self.resolver.watch(What::Resolver, What::Question, connection.name_sockets(), watch);
        }
    }

    /// When somebody is listened to again.
    pub(super) fn due(&self) -> Option<Instant> {
        [self.carrier.pause, self.resolver.pause].into_iter().flatten().min()
    }

    /// Makes the copies that are wanted, and waits for those that have ended.
    pub(super) fn serve(&mut self, seen: &Seen, connection: Option<&Connection>, dir: &Path, record: &Record) {
        let monitor = rustix::process::getpid();
        let Some(connection) = connection else { return };
        self.carrier.serve(seen, What::Carrier, What::Port, || connection.carry(monitor));
        self.resolver.serve(seen, What::Resolver, What::Question, || connection.answer(dir, record, monitor));
    }

    /// Ends them.
    pub(super) fn end(&mut self) {
        for child in [self.carrier.child.take(), self.resolver.child.take()].into_iter().flatten() {
            // It is our child: it dies of this.
            let _ = pidfd_send_signal(&child.pidfd, Signal::KILL);
            wait(&child);
        }
        *self = Self::default();
    }
}

impl Service {
    fn watch<'a>(
        &'a self,
        end: What,
        wish: What,
        sockets: impl Iterator<Item = BorrowedFd<'a>>,
        watch: &mut Watch<'a>,
    ) {
        match &self.child {
            Some(child) => watch.add(end, Some(child.pidfd.as_fd()), PollFlags::IN),
            None if self.pause.is_some() => {}
            None => sockets.for_each(|socket| watch.add(wish, Some(socket), PollFlags::IN)),
        }
    }

    fn serve(&mut self, seen: &Seen, end: What, wish: What, work: impl FnOnce() -> i32) {
        if self.pause.is_some_and(|until| until <= Instant::now()) {
            self.pause = None;
        }
        let mut has_failed = false;
        if seen.has(end, READABLE)
            && let Some(child) = self.child.take()
        {
            has_failed = !wait(&child);
        }
        if seen.has(wish, READABLE) {
            match runtime::attendant(work) {
                Ok(child) => self.child = Some(child),
                // For want of memory or processes; there is nobody who could be told.
                Err(_) => has_failed = true,
            }
        }
        if has_failed {
            self.pause = Some(Instant::now() + PAUSE);
        }
    }
}

/// Has it done its work? It is our child and has ended, or is about to.
fn wait(child: &Child) -> bool {
    let waited = rustix::io::retry_on_intr(|| waitpid(Some(child.pid), WaitOptions::empty()));
    waited.is_ok_and(|waited| waited.is_some_and(|(_, status)| status.exit_status() == Some(0)))
}
