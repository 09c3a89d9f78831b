//! Signals: names and numbers (signal(7)), as `--stop-signal`, `kill --signal` and an image's `StopSignal` spell them.
//!
//! The numbers are Linux's on every architecture that we run on; MIPS, SPARC, Alpha and PA-RISC have others.

use error::{Error, Result};

/// A signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signal(u8);

/// Names in the order of their numbers, from 1 on.
const NAMES: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM", "TERM",
    "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO",
    "PWR", "SYS",
];

/// Other names for some of them.
const ALIASES: [(&str, u8); 4] = [("IOT", 6), ("CLD", 17), ("POLL", 29), ("UNUSED", 31)];

/// The first real-time signal that programs get: C libraries keep 32 and 33 for themselves.
const RTMIN: u8 = 34;
/// The last signal.
const RTMAX: u8 = 64;

impl Signal {
    /// Interrupt from the keyboard.
    pub const INT: Self = Self(2);
    /// Cannot be caught.
    pub const KILL: Self = Self(9);
    /// Asks a program to end: what `stop` sends unless told otherwise.
    pub const TERM: Self = Self(15);

    /// Reads `SIGTERM`, `term`, `15`, `RTMIN+3`, `SIGRTMAX-1`.
    pub fn parse(text: &str) -> Result<Self> {
        let invalid = || Error::invalid(format!("invalid signal: {text}"));
        if text.starts_with(|c: char| c.is_ascii_digit()) {
            return text.parse().ok().and_then(Self::from_number).ok_or_else(invalid);
        }
        let upper = text.to_ascii_uppercase();
        let name = upper.strip_prefix("SIG").unwrap_or(&upper);
        named(name).or_else(|| real_time(name)).map(Self).ok_or_else(invalid)
    }

    /// 1 to 64.
    pub fn from_number(number: i32) -> Option<Self> {
        u8::try_from(number).ok().filter(|number| (1..=RTMAX).contains(number)).map(Self)
    }

    /// For kill(2).
    pub fn number(self) -> i32 {
        self.0.into()
    }

    /// `SIGTERM`, `SIGRTMIN+3`; the two that have no name by their number.
    pub fn name(self) -> String {
        match (NAMES.get(usize::from(self.0) - 1), self.0.checked_sub(RTMIN)) {
            (Some(name), _) => format!("SIG{name}"),
            (None, Some(0)) => "SIGRTMIN".into(),
            (None, Some(above)) => format!("SIGRTMIN+{above}"),
            (None, None) => self.0.to_string(),
        }
    }
}

fn named(name: &str) -> Option<u8> {
    let alias = || ALIASES.iter().find(|(alias, _)| *alias == name).map(|(_, number)| *number);
    NAMES.iter().zip(1..).find(|(known, _)| **known == name).map(|(_, number)| number).or_else(alias)
}

/// `RTMIN`, `RTMIN+n`, `RTMAX`, `RTMAX-n`.
fn real_time(name: &str) -> Option<u8> {
    let distance = |text: &str, sign: char| match text {
        "" => Some(0),
        text => text.strip_prefix(sign).filter(|n| n.bytes().all(|b| b.is_ascii_digit()))?.parse::<u8>().ok(),
    };
    let number = match (name.strip_prefix("RTMIN"), name.strip_prefix("RTMAX")) {
        (Some(above), _) => RTMIN.checked_add(distance(above, '+')?)?,
        (_, Some(below)) => RTMAX.checked_sub(distance(below, '-')?)?,
        _ => return None,
    };
    (RTMIN..=RTMAX).contains(&number).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_are_read_by_name_and_number() {
        let cases = [
            ("SIGTERM", 15, "SIGTERM"),
            ("TERM", 15, "SIGTERM"),
            ("term", 15, "SIGTERM"),
            ("sigkill", 9, "SIGKILL"),
            ("15", 15, "SIGTERM"),
            ("IOT", 6, "SIGABRT"),
            ("SIGPOLL", 29, "SIGIO"),
            ("WINCH", 28, "SIGWINCH"),
            ("SYS", 31, "SIGSYS"),
            ("33", 33, "33"),
            ("RTMIN", 34, "SIGRTMIN"),
            ("SIGRTMIN+3", 37, "SIGRTMIN+3"),
            ("RTMAX-1", 63, "SIGRTMIN+29"),
            ("RTMAX", 64, "SIGRTMIN+30"),
        ];
        for (text, number, name) in cases {
            let signal = Signal::parse(text).unwrap();
            assert_eq!((signal.number(), signal.name().as_str()), (number, name), "{text}");
        }
    }

    #[test]
    fn what_is_no_signal_is_refused_in_dockers_words() {
        for text in
            ["", "0", "65", "-9", "SIG", "SIGSIGTERM", "NONSENSE", "RTMIN+31", "RTMAX+1", "RTMIN+", "RTMIN-1", "1x"]
        {
            assert_eq!(Signal::parse(text).unwrap_err().to_string(), format!("invalid signal: {text}"));
        }
    }

    #[test]
    fn every_signal_is_read_back_by_its_name() {
        for signal in (1..=64).filter_map(Signal::from_number) {
            assert_eq!(Signal::parse(&signal.name()).unwrap(), signal);
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_numbers_are_those_of_the_c_library() {
        for (name, number) in [
            ("USR1", libc::SIGUSR1),
            ("SEGV", libc::SIGSEGV),
            ("STKFLT", libc::SIGSTKFLT),
            ("CHLD", libc::SIGCHLD),
            ("STOP", libc::SIGSTOP),
            ("URG", libc::SIGURG),
            ("IO", libc::SIGIO),
            ("PWR", libc::SIGPWR),
            ("SYS", libc::SIGSYS),
        ] {
            assert_eq!(Signal::parse(name).unwrap().number(), number, "{name}");
        }
    }
}
