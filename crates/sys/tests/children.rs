//! Waiting for children under a caller that ignores their ends. One test, alone in its program: dispositions belong to
//! the whole process.
#![cfg(target_os = "linux")]
#![allow(unsafe_code, reason = "nothing safe ignores a signal")]

use rustix::io::Errno;
use std::process::Command;

#[test]
fn the_end_of_a_child_is_noticed_again() {
    // SAFETY: no handler is installed; the one test of this program is what runs.
    unsafe { libc::signal(libc::SIGCHLD, libc::SIG_IGN) };
    let code = || Command::new("sh").args(["-c", "exit 7"]).status().map(|status| status.code());
    assert_eq!(code().unwrap_err().raw_os_error(), Some(Errno::CHILD.raw_os_error()));
    sys::signal::notice_children().unwrap();
    assert_eq!(code().unwrap(), Some(7));
}
