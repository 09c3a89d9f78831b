//! What commands may say that meet others at work on the same container.

use testkit::Output;

/// Texts that a command on a container in any state may end with.
pub fn is_told(output: &Output) -> bool {
    const KNOWN: [&str; 25] = [
        "port is already allocated",
        "No such container",
        "is already in use by container",
        "is not running",
        "is not paused",
        "is already paused",
        "is paused, unpause",
        "cannot start a paused container",
        "has just ended",
        "is about to end",
        "restarting container",
        "the monitor of container",
        "can't enter the container",
        "was killed",
        "killed at once",
        "is being removed",
        "has stopped the container",
        "it does not listen",
        "is locked",
        "does not end although",
        "can't kill container",
        "it was killed while it entered",
        "it has no cgroup of its own",
        "before it could start the command",
        "can't freeze",
    ];
    output
        .stderr
        .lines()
        .filter(|line| !line.starts_with("Hint: ") && !line.starts_with("Note: "))
        .all(|line| KNOWN.iter().any(|known| line.contains(known)) && !line.contains("panicked"))
}
