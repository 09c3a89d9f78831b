//! Namespaces: one's own, another container's, the machine's.

use crate::container::{Container, sh};
use testkit::Engine;

const KINDS: [&str; 6] = ["pid", "mnt", "uts", "ipc", "net", "cgroup"];

fn hosts(kind: &str) -> String {
    std::fs::read_link(format!("/proc/self/ns/{kind}")).unwrap().display().to_string()
}

/// What a container's namespaces of these kinds are.
#[track_caller]
fn of(engine: &Engine, flags: &[&str], kinds: &[&str]) -> Vec<String> {
    let script = format!("cd /proc/self/ns; for n in {}; do readlink $n; done", kinds.join(" "));
    sh(engine, flags, &script).lines().map(str::to_owned).collect()
}

pub fn every_namespace_is_the_containers_own(engine: &Engine) {
    let text = sh(
        engine,
        &["--cgroupns", "private"],
        &format!(
            "cd /proc/self/ns; for n in {}; do readlink $n; done; ls -d /proc/[0-9]*; ls /sys/class/net",
            KINDS.join(" ")
        ),
    );
    let lines: Vec<&str> = text.lines().collect();
    for (kind, line) in KINDS.iter().zip(&lines) {
        assert!(line.starts_with(kind) && **line != *hosts(kind), "{kind}: {text}");
    }
    assert_eq!(lines[KINDS.len()], "/proc/1", "{text}");
    assert_eq!(*lines.last().unwrap(), "lo", "{text}");
}

pub fn namespaces_of_another_container_are_joined(engine: &Engine) {
    let first = Container::sleeping(engine, "host", &["--ipc", "shareable"]);
    let flags = ["--pid", "container:host", "--network", "container:host", "--ipc", "container:host"];
    let kinds = ["pid", "net", "ipc"];
    let script = format!("cd /proc/self/ns; for n in {}; do readlink $n; done", kinds.join(" "));
    assert_eq!(of(engine, &flags, &kinds).join("\n") + "\n", first.sh(&[], &script));
    assert!(sh(engine, &flags, "cat /proc/1/cmdline | tr '\\0' ' '").starts_with("sleep 1000"));
    // A guest can be run beside another, entered, and ends without its host.
    let guest = Container::sleeping(engine, "guest", &flags);
    assert_eq!(guest.sh(&[], &script), first.sh(&[], &script));
    let payload = guest.pid();
    drop(guest);
    assert!(crate::container::is_gone(payload));
    assert_eq!(first.sh(&[], "cat /proc/1/cmdline | tr '\\0' ' '"), "sleep 1000 ");
}

pub fn namespaces_of_the_host_are_kept(engine: &Engine) {
    let (mut kinds, mut flags) = (vec!["pid", "net", "uts"], vec!["--pid=host", "--network=host", "--uts=host"]);
    if !engine.is_ordinary() {
        // An ordinary user's podman binds the machine's /dev/mqueue, which need not be there.
        kinds.push("ipc");
        flags.push("--ipc=host");
    }
    let expected: Vec<String> = kinds.iter().map(|kind| hosts(kind)).collect();
    assert_eq!(of(engine, &flags, &kinds), expected);
    // With the machine's processes in view, the payload is still found and ended.
    let container = Container::sleeping(engine, "guest-of-host", &flags);
    assert_eq!(container.sh(&[], "readlink /proc/self/ns/pid").trim(), hosts("pid"));
    container.ok(&["kill"]);
    assert_eq!(container.wait(), 137);
}
