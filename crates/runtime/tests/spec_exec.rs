//! `exec`: one more process is in the container like its first, and has a process section of its own.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "tests fail by panicking, in their helpers too")]

mod common;

use common::bundle::Bundle;
use common::{end, with};
use error::Result;
use oci::runtime::{Process, Status};
use runtime::Running;
use runtime::container::{Exec, Warnings};
use rustix::net::RecvFlags;
use serde_json::{Value, json};
use std::io::Read;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;

fn running(script: &str) -> Bundle {
    let bundle = Bundle::saying(script);
    bundle.create().unwrap();
    bundle.start().unwrap();
    bundle
}

/// The container's process with a patch, and a script whose output goes to the shared file.
fn process(bundle: &Bundle, script: &str, patch: &Value) -> Process {
    let base = serde_json::to_value(bundle.runtime.base_process(&bundle.id).unwrap()).unwrap();
    let script = format!("exec >/shared/exec 2>&1\n{script}");
    let document = with(base, &json!({"args": ["sh", "-c", script]}));
    serde_json::from_value(with(document, patch)).unwrap()
}

fn plain(bundle: &Bundle, process: Process) -> Exec<'_> {
    Exec {
        id: &bundle.id,
        process,
        pid_file: None,
        console_socket: None,
        pidfd_socket: None,
        preserve_fds: 0,
        cgroup: None,
        ignore_paused: false,
    }
}

fn exec(bundle: &Bundle, script: &str, patch: &Value) -> Result<Running> {
    bundle.runtime.exec(&plain(bundle, process(bundle, script, patch)), &mut Warnings::new())
}

fn heard(bundle: &Bundle) -> String {
    std::fs::read_to_string(bundle.room.dir.join("shared/exec")).unwrap()
}

#[test]
fn it_is_where_the_first_process_is() {
    let script = "for kind in cgroup ipc mnt net pid uts user time; do readlink /proc/self/ns/$kind; done; cat /proc/self/cgroup";
    let bundle = running(&format!("{script}; sleep 1000"));
    let running = exec(&bundle, script, &json!({})).unwrap();
    assert_eq!(end(&running), 0);
    // The first process may be slower.
    let begin = std::time::Instant::now();
    while bundle.said() != heard(&bundle) && begin.elapsed().as_secs() < 20 {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    assert_eq!(heard(&bundle), bundle.said());
    assert!(heard(&bundle).lines().count() > 8);
    // It is counted with the container, and goes with it.
    let running = exec(&bundle, "sleep 1000", &json!({})).unwrap();
    let pid = running.pid.as_raw_nonzero().get();
    assert!(bundle.runtime.processes(&bundle.id).unwrap().contains(&pid));
    bundle.runtime.delete(&bundle.id, true).unwrap();
    assert_eq!(end(&running), 128 + 9);
}

/// The first process of a pid namespace does not end before somebody has waited for all others (pid_namespaces(7)).
#[test]
fn nobody_need_wait_for_it_before_the_container_is_gone() {
    for force in [true, false] {
        let bundle = running("sleep 1000");
        let first = bundle.state().pid.unwrap();
        let running = exec(&bundle, "sleep 1000", &json!({})).unwrap();
        let begin = std::time::Instant::now();
        if !force {
            bundle.runtime.kill(&bundle.id, 9, false).unwrap();
            bundle.wait_for(Status::Stopped);
        }
        bundle.runtime.delete(&bundle.id, force).unwrap();
        assert!(begin.elapsed().as_secs() < 5, "{:?}", begin.elapsed());
        // It is there all the same, until then.
        let stat = std::fs::read_to_string(format!("/proc/{first}/stat")).unwrap();
        assert!(!stat.contains(") Z "), "{stat}");
        assert_eq!(end(&running), 128 + 9);
    }
}

#[test]
fn it_has_a_process_section_of_its_own() {
    let bundle = running("sleep 1000");
    std::fs::set_permissions(bundle.room.dir.join("shared"), std::os::unix::fs::PermissionsExt::from_mode(0o777))
        .unwrap();
    std::fs::write(bundle.room.inside("etc/passwd"), "ann:x:7:7::/home/ann:/bin/sh\n").unwrap();
    std::fs::create_dir(bundle.room.inside("srv")).unwrap();
    let patch = json!({
        "user": {"uid": 7, "gid": 8, "additionalGids": [9], "umask": 0o27}, "cwd": "/srv", "env": ["PATH=/bin", "A=b"],
        "noNewPrivileges": true, "oomScoreAdj": 300, "rlimits": [{"type": "RLIMIT_NOFILE", "soft": 50, "hard": 60}],
        "capabilities": {"bounding": ["CAP_KILL"], "permitted": [], "effective": []},
        "scheduler": {"policy": "SCHED_BATCH"}, "ioPriority": {"class": "IOPRIO_CLASS_IDLE"}
    });
    let script = "id -u; id -g; id -G; umask; pwd; echo $A $HOME; ulimit -n; cat /proc/self/oom_score_adj
        grep -E '^(NoNewPrivs|CapBnd|CapPrm)' /proc/self/status; cut -d ' ' -f 41 /proc/self/stat";
    symlink("busybox", bundle.room.inside("bin/cut")).unwrap();
    let running = exec(&bundle, script, &patch).unwrap();
    assert_eq!(end(&running), 0);
    let text = "7\n8\n8 9\n0027\n/srv\nb /home/ann\n50\n300\n\
        CapPrm:\t0000000000000000\nCapBnd:\t0000000000000020\nNoNewPrivs:\t1\n3\n";
    assert_eq!(heard(&bundle), text);
}

#[test]
fn it_has_a_terminal_and_a_pid_file_when_it_is_asked_for_them() {
    let bundle = running("sleep 1000");
    symlink("busybox", bundle.room.inside("bin/tty")).unwrap();
    let (socket, pid_file) = (bundle.room.dir.join("console"), bundle.room.dir.join("pid"));
    let listener = UnixListener::bind(&socket).unwrap();
    let mut wanted = process(&bundle, "", &json!({"terminal": true, "args": ["sh", "-c", "tty; read _"]}));
    let what = Exec { console_socket: Some(&socket), pid_file: Some(&pid_file), ..plain(&bundle, wanted.clone()) };
    let running = bundle.runtime.exec(&what, &mut Warnings::new()).unwrap();
    let (connection, _) = listener.accept().unwrap();
    let (_, console) = sys::socket::receive(&connection, &mut [0; 32], RecvFlags::empty()).unwrap();
    let mut console = std::fs::File::from(console.unwrap());
    assert_eq!(std::fs::read_to_string(&pid_file).unwrap(), running.pid.as_raw_nonzero().to_string());
    std::io::Write::write_all(&mut console, b"\r").unwrap();
    assert_eq!(end(&running), 0);
    let mut text = Vec::new();
    console.read_to_end(&mut text).unwrap_err();
    assert!(String::from_utf8(text).unwrap().contains("/dev/pts/0\r\n"));
    wanted.terminal = false;
    let what = Exec { console_socket: Some(&socket), ..plain(&bundle, wanted) };
    let error = bundle.runtime.exec(&what, &mut Warnings::new()).unwrap_err();
    assert_eq!(error.to_string(), "a `--console-socket` needs a terminal: the process would have none");
}

#[test]
fn what_cannot_be_entered_or_executed_says_so() {
    let bundle = running("sleep 1000");
    for (patch, text) in [
        (json!({"args": ["nosuch"]}), "exec: \"nosuch\": executable file not found in $PATH"),
        (json!({"args": ["/bin"]}), "exec: \"/bin\": is a directory"),
        (json!({"cwd": "/not/made"}), "can't enter the working directory `/not/made`: no such file or directory"),
        (json!({"cwd": "/bin/sh"}), "can't enter the working directory `/bin/sh`: not a directory"),
        (json!({"cwd": "relative"}), "config.json: `process.cwd`: `relative` is not an absolute path"),
    ] {
        assert_eq!(exec(&bundle, "", &patch).unwrap_err().to_string(), text);
    }
    bundle.runtime.pause(&bundle.id).unwrap();
    let text = exec(&bundle, "", &json!({})).unwrap_err().to_string();
    assert!(text.contains("it is paused"), "{text}");
    bundle.runtime.resume(&bundle.id).unwrap();
    bundle.runtime.kill(&bundle.id, 9, false).unwrap();
    bundle.wait_for(Status::Stopped);
    let text = format!("container `{}`: container not running", bundle.id);
    assert_eq!(exec(&bundle, "", &json!({})).unwrap_err().to_string(), text);
}
