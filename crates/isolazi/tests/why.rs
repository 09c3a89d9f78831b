//! `why`: every end has a cause that is told, and so has the line of an error itself.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking, in their helpers too")]

mod common;

use common::{Busybox, eventually, state};
use std::os::unix::fs::{MetadataExt, PermissionsExt};

/// What `why` says, with `TIMES` for what differs from run to run.
#[track_caller]
fn why(busybox: &Busybox, name: &str) -> String {
    let text = busybox.isolazi.run(&["why", name]).ok();
    let line = |line: &str| match line.split_once(", ") {
        Some((before, times)) if times.contains(" after its start, at ") => format!("{before}, TIMES\n"),
        _ => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}

/// Runs it in the foreground as `box`; what it said on standard error, and what `why` says then.
#[track_caller]
fn ended(busybox: &Busybox, flags: &[&str], command: &[&str]) -> (u8, String, String) {
    let flags = [&["--name", "box", "--network", "none"], flags].concat();
    let output = busybox.isolazi.run(&busybox.words(&flags, command));
    let told = why(busybox, "box");
    busybox.isolazi.run(&["rm", "box"]).ok();
    (u8::try_from(output.code).unwrap(), output.stderr, told)
}

#[test]
fn ends_by_oneself_are_told_with_the_last_words() {
    for busybox in Busybox::both() {
        let told = |code, stderr: &str, why: &str| (code, stderr.to_owned(), why.to_owned());
        assert_eq!(
            ended(&busybox, &[], &["sh", "-c", "echo fine"]),
            told(0, "", "box: it ended by itself with exit code 0\n  exit code 0, TIMES\n")
        );
        assert_eq!(
            ended(&busybox, &[], &["sh", "-c", "echo one; echo two >&2; exit 3"]),
            told(
                3,
                "two\n",
                "box: it ended by itself with exit code 3\n  exit code 3, TIMES\n  last words:\n    one\n    two\n\
                 Hint: `isolazi logs box` tells what it said\n"
            )
        );
        assert_eq!(
            ended(&busybox, &["--init"], &["sh", "-c", "kill -SEGV $$"]),
            told(
                139,
                "",
                "box: a process of it ended by SIGSEGV, and it said so by exit code 139\n  exit code 139 (SIGSEGV), TIMES\n\
                 Hint: `isolazi logs box` tells what it said\n"
            )
        );
        let loader = "error while loading shared libraries: libx.so.1: cannot open shared object file: No such file";
        assert_eq!(
            ended(&busybox, &[], &["sh", "-c", &format!("echo /bin/x: {loader} >&2; exit 127")]),
            told(
                127,
                &format!("/bin/x: {loader}\n"),
                &format!(
                    "box: the library `libx.so.1` is not in the image\n  exit code 127, TIMES\n  last words:\n    /bin/x: \
                     {loader}\nHint: add the package that has it, or take an image of the distribution that the program was \
                     built for\n"
                )
            )
        );
        busybox.holds_nothing();
    }
}

#[test]
fn starts_that_fail_say_so_themselves() {
    for busybox in Busybox::both() {
        let work = busybox.isolazi.work();
        let file = |name: &str, content: &str, mode: u32| {
            let path = work.join(name);
            std::fs::write(&path, content).unwrap();
            std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
            format!("{}:/{name}", path.display())
        };
        for (volume, command, code, error, hint) in [
            (
                file("windows", "#!/bin/sh\r\n", 0o755),
                "/windows",
                127,
                "exec: \"/windows\": no such file or directory",
                "the lines of `/windows` end as on Windows (CR LF): `sed -i 's/\\r$//'` makes it a script for Linux",
            ),
            (
                file("snake", "#!/bin/python3\n", 0o755),
                "/snake",
                127,
                "exec: \"/snake\": no such file or directory",
                "`/snake` is a script for `/bin/python3`, which is not in the image",
            ),
            (file("nobody", "", 0o755), "/nobody", 126, "exec: \"/nobody\": exec format error", "`/nobody` is empty"),
            (
                file("other", "", 0o755),
                "bash",
                127,
                "exec: \"bash\": executable file not found in $PATH",
                "the image has `sh` and `ash`",
            ),
            (
                file("third", "", 0o755),
                "/bin/ech",
                127,
                "exec: \"/bin/ech\": stat /bin/ech: no such file or directory",
                "`/bin` has no `ech`; there is `/bin/echo`",
            ),
        ] {
            let (found, stderr, told) = ended(&busybox, &["-v", &volume], &[command]);
            assert_eq!((found, stderr), (code, format!("Error: {error}\nHint: {hint}\n")), "{command}");
            assert_eq!(told, format!("box: it could not be started: {error}\nHint: {hint}\n"), "{command}");
            // The same of one more process of a container that runs.
            let run = busybox.words(&["-d", "--name", "up", "--network", "none", "-v", &volume], &["sleep", "1000"]);
            busybox.isolazi.run(&run).ok();
            busybox
                .isolazi
                .run(&["exec", "up", command])
                .fails(code.into(), &format!("Error: {error}\nHint: {hint}\n"));
            busybox.isolazi.run(&["rm", "-f", "up"]).ok();
        }
        busybox.holds_nothing();
    }
}

/// Only root sees an owner whose ids are his own; for an ordinary user they have two names.
#[test]
fn who_may_not_is_told_by_the_ids_of_both_sides() {
    for (busybox, owner) in Busybox::both().into_iter().zip(["0, group 0", "0 (on the host "]) {
        let script = busybox.isolazi.work().join("run");
        std::fs::write(&script, "#!/bin/sh\n").unwrap();
        std::fs::set_permissions(&script, PermissionsExt::from_mode(0o640)).unwrap();
        let user = std::fs::metadata(busybox.isolazi.work()).unwrap();
        std::os::unix::fs::chown(&script, Some(user.uid()), Some(user.gid())).unwrap();
        let (code, stderr, _) = ended(&busybox, &["-v", &format!("{}:/run.sh", script.display())], &["/run.sh"]);
        assert_eq!(code, 126);
        assert!(
            stderr.starts_with(&format!(
                "Error: exec: \"/run.sh\": permission denied\nHint: `/run.sh` belongs to {owner}"
            )) && stderr.ends_with("with mode 0640, and the command runs as 0: `chmod +x` makes it executable\n"),
            "{stderr}"
        );
    }
}

#[test]
fn want_of_memory_is_told_with_its_limit() {
    let busybox = Busybox::new();
    let hungry = ["sh", "-c", "x=aaaaaaaaaaaaaaaa; while :; do x=$x$x; done"];
    let note = "Note: out of memory: the limit is 16 MiB, and the kernel killed a process\n";
    let (code, stderr, told) = ended(&busybox, &["-m", "16m"], &hungry);
    assert_eq!((code, stderr.as_str()), (137, note));
    assert_eq!(
        told,
        "box: out of memory: the limit is 16 MiB, and the kernel killed a process\n  exit code 137 (SIGKILL), TIMES\n  \
         memory: limit 16 MiB, at most 16 MiB used\nHint: `isolazi update --memory 32m --memory-swap -1 box` allows it more, \
         then start it\n"
    );
    // With `--rm` nothing else would tell it, and on a terminal it comes after what was said there.
    let output = busybox.run(&["-m", "16m"], &hungry);
    assert_eq!((output.code, output.stdout.as_str(), output.stderr.as_str()), (137, "", note));
    // A child that was killed is told, too, if the container failed by it.
    let (code, stderr, _) = ended(&busybox, &["-m", "16m"], &["sh", "-c", &format!("({}); exit 5", hungry[2])]);
    assert_eq!((code, stderr.ends_with(note)), (5, true), "{stderr}");
    busybox.holds_nothing();
}

/// The kernel's log tells for which call, and only root may read it everywhere.
#[test]
fn a_call_that_is_not_allowed_is_named() {
    for (busybox, is_root) in Busybox::both().into_iter().zip([true, false]) {
        let file = busybox.isolazi.work().join("profile.json");
        let profile = r#"{"defaultAction": "SCMP_ACT_ALLOW", "archMap": [{"architecture": "SCMP_ARCH_X86_64"}],
            "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_KILL_PROCESS"}]}"#;
        std::fs::write(&file, profile).unwrap();
        let option = format!("seccomp={}", file.display());
        let (code, stderr, told) = ended(&busybox, &["--security-opt", &option], &["mkdir", "/made"]);
        assert_eq!(code, 159);
        let named = "the seccomp profile kills whoever calls `mkdir`";
        let unnamed = "the seccomp profile kills whoever makes such a system call";
        let text = if told.contains(named) { named } else { unnamed };
        assert!(!is_root || text == named, "{told}");
        assert_eq!(stderr, format!("Note: {text}\n"));
        assert_eq!(
            told,
            format!(
                "box: {text}\n  exit code 159 (SIGSYS), TIMES\nHint: `--security-opt seccomp=PROFILE` names another profile; \
                 the default one kills nobody\n"
            )
        );
    }
}

#[test]
fn who_ended_it_is_remembered() {
    for busybox in Busybox::both() {
        let isolazi = &busybox.isolazi;
        let polite = "trap 'exit 7' TERM; echo ready; while :; do sleep 0.01; done";
        let deaf = "trap '' TERM; echo ready; while :; do sleep 0.01; done";
        for (flags, script, end, expected) in [
            (&[][..], polite, &["stop", "box"][..], "it was stopped: it ended after SIGTERM, with exit code 7"),
            (
                &[],
                "echo ready; exec sleep 1000",
                &["stop", "box"],
                "it was stopped: it ended at once, because its process 1 does not notice SIGTERM",
            ),
            (
                &["--init"],
                deaf,
                &["stop", "-t", "1", "box"],
                "it was stopped: it ended by SIGKILL, because SIGTERM did not end it in time",
            ),
            (&[], polite, &["kill", "box"], "`isolazi kill`: it ended by SIGKILL"),
            (&["--timeout", "1"], polite, &["wait", "box"], "its time was over (`--timeout`): it ended by SIGKILL"),
        ] {
            let flags = [&["-d", "--name", "box", "--network", "none"], flags].concat();
            isolazi.run(&busybox.words(&flags, &["sh", "-c", script])).ok();
            eventually("its first word", || (isolazi.run(&["logs", "box"]).ok() == "ready\n").then_some(()));
            if script.contains("exec") {
                eventually("sleep", || isolazi.run(&["top", "box"]).ok().contains("sleep").then_some(()));
            }
            assert_eq!(isolazi.run(end).code, 0);
            isolazi.run(&["wait", "box"]).ok();
            let told = why(&busybox, "box");
            assert!(told.starts_with(&format!("box: {expected}\n")), "{end:?}: {told}");
            isolazi.run(&["rm", "box"]).ok();
        }
        // From outside.
        isolazi.run(&busybox.words(&["-d", "--name", "box"], &["sleep", "1000"])).ok();
        rustix::process::kill_process(common::payload(isolazi), rustix::process::Signal::KILL).unwrap();
        isolazi.run(&["wait", "box"]).ok();
        assert!(why(&busybox, "box").starts_with("box: somebody outside of isolazi sent it SIGKILL\n"));
        isolazi.run(&["rm", "box"]).ok();
        busybox.holds_nothing();
    }
}

#[test]
fn what_has_not_ended_is_told_as_well() {
    let busybox = Busybox::new();
    let isolazi = &busybox.isolazi;
    isolazi.run(&[&["create", "--name", "box"], &[busybox.image.as_str(), "sleep", "1000"][..]].concat()).ok();
    assert_eq!(why(&busybox, "box"), "box: it was created and never started\nHint: `isolazi start box`\n");
    isolazi.run(&["start", "box"]).ok();
    let told = why(&busybox, "box");
    assert!(told.starts_with("box: it runs\n  running since 2"), "{told}");
    isolazi.run(&["pause", "box"]).ok();
    assert!(why(&busybox, "box").starts_with("box: it is paused: its processes are frozen\n"));
    isolazi.run(&["unpause", "box"]).ok();
    let monitor = common::parent(common::payload(isolazi));
    rustix::process::kill_process(monitor, rustix::process::Signal::KILL).unwrap();
    eventually("its death", || state(isolazi, "{{.State}}").starts_with("dead").then_some(()));
    assert!(why(&busybox, "box").starts_with("box: its monitor was killed, and its processes with it: "));
    isolazi.run(&["rm", "-f", "box"]).ok();
    isolazi.run(&busybox.words(&["-d", "--name", "box", "--restart", "always"], &["sh", "-c", "exit 4"])).ok();
    eventually("a restart", || {
        let told = why(&busybox, "box");
        let waits = told.starts_with("box: it ended by itself with exit code 4; it waits to be started again\n");
        (waits && told.contains("\n  restarts by its policy: ")).then_some(())
    });
    isolazi.run(&["rm", "-f", "box"]).ok();
    busybox.holds_nothing();
}

#[test]
fn it_is_a_document_too_and_bad_input_is_refused() {
    let busybox = Busybox::new();
    let isolazi = &busybox.isolazi;
    busybox.isolazi.run(&busybox.words(&["--name", "box", "--network", "none"], &["false"]));
    assert_eq!(
        isolazi.run(&["container", "why", "--format", "{{.Name}} {{.State}} {{.ExitCode}} {{.Cause}}", "box"]).ok(),
        "box exited 1 it ended by itself with exit code 1\n"
    );
    let document: serde_json::Value =
        serde_json::from_str(&isolazi.run(&["why", "--format", "json", "box"]).ok()).unwrap();
    assert_eq!(document["ExitCode"], 1);
    let output = isolazi.run(&["why", "nope", "box"]);
    assert_eq!((output.code, output.stderr.as_str()), (1, "Error: No such container: nope\n"));
    assert!(output.stdout.starts_with("box: it ended by itself with exit code 1\n"));
    let output = isolazi.run(&["why", "--format", "{{.Nope}}", "box"]);
    assert!(output.code == 1 && output.stderr.contains("Nope"), "{output:?}");
    isolazi.run(&["why", "--format", "{{", "box"]).fails(1, &isolazi.run(&["inspect", "-f", "{{", "box"]).stderr);
    let usage = isolazi.run(&["why"]);
    assert!(
        usage.code == 1 && usage.stderr.starts_with("Error: 'isolazi why' requires at least 1 argument"),
        "{usage:?}"
    );
    isolazi.run(&["rm", "box"]).ok();
    busybox.holds_nothing();
}

#[test]
fn what_is_said_is_as_recorded() {
    for scene in common::Scene::both() {
        scene.records("why", &["", "nope", "AMBIGUOUS", "made"]);
    }
}
