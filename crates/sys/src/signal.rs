//! Signals as data: a flag that Ctrl-C sets, and an inbox that signals fall into.
//!
//! Handlers rather than a blocked mask with a signalfd: handlers end at exec, a mask would be inherited by every child.

use rustix::fd::{AsFd, BorrowedFd, IntoRawFd, OwnedFd};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};

/// Numbers of the signals that a command line deals with (signal(7)).
#[allow(clippy::cast_possible_truncation, reason = "signal numbers are below 65")]
pub mod number {
    /// The terminal is gone.
    pub const HUP: u8 = libc::SIGHUP as u8;
    /// Ctrl-C.
    pub const INT: u8 = libc::SIGINT as u8;
    /// Ctrl-\.
    pub const QUIT: u8 = libc::SIGQUIT as u8;
    /// Cannot be caught.
    pub const KILL: u8 = libc::SIGKILL as u8;
    /// Whatever the program means by it.
    pub const USR1: u8 = libc::SIGUSR1 as u8;
    /// Whatever the program means by it.
    pub const USR2: u8 = libc::SIGUSR2 as u8;
    /// A reader is gone.
    pub const PIPE: u8 = libc::SIGPIPE as u8;
    /// An alarm clock.
    pub const ALRM: u8 = libc::SIGALRM as u8;
    /// The polite end.
    pub const TERM: u8 = libc::SIGTERM as u8;
    /// A child has ended, or stopped.
    pub const CHLD: u8 = libc::SIGCHLD as u8;
    /// A read of a terminal by somebody in its background.
    pub const TTIN: u8 = libc::SIGTTIN as u8;
    /// The same for a write.
    pub const TTOU: u8 = libc::SIGTTOU as u8;
    /// A system call that is not allowed.
    pub const SYS: u8 = libc::SIGSYS as u8;
    /// The window has another size.
    pub const WINCH: u8 = libc::SIGWINCH as u8;
}

/// Set by [`cancel_on`]'s handler.
static CANCELLED: AtomicBool = AtomicBool::new(false);
/// Which signal set it; 0 while none has.
static CANCELLED_BY: AtomicI32 = AtomicI32::new(0);
/// Write end of the open [`Inbox`], -1 while there is none.
static INBOX: AtomicI32 = AtomicI32::new(-1);

/// From now on the first of `signals` to arrive only sets the flag; the next of its kind has its default effect, so a
/// user whose first Ctrl-C is not heard can insist. Signals that the caller ignores (nohup(1)) stay ignored.
pub fn cancel_on(signals: &[u8]) -> Result<&'static AtomicBool, Errno> {
    for &signal in signals {
        install(signal, note_cancel, libc::SA_RESETHAND)?;
    }
    Ok(&CANCELLED)
}

/// The signal that set the flag of [`cancel_on`].
pub fn cancelled_by() -> Option<u8> {
    u8::try_from(CANCELLED_BY.load(Ordering::Relaxed)).ok().filter(|&signal| signal != 0)
}

/// A pipe that caught signals fall into, one byte each. There is at most one at a time.
#[derive(Debug)]
pub struct Inbox {
    reader: OwnedFd,
}

impl Inbox {
    /// Catches `signals` from now on, except those that the caller ignores (nohup(1)).
    ///
    /// # Errors
    /// `EMFILE` and the like; `EBUSY` when one is open already.
    pub fn open(signals: &[u8]) -> Result<Self, Errno> {
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        // The write end stays open for the life of the process: a handler may be about to use it at any moment.
        if INBOX.compare_exchange(-1, writer.into_raw_fd(), Ordering::SeqCst, Ordering::SeqCst).is_err() {
            return Err(Errno::BUSY);
        }
        for &signal in signals {
            install(signal, note_arrival, 0)?;
        }
        Ok(Self { reader })
    }

    /// The next signal that came, in the order of arrival.
    pub fn next(&self) -> Option<u8> {
        let mut byte = [0];
        match rustix::io::read(&self.reader, &mut byte) {
            Ok(1) => Some(byte[0]),
            _ => None, // empty; the write end never closes
        }
    }
}

impl AsFd for Inbox {
    /// Becomes readable when a signal came.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.reader.as_fd()
    }
}

/// A caller who ignores SIGCHLD hands that down to us, and then nobody can wait for a child: its end is not kept
/// (wait(2)). Puts the default back.
pub fn notice_children() -> Result<(), Errno> {
    stop_ignoring(libc::SIGCHLD)
}

/// The same for SIGTERM, for a process that must not go on only because its caller's caller wanted to (nohup(1), `trap`).
pub fn notice_orders() -> Result<(), Errno> {
    stop_ignoring(libc::SIGTERM)
}

#[allow(unsafe_code, reason = "rustix leaves signal dispositions to the C library")]
fn stop_ignoring(signal: libc::c_int) -> Result<(), Errno> {
    // SAFETY: a zeroed `sigaction` is valid: SIG_DFL and no flags; the old one is not wanted.
    let done = unsafe {
        let default: libc::sigaction = std::mem::zeroed();
        libc::sigaction(signal, &raw const default, std::ptr::null_mut())
    };
    crate::process::check(done.into()).map(drop)
}

/// Is it the number of rt_sigtimedwait(2), for a program of this machine or one of its smaller brother (32 bits)?
pub fn is_wait(call: i64) -> bool {
    /// Of i386 and arm, with times of 32 and 64 bits.
    const SMALLER: [i64; 2] = [177, 421];
    call == libc::SYS_rt_sigtimedwait || SMALLER.contains(&call)
}

/// From now on signals wait until [`wait`] takes them, or a child has them reset. Allocates nothing.
#[allow(unsafe_code, reason = "rustix leaves signal masks to the C library")]
pub fn block_all() -> Result<(), Errno> {
    // SAFETY: the set is filled before it is used; the old mask is not wanted.
    let failed = unsafe {
        let mut all: libc::sigset_t = std::mem::zeroed();
        libc::sigfillset(&raw mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, std::ptr::null_mut())
    };
    if failed == 0 { Ok(()) } else { Err(Errno::from_raw_os_error(failed)) }
}

/// Waits for the next signal of those that [`block_all`] holds back. Allocates nothing.
#[allow(unsafe_code, reason = "rustix leaves signal masks to the C library")]
pub fn wait() -> Result<u8, Errno> {
    // SAFETY: the set is filled before it is used; nothing more than the number is wanted.
    let number = unsafe {
        let mut all: libc::sigset_t = std::mem::zeroed();
        libc::sigfillset(&raw mut all);
        libc::sigwaitinfo(&raw const all, std::ptr::null_mut())
    };
    crate::process::check(number.into()).map(|number| u8::try_from(number).unwrap_or_default())
}

/// Calls `handler` when `signal` comes, unless the caller ignores it.
#[allow(unsafe_code, reason = "rustix leaves signal dispositions to the C library")]
fn install(signal: u8, handler: extern "C" fn(libc::c_int), flags: libc::c_int) -> Result<(), Errno> {
    let failed = || Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::INVAL);
    // SAFETY: a zeroed `sigaction` is valid; both pointers are to live values; the handlers given in this file make
    // only async-signal-safe calls: atomic stores and write(2), with errno kept (signal-safety(7)).
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        if libc::sigaction(signal.into(), std::ptr::null(), &raw mut action) != 0 {
            return Err(failed());
        }
        if action.sa_sigaction == libc::SIG_IGN {
            return Ok(());
        }
        action = std::mem::zeroed();
        action.sa_sigaction = handler as *const () as libc::sighandler_t;
        action.sa_flags = flags;
        if libc::sigaction(signal.into(), &raw const action, std::ptr::null_mut()) != 0 {
            return Err(failed());
        }
    }
    Ok(())
}

/// Handler of [`cancel_on`].
extern "C" fn note_cancel(signal: libc::c_int) {
    CANCELLED_BY.store(signal, Ordering::Relaxed);
    CANCELLED.store(true, Ordering::SeqCst);
}

/// Handler of [`Inbox`]. A full pipe holds thousands of unread signals: one more says nothing new.
#[allow(unsafe_code, reason = "a handler may use nothing but async-signal-safe calls")]
extern "C" fn note_arrival(signal: libc::c_int) {
    let byte = signal.to_le_bytes()[0];
    let writer = INBOX.load(Ordering::SeqCst);
    // SAFETY: write(2) is async-signal-safe and `byte` is one readable byte; the descriptor is never closed; errno is
    // this thread's own and is put back, because the interrupted code may be about to read it.
    unsafe {
        let errno = *libc::__errno_location();
        libc::write(writer, (&raw const byte).cast(), 1);
        *libc::__errno_location() = errno;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // One test, because dispositions belong to the whole process.
    #[test]
    fn signals_fall_into_the_inbox_in_order_and_the_flag_hears_only_once() {
        let send = |signal: rustix::process::Signal| {
            rustix::process::kill_process(rustix::process::getpid(), signal).unwrap();
        };
        let inbox = Inbox::open(&[number::USR1, number::USR2]).unwrap();
        assert_eq!(Inbox::open(&[]).unwrap_err(), Errno::BUSY);
        assert_eq!(inbox.next(), None);
        let wait = || {
            let mut fds = [rustix::event::PollFd::new(&inbox, rustix::event::PollFlags::IN)];
            while rustix::event::poll(&mut fds, None) == Err(Errno::INTR) {}
            inbox.next()
        };
        send(rustix::process::Signal::USR1);
        assert_eq!(wait(), Some(number::USR1));
        send(rustix::process::Signal::USR2);
        assert_eq!(wait(), Some(number::USR2));
        assert_eq!(inbox.next(), None);

        let flag = cancel_on(&[number::ALRM]).unwrap();
        assert!(!flag.load(Ordering::SeqCst) && cancelled_by().is_none());
        send(rustix::process::Signal::ALARM);
        while !flag.load(Ordering::SeqCst) {
            std::thread::yield_now();
        }
        assert_eq!(cancelled_by(), Some(number::ALRM));
    }
}
