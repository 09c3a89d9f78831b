//! `isolazi logs`: nothing that a payload said is lost, whatever it said and however much; and who keeps it.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking, in their helpers too")]

mod common;

use common::{Busybox, LIMIT, container, contents, eventually, payload, reference};
use rustix::process::{Signal, kill_process};
use std::fmt::Write as _;
use std::fs::File;
use std::io::Write as _;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use testkit::{Isolazi, Output, golden};

fn said(code: i32, stdout: &str, stderr: &str) -> Output {
    Output { code, stdout: stdout.into(), stderr: stderr.into() }
}

/// Runs a container to its end, behind the scene.
#[track_caller]
fn ended(busybox: &Busybox, name: &str, flags: &[&str], script: &str) {
    let flags = [&["--name", name, "--network", "none"], flags].concat();
    let output = busybox.isolazi.run(&busybox.words(&flags, &["sh", "-c", script]));
    assert_eq!(output.code, 0, "{output:?}");
}

/// Starts a container that says nothing before the file `go` appears in `folder`, and then does what the script says.
#[track_caller]
fn waiting(busybox: &Busybox, name: &str, flags: &[&str], script: &str) -> PathBuf {
    let folder = busybox.isolazi.work().join(name);
    std::fs::create_dir(&folder).unwrap();
    let volume = format!("{}:/here:ro", folder.display());
    let script = format!("until [ -e /here/go ]; do sleep 0.02; done; {script}");
    let flags = [&["-d", "--name", name, "--network", "none", "-v", &volume], flags].concat();
    busybox.isolazi.run(&busybox.words(&flags, &["sh", "-c", &script])).ok();
    folder.join("go")
}

/// The exact bytes of standard output.
#[track_caller]
fn bytes_of(isolazi: &Isolazi, arguments: &[&str]) -> Vec<u8> {
    let output = isolazi.command(arguments).stdin(Stdio::null()).output().unwrap();
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(0), ""));
    output.stdout
}

#[test]
fn each_way_of_asking_and_each_that_is_refused() {
    let busybox = Busybox::new();
    let isolazi = &busybox.isolazi;
    ended(
        &busybox,
        "web",
        &["--log-opt", "tag={{.Name}}"],
        "echo one; sleep 0.1; echo two >&2; sleep 0.1; printf three",
    );
    ended(&busybox, "silent", &["--log-driver", "none"], "echo one");
    isolazi.run(&["create", "--name", "new", &busybox.image]).succeeds();
    let log = std::fs::read_to_string(folder_of(isolazi, "web").join("container.log")).unwrap();
    let two: serde_json::Value = serde_json::from_str(log.lines().nth(1).unwrap()).unwrap();
    let time_of_two = two["time"].as_str().unwrap();
    let mut transcript = String::new();
    for arguments in [
        &["--help"][..],
        &["web"],
        &["container", "logs", "web"],
        &["--stdout", "web"],
        &["--stderr", "web"],
        &["--details", "web"],
        &["-n", "1", "web"],
        &["--tail=0", "web"],
        &["-n", "all", "web"],
        &["-n-1", "web"],
        &["-f", "-n", "2", "web"],
        &["--since", "2020-01-01", "--until", "2020-01-02", "web"],
        &["--since", "TWO", "web"],
        &["--until", "TWO", "web"],
        &["--since", "1h", "web"],
        &["--since", "2000-01-01T00:00:00Z", "-n", "1", "web"],
        &["new"],
        &["-f", "new"],
        &["silent"],
        &["-f", "silent"],
        // Refused.
        &[],
        &["web", "new"],
        &["nope"],
        &[""],
        &["-n", "x", "web"],
        &["-n", "1.5", "web"],
        &["--since", "yesterday", "web"],
        &["--until", "", "web"],
        &["--follow=perhaps", "web"],
        &["--colour", "web"],
    ] {
        let replaced: Vec<&str> =
            arguments.iter().map(|word| if *word == "TWO" { time_of_two } else { word }).collect();
        let words =
            if arguments.first() == Some(&"container") { replaced } else { [&["logs"], &replaced[..]].concat() };
        let output = isolazi.run(&words);
        let shown = words.join(" ").replace(time_of_two, "TWO");
        let stderr: String = output.stderr.lines().map(|line| format!("! {line}\n")).collect();
        let end = if output.stdout.is_empty() || output.stdout.ends_with('\n') { "" } else { "\n" };
        write!(transcript, "$ isolazi {shown}\n{}{end}{stderr}= {}\n\n", output.stdout, output.code).unwrap();
    }
    golden("tests/golden/commands/logs.txt", &transcript);
}

#[test]
fn a_prefix_of_several_ids_is_refused() {
    let busybox = Busybox::new();
    // More than there are first digits.
    let mut ids = std::collections::BTreeSet::new();
    let twice = (0..17).find_map(|_| {
        let id = busybox.isolazi.run(&["create", &busybox.image]).ok();
        let first = id[..1].to_owned();
        ids.replace(first)
    });
    let prefix = twice.unwrap();
    let told = format!("Error: multiple IDs found with provided prefix: {prefix}\n");
    busybox.isolazi.run(&["logs", &prefix]).fails(1, &told);
}

/// The folder of a container.
fn folder_of(isolazi: &Isolazi, name: &str) -> PathBuf {
    let id = std::fs::read_to_string(isolazi.root().join("names").join(name)).unwrap();
    isolazi.root().join("containers").join(id.trim())
}

#[test]
fn streams_stay_apart_in_their_order_and_have_times() {
    for busybox in Busybox::both() {
        let isolazi = &busybox.isolazi;
        ended(&busybox, "web", &[], "echo 1; sleep 0.1; echo 2 >&2; sleep 0.1; echo 3");
        assert_eq!(isolazi.run(&["logs", "web"]), said(0, "1\n3\n", "2\n"));
        let both = isolazi.work().join("both");
        let file = File::create_new(&both).unwrap();
        let mut command = isolazi.command(&["logs", "-t", "web"]);
        command.stdin(Stdio::null()).stdout(file.try_clone().unwrap()).stderr(file);
        assert!(command.status().unwrap().success());
        let text = std::fs::read_to_string(both).unwrap();
        let (times, lines): (Vec<&str>, Vec<&str>) = text.lines().map(|line| line.split_once(' ').unwrap()).unzip();
        assert_eq!(lines, ["1", "2", "3"]);
        assert!(times.is_sorted() && times.iter().all(|time| time.len() == 30 && time.ends_with('Z')), "{times:?}");
    }
}

/// Text with long and short lines, and bytes of every value.
fn much() -> Vec<u8> {
    let mut bytes = Vec::new();
    for number in 0..200_000u32 {
        let width = if number % 5000 == 0 { 40_000 } else { number as usize % 90 };
        writeln!(bytes, "{number} \"{}\\ü\t{}", "x".repeat(width), number.wrapping_mul(2_654_435_761)).unwrap();
    }
    let mut state = 1u64;
    bytes.extend((0..6_000_000).map(|_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()[0]
    }));
    bytes
}

#[test]
fn every_byte_that_was_said_is_shown() {
    for busybox in Busybox::both() {
        let isolazi = &busybox.isolazi;
        let data = isolazi.work().join("data");
        std::fs::create_dir(&data).unwrap();
        let bytes = much();
        std::fs::write(data.join("much"), &bytes).unwrap();
        let volume = format!("{}:/data:ro", data.display());
        let flags = ["--name", "much", "--network", "none", "-v", &volume, "--log-opt", "max-size=-1"];
        // With somebody who listens, and with nobody; in large and in odd pieces.
        for (detach, command) in [(false, "cat /data/much"), (true, "dd if=/data/much bs=777 2>/dev/null")] {
            let flags = [&flags[..], if detach { &["-d"] } else { &[] }].concat();
            isolazi.run(&busybox.words(&flags, &["sh", "-c", command])).succeeds();
            eventually("the end", || (common::state(isolazi, "{{.State}}") == "exited").then_some(()));
            assert!(bytes_of(isolazi, &["logs", "much"]) == bytes, "{command}");
            let last = bytes_of(isolazi, &["logs", "-n", "3", "much"]);
            assert!(bytes.ends_with(&last) && !last.is_empty());
            isolazi.run(&["rm", "much"]).ok();
        }
    }
}

/// The sizes of a log's files, the one being written first.
fn sizes(folder: &Path) -> Vec<u64> {
    let log = folder.join("container.log");
    let older = (1..).map(|number| folder.join(format!("container.log.{number}")));
    [log].into_iter().chain(older).map_while(|path| Some(path.metadata().ok()?.len())).collect()
}

#[test]
fn a_follower_hears_every_line_of_a_log_that_is_rotated_meanwhile() {
    for busybox in Busybox::both() {
        let isolazi = &busybox.isolazi;
        let flags = ["--log-opt", "max-size=500k", "--log-opt", "max-file=60"];
        let go = waiting(&busybox, "busy", &flags, "seq 200000");
        let follower = isolazi.spawn(&["logs", "-f", "busy"]);
        std::fs::write(go, "").unwrap();
        let heard = follower.finish(b"", LIMIT).ok();
        let numbers = |range: std::ops::RangeInclusive<u32>| range.map(|n| format!("{n}\n")).collect::<String>();
        assert!(heard == numbers(1..=200_000), "{} bytes", heard.len());
        assert_eq!(isolazi.run(&["logs", "-n", "20000", "busy"]).ok(), numbers(180_001..=200_000));
        let sizes = sizes(&folder_of(isolazi, "busy"));
        assert!(sizes.len() > 20 && sizes[1..].iter().all(|size| (500_000..500_200).contains(size)), "{sizes:?}");
    }
}

#[test]
fn what_is_rotated_away_is_gone_and_a_follower_who_slept_is_told() {
    let busybox = Busybox::new();
    let isolazi = &busybox.isolazi;
    let go = waiting(&busybox, "busy", &["--log-opt", "max-size=20k"], "echo first; sleep 0.5; seq 5000");
    let mut follower = isolazi.spawn(&["logs", "-f", "busy"]);
    std::fs::write(go, "").unwrap();
    common::read_until(&mut follower, "first\n");
    follower.signal(Signal::STOP);
    eventually("the end", || (common::state(isolazi, "{{.State}}") == "exited").then_some(()));
    follower.signal(Signal::CONT);
    let heard = follower.finish(b"", LIMIT);
    let warning = "Warning: the log was rotated faster than it was read: lines may be missing here\n";
    assert_eq!((heard.code, heard.stderr.as_str()), (0, warning));
    let kept = isolazi.run(&["logs", "busy"]).ok();
    assert!(heard.stdout.ends_with(&kept), "what is kept was heard");
    let numbers: Vec<u32> = kept.lines().map(|line| line.parse().unwrap()).collect();
    assert!(numbers.len() > 400 && numbers.len() < 1000, "{}", numbers.len());
    assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1) && numbers.last() == Some(&5000));
    assert_eq!(sizes(&folder_of(isolazi, "busy")).len(), 3);
}

#[test]
fn following_ends_with_the_container_however_that_ends() {
    type EndIt = fn(&Isolazi);
    let ways: [(&str, EndIt); 3] = [
        ("removed", |isolazi| assert_eq!(isolazi.run(&["rm", "-f", "web"]).ok(), "web\n")),
        ("killed", |isolazi| kill_process(payload(isolazi), Signal::KILL).unwrap()),
        ("without its monitor", |isolazi| kill_process(common::parent(payload(isolazi)), Signal::KILL).unwrap()),
    ];
    for busybox in Busybox::both() {
        let isolazi = &busybox.isolazi;
        for (way, end) in ways {
            let flags = ["-d", "--name", "web", "--network", "none"];
            isolazi.run(&busybox.words(&flags, &["sh", "-c", "echo up; exec sleep 60"])).ok();
            let mut follower = isolazi.spawn(&["logs", "-f", "web"]);
            common::read_until(&mut follower, "up\n");
            end(isolazi);
            assert_eq!(follower.finish(b"", Duration::from_secs(10)), said(0, "", ""), "{way}");
            isolazi.run(&["rm", "-f", "web"]).succeeds();
            eventually("the end of the removal", || contents(isolazi).is_empty().then_some(()));
        }
        // One that removes itself says all it has to say first.
        let script = "echo up; until [ -e /here/end ]; do sleep 0.02; done; echo done";
        let go = waiting(&busybox, "brief", &["--rm"], script);
        let mut follower = isolazi.spawn(&["logs", "-f", "brief"]);
        std::fs::write(&go, "").unwrap();
        common::read_until(&mut follower, "up\n");
        std::fs::write(go.with_file_name("end"), "").unwrap();
        assert_eq!(follower.finish(b"", LIMIT), said(0, "done\n", ""));
        busybox.holds_nothing();
    }
}

#[test]
fn following_goes_on_over_a_restart() {
    for busybox in Busybox::both() {
        let isolazi = &busybox.isolazi;
        let script = "trap 'echo down; exit' TERM; echo up; while :; do sleep 0.02; done";
        isolazi.run(&busybox.words(&["-d", "--name", "web", "--network", "none"], &["sh", "-c", script])).ok();
        let mut follower = isolazi.spawn(&["logs", "-f", "web"]);
        common::read_until(&mut follower, "up\n");
        assert_eq!(isolazi.run(&["restart", "web"]).ok(), "web\n");
        common::read_until(&mut follower, "down\nup\n");
        assert_eq!(isolazi.run(&["stop", "web"]).ok(), "web\n");
        assert_eq!(follower.finish(b"", Duration::from_secs(10)), said(0, "down\n", ""));
        assert_eq!(isolazi.run(&["start", "web"]).ok(), "web\n");
        eventually("the second start", || {
            (isolazi.run(&["logs", "web"]).ok() == "up\ndown\nup\ndown\nup\n").then_some(())
        });
        assert_eq!(isolazi.run(&["rm", "-f", "web"]).ok(), "web\n");
    }
}

#[test]
fn following_ends_when_its_time_is_over_though_nothing_is_said() {
    let busybox = Busybox::new();
    busybox.isolazi.run(&busybox.words(&["-d", "--network", "none", "--name", "web"], &["sleep", "60"])).ok();
    let until = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap() + Duration::from_secs(1);
    let until = format!("{}.{:09}", until.as_secs(), until.subsec_nanos());
    let follower = busybox.isolazi.spawn(&["logs", "-f", "--until", &until, "web"]);
    assert_eq!(follower.finish(b"", Duration::from_secs(10)), said(0, "", ""));
    busybox.isolazi.run(&["rm", "-f", "web"]).ok();
}

#[test]
fn damage_is_passed_over_with_a_warning() {
    let busybox = Busybox::new();
    let isolazi = &busybox.isolazi;
    ended(&busybox, "web", &[], "echo one; echo two");
    let log = container(isolazi).join("container.log");
    let text = std::fs::read_to_string(&log).unwrap();
    let (first, second) = text.split_once('\n').unwrap();
    let docker = r#"{"log":"\u003cthree\u003e\n","stream":"stdout","time":"2026-01-02T03:04:05Z"}"#;
    for (content, stdout, damage) in [
        (format!("{first}\n{}\n{second}", "\0".repeat(20)), "one\ntwo\n", Some(21)),
        (format!("not JSON\n{first}\n{{\"log\":7}}\n{second}"), "one\ntwo\n", Some(9)),
        (format!("{first}\n{}", &second[..10]), "one\n", Some(10)),
        (format!("{first}\n{second}{docker}\n"), "one\ntwo\n<three>\n", None),
        (String::new(), "", None),
    ] {
        std::fs::write(&log, &content).unwrap();
        let output = isolazi.run(&["logs", "web"]);
        assert_eq!((output.code, output.stdout.as_str()), (0, stdout), "{content:?}: {output:?}");
        let warning = |bytes| format!("Warning: passed over {bytes} damaged bytes of the log\n");
        match damage {
            Some(bytes) => assert!(output.stderr.starts_with(&warning(bytes)), "{output:?}"),
            None => assert_eq!(output.stderr, ""),
        }
    }
    // A torn entry at the end is no part of the next one.
    std::fs::remove_file(&log).unwrap();
    assert_eq!(isolazi.run(&["logs", "web"]), said(0, "", ""));
}

#[test]
fn a_full_disk_takes_nothing_from_what_is_kept() {
    let isolazi = Isolazi::new();
    let small = isolazi.root().join("small");
    std::fs::create_dir(&small).unwrap();
    let mount = |arguments: &[&str]| {
        assert!(Command::new(arguments[0]).args(&arguments[1..]).arg(&small).status().unwrap().success());
    };
    mount(&["mount", "-t", "tmpfs", "-o", "size=12m", "none"]);
    let (data, image) = (small.join("data"), reference("busybox"));
    let run = |words: &[&str]| isolazi.run(&[&["--root", data.to_str().unwrap()], words].concat());
    run(&["pull", "-q", &image]).succeeds();
    let payload = run(&["run", "--name", "full", "--log-opt", "max-size=-1", &image, "seq", "300000"]);
    let kept = run(&["logs", "full"]);
    let status = std::fs::read_dir(data.join("containers")).unwrap().map(|entry| {
        let status = std::fs::read(entry.unwrap().path().join("status.json")).unwrap();
        serde_json::from_slice::<serde_json::Value>(&status).unwrap()
    });
    let errors: Vec<String> = status.map(|status| status["error"].as_str().unwrap().to_owned()).collect();
    run(&["rm", "full"]).ok();
    mount(&["umount"]);
    assert_eq!(payload.succeeds().stdout.lines().count(), 300_000);
    let kept = kept.ok();
    assert!(kept.lines().enumerate().all(|(place, line)| line == (place + 1).to_string()) && kept.len() > 100_000);
    let [error] = &errors[..] else { panic!("{errors:?}") };
    assert!(error.starts_with("can't write the log `") && error.ends_with(": no space left on device"), "{error}");
}

/// Anonymous memory of a process, in KiB.
fn memory_of(pid: rustix::process::Pid) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{}/smaps_rollup", pid.as_raw_nonzero())).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("Pss_Anon:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn what_a_busy_payload_needs_is_given_back() {
    let busybox = Busybox::new();
    let isolazi = &busybox.isolazi;
    let script = "head -c 20000000 /dev/zero | tr '\\0' x; touch /here/done; sleep 60";
    let folder = isolazi.work().join("here");
    std::fs::create_dir(&folder).unwrap();
    let volume = format!("{}:/here", folder.display());
    let script = format!("until [ -e /here/go ]; do sleep 0.02; done; {script}");
    let flags = ["-d", "--name", "burst", "--network", "none", "-v", &volume];
    isolazi.run(&busybox.words(&flags, &["sh", "-c", &script])).ok();
    let payload = payload(isolazi);
    let monitor = common::parent(payload);
    let pipe = File::open(format!("/proc/{}/fd/1", payload.as_raw_nonzero())).unwrap();
    let room = || rustix::pipe::fcntl_getpipe_size(&pipe).unwrap();
    let rested = |limit| eventually("rest", || Some(memory_of(monitor)).filter(|kib| *kib <= limit));
    // It needs some for a start, too.
    let before = rested(1000);
    assert_eq!(room(), 65536);
    std::fs::write(folder.join("go"), "").unwrap();
    eventually("a wide pipe", || (room() == 1 << 20).then_some(()));
    eventually("the end of the burst", || folder.join("done").is_file().then_some(()));
    eventually("a narrow pipe", || (room() == 65536).then_some(()));
    rested(before + 64);
    isolazi.run(&["rm", "-f", "burst"]).ok();
}

/// Runs a command line where `/run/systemd/journal` is this folder.
fn with_journal(isolazi: &Isolazi, folder: &Path, arguments: &[&str]) -> Output {
    let inner = isolazi.command(arguments);
    let script = "mount -t tmpfs none /run && mkdir -p /run/systemd/journal && mount --bind \"$1\" /run/systemd/journal && \
                  shift && exec \"$@\"";
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", script, "sh"]).arg(folder).arg(inner.get_program()).args(inner.get_args());
    command.env_clear().envs(inner.get_envs().filter_map(|(key, value)| Some((key, value?))));
    command.env("PATH", std::env::var_os("PATH").unwrap());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    testkit::finish(command.spawn().unwrap(), b"", LIMIT)
}

#[test]
fn the_journal_gets_each_line_with_what_is_known_of_it() {
    let busybox = Busybox::new();
    let isolazi = &busybox.isolazi;
    let folder = isolazi.work().join("journal");
    std::fs::create_dir(&folder).unwrap();
    let words = |name: &'static str| {
        busybox.words(
            &["--name", name, "--network", "none", "--log-driver", "journald", "--log-opt", "tag={{.Name}}/x"],
            &["sh", "-c", "echo out; sleep 0.1; printf err >&2"],
        )
    };
    with_journal(isolazi, &folder, &words("without")).fails(
        125,
        "Error: failed to initialize logging driver: journald is not enabled on this host\nHint: \
         `/run/systemd/journal/socket`: no such file or directory\n",
    );
    let socket = UnixDatagram::bind(folder.join("socket")).unwrap();
    socket.set_read_timeout(Some(LIMIT)).unwrap();
    assert_eq!(with_journal(isolazi, &folder, &words("web")), said(0, "out\n", "err"));
    let id = std::fs::read_to_string(isolazi.root().join("names/web")).unwrap();
    let entry = |rest: &str| {
        format!(
            "CONTAINER_ID={}\nCONTAINER_ID_FULL={id}\nCONTAINER_NAME=web\nCONTAINER_TAG=web/x\nIMAGE_NAME={}\n\
             SYSLOG_IDENTIFIER=web/x\n{rest}\n",
            &id[..12],
            busybox.image
        )
    };
    let mut buffer = [0; 4096];
    for rest in ["PRIORITY=6\nMESSAGE=out", "PRIORITY=3\nCONTAINER_PARTIAL_MESSAGE=true\nMESSAGE=err"] {
        let length = socket.recv(&mut buffer).unwrap();
        assert_eq!(std::str::from_utf8(&buffer[..length]).unwrap(), entry(rest));
    }
    // Nobody reads any more: the payload goes on all the same.
    let much = ["--name", "much", "--network", "none", "--log-driver", "journald"];
    let output = with_journal(isolazi, &folder, &busybox.words(&much, &["seq", "3000"]));
    assert_eq!((output.code, output.stdout.lines().count(), output.stderr.as_str()), (0, 3000, ""));
    let status = std::fs::read(folder_of(isolazi, "much").join("status.json")).unwrap();
    let status: serde_json::Value = serde_json::from_slice(&status).unwrap();
    assert_eq!(status["error"], "can't write to the journal: resource temporarily unavailable");
    isolazi.run(&["logs", "web"]).fails(
        1,
        "Error: configured logging driver does not support reading\nHint: `journalctl CONTAINER_NAME=web` shows it\n",
    );
}
