//! Containers on a terminal.

use crate::container::{Container, run, words};
use std::time::Duration;
use testkit::{Engine, Pty};

/// Asks a shell for its terminal until the size has come: engines set it when the payload runs already.
fn has_terminal_and_size(pty: &mut Pty) {
    pty.expect("# ");
    pty.send("tty; until stty size | grep '24 80'; do sleep 0.1; done; echo a''sked\n");
    pty.expect("/dev/pts/");
    pty.expect("\n24 80");
    pty.expect("asked");
    pty.expect("# ");
    // Twice: some clients are still busy with the first size, and miss the next one.
    pty.resize(33, 100);
    std::thread::sleep(Duration::from_millis(200));
    pty.resize(33, 101);
    pty.send("until stty size | grep '33 101'; do sleep 0.1; done; echo res''ized\n");
    pty.expect("resized");
    pty.expect("# ");
    // Ctrl-C ends the command and not the shell; pressed when the command itself says that it runs.
    pty.send("sh -c \"echo sta''rted; exec sleep 1000\"\n");
    pty.expect("started");
    pty.send(b"\x03");
    pty.expect("# ");
}

pub fn a_shell_on_a_terminal_has_its_window_size_and_exit_code(engine: &Engine) {
    let image = engine.image();
    let mut pty = engine.pty(&words(engine, &image, &["--rm", "-it"], &["sh"]));
    has_terminal_and_size(&mut pty);
    pty.send("echo through the con''sole >/dev/console\n");
    pty.expect("through the console");
    pty.send("exit 42\n");
    assert_eq!(pty.wait().0, 42);
}

pub fn exec_has_a_terminal_of_its_own(engine: &Engine) {
    let container = Container::sleeping(engine, "terminal", &[]);
    let mut pty = engine.pty(&container.exec_words(&["-it", "--user", "app"], &["sh"]));
    // The prompt of an ordinary user.
    pty.expect("$ ");
    pty.send("PS1='# '\n");
    has_terminal_and_size(&mut pty);
    pty.send("exit 43\n");
    assert_eq!(pty.wait().0, 43);
    let mut pty = engine.pty(&container.exec_words(&["-it"], &["tty"]));
    pty.expect("/dev/pts/");
    assert_eq!(pty.wait().0, 0);
}

pub fn a_terminal_works_without_input(engine: &Engine) {
    let output = run(engine, &["-t"], &["sh", "-c", "tty; echo err >&2; exit 5"]);
    assert_eq!((output.code, output.stdout.as_str()), (5, "/dev/pts/0\r\nerr\r\n"), "{output:#?}");
}
