//! Containers by id: `create`, `start` and `delete` know of each other only what lies in the folder.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking, in their helpers too")]

mod common;

use common::{Room, container, with};
use oci::runtime::{State, Status};
use runtime::container::{Create, Runtime};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// A room that is a bundle, too.
struct Bundle {
    room: Room,
    runtime: Runtime,
    id: String,
}

impl Bundle {
    fn new(id: &str, document: &Value) -> Self {
        let room = Room::new();
        std::fs::write(room.dir.join("config.json"), document.to_string()).unwrap();
        let runtime = Runtime { root: room.dir.join("containers"), systemd_cgroup: false };
        Self { room, runtime, id: format!("{id}-{}", std::process::id()) }
    }

    fn create(&self) -> error::Result<()> {
        self.runtime.create(&Create {
            id: &self.id,
            bundle: &self.room.dir,
            pid_file: None,
            console_socket: None,
            no_pivot: false,
            no_new_keyring: false,
            preserve_fds: 0,
            listen_fds: 0,
            notify_socket: None,
        })
    }

    fn status(&self) -> Status {
        self.runtime.state(&self.id).unwrap().state.status
    }

    fn wait_for(&self, status: Status) {
        let end = Instant::now() + Duration::from_secs(20);
        while self.status() != status {
            assert!(Instant::now() < end, "it is {:?}", self.status());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// What a hook wrote down.
    fn heard(&self, name: &str) -> State {
        serde_json::from_slice(&std::fs::read(self.room.outside().join(name)).unwrap()).unwrap()
    }

    /// A hook that writes down what it reads.
    fn listening(&mut self, kind: &str) {
        let script = format!("exec /bin/cat > {}/{kind}", self.room.outside().display());
        let path = self.room.dir.join("config.json");
        let document = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let hook = json!([{"path": "/bin/sh", "args": ["sh", "-c", script]}]);
        std::fs::write(&path, with(document, &json!({"hooks": {kind: hook}})).to_string()).unwrap();
    }
}

#[test]
fn a_created_container_is_not_locked_by_its_init() {
    let bundle = Bundle::new("lock", &container("true"));
    bundle.create().unwrap();
    assert_eq!(bundle.status(), Status::Created);
    // Both take the lock, and would wait for ever.
    assert!(bundle.runtime.start(&bundle.id).unwrap().is_empty());
    bundle.wait_for(Status::Stopped);
    assert!(bundle.runtime.delete(&bundle.id, false).unwrap().is_empty());
    bundle.create().unwrap();
    assert!(bundle.runtime.delete(&bundle.id, true).unwrap().is_empty());
    assert!(bundle.runtime.list().unwrap().is_empty());
}

#[test]
fn hooks_of_the_runtime_read_where_the_container_is_in_its_life() {
    let mut bundle = Bundle::new("hooks", &with(container("true"), &json!({"annotations": {"a": "b"}})));
    for kind in ["prestart", "createRuntime", "poststart", "poststop"] {
        bundle.listening(kind);
    }
    bundle.create().unwrap();
    let State { pid, .. } = bundle.runtime.state(&bundle.id).unwrap().state;
    bundle.runtime.start(&bundle.id).unwrap();
    bundle.wait_for(Status::Stopped);
    bundle.runtime.delete(&bundle.id, false).unwrap();
    let expected = |status, pid| State {
        oci_version: oci::runtime::VERSION.into(),
        id: bundle.id.clone(),
        status,
        pid,
        bundle: bundle.room.dir.canonicalize().unwrap().to_str().unwrap().into(),
        annotations: [("a".into(), "b".into())].into(),
    };
    assert_eq!(bundle.heard("prestart"), expected(Status::Created, pid));
    assert_eq!(bundle.heard("createRuntime"), expected(Status::Creating, pid));
    assert_eq!(bundle.heard("poststart"), expected(Status::Running, pid));
    assert_eq!(bundle.heard("poststop"), expected(Status::Stopped, None));
}
