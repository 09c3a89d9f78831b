//! The caller's terminal: its size, and raw mode that is always taken back.

use crate::container::Terminals;
use rustix::stdio::{stderr, stdin, stdout};
use rustix::termios::{OptionalActions, OutputModes, Termios, isatty, tcgetattr, tcgetwinsize, tcsetattr};
use std::sync::Mutex;

/// How the terminal was, while it is raw. Not in [`Raw`]: a panic ends the program without dropping anything.
static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);

/// Which standard streams are terminals.
pub(crate) fn terminals() -> Terminals {
    Terminals { stdin: isatty(stdin()), stdout: isatty(stdout()), stderr: isatty(stderr()) }
}

/// Rows and columns of the window that shows our output.
pub(crate) fn window() -> Option<(u16, u16)> {
    let size = tcgetwinsize(stdout()).or_else(|_| tcgetwinsize(stdin())).ok()?;
    (size.ws_row > 0 && size.ws_col > 0).then_some((size.ws_row, size.ws_col))
}

/// Standard input is a raw terminal: every key goes through as it is. Dropped, it is as it was.
#[derive(Debug)]
pub(crate) struct Raw(());

impl Raw {
    /// Makes the terminal raw; `None` when standard input is no terminal.
    pub(crate) fn enter() -> Option<Self> {
        Self::enter_with(Termios::make_raw)
    }

    /// The same, but the terminal goes on to turn a line feed into the start of a line.
    pub(crate) fn enter_for_plain_lines() -> Option<Self> {
        Self::enter_with(|modes| {
            modes.make_raw();
            modes.output_modes |= OutputModes::OPOST;
        })
    }

    fn enter_with(change: impl FnOnce(&mut Termios)) -> Option<Self> {
        let before = tcgetattr(stdin()).ok()?;
        let mut raw = before.clone();
        change(&mut raw);
        if let Ok(mut slot) = BEFORE.lock() {
            *slot = Some(before);
        }
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            restore();
            hook(panic);
        }));
        // DRAIN, not FLUSH: keys typed ahead belong to the payload.
        tcsetattr(stdin(), OptionalActions::Drain, &raw).ok()?;
        Some(Self(()))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        restore();
    }
}

fn restore() {
    if let Ok(mut slot) = BEFORE.try_lock()
        && let Some(before) = slot.take()
    {
        // At once: a terminal that takes no output (Ctrl-S) must not keep us, and a signal not interrupt this. One that is
        // gone has no state to put back.
        let _ = tcsetattr(stdin(), OptionalActions::Now, &before);
    }
}
