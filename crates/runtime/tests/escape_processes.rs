//! Ways out by processes: what a neighbour or a payload can see of an init, or take from it, before it is the payload.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "tests fail by panicking, in their helpers too")]

mod common;
mod escape_common;

use common::{Room, add_mounts, bind, container, with};
use escape_common::Bundle;
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// Takes the descriptors of every process that is born after it, as fast as it can, until a file `/tmp/over` is there:
/// writes where they lead to.
const SPY: &str = r#"
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
int main(void) {
    static char seen[1 << 16];
    int own = getpid();
    FILE *out = fopen("/tmp/seen", "w");
    close(open("/tmp/ready", O_CREAT | O_WRONLY, 0600));
    for (unsigned long turn = 0; (turn & 255) || access("/tmp/over", F_OK); turn++)
        for (int pid = own + 1; pid < own + 100; pid++) {
            int process = syscall(SYS_pidfd_open, pid, 0);
            if (process < 0) continue;
            for (int number = 0; number < 64; number++) {
                char path[64], link[512], word[600];
                int taken = syscall(SYS_pidfd_getfd, process, number, 0);
                if (taken < 0) continue;
                snprintf(path, sizeof path, "/proc/self/fd/%d", taken);
                ssize_t length = readlink(path, link, sizeof link - 1);
                close(taken);
                link[length < 0 ? 0 : length] = 0;
                snprintf(word, sizeof word, "%d %s\n", number, link);
                if (strstr(seen, word)) continue;
                strncat(seen, word, sizeof seen - strlen(seen) - 1);
                fputs(word, out);
            }
            close(process);
        }
    fclose(out);
    return 0;
}"#;

fn wait_for(path: &Path) {
    let end = Instant::now() + Duration::from_secs(20);
    while !path.try_exists().unwrap() {
        assert!(Instant::now() < end, "{} does not come", path.display());
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Where the descriptors of a process lead to.
fn descriptors(pid: i32) -> Vec<String> {
    let mut links: Vec<_> = fs::read_dir(format!("/proc/{pid}/fd"))
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let number = path.file_name().unwrap().to_str().unwrap().to_owned();
            format!("{number} {}", fs::read_link(path).unwrap().display())
        })
        .collect();
    links.sort();
    links
}

/// What is no standard stream and no socket of the conversation with the runtime.
fn foreign<'a>(links: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let is_known = |link: &&str| ["0 ", "1 ", "2 "].iter().any(|n| link.starts_with(n)) || link.contains(" socket:[");
    links.filter(|link| !is_known(link)).collect()
}

/// CVE-2016-9962: an init that waits for its start holds its streams and its two sockets.
#[test]
fn an_init_that_waits_for_its_start_holds_nothing_of_the_hosts() {
    let room = Room::new();
    let bundle = Bundle::new(&room, "waits");
    let hook = json!([{"path": "/bin/true"}]);
    let host = fs::File::open("/").unwrap(); // the caller's own, which it has not marked
    rustix::io::fcntl_setfd(&host, rustix::io::FdFlags::empty()).unwrap();
    bundle.create(&with(container("true"), &json!({"hooks": {"startContainer": hook}})));
    let pid = bundle.runtime.state(&bundle.id).unwrap().state.pid.unwrap();
    let links = descriptors(pid);
    let rest = foreign(links.iter().map(String::as_str));
    assert!(rest.len() == 1 && rest[0].ends_with(" /memfd:state (deleted)"), "{links:?}");
    // Streams, the state for the hook, the start socket, the launcher's word, and the look that `state` has just taken.
    assert!(links.len() <= 7, "{links:?}");
}

/// A container that watches, with these capabilities besides.
fn watching(room: &Room, more: &[&str]) -> Value {
    room.build("spy", SPY);
    let mut document = container("exec spy");
    for set in ["bounding", "effective", "permitted"] {
        document["process"]["capabilities"][set].as_array_mut().unwrap().extend(more.iter().map(|&cap| cap.into()));
    }
    document
}

/// CVE-2016-9962, in namespaces that are shared: whoever lives there has all rights over them, yet cannot look at an init
/// that comes in, nor at the process that makes it.
#[test]
fn neighbours_in_shared_namespaces_cannot_look_at_an_init() {
    let (room, other) = (Room::new(), Room::new());
    let mapped = json!([{"containerID": 0, "hostID": 100_000, "size": 65536}]);
    for path in [room.dir.join("rootfs"), room.inside("tmp"), other.dir.join("rootfs")] {
        std::os::unix::fs::chown(path, Some(100_000), Some(100_000)).unwrap();
    }
    let mut document = watching(&room, &["CAP_SYS_PTRACE"]);
    document["linux"]["uidMappings"] = mapped.clone();
    document["linux"]["gidMappings"] = mapped;
    document["linux"]["namespaces"].as_array_mut().unwrap().push(json!({"type": "user"}));
    let (neighbour, _output) = room.start(&room.compile(document).unwrap(), None).unwrap();
    wait_for(&room.inside("tmp/ready"));
    let namespace = |kind: &str, file: &str| json!({"type": kind, "path": format!("/proc/{}/ns/{file}", neighbour.pid.as_raw_nonzero())});
    let mut document = container("true");
    document["mounts"] = json!([]);
    document["hostname"] = "".into();
    document["linux"] = json!({"namespaces": [{"type": "mount"}, namespace("pid", "pid"), namespace("user", "user")]});
    let plan = other.compile(document).unwrap();
    for _ in 0..20 {
        assert_eq!(other.run_plan(&plan).unwrap().code, 0);
    }
    fs::write(room.inside("tmp/over"), "").unwrap();
    assert_eq!(common::end(&neighbour), 0);
    // What a payload itself has open may be seen once it is the payload.
    let seen = fs::read_to_string(room.inside("tmp/seen")).unwrap();
    let foreign = foreign(seen.lines());
    assert!(foreign.is_empty() && !seen.contains(" socket:["), "{seen}");
}

/// Its working directory has a name that nothing of the host's has.
fn process(args: &[&str]) -> Value {
    json!({"args": args, "cwd": "/bin", "env": ["PATH=/bin"]})
}

fn seen_of_execs(more: &[&str]) -> (String, Vec<String>) {
    let room = Room::new();
    let bundle = Bundle::new(&room, "watched");
    bundle.create(&watching(&room, more));
    bundle.runtime.start(&bundle.id).unwrap();
    wait_for(&room.inside("tmp/ready"));
    for _ in 0..40 {
        assert_eq!(bundle.exec(&process(&["true"])).unwrap(), 0);
    }
    fs::write(room.inside("tmp/over"), "").unwrap();
    let end = Instant::now() + Duration::from_secs(20);
    while bundle.runtime.state(&bundle.id).unwrap().state.status != oci::runtime::Status::Stopped {
        assert!(Instant::now() < end, "it does not end");
        std::thread::sleep(Duration::from_millis(5));
    }
    let seen = fs::read_to_string(room.inside("tmp/seen")).unwrap();
    let foreign = foreign(seen.lines()).into_iter().map(str::to_owned).collect();
    (seen, foreign)
}

/// CVE-2016-9962 at `exec`: a payload that may trace everybody sees the new process come in, and finds nothing of the
/// host's in it.
#[test]
fn a_process_that_comes_in_brings_nothing_of_the_hosts() {
    let (seen, foreign) = seen_of_execs(&["CAP_SYS_PTRACE"]);
    assert!(seen.contains(" socket:["), "it was quick enough to see none: {seen}");
    // Its namespaces are entered by the init's pidfd, which is nothing that the payload doesn't have, and neither is the
    // working directory.
    let known = |link: &&String| link.contains("pidfd") || link.contains(" /proc/") || link.ends_with(" /bin");
    let rest: Vec<_> = foreign.iter().filter(|link| !known(link)).collect();
    assert!(rest.is_empty(), "{seen}");
}

/// The caller's keys stay with the caller.
#[test]
fn a_process_that_comes_in_does_not_have_the_callers_keys() {
    const SESSION: &str = r#"
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>
int main(void) {
    FILE *out = fopen("/tmp/session", "w");
    fprintf(out, "%ld", syscall(SYS_keyctl, 0L, -3L, 0L)); /* KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING */
    return fclose(out);
}"#;
    let room = Room::new();
    room.build("session", SESSION);
    let bundle = Bundle::new(&room, "keys");
    bundle.create(&container("true"));
    // The caller's own session, which its children have: the same program tells.
    let mine = std::thread::scope(|scope| {
        let caller = scope.spawn(|| {
            sys::process::join_new_session_keyring().unwrap();
            let mut command = Command::new("chroot");
            assert!(command.arg(room.dir.join("rootfs")).arg("/bin/session").status().unwrap().success());
            let mine = fs::read_to_string(room.inside("tmp/session")).unwrap();
            assert_eq!(bundle.exec(&process(&["session"])).unwrap(), 0);
            mine
        });
        caller.join().unwrap()
    });
    let theirs = fs::read_to_string(room.inside("tmp/session")).unwrap();
    assert!(mine.parse::<i64>().unwrap() > 0 && theirs.parse::<i64>().unwrap() > 0, "{mine} {theirs}");
    assert_ne!(mine, theirs);
}

/// CVE-2025-52565 and kin: a terminal comes from a devpts, whatever a payload that may mount has put at its place.
#[test]
fn a_terminal_comes_from_a_devpts_and_nowhere_else() {
    let room = Room::new();
    let bundle = Bundle::new(&room, "terminal");
    for name in ["mount", "mknod", "mkdir", "touch"] {
        symlink("busybox", room.inside(&format!("bin/{name}"))).unwrap();
    }
    // A node of the multiplexer in another file system, with a devpts beside it, makes terminals all the same.
    let script = "mount -t tmpfs tmpfs /dev/pts && mkdir /dev/pts/pts && mount -t devpts devpts /dev/pts/pts && \
                  mknod /dev/pts/ptmx c 5 2 && touch /shared/ready && exec sleep 60";
    let mut document = add_mounts(container(script), &[bind(&room.dir.join("shared"), "/shared")]);
    for set in ["bounding", "effective", "permitted"] {
        document["process"]["capabilities"][set].as_array_mut().unwrap().push("CAP_SYS_ADMIN".into());
    }
    bundle.create(&document);
    bundle.runtime.start(&bundle.id).unwrap();
    wait_for(&room.dir.join("shared/ready"));
    let error = bundle.exec(&with(process(&["true"]), &json!({"terminal": true}))).unwrap_err();
    assert!(error.to_string().starts_with("can't give the container a terminal"), "{error}");
    assert_eq!(bundle.exec(&process(&["true"])).unwrap(), 0);
}

/// A hook of the image is executed in the container: it has what hooks have, and nothing to climb on.
#[test]
fn a_hook_in_the_container_has_the_state_and_no_other_descriptor() {
    let room = Room::new();
    let hook = "#!/bin/sh\nls /proc/self/fd > /shared/fds; readlink /proc/self/fd/0 >> /shared/fds\n";
    fs::write(room.inside("bin/hook"), hook).unwrap();
    fs::set_permissions(room.inside("bin/hook"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let shared = bind(&room.dir.join("shared"), "/shared");
    let bundle = Bundle::new(&room, "hook");
    // The root, a host folder and more are among the init's descriptors: none of these numbers may lead there.
    for path in ["/bin/hook", "/proc/self/fd/4/bin/hook", "/proc/self/fd/5/bin/hook", "/proc/self/fd/6/bin/hook"] {
        let hooks = json!({"hooks": {"startContainer": [{"path": path, "args": ["hook"], "env": ["PATH=/bin"]}]}});
        let document = add_mounts(with(container("true"), &hooks), std::slice::from_ref(&shared));
        std::fs::write(room.dir.join("config.json"), document.to_string()).unwrap();
        if path == "/bin/hook" {
            assert_eq!(bundle.run(&document), 0);
            let fds = fs::read_to_string(room.dir.join("shared/fds")).unwrap();
            assert_eq!(fds, "0\n1\n2\n3\n/memfd:state (deleted)\n", "3 is the folder that `ls` reads");
            fs::remove_file(room.dir.join("shared/fds")).unwrap();
        } else {
            bundle.create(&document);
            bundle.runtime.start(&bundle.id).unwrap_err();
            bundle.runtime.delete(&bundle.id, true).unwrap();
            assert!(!room.dir.join("shared/fds").try_exists().unwrap(), "{path}");
        }
    }
}
