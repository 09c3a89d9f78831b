//! Containers without a mount namespace: they share their caller's, where their root file system is mounted meanwhile.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "tests fail by panicking, in their helpers too")]
#![allow(unsafe_code, reason = "a caller that is killed is a forked one")]

mod common;

use common::bundle::Bundle;
use common::{add_mounts, bind, end, in_own_mounts, refuse, under, with};
use error::Kind;
use oci::runtime::{Process, Status};
use runtime::Running;
use runtime::container::{Create, Exec, Warnings};
use runtime::criu::{Dump, Restore};
use rustix::mount::{MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_bind, mount_change, unmount};
use rustix::process::{Pid, WaitOptions, WaitStatus, waitpid};
use serde_json::{Value, json};
use std::os::unix::fs::symlink;

/// The document without its mount namespace, and without others of these kinds.
fn without(mut document: Value, kinds: &[&str]) -> Value {
    let kind = |one: &Value| one["type"].as_str().unwrap().to_owned();
    document["linux"]["namespaces"]
        .as_array_mut()
        .unwrap()
        .retain(|one| kind(one) != "mount" && !kinds.contains(&&*kind(one)));
    document
}

fn bundle(script: &str) -> Bundle {
    let bundle = Bundle::new(&Value::Null);
    bundle.configure(&without(bundle.document(script), &[]));
    bundle
}

/// What is mounted for this thread, or for another process.
fn mounts(bundle: &Bundle) -> String {
    mounts_of("thread-self", bundle)
}

/// Other tests' mounts that were copied with everything go when theirs do.
fn mounts_of(process: &str, bundle: &Bundle) -> String {
    let text = std::fs::read_to_string(format!("/proc/{process}/mountinfo")).unwrap();
    let own = bundle.room.dir.to_str().unwrap();
    let is_ours = |line: &&str| !line.contains("/room-") || line.contains(own);
    text.split_inclusive('\n').filter(is_ours).collect()
}

fn namespace(kind: &str) -> String {
    std::fs::read_link(format!("/proc/thread-self/ns/{kind}")).unwrap().display().to_string()
}

fn exec(bundle: &Bundle, script: &str) -> Running {
    let base = serde_json::to_value(bundle.runtime.base_process(&bundle.id).unwrap()).unwrap();
    let script = format!("exec >/shared/exec 2>&1\n{script}");
    let process: Process = serde_json::from_value(with(base, &json!({"args": ["sh", "-c", script]}))).unwrap();
    let what = Exec {
        id: &bundle.id,
        process,
        pid_file: None,
        console_socket: None,
        pidfd_socket: None,
        preserve_fds: 0,
        cgroup: None,
        ignore_paused: false,
    };
    bundle.runtime.exec(&what, &mut Warnings::new()).unwrap()
}

fn heard(bundle: &Bundle) -> String {
    std::fs::read_to_string(bundle.room.dir.join("shared/exec")).unwrap()
}

#[test]
fn its_mount_namespace_is_the_callers_and_its_root_its_own() {
    let script = "readlink /proc/self/ns/mnt; pwd; ls / | grep -v shared; ls -d /dev/null /dev/pts/ptmx /sys/class
        echo x >/dev/null && cat /proc/sys/kernel/ostype; cat /proc/version; ls /etc
        (echo x >/proc/sys/kernel/domainname) 2>/dev/null || echo refused; (: >/new) 2>/dev/null || echo sealed";
    let text = |namespace: &str| {
        format!(
            "{namespace}\n/\nbin\ndev\netc\nproc\nsys\ntmp\n/dev/null\n/dev/pts/ptmx\n/sys/class\nLinux\nrefused\nsealed\n"
        )
    };
    // Here, and where the caller is alone with its mounts.
    let life = || {
        let bundle = bundle("");
        std::fs::write(bundle.room.inside("etc/secret"), "").unwrap();
        let patch = json!({"root": {"readonly": true}, "linux": {"maskedPaths": ["/proc/version", "/etc"]}});
        bundle.configure(&without(with(bundle.document(script), &patch), &[]));
        assert_eq!(bundle.live(), text(&namespace("mnt")));
        bundle.room.assert_outside_untouched();
        std::fs::write(bundle.room.inside("new"), "").unwrap();
    };
    life();
    in_own_mounts(life);
}

#[test]
fn without_any_namespace_all_are_the_callers() {
    let kinds = ["cgroup", "ipc", "mnt", "net", "pid", "user", "uts"];
    let bundle = bundle("");
    let script = format!("for kind in {}; do readlink /proc/self/ns/$kind; done", kinds.join(" "));
    let document = with(bundle.document(&script), &json!({"hostname": null, "linux": {"namespaces": []}}));
    bundle.configure(&document);
    let ours: String = kinds.map(|kind| namespace(kind) + "\n").concat();
    assert_eq!(bundle.live(), ours);
    // A document may have no section for Linux at all.
    bundle.configure(&with(document, &json!({"linux": null})));
    assert_eq!(bundle.live(), ours);
}

#[test]
fn what_is_mounted_goes_with_the_container() {
    in_own_mounts(|| {
        let bundle = bundle("sleep 1000");
        let before = mounts(&bundle);
        bundle.create().unwrap();
        let tree = bundle.folder().join("tree");
        assert!(mounts(&bundle).contains(&format!(" {} ", tree.join("proc").display())), "{}", mounts(&bundle));
        assert!(tree.join("bin/busybox").try_exists().unwrap());
        bundle.start().unwrap();
        assert_eq!(bundle.delete().unwrap_err().kind, Kind::Conflict);
        bundle.runtime.kill(&bundle.id, 9, false).unwrap();
        bundle.wait_for(Status::Stopped);
        assert_ne!(mounts(&bundle), before);
        bundle.delete().unwrap();
        assert_eq!(mounts(&bundle), before);
    });
}

#[test]
fn two_containers_of_one_root_file_system_know_nothing_of_each_other() {
    in_own_mounts(|| {
        let one = bundle("sleep 1000");
        let before = mounts(&one);
        one.create().unwrap();
        one.start().unwrap();
        let other = format!("{}-other", one.id);
        one.configure(&without(one.document("grep -c ' /proc ' /proc/self/mountinfo"), &[]));
        one.runtime.create(&Create { id: &other, ..one.plain() }).unwrap();
        one.runtime.start(&other).unwrap();
        while one.runtime.state(&other).unwrap().state.status != Status::Stopped {
            std::thread::yield_now();
        }
        assert_eq!(one.said(), "1\n");
        one.runtime.delete(&other, false).unwrap();
        assert_eq!(end(&exec(&one, "ls /proc/self/status /dev/null")), 0);
        one.runtime.delete(&one.id, true).unwrap();
        assert_eq!(mounts(&one), before);
    });
}

#[test]
fn a_process_that_comes_in_gets_the_containers_root_whatever_became_of_the_firsts() {
    let script = "readlink /proc/self/ns/mnt; pwd; ls /; cat /proc/self/mountinfo | grep -c ' /proc '";
    let life = || {
        let bundle = bundle("exec chroot /hole /busybox sleep 1000");
        std::fs::create_dir(bundle.room.inside("hole")).unwrap();
        std::fs::hard_link(bundle.room.inside("bin/busybox"), bundle.room.inside("hole/busybox")).unwrap();
        bundle.create().unwrap();
        assert_eq!(end(&exec(&bundle, script)), 0);
        let before = heard(&bundle);
        assert_eq!(before, format!("{}\n/\nbin\ndev\netc\nhole\nproc\nshared\nsys\ntmp\n1\n", namespace("mnt")));
        bundle.start().unwrap();
        let pid = bundle.state().pid.unwrap();
        while std::fs::read_link(format!("/proc/{pid}/root")).unwrap().file_name() != Some("hole".as_ref()) {
            std::thread::yield_now();
        }
        assert_eq!(end(&exec(&bundle, script)), 0);
        assert_eq!(heard(&bundle), before);
    };
    life();
    in_own_mounts(life);
}

/// A shared tree takes what is mounted on it to its peers; nothing of a container may get there, nor stay there.
#[test]
fn nothing_of_it_is_seen_in_other_mount_namespaces() {
    in_own_mounts(|| {
        let bundle = bundle("sleep 1000");
        let states = &bundle.runtime.root;
        std::fs::create_dir(states).unwrap();
        mount_bind(states, states).unwrap();
        mount_change(states, MountPropagationFlags::SHARED).unwrap();
        let peer = Peer::new();
        let before = (mounts(&bundle), peer.mounts(&bundle));
        bundle.create().unwrap();
        bundle.start().unwrap();
        assert!(mounts(&bundle).contains("/tree/proc "), "{}", mounts(&bundle));
        assert!(!peer.mounts(&bundle).contains("/tree/"), "{}", peer.mounts(&bundle));
        // This one begins with a copy of everything.
        let later = Peer::new();
        assert!(later.mounts(&bundle).contains("/tree/proc "));
        bundle.runtime.delete(&bundle.id, true).unwrap();
        assert_eq!((mounts(&bundle), peer.mounts(&bundle)), before);
        assert!(!later.mounts(&bundle).contains("/tree"), "{}", later.mounts(&bundle));
        drop((peer, later));
        unmount(states, UnmountFlags::DETACH).unwrap();
    });
}

/// A process in a copy of this thread's mount namespace.
struct Peer(std::process::Child);

impl Peer {
    fn new() -> Self {
        let mut command = std::process::Command::new("unshare");
        command.args(["--mount", "--propagation", "unchanged", "sh", "-c", "echo; read _"]);
        command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
        let mut child = command.spawn().unwrap();
        std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut [0]).unwrap();
        Self(child)
    }

    fn mounts(&self, bundle: &Bundle) -> String {
        mounts_of(&self.0.id().to_string(), bundle)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// What unmounts a shared copy unmounts the original.
#[test]
fn a_bind_mount_that_is_shared_with_the_host_leaves_it_its_own() {
    in_own_mounts(|| {
        let bundle = bundle("");
        let shared = bundle.room.dir.join("shared");
        mount_bind(&shared, &shared).unwrap();
        mount_change(&shared, MountPropagationFlags::SHARED).unwrap();
        std::fs::create_dir(shared.join("below")).unwrap();
        mount("tmpfs", shared.join("below"), "tmpfs", MountFlags::empty(), None).unwrap();
        std::fs::write(shared.join("below/file"), "").unwrap();
        let mut document = without(bundle.document("ls /shared/below"), &[]);
        document["mounts"][5]["options"] = json!(["rbind", "rshared"]);
        bundle.configure(&document);
        let before = mounts(&bundle);
        assert_eq!(bundle.live(), "file\n");
        assert_eq!(mounts(&bundle), before);
        unmount(shared.join("below"), UnmountFlags::DETACH).unwrap();
        unmount(&shared, UnmountFlags::DETACH).unwrap();
    });
}

#[test]
fn the_host_keeps_its_propagation_and_the_root_has_the_documents() {
    in_own_mounts(|| {
        let top = |mounts: String| mounts.lines().find(|line| line.split(' ').nth(4) == Some("/")).unwrap().to_owned();
        let bundle = bundle("");
        mount_change("/", MountPropagationFlags::SHARED).unwrap();
        let before = top(mounts(&bundle));
        assert!(before.contains("shared:"));
        for (word, found) in [("", "-"), ("rprivate", "-"), ("rslave", "master:"), ("shared", "shared:")] {
            let script = "while read -r _ _ _ _ at _ more; do [ $at = / ] && echo $more; done </proc/self/mountinfo";
            let patch = json!({"linux": {"rootfsPropagation": word}});
            bundle.configure(&without(with(bundle.document(script), &patch), &[]));
            bundle.create().unwrap();
            bundle.start().unwrap();
            bundle.wait_for(Status::Stopped);
            assert!(bundle.said().starts_with(found), "{word}: {}", bundle.said());
            assert_eq!(top(mounts(&bundle)), before);
            bundle.delete().unwrap();
            assert_eq!(top(mounts(&bundle)), before);
        }
    });
}

#[test]
fn links_of_a_hostile_root_file_system_lead_nowhere() {
    let bundle = bundle("");
    let outside = bundle.room.outside();
    symlink(&outside, bundle.room.inside("mnt")).unwrap();
    symlink(format!("../../../../../../../../..{}", outside.display()), bundle.room.inside("srv")).unwrap();
    let target = json!({"destination": "/mnt/tmpfs", "type": "tmpfs"});
    let mounts = [target, bind(&bundle.room.dir.join("shared"), "/srv/bound")];
    bundle.configure(&without(add_mounts(bundle.document("ls -d /mnt/tmpfs /srv/bound/said"), &mounts), &[]));
    assert_eq!(bundle.live(), "/mnt/tmpfs\n/srv/bound/said\n");
    bundle.room.assert_outside_untouched();
    // proc is mounted where its name says or not at all.
    symlink(&outside, bundle.room.inside("proc")).unwrap_err();
    std::fs::remove_dir(bundle.room.inside("proc")).unwrap();
    symlink(&outside, bundle.room.inside("proc")).unwrap();
    assert!(bundle.create().unwrap_err().to_string().starts_with("can't mount proc on `/proc`"));
    bundle.room.assert_outside_untouched();
    assert!(!bundle.folder().try_exists().unwrap());
}

#[test]
fn a_create_that_fails_anywhere_leaves_nothing_mounted() {
    in_own_mounts(|| {
        let bundle = bundle("");
        symlink("/loop", bundle.room.inside("loop")).unwrap();
        let before = mounts(&bundle);
        let nosuch = json!({"destination": "/x", "type": "nosuchfs"});
        let hook = |kind: &str| json!({"hooks": {kind: [{"path": "/bin/false"}]}});
        for document in [
            add_mounts(bundle.document(""), &[nosuch]),
            with(bundle.document(""), &hook("createRuntime")),
            with(bundle.document(""), &hook("createContainer")),
            with(bundle.document(""), &json!({"linux": {"maskedPaths": ["/proc/kcore", "/loop"]}})),
            with(bundle.document(""), &json!({"process": {"args": ["nosuch"]}})),
        ] {
            bundle.configure(&without(document.clone(), &[]));
            bundle.create().unwrap_err();
            assert_eq!(mounts(&bundle), before, "{document}");
            assert!(!bundle.folder().try_exists().unwrap());
        }
        bundle.configure(&without(bundle.document(""), &[]));
        // The init's alone are `chroot` and `setsid`; the others are the caller's, too.
        for call in ["setsid", "chroot", "chdir", "fchdir", "move_mount", "mount_setattr", "openat2", "fsopen"] {
            assert!(under(&refuse(call, 5), || bundle.create()).is_err(), "{call}");
            assert_eq!(mounts(&bundle), before, "{call}");
        }
        let killed = r#"{"names":["chroot"],"action":"SCMP_ACT_KILL_PROCESS"}"#;
        assert_eq!(under(killed, || bundle.create()).unwrap_err().kind, Kind::Unavailable);
        assert_eq!(mounts(&bundle), before);
    });
}

/// Does it in a process of one thread that is killed by it.
fn killed(act: impl FnOnce()) {
    // SAFETY: the C library's fork keeps its own locks usable in the child, which acts and exits.
    let child = unsafe { libc::fork() };
    if child == 0 {
        act();
        // SAFETY: nothing of the parent's is ended or flushed twice.
        unsafe { libc::_exit(0) };
    }
    let (_, status): (_, WaitStatus) =
        waitpid(Some(Pid::from_raw(child).unwrap()), WaitOptions::empty()).unwrap().unwrap();
    assert!(status.terminating_signal().is_some(), "it was not killed: {status:?}");
}

#[test]
fn a_create_that_is_killed_leaves_nothing_that_a_forced_delete_does_not_find() {
    in_own_mounts(|| {
        let bundle = bundle("sleep 1000");
        let before = mounts(&bundle);
        let hook = |kind: &str| {
            let kill = json!({"path": "/bin/sh", "args": ["sh", "-c", "kill -9 $PPID"]});
            without(with(bundle.document("sleep 1000"), &json!({"hooks": {kind: [kill]}})), &[])
        };
        // When everything is mounted.
        for kind in ["prestart", "createRuntime"] {
            bundle.configure(&hook(kind));
            killed(|| drop(bundle.create()));
            bundle.runtime.delete(&bundle.id, true).unwrap();
            assert_eq!(mounts(&bundle), before, "{kind}");
            assert!(!bundle.folder().try_exists().unwrap());
        }
        bundle.configure(&without(bundle.document("sleep 1000"), &[]));
        // The caller's own way there: the place made, cloned, mounted, and made private.
        for call in ["mkdirat", "open_tree", "move_mount", "clone3"] {
            let rule = format!(r#"{{"names":["{call}"],"action":"SCMP_ACT_KILL_PROCESS"}}"#);
            let section = format!(r#"{{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{rule}]}}"#);
            let filter = runtime::seccomp::compile_section(&section).unwrap();
            killed(|| {
                sys::seccomp::load(&filter.instructions, 0).unwrap();
                drop(bundle.create());
            });
            bundle.runtime.delete(&bundle.id, true).unwrap();
            assert_eq!(mounts(&bundle), before, "{call}");
            assert!(!bundle.folder().try_exists().unwrap());
        }
        // What was killed stands in nobody's way.
        bundle.create().unwrap();
    });
}

#[test]
fn what_needs_a_mount_namespace_says_so_before_anything_is_changed() {
    let bundle = bundle("");
    let maps = json!([{"containerID": 0, "hostID": 100_000, "size": 10}]);
    let user = json!({"linux": {"namespaces": [{"type": "user"}], "uidMappings": maps, "gidMappings": maps}});
    bundle.configure(&with(bundle.document(""), &with(json!({"hostname": null}), &user)));
    let text = "config.json: `linux.namespaces`: a user namespace needs a mount namespace: its root may not mount in the \
        caller's";
    let error = bundle.create().unwrap_err();
    assert_eq!((error.kind, &*error.to_string()), (Kind::Invalid, text));
    assert!(!bundle.runtime.root.try_exists().unwrap());

    bundle.configure(&without(bundle.document("sleep 1000"), &[]));
    let text =
        |what: &str| format!("config.json: `linux.namespaces`: a container without a mount namespace can't be {what}");
    let error = bundle.runtime.restore(&bundle.plain(), &Restore::default()).unwrap_err();
    assert_eq!((error.kind, error.to_string()), (Kind::Unsupported, text("restored")));
    assert!(!bundle.runtime.root.try_exists().unwrap());
    bundle.create().unwrap();
    bundle.start().unwrap();
    let error = bundle.runtime.checkpoint(&bundle.id, &Dump::default()).unwrap_err();
    assert_eq!((error.kind, error.to_string()), (Kind::Unsupported, text("checkpointed")));
    assert_eq!(bundle.state().status, Status::Running);
}
