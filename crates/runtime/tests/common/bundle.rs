//! A room that is a bundle, too: containers by id, made by this process.

use super::{Room, add_mounts, bind, container};
use error::Result;
use oci::runtime::{State, Status};
use runtime::cgroup::Driver;
use runtime::container::{Create, Runtime, Warnings};
use serde_json::Value;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How long a container may take to get where it is expected.
const TIMEOUT: Duration = Duration::from_secs(20);

pub struct Bundle {
    pub room: Room,
    pub runtime: Runtime,
    pub id: String,
}

impl Bundle {
    pub fn new(document: &Value) -> Self {
        let room = Room::new();
        let runtime = Runtime { root: room.dir.join("containers"), driver: Some(Driver::Cgroupfs) };
        let id = room.dir.file_name().unwrap().to_str().unwrap().to_owned();
        let bundle = Self { room, runtime, id };
        bundle.configure(document);
        bundle
    }

    /// Its payload runs `script`; what that says is [`Self::said`].
    pub fn saying(script: &str) -> Self {
        let bundle = Self::new(&Value::Null);
        bundle.configure(&bundle.document(script));
        bundle
    }

    /// A document with `script`, whose output goes to a file of the host.
    pub fn document(&self, script: &str) -> Value {
        let document = container(&format!("exec >/shared/said 2>&1\n{script}"));
        add_mounts(document, &[bind(&self.room.dir.join("shared"), "/shared")])
    }

    pub fn configure(&self, document: &Value) {
        std::fs::write(self.room.dir.join("config.json"), document.to_string()).unwrap();
    }

    /// What `create` takes, without anything special.
    pub fn plain(&self) -> Create<'_> {
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

    pub fn create(&self) -> Result<Warnings> {
        self.runtime.create(&self.plain())
    }

    pub fn start(&self) -> Result<Warnings> {
        self.runtime.start(&self.id)
    }

    pub fn delete(&self) -> Result<Warnings> {
        self.runtime.delete(&self.id, false)
    }

    /// From `create` to `delete`; what the payload said.
    #[track_caller]
    pub fn live(&self) -> String {
        self.create().unwrap();
        assert!(self.start().unwrap().is_empty());
        self.wait_for(Status::Stopped);
        assert!(self.delete().unwrap().is_empty());
        self.said()
    }

    pub fn said(&self) -> String {
        std::fs::read_to_string(self.room.dir.join("shared/said")).unwrap()
    }

    pub fn state(&self) -> State {
        self.runtime.state(&self.id).unwrap().state
    }

    #[track_caller]
    pub fn wait_for(&self, status: Status) {
        let begin = Instant::now();
        loop {
            let found = self.state().status;
            if found == status {
                return;
            }
            assert!(begin.elapsed() < TIMEOUT, "it is {found:?}, not {status:?}");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// The container's folder.
    pub fn folder(&self) -> PathBuf {
        self.runtime.root.join(&self.id)
    }
}

impl Drop for Bundle {
    fn drop(&mut self) {
        let gone = self.runtime.delete(&self.id, true);
        if !std::thread::panicking() {
            gone.unwrap();
        }
    }
}
