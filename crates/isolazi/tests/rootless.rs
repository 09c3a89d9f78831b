//! An ordinary user without ranges in `/etc/subuid`: one id has to do.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking, in their helpers too")]

mod common;

use common::{Archive, LIMIT, Made, contents, eventually, reference};
use serde_json::json;
use std::os::unix::fs::MetadataExt;
use std::process::{Command, Stdio};
use testkit::{Isolazi, Output, finish};

/// Runs as the ordinary user on a machine that gives nobody subordinate ids.
#[track_caller]
fn run_with_one_id(isolazi: &Isolazi, arguments: &[&str]) -> Output {
    let ours = isolazi.command(arguments);
    let owner = std::fs::metadata(isolazi.root()).unwrap();
    let script = "for f in /etc/subuid /etc/subgid; do mount --bind /dev/null $f || exit 99; done
        exec setpriv --reuid \"$0\" --regid \"$1\" --clear-groups -- \"${@:2}\"";
    let mut command = Command::new("unshare");
    command.args(["--mount", "bash", "-c", script]).args([owner.uid().to_string(), owner.gid().to_string()]);
    command.arg(ours.get_program()).args(ours.get_args()).env_clear().current_dir(isolazi.work());
    command.envs(ours.get_envs().filter_map(|(key, value)| Some((key, value?))));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    finish(command.spawn().unwrap(), b"", LIMIT)
}

/// What `isolazi-test` is, twice: the only id of a map.
fn owner(isolazi: &Isolazi) -> u32 {
    std::fs::metadata(isolazi.root()).unwrap().uid()
}

#[test]
fn an_image_of_roots_files_runs_with_one_id() {
    let made = Made::new(Archive::busybox().folder("data"), json!({"Volumes": {"/data": {}}, "Cmd": ["id", "-u"]}));
    let isolazi = Isolazi::ordinary();
    assert_eq!(run_with_one_id(&isolazi, &["run", "--rm", "-q", &made.name]).ok(), "0\n");
    let shown = format!("{}/shown:/shown", isolazi.work().display());
    let script =
        "cat /proc/self/uid_map /proc/self/gid_map; echo x >/shown/file; echo x >/data/file; stat -c %u:%g /bin/sh
        grep -E '^(CapEff|Seccomp:)' /proc/self/status; ls /proc/1/fd; exit 7";
    let flags = ["run", "--rm", "--network", "none", "-v", &shown, &made.name, "sh", "-c", script];
    let output = run_with_one_id(&isolazi, &flags);
    let map = format!("{:>10} {:>10} {:>10}\n", 0, owner(&isolazi), 1);
    let rest = "0:0\nCapEff:\t00000000a80425fb\nSeccomp:\t2\n0\n1\n2\n";
    let told = format!("created missing directory {}\n", isolazi.work().join("shown").display());
    assert_eq!(output, Output { code: 7, stdout: format!("{map}{map}{rest}"), stderr: told });
    assert_eq!(std::fs::metadata(isolazi.work().join("shown/file")).unwrap().uid(), owner(&isolazi));
    eventually("the end of all removals", || contents(&isolazi).is_empty().then_some(()));
}

#[test]
fn more_than_one_id_is_refused_with_a_way_out() {
    let isolazi = Isolazi::ordinary();
    let made = Made::new(Archive::busybox(), json!({"User": "12:34"}));
    for (arguments, code) in [
        (&["run", "--rm", "-q", &made.name, "true"][..], 125),
        (&["run", "--rm", "-q", "-u", "12", &made.name, "true"], 125),
        // Its files belong to several users.
        (&["pull", "-q", &reference("busybox")], 1),
    ] {
        let output = run_with_one_id(&isolazi, arguments);
        assert_eq!((output.code, output.stdout.as_str()), (code, ""), "{arguments:?}: {output:?}");
        let lines: Vec<&str> = output.stderr.lines().collect();
        assert!(lines.len() == 2 && lines[0].starts_with("Error: can't "), "{arguments:?}: {output:?}");
        assert!(lines[1].starts_with("Hint: ") && lines[1].contains("/etc/subuid"), "{arguments:?}: {output:?}");
    }
    assert_eq!(run_with_one_id(&isolazi, &["run", "--rm", "-u", "0", &made.name, "id", "-u"]).ok(), "0\n");
    eventually("the end of all removals", || contents(&isolazi).is_empty().then_some(()));
}

#[test]
fn the_image_in_the_binary_runs_for_everybody() {
    let root = Isolazi::new();
    let ordinary = Isolazi::ordinary();
    for output in [
        root.run(&["run", "--rm", "isolazi/hello"]),
        ordinary.run(&["run", "--rm", "isolazi/hello"]),
        run_with_one_id(&ordinary, &["run", "--rm", "isolazi/hello"]),
    ] {
        let report = output.ok();
        assert!(report.contains("seccomp") && report.lines().count() > 5, "{report}");
    }
}
