//! Containers by id: `create`, `start` and `delete` know of each other only what lies in the folder.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking, in their helpers too")]

mod common;

use common::bundle::Bundle;
use common::{container, end, with};
use oci::runtime::{State, Status};
use runtime::container::Create;
use serde_json::{Value, json};
use std::io::Read;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

/// What a hook wrote down.
fn heard(bundle: &Bundle, name: &str) -> State {
    serde_json::from_slice(&std::fs::read(bundle.room.outside().join(name)).unwrap()).unwrap()
}

/// A hook that writes down what it reads.
fn listening(bundle: &Bundle, kind: &str) -> Value {
    let script = format!("exec /bin/cat > {}/{kind}", bundle.room.outside().display());
    json!({"hooks": {kind: [{"path": "/bin/sh", "args": ["sh", "-c", script]}]}})
}

#[test]
fn a_created_container_is_not_locked_by_its_init() {
    let bundle = Bundle::new(&container("true"));
    bundle.create().unwrap();
    assert_eq!(bundle.state().status, Status::Created);
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
    let bundle = Bundle::new(&Value::Null);
    let mut document = with(container("true"), &json!({"annotations": {"a": "b"}}));
    for kind in ["prestart", "createRuntime", "poststart", "poststop"] {
        document = with(document, &listening(&bundle, kind));
    }
    bundle.configure(&document);
    bundle.create().unwrap();
    let State { pid, .. } = bundle.state();
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
    assert_eq!(heard(&bundle, "prestart"), expected(Status::Created, pid));
    assert_eq!(heard(&bundle, "createRuntime"), expected(Status::Creating, pid));
    assert_eq!(heard(&bundle, "poststart"), expected(Status::Running, pid));
    assert_eq!(heard(&bundle, "poststop"), expected(Status::Stopped, None));
}

#[test]
fn a_terminal_that_the_caller_relays_adds_no_carriage_returns() {
    let document =
        with(container("echo one; echo two; read word; echo \"<$word>\""), &json!({"process": {"terminal": true}}));
    let bundle = Bundle::new(&document);
    let mut running = bundle.runtime.run(&bundle.plain(), &mut Vec::new()).unwrap();
    let mut console = std::fs::File::from(running.console.take().unwrap());
    let mut text = Vec::new();
    // What is typed earlier is echoed between the lines.
    while !text.ends_with(b"two\n") {
        let mut byte = [0];
        console.read_exact(&mut byte).unwrap();
        text.push(byte[0]);
    }
    // A key is still a key: what is typed ends with the carriage return that the key sends.
    std::io::Write::write_all(&mut console, b"three\r").unwrap();
    assert_eq!(end(&running), 0);
    // EIO: nobody has the other end any more (pty(7)).
    assert_eq!(console.read_to_end(&mut text).unwrap_err().raw_os_error(), Some(5));
    let text = String::from_utf8(text).unwrap();
    assert!(text.contains("one\ntwo\n") && text.ends_with("<three>\n"), "{text:?}");
    bundle.runtime.delete(&bundle.id, false).unwrap();
}

#[test]
fn who_kills_a_container_without_a_pid_namespace_of_its_own_means_all_of_it() {
    let mut document = container("sleep 1000 & sleep 1000 & wait");
    document["linux"]["namespaces"].as_array_mut().unwrap().retain(|namespace| namespace["type"] != "pid");
    let bundle = Bundle::new(&document);
    bundle.create().unwrap();
    bundle.start().unwrap();
    let processes = || bundle.runtime.processes(&bundle.id).unwrap();
    until("it has begun", || processes().len() == 3);
    // Its first process is one of several there: its end is that of none but itself.
    let first = rustix::process::Pid::from_raw(bundle.state().pid.unwrap()).unwrap();
    rustix::process::kill_process(first, rustix::process::Signal::KILL).unwrap();
    bundle.wait_for(Status::Stopped);
    assert_eq!(processes().len(), 2);
    bundle.runtime.kill(&bundle.id, 9, false).unwrap();
    until("all are gone", || processes().is_empty());
    // Of nobody all can be told, as with runc.
    let text = format!("container `{}`: container not running", bundle.id);
    for signal in [0, 9, 15] {
        assert_eq!(bundle.runtime.kill(&bundle.id, signal, false).unwrap_err().to_string(), text);
        bundle.runtime.kill(&bundle.id, signal, true).unwrap();
    }
}

#[test]
fn a_container_without_a_cgroup_stays_in_its_callers_and_has_no_limits() {
    let mut bundle = Bundle::saying("");
    bundle.runtime.driver = None;
    // Engines write this in any case.
    let rules = json!([{"allow": false, "access": "rwm"}]);
    let patch = json!({"linux": {"cgroupsPath": "/elsewhere", "resources": {"devices": rules}}});
    let mut document = with(bundle.document("cat /proc/self/cgroup; exec sleep 1000"), &patch);
    document["linux"]["namespaces"].as_array_mut().unwrap().retain(|namespace| namespace["type"] != "cgroup");
    bundle.configure(&document);
    bundle.create().unwrap();
    bundle.start().unwrap();
    let file = bundle.room.dir.join("shared/said");
    until("it has said", || std::fs::read_to_string(&file).is_ok_and(|said| said.contains("0::/")));
    assert_eq!(bundle.said(), std::fs::read_to_string("/proc/self/cgroup").unwrap());
    let first = bundle.state().pid.unwrap();
    assert_eq!(bundle.runtime.processes(&bundle.id).unwrap(), [first]);
    assert_eq!(bundle.runtime.pause(&bundle.id).unwrap_err().to_string(), "the container has no cgroup");
    bundle.runtime.delete(&bundle.id, true).unwrap();

    bundle.configure(&with(document, &json!({"linux": {"resources": {"pids": {"limit": 10}}}})));
    assert_eq!(
        bundle.create().unwrap_err().to_string(),
        "config.json: `linux.resources`: nothing would hold the container to its limits: it gets no cgroup"
    );
}

#[track_caller]
fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begin = std::time::Instant::now();
    while !holds() {
        assert!(begin.elapsed() < Duration::from_secs(20), "{what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Sends its argument to `$NOTIFY_SOCKET`, as sd_notify(3) does, and waits until it is killed.
const NOTIFY: &str = r#"
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
int main(int argc, char **argv) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strncpy(address.sun_path, getenv("NOTIFY_SOCKET"), sizeof address.sun_path - 1);
    int socket_ = socket(AF_UNIX, SOCK_DGRAM, 0);
    for (int i = 1; i < argc; i++)
        if (sendto(socket_, argv[i], strlen(argv[i]), 0, (void *)&address, sizeof address) < 0) return 1;
    pause();
}
"#;

#[test]
fn a_service_manager_hears_that_the_payload_is_ready_and_nothing_else() {
    let bundle = Bundle::new(&with(
        container(""),
        &json!({"process": {"args": ["notify", "STATUS=begins", "MAINPID=1\nREADY=1"], "user": {"uid": 7, "gid": 7}}}),
    ));
    bundle.room.build("notify", NOTIFY);
    let path = bundle.room.dir.join("manager");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    bundle.runtime.create(&Create { notify_socket: Some(&path), ..bundle.plain() }).unwrap();
    assert!(bundle.start().unwrap().is_empty());
    let mut heard = [0; 64];
    let length = manager.recv(&mut heard).unwrap();
    assert_eq!(&heard[..length], b"READY=1\n");
    assert_eq!(bundle.state().status, Status::Running);
    // One that ends without a word ends the wait, too.
    bundle.runtime.delete(&bundle.id, true).unwrap();
    bundle.configure(&container("true"));
    let mut warnings = Vec::new();
    let running = bundle.runtime.run(&Create { notify_socket: Some(&path), ..bundle.plain() }, &mut warnings).unwrap();
    assert_eq!((end(&running), warnings), (0, Vec::new()));
}
