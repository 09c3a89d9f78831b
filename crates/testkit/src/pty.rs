//! A real terminal for a program under test: the test types, reads what appears, changes the window's size.

use crate::output::{shell_code, wait_at_most};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The longest wait for a text to appear; a loaded machine is slow, a missing text must not take all day.
const PATIENCE: Duration = Duration::from_secs(20);

/// The controlling side of a terminal and the program on its other side.
#[derive(Debug)]
pub struct Pty {
    controller: OwnedFd,
    child: Child,
    /// All that appeared, for messages.
    seen: Vec<u8>,
    /// How much of it earlier `expect`s have taken.
    taken: usize,
}

impl Pty {
    /// Starts a program as leader of a new session on a new terminal, with its three standard streams.
    ///
    /// util-linux's `setsid --ctty` makes the terminal the controlling one and then becomes the program.
    pub fn spawn(command: &Command, rows: u16, columns: u16) -> Self {
        let controller =
            openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).expect("/dev/ptmx opens");
        grantpt(&controller).expect("our terminal");
        unlockpt(&controller).expect("our terminal");
        let name = ptsname(&controller, Vec::new()).expect("our terminal has a name");
        let open = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let terminal = rustix::fs::open(&name, open, Mode::empty()).expect("our terminal opens");
        tcsetwinsize(&controller, size(rows, columns)).expect("our terminal has a size");

        let mut wrapped = Command::new("setsid");
        wrapped.arg("--ctty").arg(command.get_program()).args(command.get_args());
        wrapped.env_clear();
        // A `Command` that inherits its environment must not be given here: what it inherits cannot be asked for.
        wrapped.envs(command.get_envs().filter_map(|(key, value)| Some((key, value?))));
        if let Some(folder) = command.get_current_dir() {
            wrapped.current_dir(folder);
        }
        let stream = || Stdio::from(terminal.try_clone().expect("descriptors are left"));
        let child = wrapped.stdin(stream()).stdout(stream()).stderr(stream()).spawn().expect("util-linux has setsid");
        Self { controller, child, seen: Vec::new(), taken: 0 }
    }

    /// Types.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let mut bytes = bytes.as_ref();
        while !bytes.is_empty() {
            let count = rustix::io::write(&self.controller, bytes).expect("the terminal takes what is typed");
            bytes = &bytes[count..];
        }
    }

    /// Waits until `text` appears after what was taken before; returns everything up to its end.
    #[track_caller]
    pub fn expect(&mut self, text: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let fresh = &self.seen[self.taken..];
            if let Some(at) = fresh.windows(text.len()).position(|part| part == text.as_bytes()) {
                let end = at + text.len();
                let shown = String::from_utf8_lossy(&fresh[..end]).into_owned();
                self.taken += end;
                return shown;
            }
            if !self.read_until(deadline) {
                panic!("{text:?} did not appear; all there was: {:?}", String::from_utf8_lossy(&self.seen));
            }
        }
    }

    /// Changes the window's size; the kernel tells the foreground processes by SIGWINCH.
    pub fn resize(&self, rows: u16, columns: u16) {
        tcsetwinsize(&self.controller, size(rows, columns)).expect("our terminal has a size");
    }

    /// The process that leads the session.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Reads to the end and waits for the program: its code (128 and the signal if one ended it) and what was not taken.
    #[track_caller]
    pub fn wait(mut self) -> (i32, String) {
        let deadline = Instant::now() + PATIENCE;
        while self.read_until(deadline) {}
        let left = deadline.saturating_duration_since(Instant::now());
        let status = wait_at_most(&mut self.child, left);
        let rest = String::from_utf8_lossy(&self.seen[self.taken..]).into_owned();
        match status {
            Some(status) => (shell_code(status), rest),
            None => panic!("not done after {PATIENCE:?}; all there was: {:?}", String::from_utf8_lossy(&self.seen)),
        }
    }

    /// Takes in what has appeared; false at the end of the time or of the terminal.
    fn read_until(&mut self, deadline: Instant) -> bool {
        let left = Timespec::try_from(deadline.saturating_duration_since(Instant::now())).expect("patience is short");
        match poll(&mut [PollFd::new(&self.controller, PollFlags::IN)], Some(&left)) {
            Ok(0) => return false,
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(errno) => panic!("poll on a terminal: {errno}"),
        }
        let mut bytes = [0; 4096];
        match rustix::io::read(&self.controller, &mut bytes) {
            // EIO: nobody has the other side open any more (pty(7)).
            Ok(0) | Err(rustix::io::Errno::IO) => false,
            Ok(count) => {
                self.seen.extend(&bytes[..count]);
                true
            }
            Err(rustix::io::Errno::INTR) => true,
            Err(errno) => panic!("read from a terminal: {errno}"),
        }
    }
}

impl Drop for Pty {
    fn drop(&mut self) {
        // After `wait` the child is reaped, and std then signals nobody.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn size(rows: u16, columns: u16) -> Winsize {
    Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Pty {
        let mut command = Command::new("sh");
        command.args(["-c", script]).env("PATH", "/usr/bin:/bin");
        Pty::spawn(&command, 24, 80)
    }

    #[test]
    fn typed_text_size_and_ctrl_c_arrive() {
        let mut pty = shell(
            "trap 'stty size; exit 3' WINCH; trap 'echo interrupted' INT; stty size; read x; echo \"<$x>\"
            while :; do sleep 0.05; done",
        );
        pty.expect("24 80\r\n");
        pty.send("typed\n");
        pty.expect("<typed>\r\n");
        pty.send([3]);
        pty.expect("interrupted\r\n");
        pty.resize(40, 132);
        let (code, rest) = pty.wait();
        assert_eq!((code, rest.as_str()), (3, "40 132\r\n"));
    }

    #[test]
    fn dropping_it_ends_the_program() {
        let mut pty = shell("echo up; exec sleep 1000");
        pty.expect("up");
        let pid = pty.pid();
        drop(pty);
        assert!(std::fs::metadata(format!("/proc/{pid}")).is_err());
    }
}
