//! From the start of a container to its removal.

use crate::container::{Container, eventually, is_gone, run, sh, words};
use std::time::{Duration, Instant};
use testkit::{Engine, Kind, digest};

pub fn exit_codes_are_the_payloads_or_say_why_it_did_not_start(engine: &Engine) {
    for (command, code) in [
        (&["true"][..], 0),
        (&["sh", "-c", "exit 7"], 7),
        (&["sh", "-c", "exit 255"], 255),
        (&["sh", "-c", "sleep 1000 & kill -9 $!; wait $!"], 137),
        (&["/etc/passwd"], 126),
        (&["/etc"], 126),
        (&["no-such-program"], 127),
        (&["/no/such/program"], 127),
    ] {
        let output = run(engine, &[], command);
        // Older Dockers don't know the words of newer runtimes for a folder.
        let is_known = engine.kind() != Kind::Docker || command != ["/etc"] || output.code != 125;
        assert!(output.code == code || !is_known, "{command:?}: {code}, but {output:#?}");
    }
}

pub fn the_three_streams_arrive(engine: &Engine) {
    let image = engine.image();
    let script = ["sh", "-c", "echo out; echo err >&2; cat"];
    let output = engine.run_with(&words(engine, &image, &["--rm", "-i"], &script), b"in\n");
    assert_eq!((output.code, output.stdout.as_str()), (0, "out\nin\n"), "{output:#?}");
    // Engines warn of what they don't like here before the payload says anything.
    assert!(output.stderr.ends_with("err\n") && !output.stderr.contains("out"), "{output:#?}");
    let bytes = b"0123456789abcdef".repeat(20_000);
    let output = engine.run_with(&words(engine, &image, &["--rm", "-i"], &["sha256sum"]), &bytes);
    assert_eq!(output.stdout, format!("{}  -\n", digest(&bytes).trim_start_matches("sha256:")));
}

pub fn a_detached_container_runs_and_its_log_can_be_read(engine: &Engine) {
    let container = Container::start(engine, "detached", &[], &["sh", "-c", "seq 1000; exec sleep 1000"]);
    assert_eq!(container.inspect(".State.Status"), "running");
    // By our binary, and no other that the engine may find.
    match engine.kind() {
        Kind::Podman => assert_eq!(container.inspect(".OCIRuntime"), engine.runtime().display().to_string()),
        _ => assert_eq!(container.inspect(".HostConfig.Runtime"), "isolazi"),
    }
    let expected: String = (1..=1000).map(|number| format!("{number}\n")).collect();
    container.logs(&expected);
    assert!(engine.ok(&["ps", "--format", "{{.Names}}"]).lines().any(|name| name == "detached"));
    let command = std::fs::read_to_string(format!("/proc/{}/cmdline", container.pid())).unwrap();
    assert_eq!(command, "sleep\x001000\0");
}

pub fn a_signal_reaches_the_payload(engine: &Engine) {
    let script = "trap 'echo got it; exit 9' USR1; echo up; while :; do sleep 0.05; done";
    let container = Container::start(engine, "signalled", &[], &["sh", "-c", script]);
    container.logs("up\n");
    container.ok(&["kill", "--signal", "USR1"]);
    assert_eq!(container.wait(), 9);
    container.logs("up\ngot it\n");
    let container = Container::sleeping(engine, "killed", &[]);
    container.ok(&["kill"]);
    assert_eq!(container.wait(), 137);
}

pub fn stop_lets_the_payload_end_and_start_begins_anew(engine: &Engine) {
    let script = "trap 'exit 3' TERM; echo up >>/count; cat /count | wc -l; while :; do sleep 0.05; done";
    let container = Container::start(engine, "stopped", &[], &["sh", "-c", script]);
    container.logs("1\n");
    let began = Instant::now();
    container.ok(&["stop"]);
    assert!(began.elapsed() < Duration::from_secs(9), "it was not asked, but killed after ten seconds");
    assert_eq!(
        (container.inspect(".State.Status"), container.inspect(".State.ExitCode")),
        ("exited".into(), "3".into())
    );
    container.ok(&["start"]);
    container.logs("1\n2\n");
    let before = container.pid();
    container.ok(&["restart"]);
    container.logs("1\n2\n3\n");
    assert_ne!(container.pid(), before);
    assert!(is_gone(before));
}

pub fn a_payload_that_ignores_its_stop_signal_is_killed(engine: &Engine) {
    let container = Container::sleeping(engine, "stubborn", &[]);
    container.ok(&["stop", "--time", "1"]);
    assert_eq!(container.inspect(".State.ExitCode"), "137");
}

pub fn a_removed_container_leaves_no_process(engine: &Engine) {
    // The second process is not the payload's child when the end comes, and ignores what can be ignored.
    let script = "(trap '' TERM HUP INT; exec sleep 1001) & echo up; exec sleep 1002";
    let container = Container::start(engine, "removed", &[], &["sh", "-c", script]);
    container.logs("up\n");
    let pid = container.pid();
    let inside = eventually("the second process", || {
        let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
        children.split_whitespace().next().and_then(|pid| pid.parse::<i32>().ok())
    });
    drop(container);
    assert!(is_gone(pid) && is_gone(inside));
    assert_eq!(engine.ok(&["ps", "--all", "--quiet", "--filter", "name=removed"]), "");
}

pub fn an_init_is_process_one_and_reaps(engine: &Engine) {
    let script = "(sleep 0.1 &) ; sleep 0.4; ps -o pid,comm,stat; cat /proc/1/cmdline | tr '\\0' ' '";
    let text = sh(engine, &["--init"], script);
    let last = text.lines().last().unwrap();
    assert!(last.contains("init -- sh -c"), "{text}");
    assert!(!text.contains(" Z"), "{text}");
    let code = run(engine, &["--init"], &["sh", "-c", "exit 7"]).code;
    assert_eq!(code, 7);
    let name = if engine.kind() == Kind::Docker { "docker-init" } else { "podman-init" };
    assert!(last.contains(name), "{last}");
}
