//! A room as a bundle: a container in it that is made, entered and taken away by this process.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking, in their helpers too")]
#![allow(dead_code, unreachable_pub, reason = "each test program uses its own part")]

use crate::common::{Room, end};
use error::Result;
use runtime::container::{Create, Exec, Runtime, Warnings};
use serde_json::Value;

/// A room as a bundle of the runtime's own, with containers by name.
pub struct Bundle<'a> {
    room: &'a Room,
    pub runtime: Runtime,
    pub id: String,
}

impl<'a> Bundle<'a> {
    pub fn new(room: &'a Room, name: &str) -> Self {
        let runtime = Runtime { root: room.dir.join("containers"), driver: Some(runtime::cgroup::Driver::Cgroupfs) };
        Self { room, runtime, id: format!("{name}-{}", std::process::id()) }
    }

    fn what(&self, document: &Value) -> Create<'_> {
        std::fs::write(self.room.dir.join("config.json"), document.to_string()).unwrap();
        Create {
            id: &self.id,
            bundle: &self.room.dir,
            pid_file: None,
            console_socket: None,
            pidfd_socket: None,
            no_pivot: false,
            no_new_keyring: false,
            preserve_fds: 0,
            listen_fds: 0,
            notify_socket: None,
            window: None,
        }
    }

    /// Runs it to its end and deletes it; the exit code.
    pub fn run(&self, document: &Value) -> i32 {
        let running = self.runtime.run(&self.what(document), &mut Vec::new()).unwrap();
        let code = end(&running);
        self.runtime.delete(&self.id, true).unwrap();
        code
    }

    /// Makes it; its init waits.
    pub fn create(&self, document: &Value) {
        self.runtime.create(&self.what(document)).unwrap();
    }

    /// A process in it, to its end; the exit code.
    pub fn exec(&self, process: &Value) -> Result<i32> {
        let process = serde_json::from_value(process.clone()).unwrap();
        let what = Exec {
            id: &self.id,
            process,
            pid_file: None,
            console_socket: None,
            pidfd_socket: None,
            preserve_fds: 0,
            cgroup: None,
            ignore_paused: false,
        };
        self.runtime.exec(&what, &mut Warnings::new()).map(|running| end(&running))
    }
}

/// Whatever happens, nothing of it is left.
impl Drop for Bundle<'_> {
    fn drop(&mut self) {
        let deleted = self.runtime.delete(&self.id, true);
        if !std::thread::panicking() {
            deleted.unwrap();
        }
    }
}
