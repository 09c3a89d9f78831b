//! `isolazi export`: a container's files as an archive.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking, in their helpers too")]

mod common;

use common::{Busybox, LIMIT, read_until};
use std::fs::{self, File};
use std::process::{Command, Stdio};
use testkit::Isolazi;

const SCRIPT: &str = "mkdir /made; echo one >/made/one; ln /made/one /made/two; ln -s one /made/link; rm /bin/arch; \
    echo hidden >/data/hidden; chown 12:34 /made; echo up; cat";

#[test]
fn the_whole_tree_comes_out_without_what_is_mounted_in_it() {
    for busybox in Busybox::both() {
        let isolazi = &busybox.isolazi;
        let flags = ["-i", "--network", "none", "--name", "box", "-v", "/data"];
        let mut running = busybox.spawn(&flags, &["sh", "-c", SCRIPT]);
        read_until(&mut running, "up\n");
        let work = isolazi.work();
        // To a file, and to standard output; of one that runs and of one that does not.
        assert_eq!(isolazi.run(&["export", "-o", "running.tar", "box"]).ok(), "");
        drop(running.child().stdin.take());
        running.finish(b"", LIMIT);
        let mut command = isolazi.command(&["container", "export", "box"]);
        let out = File::create_new(work.join("stopped.tar")).unwrap();
        assert!(command.stdin(Stdio::null()).stdout(out).status().unwrap().success());
        let (first, second) =
            (fs::read(work.join("running.tar")).unwrap(), fs::read(work.join("stopped.tar")).unwrap());
        assert!(first == second, "the same tree, another archive");
        let mut names: Vec<_> = fs::read_dir(&work).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["running.tar", "stopped.tar"], "nothing is left aside");

        let listed = tar(&["--numeric-owner", "-tvf"], &work.join("running.tar"));
        let short = |line: &str| {
            let words: Vec<&str> = line.split_whitespace().collect();
            [&words[..3], &words[5..]].concat().join(" ")
        };
        let lines: Vec<String> = listed.lines().map(short).collect();
        let made: Vec<&String> = lines.iter().filter(|line| line.contains("made/")).collect();
        assert_eq!(
            made,
            [
                "drwxr-xr-x 12/34 0 made/",
                "lrwxrwxrwx 0/0 0 made/link -> one",
                "-rw-r--r-- 0/0 4 made/one",
                "hrw-r--r-- 0/0 0 made/two link to made/one"
            ]
        );
        for name in ["bin/busybox", "etc/passwd"] {
            assert!(lines.iter().any(|line| line.ends_with(name)), "{name} is missing: {listed}");
        }
        // Mount points are there, what is mounted on them is not.
        for name in [" data/", " proc/", " dev/"] {
            assert_eq!(lines.iter().filter(|line| line.contains(name)).count(), 1, "{name}: {listed}");
        }
        assert!(!listed.contains("bin/arch") && !listed.contains("hidden"), "{listed}");
        isolazi.run(&["rm", "-v", "box"]).ok();
        busybox.holds_nothing();
    }
}

fn tar(arguments: &[&str], archive: &std::path::Path) -> String {
    let output = Command::new("tar").args(arguments).arg(archive).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn what_is_wrong_is_said_in_dockers_words() {
    let busybox = Busybox::new();
    let isolazi = &busybox.isolazi;
    isolazi.run(&["create", "--name", "box", &busybox.image, "true"]).succeeds();
    isolazi.run(&["export", "nosuch"]).fails(1, "Error: No such container: nosuch\n");
    isolazi.run(&["export", "-o", "x.tar", "nosuch"]).fails(1, "Error: No such container: nosuch\n");
    assert_eq!(fs::read_dir(isolazi.work()).unwrap().count(), 0);
    let absent = isolazi.work().join("absent").display().to_string();
    isolazi.run(&["export", "-o", "absent/x", "box"]).fails(
        1,
        &format!("Error: failed to export container: invalid output path: directory \"{absent}\" does not exist\n"),
    );
    isolazi.run(&["export", "-o", "/dev/null", "box"]).fails(
        1,
        "Error: failed to export container: invalid output path: \"/dev/null\" must be a directory or a regular file: \
         got a device\n",
    );
    isolazi.run(&["export"]).fails(
        1,
        "Error: 'isolazi export' requires 1 argument\n\nUsage:  isolazi export [OPTIONS] CONTAINER\n\nSee 'isolazi export \
         --help' for more information\n",
    );
    let (code, text) = isolazi.pty(&["export", "box"]).wait();
    let refused = "Error: cowardly refusing to save to a terminal. Use the -o flag or redirect\n";
    assert_eq!((code, text.replace('\r', "").as_str()), (1, refused));
    // A reader that leaves ends it without a word.
    let script = "\"$0\" export box | head -c 1 >/dev/null; echo \"${PIPESTATUS[0]}\"";
    let mut shell = Command::new("bash");
    let ours = isolazi.command::<&str>(&[]);
    shell.args(["-c", script]).arg(ours.get_program()).env_clear().current_dir(isolazi.work());
    shell.envs(ours.get_envs().filter_map(|(key, value)| Some((key, value?))));
    let output = shell.output().unwrap();
    assert_eq!(
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)),
        ("141\n".into(), "".into())
    );
    isolazi.run(&["rm", "box"]).ok();
    busybox.holds_nothing();
}

#[test]
fn a_full_disk_leaves_no_half_archive() {
    let isolazi = Isolazi::new();
    isolazi.run(&["run", "--name", "box", "isolazi/hello"]).succeeds();
    let limited = "ulimit -f 8; trap '' XFSZ; exec \"$0\" export -o x.tar box";
    let mut shell = Command::new("bash");
    let ours = isolazi.command::<&str>(&[]);
    shell.args(["-c", limited]).arg(ours.get_program()).env_clear().current_dir(isolazi.work());
    shell.envs(ours.get_envs().filter_map(|(key, value)| Some((key, value?))));
    let output = shell.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(text, "Error: can't pack `isolazi`: can't write the archive: file too large\n");
    assert_eq!(fs::read_dir(isolazi.work()).unwrap().count(), 0);
    isolazi.run(&["rm", "box"]).ok();
}

#[test]
fn what_is_said_is_as_recorded() {
    for scene in common::Scene::both() {
        scene.records(
            "export",
            &["", "nope", "AMBIGUOUS", "made ended", "-o /nosuch/x made", "-o /etc made", "-o '' nope"],
        );
    }
}
