//! `isolazi oci` as engines call it: names, options, what is printed, what is logged, exit codes.

use rustix::fs::{CWD, Mode, mkfifoat};
use serde_json::Value;
use std::fs;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use testkit::{Isolazi, Output, finish};

struct Runtime {
    isolazi: Isolazi,
    root: String,
}

fn runtime() -> Runtime {
    let isolazi = Isolazi::new();
    let root = isolazi.work().join("states").into_os_string().into_string().expect("a place's name is text");
    fs::create_dir(&root).expect("the place is ours");
    Runtime { isolazi, root }
}

impl Runtime {
    /// `isolazi oci --root … <arguments>`
    #[track_caller]
    fn run(&self, arguments: &[&str]) -> Output {
        self.isolazi.run(&[&["oci", "--root", &self.root], arguments].concat())
    }

    fn work(&self, name: &str) -> PathBuf {
        self.isolazi.work().join(name)
    }

    /// A command that calls the program by another name.
    fn called(&self, name: &str, arguments: &[&str]) -> Command {
        let link = self.work(name);
        if fs::symlink_metadata(&link).is_err() {
            symlink(testkit::binary(), &link).expect("the place is ours");
        }
        let mut command = Command::new(link);
        command.args(arguments).env_clear().env("XDG_RUNTIME_DIR", self.isolazi.runtime());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    #[track_caller]
    fn run_called(&self, name: &str, arguments: &[&str]) -> Output {
        let child = self.called(name, arguments).spawn().expect("the binary is there");
        finish(child, b"", std::time::Duration::from_secs(20))
    }
}

#[test]
fn the_programs_own_name_means_the_runtime() {
    let runtime = runtime();
    let version = env!("CARGO_PKG_VERSION");
    for (name, first) in [
        ("runc", format!("runc version {version}+isolazi\n")),
        ("crun", format!("crun version {version}+isolazi\n")),
        ("isolazi-oci", format!("isolazi-oci version {version}\n")),
    ] {
        for arguments in [&["--version"][..], &["-v"], &["version"], &["--systemd-cgroup", "--version"]] {
            let text = runtime.run_called(name, arguments).ok();
            assert!(text.starts_with(&first) && text.ends_with("spec: 1.3.0\n"), "{name} {arguments:?}: {text}");
        }
    }
    let text = runtime.isolazi.run(&["oci", "--version"]).ok();
    assert!(text.starts_with(&format!("isolazi-oci version {version}\n")), "{text}");
    let text = runtime.run_called("runc", &["create", "--help"]).ok();
    assert!(text.starts_with("Usage:  runc create [OPTIONS] ID\n"), "{text}");
}

#[test]
fn help_is_the_same_on_every_way() {
    let runtime = runtime();
    let pages =
        [&["help", "oci", "run"][..], &["oci", "help", "run"], &["oci", "run", "--help"], &["oci", "run", "-h"]];
    let texts: Vec<String> = pages.iter().map(|words| runtime.isolazi.run(words).ok()).collect();
    assert!(texts.iter().all(|text| *text == texts[0] && text.contains("\n  -b, --bundle DIR ")), "{texts:#?}");
    let all = runtime.isolazi.run(&["oci"]).ok();
    assert_eq!(all, runtime.isolazi.run(&["oci", "--help"]).ok());
    assert!(all.contains("\n  checkpoint   Save a running container to files\n"), "{all}");
}

#[test]
fn what_is_understood_is_printed_as_the_specification_says() {
    let runtime = runtime();
    let features: Value = serde_json::from_str(&runtime.run(&["features"]).ok()).unwrap();
    assert_eq!((&features["ociVersionMin"], &features["ociVersionMax"]), (&"1.0.0".into(), &"1.3.0".into()));
    assert_eq!(features["linux"]["mountExtensions"]["idmap"]["enabled"], true);
    runtime
        .run(&["features", "x"])
        .fails(1, "Error: `isolazi oci features` takes at most 0 arguments\nHint: see `isolazi oci features --help`\n");
}

#[test]
fn a_document_to_begin_with_is_written_and_never_written_over() {
    let runtime = runtime();
    let read = |name: &str| -> Value { serde_json::from_slice(&fs::read(runtime.work(name)).unwrap()).unwrap() };
    assert_eq!(runtime.run(&["spec"]).ok(), "");
    assert_eq!(read("config.json")["process"]["args"], serde_json::json!(["sh"]));
    runtime.run(&["spec"]).fails(1, "Error: can't write `config.json`: file exists\n");
    fs::create_dir(runtime.work("b")).unwrap();
    runtime.run(&["spec", "-b", "b", "--rootless"]).succeeds();
    assert_eq!(read("b/config.json")["linux"]["uidMappings"][0]["size"], 1);
}

#[test]
fn containers_that_are_not_there_are_told_in_words_that_engines_look_for() {
    let runtime = runtime();
    for (arguments, code) in [
        (&["state", "x"][..], 1),
        (&["start", "x"], 1),
        (&["kill", "--all", "x", "KILL"], 1),
        (&["kill", "x", "0"], 1),
        (&["delete", "x"], 1),
        (&["pause", "x"], 1),
        (&["resume", "x"], 1),
        (&["ps", "-f", "json", "x"], 1),
        (&["events", "--stats", "x"], 1),
        (&["update", "--memory", "64m", "x"], 1),
        (&["exec", "x", "sh"], 255),
    ] {
        let output = runtime.run(arguments);
        let lines = output.stderr.lines().count();
        assert_eq!((output.code, output.stdout.as_str(), lines), (code, "", 1), "{arguments:?} {output:?}");
        assert!(output.stderr.contains("does not exist"), "{arguments:?} {output:?}");
    }
    assert_eq!(runtime.run(&["list", "-q"]).ok(), "");
    assert_eq!(runtime.run(&["list"]).ok(), "ID          PID         STATUS      BUNDLE      CREATED     OWNER\n");
    assert_eq!(runtime.run(&["list", "--format=json"]).ok(), "[]\n");
    // The folder of states that nobody named is made with the first container; one that was named is somewhere else.
    assert_eq!(runtime.run_called("runc", &["list", "-q"]).ok(), "");
    let missing = runtime.work("missing").display().to_string();
    let text = format!("Error: can't list `{missing}`: no such file or directory\n");
    runtime.isolazi.run(&["oci", "--root", &missing, "list"]).fails(1, &text);
}

#[test]
fn a_failure_is_one_line_of_the_log_in_the_format_asked_for() {
    let runtime = runtime();
    let (json, text) = (runtime.work("json.log"), runtime.work("text.log"));
    let message = "unknown option `--nope`";
    let log = ["--log", json.to_str().unwrap(), "--log-format", "json", "--debug"];
    runtime.run(&[&log[..], &["create", "--nope", "x"]].concat()).fails(1, &format!("{message}\n"));
    let line: Value = serde_json::from_slice(&fs::read(&json).unwrap()).expect("one value and no other");
    assert_eq!((&line["level"], &line["msg"]), (&"error".into(), &message.into()));
    assert!(line["time"].as_str().is_some_and(|time| time.len() == "2026-08-20T12:00:00Z".len()), "{line}");

    let log = format!("--log=file:{}", text.display());
    runtime.run(&[&log, "create", "--nope", "x"]).fails(1, &format!("{message}\n"));
    runtime.run(&[&log, "exec", "x"]).fails(255, "exec args cannot be empty\n");
    let lines = fs::read_to_string(&text).unwrap();
    let lines: Vec<&str> = lines.lines().map(|line| line.split_once(' ').unwrap().1).collect();
    assert_eq!(lines, [&format!("level=error msg=\"{message}\""), "level=error msg=\"exec args cannot be empty\""]);

    let output = runtime.run(&["--log-format=json", "create", "--nope", "x"]);
    assert!(output.stderr.starts_with("{\"level\":\"error\",\"msg\":\"unknown option"), "{output:?}");
    // A success says nothing.
    runtime.run(&["--log", runtime.work("empty.log").to_str().unwrap(), "features"]).succeeds();
    assert_eq!(fs::read(runtime.work("empty.log")).unwrap(), b"");
}

#[test]
fn wrong_command_lines_fail_before_anything_is_done() {
    let runtime = runtime();
    let hint = |command: &str| format!("Hint: see `isolazi oci{command} --help`\n");
    for (arguments, complaint) in [
        (
            &["--log=/nonexistent/x", "create", "x"][..],
            "can't open the log file `/nonexistent/x`: no such file or directory\n".into(),
        ),
        (&["--log-format=xml", "create", "x"], "invalid log-format: `xml` is neither text nor json\n".into()),
        (
            &["--log", "syslog:x", "features"],
            "option `--log`: `syslog:x` is no file, and only files are written\n".into(),
        ),
        (&["--nope", "create", "x"], format!("unknown option `--nope`\n{}", hint(""))),
        (&["craete", "x"], format!("unknown command `craete`\nHint: did you mean `isolazi oci create`?\n{}", hint(""))),
        (&["create"], format!("`isolazi oci create` needs at least 1 argument\n{}", hint(" create"))),
        (&["state", "a", "b"], format!("`isolazi oci state` takes at most 1 argument\n{}", hint(" state"))),
        (&["kill", "a", "NONSENSE"], "invalid signal: NONSENSE\n".into()),
        (&["list", "-f", "xml"], "invalid format option `xml`: it is table or json\n".into()),
        (&["--rootless=maybe", "state", "x"], "option `--rootless`: `maybe` is not true, false or auto\n".into()),
        (
            &["--cgroup-manager=x", "state", "x"],
            "option `--cgroup-manager`: `x` is none of cgroupfs, systemd and disabled\n".into(),
        ),
        (&["--root=/", "state", "x"], "option `--root`: `/` is no folder for states\n".into()),
        (&["state", ""], "container id cannot be empty or other than UTF-8\n".into()),
        (&["events", "--interval=0s", "x"], "option `--interval`: `0s` is no time such as 5s or 1m30s\n".into()),
        (&["run", "--console-socket", "/s", "x"], {
            "cannot use console socket if the runtime will not detach or allocate tty\nHint: add `--detach`, or leave \
             `--console-socket` out\n"
                .into()
        }),
    ] {
        runtime.run(arguments).fails(1, &format!("Error: {complaint}"));
    }
}

/// CVE-2019-5736: a payload that gets hold of `/proc/<pid>/exe` of the runtime must not be able to write to it. The
/// runtime is held where it waits for a process to be read from a FIFO, before it enters a container.
#[test]
fn what_enters_a_container_runs_from_a_sealed_place_with_all_that_it_was_given() {
    let runtime = runtime();
    let fifo = runtime.work("process");
    mkfifoat(CWD, &fifo, Mode::RWXU).unwrap();
    let arguments = ["--root", &runtime.root, "exec", "--process", fifo.to_str().unwrap(), "missing"];
    // By a shell, which hands on a descriptor 7.
    let mut shell = runtime.called("runc", &[]);
    let program = shell.get_program().to_owned();
    shell = Command::new("sh");
    shell.args(["-c", "exec \"$@\" 7</dev/zero", "sh"]).arg(program).args(arguments);
    shell.env("MARK", "kept").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = shell.spawn().unwrap();
    let mut process = fs::File::options().write(true).open(&fifo).unwrap(); // waits until it reads
    let proc = PathBuf::from(format!("/proc/{}", child.id()));

    assert_eq!(fs::read_link(proc.join("exe")).unwrap(), PathBuf::from("/"));
    let refused = fs::File::options().write(true).open(proc.join("exe")).unwrap_err();
    assert!(matches!(refused.raw_os_error(), Some(30 | 26)), "EROFS or ETXTBSY, not {refused}");
    let cmdline = String::from_utf8(fs::read(proc.join("cmdline")).unwrap()).unwrap();
    let name = runtime.work("runc");
    let expected = [&[name.to_str().unwrap()][..], &arguments].concat();
    assert_eq!(cmdline.trim_end_matches('\0').split('\0').collect::<Vec<_>>(), expected);
    assert!(
        String::from_utf8(fs::read(proc.join("environ")).unwrap()).unwrap().split('\0').any(|one| one == "MARK=kept")
    );
    assert_eq!(fs::read_to_string(proc.join("comm")).unwrap(), "runc\n");
    assert_eq!(fs::read_link(proc.join("fd/7")).unwrap(), PathBuf::from("/dev/zero"));

    process.write_all(b"{\"cwd\":\"/\",\"args\":[\"sh\"]}").unwrap();
    drop(process);
    let output = finish(child, b"", std::time::Duration::from_secs(20));
    assert_eq!(output.code, 255, "{output:?}");
    assert!(output.stderr.contains("does not exist"), "{output:?}");
}

/// The link to the program of a runtime that an ordinary user has started from there.
fn program_of_ordinary(runtime: &Runtime, program: &std::path::Path) -> PathBuf {
    let fifo = runtime.work("process");
    if fs::symlink_metadata(&fifo).is_err() {
        mkfifoat(CWD, &fifo, Mode::RWXU | Mode::RWXG | Mode::RWXO).expect("the place is ours");
        fs::set_permissions(&fifo, PermissionsExt::from_mode(0o666)).expect("the fifo is ours");
    }
    let mut command = Command::new(program);
    command.args(["oci", "--root", "/nonexistent", "exec", "--process"]).arg(&fifo).arg("missing");
    command.uid(65534).gid(65534).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().expect("the program is there");
    let process = fs::File::options().write(true).open(&fifo).expect("somebody reads");
    let link = fs::read_link(format!("/proc/{}/exe", child.id())).expect("root may look");
    drop(process);
    assert_eq!(finish(child, b"", std::time::Duration::from_secs(20)).code, 255);
    link
}

#[test]
fn an_ordinary_user_copies_only_a_program_that_a_payload_could_write() {
    let runtime = runtime();
    let program = runtime.work("program");
    let copied = Command::new("cp").arg(testkit::binary()).arg(&program).status();
    assert!(copied.is_ok_and(|status| status.success()));
    let mode = |mode| fs::set_permissions(&program, PermissionsExt::from_mode(mode)).unwrap();
    let copy = PathBuf::from("/memfd:isolazi (deleted)");
    mode(0o755);
    assert_eq!(program_of_ordinary(&runtime, &program), program);
    mode(0o775);
    assert_eq!(program_of_ordinary(&runtime, &program), copy);
    mode(0o755);
    chown(&program, Some(65534), Some(65534)).unwrap();
    assert_eq!(program_of_ordinary(&runtime, &program), copy);
}

#[test]
fn documents_that_are_none_are_refused_by_their_name() {
    let runtime = runtime();
    fs::write(runtime.work("p.json"), "{\"args\": 1}").unwrap();
    let output = runtime.run(&["exec", "-p", "p.json", "x"]);
    assert_eq!(output.code, 255);
    assert!(
        output.stderr.starts_with("Error: can't read `p.json`: invalid type: integer `1`, expected a sequence"),
        "{output:?}"
    );
    // As a program in Go may write it.
    fs::write(runtime.work("p.json"), r#"{"args": ["sh"], "cwd": "/", "env": null, "user": null}"#).unwrap();
    let output = runtime.run(&["exec", "-p", "p.json", "x"]);
    assert!(output.stderr.contains("does not exist"), "{output:?}");
    let output = runtime.run(&["update", "--resources=-", "x"]); // standard input is empty
    assert!(output.stderr.starts_with("Error: can't read `-`: EOF while parsing"), "{output:?}");
    runtime
        .run(&["exec", "-p", "none.json", "x"])
        .fails(255, "Error: can't read `none.json`: no such file or directory\n");
}

/// An id that no other container has: cgroups are the whole machine's.
fn id(name: &str) -> String {
    format!("oci-cli-{}-{name}", std::process::id())
}

/// A bundle with busybox, whose process runs this script.
fn bundle(runtime: &Runtime, script: &str, terminal: bool) -> String {
    let folder = runtime.work("bundle");
    for name in ["bin", "dev", "proc", "sys", "tmp"] {
        fs::create_dir_all(folder.join("rootfs").join(name)).expect("the place is ours");
    }
    fs::copy("/bin/busybox", folder.join("rootfs/bin/busybox")).expect("busybox is installed");
    for name in ["sh", "cat", "sleep", "stty"] {
        symlink("busybox", folder.join("rootfs/bin").join(name)).expect("the place is ours");
    }
    runtime.run(&["spec", "--bundle", folder.to_str().expect("a place's name is text")]).succeeds();
    let path = folder.join("config.json");
    let mut spec: Value = serde_json::from_slice(&fs::read(&path).expect("it was written")).expect("it is JSON");
    spec["process"]["args"] = serde_json::json!(["sh", "-c", script]);
    spec["process"]["terminal"] = terminal.into();
    fs::write(&path, spec.to_string()).expect("the place is ours");
    folder.into_os_string().into_string().expect("a place's name is text")
}

#[test]
fn a_run_in_front_has_our_streams_ends_with_our_code_and_leaves_nothing() {
    let runtime = runtime();
    let bundle = bundle(&runtime, "echo out; echo err >&2; cat; exit 7", false);
    let (id, kept) = (id("front"), id("kept"));
    let words = ["oci", "--root", &runtime.root, "run", "-b", &bundle, &id];
    let output = runtime.isolazi.run_with(&words, b"in", std::time::Duration::from_secs(20));
    assert_eq!((output.code, output.stdout.as_str(), output.stderr.as_str()), (7, "out\nin", "err\n"));
    assert_eq!(runtime.run(&["list", "-q"]).ok(), "");
    assert_eq!(runtime.isolazi.run(&[&words[..4], &["--keep", "-b", &bundle, &kept]].concat()).code, 7);
    let state: Value = serde_json::from_str(&runtime.run(&["state", &kept]).ok()).unwrap();
    assert_eq!((&state["status"], &state["pid"]), (&"stopped".into(), &0.into()));
    runtime.run(&["delete", &kept]).succeeds();
}

/// Takes the mount namespace out of a bundle's document.
fn inherit_mounts(bundle: &str) {
    let path = PathBuf::from(bundle).join("config.json");
    let mut spec: Value = serde_json::from_slice(&fs::read(&path).expect("it was written")).expect("it is JSON");
    let namespaces = spec["linux"]["namespaces"].as_array_mut().expect("there are some");
    namespaces.retain(|one| one["type"] != "mount");
    fs::write(&path, spec.to_string()).expect("the place is ours");
}

#[test]
fn a_run_in_the_callers_mounts_has_a_terminal_and_leaves_none() {
    let runtime = runtime();
    let bundle = bundle(&runtime, "readlink /proc/self/ns/mnt; stty size", true);
    inherit_mounts(&bundle);
    symlink("busybox", PathBuf::from(&bundle).join("rootfs/bin/readlink")).unwrap();
    let words = ["oci", "--root", &runtime.root, "run", "-b", &bundle, &id("inherits")];
    let ours = fs::read_link("/proc/self/ns/mnt").unwrap();
    assert_eq!(runtime.isolazi.pty(&words).wait(), (0, format!("{}\r\n24 80\r\n", ours.display())));
    assert_eq!(runtime.run(&["list", "-q"]).ok(), "");
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!mounts.contains(runtime.isolazi.work().to_str().unwrap()), "{mounts}");
}

#[test]
fn an_ordinary_user_has_no_mounts_to_share() {
    let isolazi = Isolazi::ordinary();
    let (root, bundle) = (isolazi.work().join("states"), isolazi.work());
    let (root, bundle) = (root.to_str().unwrap(), bundle.to_str().unwrap());
    fs::create_dir(isolazi.work().join("rootfs")).unwrap();
    isolazi.run(&["oci", "spec", "--rootless", "-b", bundle]).succeeds();
    inherit_mounts(bundle);
    isolazi.run(&["oci", "--root", root, "run", "-b", bundle, "x"]).fails(
        1,
        "Error: config.json: `linux.namespaces`: an ordinary user needs a mount namespace\n\
         Hint: `spec --rootless` writes a document with one\n",
    );
    assert!(!isolazi.work().join("states/x").try_exists().unwrap());
}

#[test]
fn what_a_document_asks_in_vain_is_told_in_the_log_or_on_standard_error() {
    let runtime = runtime();
    let bundle = bundle(&runtime, "echo err >&2", false);
    let path = PathBuf::from(&bundle).join("config.json");
    let mut spec: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    spec["process"]["capabilities"]["bounding"] = serde_json::json!(["CAP_DREAM"]);
    fs::write(&path, spec.to_string()).unwrap();
    let told = "config.json: `process.capabilities`: unknown here, and left out: `CAP_DREAM`";
    let id = id("warned");
    let output = runtime.run(&["run", "-b", &bundle, &id]);
    let mut lines: Vec<&str> = output.stderr.lines().collect();
    lines.sort_unstable(); // two programs write them
    assert_eq!((output.code, lines), (0, vec![&*format!("Warning: {told}"), "err"]));
    let log = runtime.work("log");
    let output = runtime.run(&["--log", log.to_str().unwrap(), "--log-format=json", "run", "-b", &bundle, &id]);
    assert_eq!((output.code, &*output.stderr), (0, "err\n"));
    let line: Value = serde_json::from_slice(&fs::read(&log).unwrap()).expect("one value and no other");
    assert_eq!((&line["level"], &line["msg"]), (&"warning".into(), &told.into()));
}

#[test]
fn descriptors_are_handed_on_when_they_are_asked_for_and_there() {
    let runtime = runtime();
    let bundle = bundle(&runtime, "read x <&3; read y <&4; echo $x $y $LISTEN_FDS; test ! -e /proc/self/fd/5", false);
    let files = ["three", "four"].map(|name| {
        fs::write(runtime.work(name), name).unwrap();
        runtime.work(name).display().to_string()
    });
    let id = id("descriptors");
    let run = |redirect: &str, environment: &str, option: &str| {
        let program = testkit::binary().display().to_string();
        let log = runtime.work("log").display().to_string();
        let root = &runtime.root;
        let script = format!(
            "{environment} exec {program} oci --root {root} --log {log} run {option} -b {bundle} {id} {redirect}"
        );
        let mut shell = Command::new("sh");
        shell.args(["-c", &script]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        finish(shell.spawn().unwrap(), b"", std::time::Duration::from_secs(20))
    };
    let both = format!("3<{} 4<{}", files[0], files[1]);
    assert_eq!(run(&both, "", "--preserve-fds=2").ok(), "three four\n");
    assert_eq!(run(&both, "export LISTEN_FDS=1 LISTEN_PID=$$;", "--preserve-fds 1").ok(), "three four 1\n");
    // One of our own must not take the place of one that is not there.
    let words = "option `--preserve-fds`: 2 are to be handed on, but 4 is not open\n";
    run(&format!("3<{}", files[0]), "", "--preserve-fds=2").fails(1, words);
    let words = "option `--preserve-fds`: 1 are to be handed on, but 3 is not open\n";
    run("", "", "--preserve-fds=1").fails(1, words);
}

#[test]
fn a_terminal_in_front_is_ours() {
    let runtime = runtime();
    let script = "trap 'stty size' WINCH; stty size; read x; echo \"<$x>\"; while :; do sleep 0.05; done";
    let bundle = bundle(&runtime, script, true);
    let id = id("terminal");
    let mut pty = runtime.isolazi.pty(&["oci", "--root", &runtime.root, "run", "--bundle", &bundle, &id]);
    pty.expect("24 80");
    pty.send("typed\r");
    pty.expect("<typed>");
    pty.resize(33, 101);
    pty.expect("33 101");
    assert_eq!(runtime.run(&["exec", &id, "sh", "-c", "exit 4"]).code, 4);
    runtime.run(&["kill", &id, "KILL"]).succeeds();
    assert_eq!(pty.wait().0, 137);
    assert_eq!(runtime.run(&["list", "-q"]).ok(), "");
}

#[test]
fn a_container_behind_us_lives_until_it_is_killed_and_deleted() {
    let runtime = runtime();
    let bundle = bundle(&runtime, "trap 'exit 3' TERM; while :; do sleep 0.05; done", false);
    let (id, pid_file) = (id("behind"), runtime.work("pid"));
    let words = ["run", "-d", "--pid-file", pid_file.to_str().unwrap(), "-b", &bundle, &id];
    // Nobody reads what it writes: it has our streams for as long as it lives.
    let mut command = runtime.isolazi.command(&[&["oci", "--root", &runtime.root], &words[..]].concat());
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    assert!(status.unwrap().success());
    let pid: i32 = fs::read_to_string(&pid_file).unwrap().parse().unwrap();
    let pids: Vec<i32> = serde_json::from_str(&runtime.run(&["ps", "--format", "json", &id]).ok()).unwrap();
    assert!(pids.contains(&pid), "{pids:?} {pid}");
    let table = runtime.run(&["ps", &id]).ok();
    assert!(
        table.lines().nth(1).is_some_and(|row| row.contains(&format!(" {pid} ")) && row.contains("sh -c trap")),
        "{table}"
    );
    assert!(
        runtime
            .run(&["list"])
            .ok()
            .lines()
            .any(|line| line.starts_with(&format!("{id} ")) && line.contains(" running "))
    );
    let output = runtime.run(&["delete", &id]);
    assert!(output.code == 1 && output.stderr.contains("is running"), "{output:?}");
    runtime.run(&["kill", "--all", &id, "SIGTERM"]).succeeds();
    while !runtime.run(&["list"]).ok().contains(" stopped ") {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let output = runtime.run(&["kill", &id, "9"]);
    assert!(output.code == 1 && output.stderr.contains("container not running"), "{output:?}");
    runtime.run(&["delete", &id]).succeeds();
    runtime.run(&["delete", "--force", &id]).succeeds();
}
