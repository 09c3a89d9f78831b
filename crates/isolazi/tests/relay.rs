//! `isolazi run` as a filter and as a process: streams, exit codes, signals, without a terminal.

use rustix::process::Signal;
use std::fs::File;
use std::io::{Read, Write};
use std::process::Stdio;
use std::time::Duration;
use testkit::{Isolazi, Output, registries};

const LIMIT: Duration = Duration::from_secs(60);

/// A place that has the busybox image, and the image's name there.
fn with_busybox() -> (Isolazi, String) {
    let isolazi = Isolazi::new();
    let image = format!("{}/busybox", registries().plain.addr);
    isolazi.run(&["pull", "-q", &image]).succeeds();
    (isolazi, image)
}

fn said(code: i32, stdout: &str, stderr: &str) -> Output {
    Output { code, stdout: stdout.into(), stderr: stderr.into() }
}

#[test]
fn streams_stay_apart_and_the_code_is_the_payloads() {
    let (isolazi, image) = with_busybox();
    let run = |script: &str| isolazi.run(&["run", "--rm", &image, "sh", "-c", script]);
    assert_eq!(run("echo out; echo err >&2; exit 7"), said(7, "out\n", "err\n"));
    assert_eq!(run("exit 255"), said(255, "", ""));
    assert_eq!(run("printf no-newline"), said(0, "no-newline", ""));
}

#[test]
fn a_payload_ended_by_a_signal_gives_the_shells_code() {
    let (isolazi, image) = with_busybox();
    let mut running = isolazi.spawn(&["run", "--name", "victim", &image, "sh", "-c", "echo ready; sleep 60"]);
    running.child().stdout.as_mut().unwrap().read_exact(&mut [0; 6]).unwrap();
    assert_eq!(isolazi.run(&["rm", "-f", "victim"]).ok(), "victim\n");
    assert_eq!(running.finish(b"", LIMIT), said(137, "", ""));
}

#[test]
fn our_own_failures_have_dockers_codes() {
    let (isolazi, image) = with_busybox();
    let code = |arguments: &[&str]| {
        let output = isolazi.run(&[&["run", "--rm"][..], arguments].concat());
        assert!(output.stderr.starts_with("Error: ") && output.stdout.is_empty(), "{output:?}");
        assert_eq!(output.stderr.lines().filter(|line| line.starts_with("Error: ")).count(), 1, "{output:?}");
        output.code
    };
    assert_eq!(code(&[&image, "no-such-command"]), 127);
    assert_eq!(code(&[&image, "/etc"]), 126);
    assert_eq!(code(&[&image, "/etc/passwd"]), 126);
    assert_eq!(code(&["--pull", "never", "no-such-image"]), 125);
    assert_eq!(code(&["BAD//reference"]), 125);
    assert_eq!(code(&["-v", "relative", &image]), 125);
    assert_eq!(code(&["--no-such-flag", &image]), 125);
}

#[test]
fn a_missing_image_is_pulled_with_its_noise_on_stderr() {
    let isolazi = Isolazi::new();
    let image = format!("{}/busybox", registries().plain.addr);
    let output = isolazi.run(&["run", "--rm", &image, "echo", "hi"]);
    assert_eq!((output.code, output.stdout.as_str()), (0, "hi\n"), "{}", output.stderr);
    let first = format!("Unable to find image '{image}:latest' locally\nlatest: Pulling from busybox\n");
    assert!(output.stderr.starts_with(&first), "{}", output.stderr);
    assert!(
        output.stderr.ends_with(&format!("Status: Downloaded newer image for {image}:latest\n")),
        "{}",
        output.stderr
    );
}

#[test]
fn megabytes_pass_both_ways_at_once_unharmed() {
    let (isolazi, image) = with_busybox();
    let mut input = Vec::new();
    for number in 0..400_000u32 {
        writeln!(input, "{number} {}", number.wrapping_mul(2_654_435_761)).unwrap();
    }
    let output = isolazi.run_with(&["run", "--rm", "-i", &image, "cat"], &input, LIMIT);
    assert_eq!(output.code, 0, "{}", output.stderr);
    assert!(output.stdout.as_bytes() == input, "{} bytes became {}", input.len(), output.stdout.len());
}

#[test]
fn input_from_files_and_from_nowhere_ends() {
    let (isolazi, image) = with_busybox();
    let path = isolazi.work().join("input");
    std::fs::write(&path, "from a file\n").unwrap();
    let with = |stdin: Stdio, flags: &[&str]| {
        let arguments = [&["run", "--rm"], flags, &[image.as_str(), "cat"]].concat();
        testkit::finish(isolazi.command(&arguments).stdin(stdin).spawn().unwrap(), b"", LIMIT)
    };
    assert_eq!(with(File::open(&path).unwrap().into(), &["-i"]), said(0, "from a file\n", ""));
    assert_eq!(with(Stdio::null(), &["-i"]), said(0, "", ""));
    // Without -i the payload's input is empty, and ours is left for whoever reads it next.
    assert_eq!(with(File::open(&path).unwrap().into(), &[]), said(0, "", ""));
}

#[test]
fn a_payload_that_reads_nothing_does_not_stop_its_output_or_our_signals() {
    let (isolazi, image) = with_busybox();
    let script = "trap 'echo caught; exit 9' TERM; echo ready; while :; do sleep 0.05; done";
    let mut command = isolazi.command(&["run", "--rm", "-i", &image, "sh", "-c", script]);
    let mut child = command.spawn().unwrap();
    let (mut stdin, mut stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let writer = std::thread::spawn(move || {
        let chunk = vec![b'x'; 1 << 20];
        while stdin.write_all(&chunk).is_ok() {}
    });
    let mut ready = [0; 6];
    stdout.read_exact(&mut ready).unwrap();
    std::thread::sleep(Duration::from_millis(300)); // until everything on the way is full
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, Signal::TERM).unwrap();
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).unwrap();
    assert_eq!((rest.as_str(), child.wait().unwrap().code()), ("caught\n", Some(9)));
    writer.join().unwrap();
}

#[test]
fn signals_reach_the_payload() {
    let (isolazi, image) = with_busybox();
    for (signal, name) in [(Signal::INT, "INT"), (Signal::TERM, "TERM"), (Signal::HUP, "HUP"), (Signal::USR1, "USR1")] {
        let script = format!("trap 'echo got {name}; exit 3' {name}; echo ready; while :; do sleep 0.05; done");
        let mut running = isolazi.spawn(&["run", "--rm", &image, "sh", "-c", &script]);
        let mut ready = [0; 6];
        running.child().stdout.as_mut().unwrap().read_exact(&mut ready).unwrap();
        running.signal(signal);
        assert_eq!(running.finish(b"", LIMIT), said(3, &format!("got {name}\n"), ""));
    }
}

#[test]
fn a_signal_waits_for_no_reader_of_our_output() {
    let (isolazi, image) = with_busybox();
    // A pipe that nobody empties until the end: the payload has written more than fits, then is told to end.
    let script = "trap 'exit 4' TERM; yes | head -c 3000000 & echo ready; wait";
    let mut running = isolazi.spawn(&["run", "--rm", &image, "sh", "-c", script]);
    std::thread::sleep(Duration::from_millis(700));
    running.signal(Signal::TERM);
    std::thread::sleep(Duration::from_millis(200));
    assert!(running.child().try_wait().unwrap().is_none(), "it ended before its output was written");
    assert_eq!(running.finish(b"", LIMIT).code, 4);
}

#[test]
fn a_reader_that_left_ends_us_and_nothing_panics() {
    let (isolazi, image) = with_busybox();
    let mut child = isolazi.command(&["run", "--name", "yes", &image, "yes"]).spawn().unwrap();
    let mut first = [0; 2];
    child.stdout.take().unwrap().read_exact(&mut first).unwrap(); // and it is closed
    let output = testkit::finish(child, b"", LIMIT);
    assert_eq!((output.code, output.stderr.as_str()), (141, ""));
    isolazi.run(&["rm", "-f", "yes"]).ok();

    let closed = || {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        Stdio::from(writer)
    };
    let child = isolazi.command(&["help"]).stdout(closed()).spawn().unwrap();
    assert_eq!(testkit::finish(child, b"", LIMIT), said(141, "", ""));
    let full = File::options().write(true).open("/dev/full").unwrap();
    let child = isolazi.command(&["help"]).stdout(full).spawn().unwrap();
    let complaint = "Error: can't write to standard output: no space left on device\n";
    assert_eq!(testkit::finish(child, b"", LIMIT), said(1, "", complaint));
}

#[test]
fn detached_containers_go_on() {
    let (isolazi, image) = with_busybox();
    let id = isolazi.run(&["run", "-d", "--name", "web", &image, "sh", "-c", "echo hello; sleep 60"]).ok();
    assert!(id.len() == 65 && id.trim().bytes().all(|b| b.is_ascii_hexdigit()), "{id}");
    let list = isolazi.run(&["ps", "--no-trunc", "--format", "{{.ID}} {{.Names}} {{.State}}"]).ok();
    assert_eq!(list, format!("{} web running\n", id.trim()));
    isolazi.run(&["rm", "web"]).fails(
        1,
        "Error: cannot remove container \"web\": container is running: stop the container before removing or force \
         remove\n",
    );
    assert_eq!(isolazi.run(&["rm", "-f", "web"]).ok(), "web\n");
    assert_eq!(isolazi.run(&["ps", "-aq"]).ok(), "");
    assert_eq!(isolazi.run(&["run", "-d", "--rm", &image, "no-such-command"]).code, 127);
}
