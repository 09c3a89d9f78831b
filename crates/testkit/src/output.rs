//! Waiting for a process within a time, and what it said.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ExitStatus};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// How long after a process ended its output may still be held open, by whoever it left behind.
const DRAIN: Duration = Duration::from_secs(2);

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// The exit code; for a process ended by a signal, 128 and the signal, as a shell says it.
    pub code: i32,
    /// What it wrote; bytes that are not UTF-8 are replaced.
    pub stdout: String,
    /// What it wrote there.
    pub stderr: String,
}

impl Output {
    /// What it printed, if all went well and it complained of nothing.
    #[track_caller]
    pub fn ok(self) -> String {
        assert!(self.code == 0 && self.stderr.is_empty(), "the run failed: {self:#?}");
        self.stdout
    }

    /// Asserts that all went well, whatever it said on the way (a pull tells its progress on stderr).
    #[track_caller]
    pub fn succeeds(self) -> Self {
        assert!(self.code == 0, "the run failed: {self:#?}");
        self
    }

    /// Asserts the exit code and the whole of stderr, and that nothing was printed.
    #[track_caller]
    pub fn fails(self, code: i32, stderr: &str) {
        assert_eq!(self, Self { code, stdout: String::new(), stderr: stderr.to_owned() });
    }
}

/// Feeds a child, waits at most `limit`, kills it if it takes longer.
///
/// # Panics
/// After the time; or if somebody holds the child's output open after its end, for example a process it left behind.
#[track_caller]
pub fn finish(mut child: Child, stdin: &[u8], limit: Duration) -> Output {
    let stdout = reader(child.stdout.take());
    let stderr = reader(child.stderr.take());
    if let Some(mut pipe) = child.stdin.take() {
        let bytes = stdin.to_vec();
        // In a thread, since a child may not read; it may also close its end, which is its right.
        std::thread::spawn(move || pipe.write_all(&bytes));
    }
    let status = wait_at_most(&mut child, limit);
    let (stdout, stderr) = (drained(&stdout, "stdout"), drained(&stderr, "stderr"));
    match status {
        Some(status) => Output { code: shell_code(status), stdout, stderr },
        None => panic!("not done after {limit:?}; stdout: {stdout:?} stderr: {stderr:?}"),
    }
}

/// Waits on a pidfd (pidfd_open(2)); `None` if the child had to be killed.
pub(crate) fn wait_at_most(child: &mut Child, limit: Duration) -> Option<ExitStatus> {
    let pid = rustix::process::Pid::from_child(child);
    // The child is not reaped before `wait` below, so the pid is still its own.
    let pidfd = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()).expect("our child has a pid");
    let deadline = Instant::now() + limit;
    let in_time = loop {
        let left = Timespec::try_from(deadline.saturating_duration_since(Instant::now())).expect("limits are short");
        match poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], Some(&left)) {
            Ok(ready) => break ready > 0,
            Err(rustix::io::Errno::INTR) => {}
            Err(errno) => panic!("poll on a pidfd: {errno}"),
        }
    };
    if !in_time {
        // It may have ended by itself in this instant.
        let _ = child.kill();
    }
    let status = child.wait().expect("our child can be waited for");
    in_time.then_some(status)
}

pub(crate) fn shell_code(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| 128 + status.signal().expect("without a code there is a signal"))
}

fn reader(pipe: Option<impl Read + Send + 'static>) -> Receiver<Vec<u8>> {
    let (sender, receiver) = channel();
    if let Some(mut pipe) = pipe {
        std::thread::spawn(move || {
            let mut bytes = vec![0; 64 << 10];
            // A pipe of ours cannot fail; zero is its end.
            while let Ok(count @ 1..) = pipe.read(&mut bytes) {
                if sender.send(bytes[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
    }
    receiver
}

/// All that was read until the writers closed their end.
fn drained(receiver: &Receiver<Vec<u8>>, name: &str) -> String {
    let mut bytes = Vec::new();
    let deadline = Instant::now() + DRAIN;
    loop {
        match receiver.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(part) => bytes.extend(part),
            Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => {
                return String::from_utf8_lossy(&bytes).into_owned();
            }
            Err(std::sync::mpsc::RecvTimeoutError::Timeout) => {
                panic!(
                    "somebody holds {name} open after the process ended; so far: {:?}",
                    String::from_utf8_lossy(&bytes)
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    fn shell(script: &str) -> Child {
        let mut command = Command::new("sh");
        command.args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    }

    #[test]
    fn code_and_both_streams_are_caught() {
        let output = finish(shell("cat; echo err >&2; exit 7"), b"fed", Duration::from_secs(10));
        assert_eq!(output, Output { code: 7, stdout: "fed".into(), stderr: "err\n".into() });
        assert_eq!(finish(shell("kill -9 $$"), b"", Duration::from_secs(10)).code, 137);
    }

    #[test]
    fn what_takes_too_long_is_killed() {
        let child = shell("exec sleep 1000");
        let pid = child.id();
        let failure = std::panic::catch_unwind(|| finish(child, b"", Duration::from_millis(50))).unwrap_err();
        assert!(failure.downcast_ref::<String>().unwrap().starts_with("not done after 50ms"));
        assert!(std::fs::metadata(format!("/proc/{pid}")).is_err());
    }
}
