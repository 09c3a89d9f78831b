//! Exit codes: one table for all commands, as Docker's (`docker run --help`, "Exit status").

use error::Kind;

/// Everything went well.
pub(crate) const SUCCESS: u8 = 0;
/// A command failed.
pub(crate) const FAILURE: u8 = 1;
/// `--format` of a document is no template.
pub(crate) const BAD_TEMPLATE: u8 = 64;
/// `run` failed before the payload ran; a flag is unknown.
pub(crate) const OURS: u8 = 125;
/// The payload was found but cannot be executed.
pub(crate) const NOT_EXECUTABLE: u8 = 126;
/// The payload was not found.
pub(crate) const COMMAND_NOT_FOUND: u8 = 127;

/// What sort of command failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Of {
    /// `run`: its codes are the payload's, so its own failures stand apart.
    Run,
    /// `exec`: its codes are the process's, and a container that does not run is a failure like any other.
    Exec,
    /// Any other.
    Other,
}

/// The exit code of a command that failed with this kind of error. `signal` is the one that ended it, if one did.
pub(crate) fn code(of: Of, kind: Kind, signal: Option<u8>) -> u8 {
    match (kind, of) {
        (Kind::Interrupted, _) => of_signal(signal.unwrap_or(sys::signal::number::INT)),
        (Kind::NotExecutable, Of::Run | Of::Exec) => NOT_EXECUTABLE,
        (Kind::CommandNotFound, Of::Run | Of::Exec) => COMMAND_NOT_FOUND,
        (_, Of::Run) => OURS,
        (_, Of::Exec | Of::Other) => FAILURE,
    }
}

/// The shell's code of a program that a signal ended.
pub(crate) fn of_signal(signal: u8) -> u8 {
    signal.saturating_add(128)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_code() {
        for (kind, run, other) in [
            (Kind::NotFound, 125, 1),
            (Kind::AlreadyExists, 125, 1),
            (Kind::Conflict, 125, 1),
            (Kind::Invalid, 125, 1),
            (Kind::Denied, 125, 1),
            (Kind::Unauthorized, 125, 1),
            (Kind::Unavailable, 125, 1),
            (Kind::Unsupported, 125, 1),
            (Kind::NotExecutable, 126, 1),
            (Kind::CommandNotFound, 127, 1),
            (Kind::Interrupted, 130, 130),
            (Kind::Internal, 125, 1),
        ] {
            assert_eq!((code(Of::Run, kind, None), code(Of::Other, kind, None)), (run, other), "{kind:?}");
        }
        let of_exec =
            [Kind::CommandNotFound, Kind::NotExecutable, Kind::Conflict].map(|kind| code(Of::Exec, kind, None));
        assert_eq!(of_exec, [127, 126, 1]);
        assert_eq!(code(Of::Other, Kind::Interrupted, Some(15)), 143);
        assert_eq!(of_signal(13), 141);
    }
}
