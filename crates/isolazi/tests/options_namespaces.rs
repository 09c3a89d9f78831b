//! Namespaces that a container shares, with the host or with another container.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking, in their helpers too")]

mod common;

use common::{Busybox, state};

fn of_host(kind: &str) -> String {
    std::fs::read_link(format!("/proc/self/ns/{kind}")).unwrap().to_string_lossy().into_owned()
}

#[test]
fn the_hosts_namespaces_are_the_hosts_when_asked_for() {
    for busybox in Busybox::both() {
        for (flag, kind) in [("--pid", "pid"), ("--ipc", "ipc"), ("--uts", "uts"), ("--cgroupns", "cgroup")] {
            let inside = |mode: &str| busybox.run(&[flag, mode], &["readlink", &format!("/proc/self/ns/{kind}")]).ok();
            assert_eq!(inside("host").trim(), of_host(kind), "{flag}");
            assert_ne!(inside("").trim(), of_host(kind), "{flag}");
        }
        for (flag, mode) in
            [("--ipc", "private"), ("--ipc", "shareable"), ("--cgroupns", "private"), ("--userns", "host")]
        {
            assert_eq!(busybox.run(&[flag, mode], &["echo", "ran"]).ok(), "ran\n");
        }
        busybox.holds_nothing();
    }
}

#[test]
fn the_hosts_processes_names_and_memory_are_seen_with_its_namespaces() {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    for busybox in Busybox::both() {
        let pid = std::process::id();
        assert_eq!(busybox.sh(&["--pid", "host"], &format!("ls -d /proc/{pid}")).ok(), format!("/proc/{pid}\n"));
        let names = busybox.sh(&["--uts", "host"], "hostname; cat /etc/hostname; echo $HOSTNAME").ok();
        assert_eq!(names, format!("{host}\n{host}\n{host}\n"));
        let file = format!("/dev/shm/isolazi-test-{pid}");
        std::fs::write(&file, "of the host").unwrap();
        let seen = busybox.sh(&["--ipc", "host"], &format!("cat {file}"));
        let private = busybox.sh(&[], "ls /dev/shm");
        std::fs::remove_file(&file).unwrap();
        assert_eq!((seen.ok().as_str(), private.ok().as_str()), ("of the host", ""));
        let none = busybox.sh(&["--ipc", "none"], "grep -c ' /dev/shm ' /proc/mounts; true").ok();
        assert_eq!(none, "0\n");
        busybox.holds_nothing();
    }
}

#[test]
fn another_containers_namespaces_are_joined_by_name_and_by_id() {
    let busybox = Busybox::new();
    let donor = busybox.words(
        &["-d", "--name", "donor", "-h", "donor-box", "--ipc", "shareable"],
        &["sh", "-c", "echo shared >/dev/shm/file; exec sleep 1000"],
    );
    let id = busybox.isolazi.run(&donor).ok();
    let inside = |kind: &str| {
        let pid: serde_json::Value = serde_json::from_slice(
            &std::fs::read(busybox.isolazi.root().join("containers").join(id.trim()).join("status.json")).unwrap(),
        )
        .unwrap();
        let link = std::fs::read_link(format!("/proc/{}/ns/{kind}", pid["pid"])).unwrap();
        format!("{}\n", link.display())
    };
    for (flag, kind) in [("--pid", "pid"), ("--ipc", "ipc"), ("--uts", "uts"), ("--cgroupns", "cgroup")] {
        for who in ["donor", id.trim(), &id[..12]] {
            let mode = format!("container:{who}");
            assert_eq!(
                busybox.run(&[flag, &mode], &["readlink", &format!("/proc/self/ns/{kind}")]).ok(),
                inside(kind),
                "{flag} {who}"
            );
        }
    }
    assert_eq!(busybox.sh(&["--uts", "container:donor"], "hostname; cat /etc/hostname").ok(), "donor-box\ndonor-box\n");
    assert_eq!(busybox.sh(&["--pid", "container:donor"], "ps | grep -c '[s]leep 1000'").ok(), "1\n");
    assert_eq!(
        busybox.sh(&["--ipc", "container:donor"], "cat /dev/shm/file; echo more >/dev/shm/more").ok(),
        "shared\n"
    );
    assert_eq!(busybox.sh(&["--ipc", "container:donor"], "cat /dev/shm/more").ok(), "more\n");
    // One who came in does not end the one who was there.
    assert_eq!(state(&busybox.isolazi, "{{.Names}} {{.State}}"), "donor running");
    assert_eq!(busybox.isolazi.run(&["rm", "-f", "donor"]).ok(), "donor\n");
    busybox.holds_nothing();
}

#[test]
fn who_is_not_there_or_does_not_share_cannot_be_joined() {
    let busybox = Busybox::new();
    busybox.run(&["--pid", "container:nosuch"], &["true"]).fails(125, "Error: No such container: nosuch\n");
    let create = ["create", "--name", "idle", &busybox.image, "true"];
    let id = busybox.isolazi.run(&create).ok();
    busybox
        .run(&["--pid", "container:idle"], &["true"])
        .fails(125, "Error: cannot join PID namespace of a non running container: container idle is created\n");
    busybox.run(&["--ipc", "container:idle"], &["true"]).fails(
        125,
        &format!(
            "Error: can't join IPC of container {}: non-shareable IPC (hint: use IpcMode:shareable for the donor \
             container)\n",
            id.trim()
        ),
    );
    assert_eq!(busybox.isolazi.run(&["rm", "idle"]).ok(), "idle\n");
    busybox.holds_nothing();
    let ordinary = Busybox::ordinary();
    ordinary.run(&["--pid", "container:idle"], &["true"]).fails(
        125,
        "Error: can't share namespaces of another container: each container of an ordinary user has a user namespace of \
         its own\n",
    );
    ordinary.holds_nothing();
}

#[test]
fn modes_that_do_not_exist_are_refused() {
    for busybox in Busybox::both() {
        for (flag, mode, complaint) in [
            ("--pid", "nope", "--pid: invalid PID mode"),
            ("--ipc", "nope", "invalid IPC mode: nope"),
            ("--uts", "nope", "--uts: invalid UTS mode"),
            ("--cgroupns", "nope", "--cgroupns: invalid CGROUP mode"),
            ("--userns", "nope", "--userns: invalid USER mode"),
        ] {
            busybox.run(&[flag, mode], &["true"]).fails(125, &format!("Error: {complaint}\n"));
        }
        busybox.run(&["--userns", "keep-id"], &["true"]).fails(
            125,
            "Error: --userns: `keep-id` is not supported yet\nHint: run as an ordinary user: the container's root is that \
             user outside\n",
        );
        busybox
            .run(&["--uts", "host", "-h", "box"], &["true"])
            .fails(125, "Error: conflicting options: hostname and the UTS mode\n");
        busybox.holds_nothing();
    }
}

#[test]
fn whoever_shares_the_hosts_processes_leaves_none_behind() {
    let busybox = Busybox::new();
    // Without a pid namespace of its own, the end of the first process ends no other by itself.
    let script = "sleep 98765 & echo started";
    assert_eq!(busybox.sh(&["--pid", "host"], script).ok(), "started\n");
    busybox.holds_nothing();
    common::eventually("the end of all processes", || {
        let entries = std::fs::read_dir("/proc").unwrap().flatten();
        let mut lines = entries.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
        (!lines.any(|line| line == b"sleep\x0098765\x00")).then_some(())
    });
}
