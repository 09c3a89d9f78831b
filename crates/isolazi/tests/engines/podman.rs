//! What only podman asks of a runtime.

use crate::Check;
use crate::container::{Container, eventually, run, sh, words};
use serde_json::Value;
use testkit::Engine;

pub const CHECKS: &[Check] = &[
    ("a_pod_shares_its_namespaces", a_pod_shares_its_namespaces),
    ("descriptors_are_preserved", descriptors_are_preserved),
    ("added_capabilities_reach_a_user", added_capabilities_reach_a_user),
];

pub const ROOTS_CHECKS: &[Check] = &[
    ("hooks_are_run_with_the_state", hooks_are_run_with_the_state),
    ("a_user_namespace_has_the_asked_ids", a_user_namespace_has_the_asked_ids),
    ("the_runtime_forgets_what_was_removed", the_runtime_forgets_what_was_removed),
];

fn a_pod_shares_its_namespaces(engine: &Engine) {
    let image = engine.image();
    let parent: &[&str] = if engine.is_ordinary() { &[] } else { &["--cgroup-parent", engine.group()] };
    let pod = ["pod", "create", "--name", "pod", "--network", "none", "--infra-image", &image, "--infra-command"];
    engine.ok(&[&pod[..], &["sleep 1000"], parent].concat());
    let inside = |name: &str| {
        let flags = ["run", "--detach", "--pod", "pod", "--name", name, &image, "sleep", "1000"];
        engine.ok(&flags);
        Container { engine, name: name.to_owned() }
    };
    let (first, second) = (inside("one"), inside("other"));
    let [one, other] = [&first, &second].map(|container| {
        let text = container.sh(&[], "cd /proc/self/ns; for n in net ipc uts pid mnt; do readlink $n; done");
        text.lines().map(str::to_owned).collect::<Vec<_>>()
    });
    assert_eq!(one[..3], other[..3]);
    assert!(one[3] != other[3] && one[4] != other[4], "{one:?} {other:?}");
    drop((first, second));
    engine.ok(&["pod", "rm", "--force", "--time", "0", "pod"]);
}

fn descriptors_are_preserved(engine: &Engine) {
    let folder = engine.folder("preserved");
    std::fs::write(folder.join("file"), "through a descriptor\n").unwrap();
    let image = engine.image();
    let script = ["sh", "-c", "cat <&3; ls /proc/1/fd; true"];
    let command = engine.command(&words(engine, &image, &["--rm", "--preserve-fds", "1"], &script));
    let mut shell = engine.shell(&format!("exec \"$@\" 3<{}/file", folder.display()));
    shell.arg("sh").arg(command.get_program()).args(command.get_args());
    let output = testkit::finish(shell.spawn().unwrap(), b"", std::time::Duration::from_secs(30));
    assert_eq!(output.stdout, "through a descriptor\n0\n1\n2\n3\n", "{output:#?}");
}

fn added_capabilities_reach_a_user(engine: &Engine) {
    // 10 is CAP_NET_BIND_SERVICE. Podman makes it ambient, so that it survives the exec.
    let flags = ["--user", "app", "--cap-drop", "ALL", "--cap-add", "NET_BIND_SERVICE"];
    let script = "for s in Inh Prm Eff Bnd Amb; do grep Cap$s /proc/self/status | cut -f 2; done";
    assert_eq!(sh(engine, &flags, script).lines().collect::<Vec<_>>(), ["0000000000000400"; 5]);
}

fn hooks_are_run_with_the_state(engine: &Engine) {
    let folder = engine.folder("hooks");
    let stages = ["prestart", "createRuntime", "createContainer", "poststart", "poststop"];
    for stage in stages {
        // The hook says its stage, and what it was given.
        let script = format!("{{ cat; echo; }} >{}/{stage}.txt", folder.display());
        let hook = serde_json::json!({
            "version": "1.0.0", "when": {"always": true}, "stages": [stage],
            "hook": {"path": "/bin/sh", "args": ["sh", "-c", script], "env": ["A=b"], "timeout": 10},
        });
        std::fs::write(folder.join(format!("{stage}.json")), hook.to_string()).unwrap();
    }
    let name = "hooked";
    let hooks = folder.display().to_string();
    let image = engine.image();
    let words = words(engine, &image, &["--detach", "--name", name], &["sleep", "1000"]);
    engine.ok(&[&["--hooks-dir", &hooks], &words[..]].concat());
    let container = Container { engine, name: name.to_owned() };
    let (id, pid) = (container.inspect(".Id"), container.pid());
    engine.ok(&["--hooks-dir", &hooks, "rm", "--force", "--time", "0", name]);
    // The specification's words; runc says `creating` for the container's own namespaces, and `created` after the start.
    let statuses: [&[&str]; 5] = [
        &["creating", "created"],
        &["creating", "created"],
        &["creating", "created"],
        &["running", "created"],
        &["stopped"],
    ];
    for (stage, statuses) in stages.iter().zip(statuses) {
        let text =
            eventually(stage, || std::fs::read(folder.join(format!("{stage}.txt"))).ok().filter(|t| !t.is_empty()));
        let state: Value = serde_json::from_slice(&text).unwrap();
        assert_eq!(state["id"], id.as_str(), "{stage}: {state}");
        assert!(state["bundle"].as_str().is_some_and(|path| path.contains(&id)), "{stage}: {state}");
        assert!(statuses.contains(&state["status"].as_str().unwrap()), "{stage}: {state}");
        // In the container's namespaces the payload has another number; afterwards it has none.
        if !["createContainer", "poststop"].contains(stage) {
            assert_eq!(state["pid"], pid, "{stage}: {state}");
        }
    }
    // A hook that fails keeps the container from starting.
    let failing = engine.folder("failing");
    let hook = serde_json::json!({
        "version": "1.0.0", "when": {"always": true}, "stages": ["createRuntime"],
        "hook": {"path": "/bin/sh", "args": ["sh", "-c", "exit 5"]},
    });
    std::fs::write(failing.join("hook.json"), hook.to_string()).unwrap();
    let output = engine.run(&[&["--hooks-dir", &failing.display().to_string()], &words[..]].concat());
    assert_ne!(output.code, 0, "{output:#?}");
}

fn a_user_namespace_has_the_asked_ids(engine: &Engine) {
    let flags = ["--uidmap", "0:100000:65536", "--gidmap", "0:200000:65536"];
    let script = "cat /proc/self/uid_map /proc/self/gid_map | tr -s ' '; id -u; touch /x && stat -c %u:%g /x
        ping -c 1 127.0.0.1 >/dev/null 2>&1; chown app /x && stat -c %u /x; hostname";
    let text = sh(engine, &[&flags[..], &["--hostname", "mapped"]].concat(), script);
    assert_eq!(text, " 0 100000 65536\n 0 200000 65536\n0\n0:0\n1000\nmapped\n");
    let container = Container::sleeping(engine, "mapped", &flags);
    assert_eq!(
        std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(format!("/proc/{}", container.pid())).unwrap()),
        100_000
    );
    assert_eq!(
        container.sh(&["--user", "app"], "id -u; cat /proc/self/uid_map | tr -s ' '"),
        "1000\n 0 100000 65536\n"
    );
}

fn the_runtime_forgets_what_was_removed(engine: &Engine) {
    let id = {
        let container = Container::sleeping(engine, "forgotten", &[]);
        let id = container.inspect(".Id");
        let state: Value = serde_json::from_str(&engine.ask_runtime(&["state", &id]).ok()).unwrap();
        assert_eq!((&state["id"], &state["status"]), (&id.as_str().into(), &"running".into()), "{state}");
        assert_eq!(state["pid"], container.pid(), "{state}");
        let listed: Value = serde_json::from_str(&engine.ask_runtime(&["list", "--format", "json"]).ok()).unwrap();
        assert!(listed.as_array().unwrap().iter().any(|entry| entry["id"] == id.as_str()), "{listed}");
        id
    };
    let output = engine.ask_runtime(&["state", &id]);
    assert!(output.code != 0 && output.stdout.is_empty() && !output.stderr.is_empty(), "{output:#?}");
    assert_eq!(run(engine, &[], &["true"]).code, 0);
}
