//! Waiting for something to happen in a container's folder: output, a rotation, its end, its removal.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::fs::inotify::{CreateFlags, Reader, WatchFlags, add_watch, init};
use std::mem::MaybeUninit;
use std::path::Path;
use std::time::Duration;

/// A monitor that is killed changes nothing in the folder: once in this time somebody looks without a reason.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The same where the kernel gives no more watches (inotify(7) has limits for each user).
const LOOK_WITHOUT_WATCH_EVERY: Duration = Duration::from_millis(50);

/// A folder being watched.
pub(crate) struct Watch(Option<OwnedFd>);

impl Watch {
    pub(crate) fn new(dir: &Path) -> Self {
        // None of these is caused by somebody who only reads.
        let changes = WatchFlags::MODIFY | WatchFlags::CREATE | WatchFlags::MOVED_TO | WatchFlags::MOVE_SELF;
        let inotify = init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK);
        Self(inotify.and_then(|inotify| add_watch(&inotify, dir, changes).map(|_| inotify)).ok())
    }

    /// Waits for a change, or for so long.
    pub(crate) fn wait(&self, limit: Option<Duration>) {
        let longest = if self.0.is_some() { LOOK_EVERY } else { LOOK_WITHOUT_WATCH_EVERY };
        let timeout = Timespec::try_from(limit.map_or(longest, |limit| limit.min(longest))).ok();
        let mut fds: Vec<_> = self.0.iter().map(|inotify| PollFd::new(inotify, PollFlags::IN)).collect();
        // An interrupted wait is only one look more.
        let _ = poll(&mut fds, timeout.as_ref());
        if let Some(inotify) = &self.0 {
            let mut space = [MaybeUninit::uninit(); 4096];
            let mut events = Reader::new(inotify, &mut space);
            // What they say does not matter: everything is looked at. A burst that does not fit ends the next wait at once.
            while events.next().is_ok() && !events.is_buffer_empty() {}
        }
    }
}
