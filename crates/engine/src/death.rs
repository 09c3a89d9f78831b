//! Evidence of an end: what a container's monitor knew of it, kept in `status.json` for whoever asks why.

use serde::{Deserialize, Serialize};
use sys::signal::number;

/// How a payload ended that did not end by itself with 0.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Death {
    /// The signal that ended it.
    pub signal: Option<u8>,
    /// It left a core dump.
    pub core_dumped: bool,
    /// The last signal that its monitor sent.
    pub sent: Option<Sent>,
    /// The kernel killed processes of it for want of memory.
    pub out_of_memory: Option<OutOfMemory>,
    /// The system call for which the seccomp filter killed it, where the kernel's log tells.
    pub call: Option<String>,
}

/// A signal, and on whose behalf.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sent {
    /// Its number.
    pub signal: u8,
    /// Who wanted it.
    pub by: By,
    /// What the payload was asked before it was killed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<u8>,
    /// It was not waited for: the payload does not notice what it was asked.
    #[serde(default)]
    pub deaf: bool,
}

/// Who wants a payload to get a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum By {
    /// `stop`, `restart`, `rm -f`.
    Stop,
    /// `kill`.
    Kill,
    /// A client that is attached, for its user: Ctrl-C.
    Client,
    /// `--timeout`.
    TimeLimit,
    /// `--health-on-failure`.
    Health,
    /// Whoever ended the monitor by SIGTERM: the end of a session, a shutdown.
    Order,
}

/// Bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct OutOfMemory {
    /// How many processes were killed.
    pub kills: u64,
    /// What it was allowed; `None`: the machine itself had no more.
    pub limit: Option<u64>,
    /// What it had at most.
    pub peak: Option<u64>,
}

impl Death {
    /// What a user who is attached is told at once, because nothing else would tell him.
    pub(crate) fn note(&self) -> Option<String> {
        if let Some(memory) = self.out_of_memory {
            return Some(format!("Note: {}", memory.words()));
        }
        self.was_filtered().then(|| format!("Note: {}", filtered(self.call.as_deref())))
    }

    /// Killed by its seccomp filter.
    pub(crate) fn was_filtered(&self) -> bool {
        self.signal == Some(number::SYS) && self.sent.is_none_or(|sent| sent.signal != number::SYS)
    }
}

impl OutOfMemory {
    /// `out of memory: …`
    pub(crate) fn words(self) -> String {
        let whom = if self.kills == 1 { "a process".to_owned() } else { format!("{} processes", self.kills) };
        match self.limit {
            Some(limit) => format!("out of memory: the limit is {}, and the kernel killed {whom}", bytes(limit)),
            None => format!("out of memory: the machine had no more, and the kernel killed {whom}"),
        }
    }
}

/// Why a process ended by SIGSYS.
pub(crate) fn filtered(call: Option<&str>) -> String {
    match call {
        Some(call) => format!("the seccomp profile kills whoever calls `{call}`"),
        None => "the seccomp profile kills whoever makes such a system call".to_owned(),
    }
}

/// `64 MiB`, `1.5 GiB`.
pub(crate) fn bytes(count: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if count < 1024 {
        return format!("{count} B");
    }
    let place = (count.ilog2() / 10).min(6);
    // In tenths: the next smaller unit has 1024 parts of this one.
    let tenths = (count >> (10 * (place - 1))) * 10 / 1024;
    let unit = UNITS[place as usize - 1];
    if tenths.is_multiple_of(10) {
        format!("{} {unit}", tenths / 10)
    } else {
        format!("{}.{} {unit}", tenths / 10, tenths % 10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_said_in_the_largest_unit() {
        for (count, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1 KiB"),
            (64 << 20, "64 MiB"),
            (3 << 29, "1.5 GiB"),
            (u64::MAX, "15.9 EiB"),
        ] {
            assert_eq!(bytes(count), text);
        }
    }

    #[test]
    fn what_is_older_is_read() {
        assert_eq!(serde_json::from_str::<Death>(r#"{"signal":9,"unknown":1}"#).unwrap().signal, Some(9));
    }
}
