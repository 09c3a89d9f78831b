//! An interactive shell as root and as an ordinary user, on a real terminal: keys, jobs, window, end.

mod common;

use common::{Busybox, LIMIT};
use testkit::{Output, Pty};

fn shell(busybox: &Busybox, flags: &[&str]) -> Pty {
    let mut pty = busybox.isolazi.pty(&busybox.words(&[&["--rm"], flags].concat(), &["/bin/sh"]));
    pty.expect("# ");
    pty
}

/// Types a line and takes everything up to the next prompt, without what the terminal echoed.
fn typed(pty: &mut Pty, line: &str) -> String {
    pty.send(format!("{line}\n"));
    pty.expect(&format!("{line}\r\n"));
    let shown = pty.expect("# ");
    let (output, _prompt) = shown.rsplit_once('/').unwrap_or(("", ""));
    output.replace('\r', "")
}

#[test]
fn a_shell_is_interactive_without_a_flag_and_a_reader_without_a_terminal() {
    for busybox in Busybox::both() {
        let mut pty = shell(&busybox, &["--network", "none"]);
        assert_eq!(typed(&mut pty, "tty"), "/dev/pts/0\n");
        assert_eq!(typed(&mut pty, "test -t 0 && test -t 1 && test -t 2 && echo $TERM"), "xterm\n");
        pty.send("exit 42\n");
        assert_eq!(pty.wait().0, 42);
        busybox.holds_nothing();

        // The same words without a terminal: Docker's rule, a shell without -i has nothing to read.
        let words = busybox.words(&["--rm", "--network", "none"], &["/bin/sh"]);
        let silent = Output { code: 0, stdout: String::new(), stderr: String::new() };
        assert_eq!(busybox.isolazi.run_with(&words, b"echo unread", LIMIT), silent);
        let words = busybox.words(&["--rm", "-i", "--network", "none"], &["/bin/sh"]);
        assert_eq!(busybox.isolazi.run_with(&words, b"echo read", LIMIT).ok(), "read\n");
    }
}

#[test]
fn keys_reach_the_foreground_and_not_the_shell() {
    for busybox in Busybox::both() {
        let mut pty = shell(&busybox, &[]);
        // Each program says itself that it runs, so that the key meets it: before its exec, busybox's shell ignores
        // SIGQUIT.
        assert_eq!(typed(&mut pty, "echo up >/tmp/up"), "");
        pty.send("cat /tmp/up -\n");
        pty.expect("\nup\r\n");
        pty.send([3]); // Ctrl-C
        pty.expect("# ");
        assert_eq!(typed(&mut pty, "echo $?"), "130\n");
        pty.send("sh -c 'trap \"\" INT; exec cat /tmp/up -'\n");
        pty.expect("\nup\r\n");
        pty.send([0x1c]); // Ctrl-\, SIGQUIT
        pty.expect("# ");
        pty.send("sh -c 'echo up; exec cat'\n");
        pty.expect("up\r\n");
        pty.send("line\n");
        pty.expect("line\r\nline\r\n");
        pty.send([4]); // Ctrl-D, end of input for cat
        pty.expect("# ");
        pty.send("exit 3\n");
        assert_eq!(pty.wait().0, 3);
    }
}

#[test]
fn jobs_stop_go_on_and_end() {
    for busybox in Busybox::both() {
        let mut pty = shell(&busybox, &[]);
        // It says when it goes on: `fg` names the job before it is in the foreground.
        pty.send("sh -c 'trap \"echo back\" CONT; echo up; while :; do sleep 0.05; done'\n");
        pty.expect("up\r\n");
        pty.send([26]); // Ctrl-Z
        pty.expect("Stopped");
        pty.expect("# ");
        assert!(typed(&mut pty, "jobs").contains("Stopped"));
        pty.send("fg\n");
        pty.expect("\nback\r\n");
        pty.send([3]);
        pty.expect("# ");
        assert_eq!(typed(&mut pty, "jobs"), "");
        pty.send([4]); // the shell's own end of input
        // Its last command was interrupted, then `jobs` succeeded.
        assert_eq!(pty.wait().0, 0);
        busybox.holds_nothing();
    }
}

#[test]
fn the_window_has_its_size_from_the_start_and_follows() {
    for busybox in Busybox::both() {
        let mut pty = shell(&busybox, &["-it"]);
        assert_eq!(typed(&mut pty, "stty size"), "24 80\n");
        pty.send("trap 'echo changed' WINCH; until stty size | grep '^50 132$'; do :; done\n");
        pty.resize(50, 132);
        pty.expect("\r\n50 132\r\n");
        pty.send("exit\n");
        assert_eq!(pty.wait().0, 0);
    }
}

#[test]
fn a_terminal_carries_every_byte_both_ways() {
    for busybox in Busybox::both() {
        let script = "stty raw -echo; echo up; head -c 256 | od -An -v -tx1; head -c 100000 /dev/zero | tr '\\0' z; echo; echo end";
        let mut pty = busybox
            .isolazi
            .pty(&busybox.words(&["--rm", "-it", "--detach-keys", "ctrl-@,ctrl-@,ctrl-@"], &["sh", "-c", script]));
        pty.expect("up");
        pty.send((0..=255).collect::<Vec<u8>>());
        let shown = pty.expect("end");
        let hex: Vec<u8> = shown
            .split_whitespace()
            .filter(|word| word.len() == 2)
            .map(|word| u8::from_str_radix(word, 16).unwrap())
            .collect();
        assert!(hex == (0..=255).collect::<Vec<u8>>(), "{hex:?}");
        assert_eq!(shown.bytes().filter(|byte| *byte == b'z').count(), 100_000);
        assert_eq!(pty.wait().0, 0);
    }
}
