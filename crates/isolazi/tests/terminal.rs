//! `isolazi run` on a real terminal.

use rustix::process::{Pid, Signal, kill_process};
use testkit::{Isolazi, registries};

fn with_busybox() -> (Isolazi, String) {
    let isolazi = Isolazi::new();
    let image = format!("{}/busybox", registries().plain.addr);
    isolazi.run(&["pull", "-q", &image]).succeeds();
    (isolazi, image)
}

#[test]
fn a_shell_on_a_terminal_is_interactive_without_being_asked() {
    let (isolazi, image) = with_busybox();
    let mut pty = isolazi.pty(&["run", "--rm", &image, "/bin/sh"]);
    pty.expect("# ");
    pty.send("stty size; tty\n");
    pty.expect("24 80");
    pty.expect("/dev/");
    pty.expect("# ");
    pty.resize(33, 101);
    pty.send("sleep 0.3; stty size\n");
    pty.expect("33 101");
    pty.expect("# ");
    pty.send("sleep 100\n");
    pty.expect("sleep 100");
    std::thread::sleep(std::time::Duration::from_millis(300));
    pty.send(b"\x03"); // Ctrl-C ends the command, not the shell
    pty.expect("# ");
    pty.send("exit 42\n");
    assert_eq!(pty.wait().0, 42);
}

#[test]
fn the_terminal_is_as_it_was_however_we_end() {
    let (isolazi, image) = with_busybox();
    let program = isolazi.command::<&str>(&[]).get_program().to_string_lossy().into_owned();
    let before_and_after = |flags: &str, ends: &dyn Fn(&mut testkit::Pty)| {
        let script = format!("stty -g; {program} run --rm {flags} {image} sh; echo code=$?; stty -g");
        let mut command = std::process::Command::new("sh");
        command.args(["-c", &script]).env("PATH", "/usr/bin:/bin").env("ISOLAZI_ROOT", isolazi.root());
        let mut pty = testkit::Pty::spawn(&command, 24, 80);
        let before = pty.expect("\n").trim().to_owned();
        pty.expect("# ");
        ends(&mut pty);
        pty.expect("code=");
        let code = pty.expect("\n").trim().to_owned();
        let after = pty.expect("\n").trim().to_owned();
        assert_eq!(before, after, "{flags}");
        assert_eq!(pty.wait().0, 0);
        code
    };
    assert_eq!(before_and_after("-it", &|pty| pty.send("exit 5\n")), "5");
    assert_eq!(before_and_after("-it --name keys", &|pty| pty.send(b"\x10\x11")), "0");
    isolazi.run(&["rm", "-f", "keys"]).ok();
    let terminate = |pty: &mut testkit::Pty| {
        let children = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", pty.pid())).unwrap();
        let pid = children.split_whitespace().next().unwrap().parse().unwrap();
        kill_process(Pid::from_raw(pid).unwrap(), Signal::TERM).unwrap();
    };
    assert_eq!(before_and_after("-it --name term", &terminate), "143");
    isolazi.run(&["rm", "-f", "term"]).ok();
}

#[test]
fn a_terminal_that_is_asked_for_and_not_there_is_refused() {
    let (isolazi, image) = with_busybox();
    isolazi.run(&["run", "--rm", "-it", &image, "sh"]).fails(
        1,
        "Error: the input device is not a TTY: cannot attach stdin to a TTY-enabled container because stdin is not a \
         terminal\nHint: leave `-t` out when input comes from a pipe or a file\n",
    );
    // Without -i it is fine: only its output has a terminal.
    let output = isolazi.run(&["run", "--rm", "-t", &image, "sh", "-c", "tty; echo err >&2"]);
    assert_eq!((output.code, output.stdout.as_str()), (0, "/dev/pts/0\r\nerr\r\n"), "{output:?}");
}

/// As an init such as systemd does: it closes the console and opens it again when it has something to say.
#[test]
fn a_payload_may_close_its_terminal_and_open_it_again() {
    let (isolazi, image) = with_busybox();
    let script = "exec </dev/null >/dev/null 2>&1; sleep 0.3; echo again >/dev/console; seq 20000 >/dev/console";
    let output = isolazi.run(&["run", "--rm", "-t", &image, "sh", "-c", script]);
    let expected: String = (1..=20000).fold("again\r\n".to_owned(), |text, number| format!("{text}{number}\r\n"));
    assert!(output.code == 0 && output.stdout == expected, "{:.200}", output.stdout);
}

#[test]
fn a_pull_on_a_terminal_leaves_one_line_a_layer() {
    let isolazi = Isolazi::new();
    let pty = isolazi.pty(&["pull", &format!("{}/layers", registries().plain.addr)]);
    let (code, shown) = pty.wait();
    assert_eq!(code, 0, "{shown}");
    let last = shown.rsplit("\x1b[J").next().unwrap();
    let complete = last.lines().filter(|line| line.ends_with(": Pull complete")).count();
    assert!(complete >= 9 && last.contains("Status: Downloaded newer image for"), "{last}");
}
