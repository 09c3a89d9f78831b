//! Where a container is in its life: derived from what is there, never stored.

use super::folder::{Folder, file};
use super::kept::Kept;
use super::{process, start_socket};
use error::{Error, Kind, Result};
use oci::runtime::Status;

pub(super) fn derive(folder: &Folder, kept: &Kept) -> Result<Status> {
    let Some(pid) = kept.pid else {
        // Its maker is at work, or was killed before the init was born.
        return Ok(if folder.try_lock()? { Status::Stopped } else { Status::Creating });
    };
    if process::start_time(pid)?.is_none_or(|start| start != kept.start_time) {
        return Ok(Status::Stopped);
    }
    if let Some(cgroups) = &kept.cgroups
        && cgroups.is_frozen()?
    {
        return Ok(Status::Paused);
    }
    if start_socket::is_there(folder, file::START_BEFORE)? {
        return Ok(Status::Creating);
    }
    // Whoever started it may have been killed before it took the socket's name away.
    if start_socket::is_there(folder, file::START)? && start_socket::somebody_waits(folder)? {
        return Ok(Status::Created);
    }
    Ok(Status::Running)
}

/// As people and engines know the words.
pub(super) fn word(status: Status) -> &'static str {
    match status {
        Status::Creating => "creating",
        Status::Created => "created",
        Status::Running => "running",
        Status::Stopped => "stopped",
        Status::Paused => "paused",
    }
}

/// A container that is not as the command wants it.
pub(super) fn wrong(id: &str, status: Status, wanted: &str) -> Error {
    match status {
        Status::Stopped if wanted != "started" => super::not_running(id),
        _ => Error::new(Kind::Conflict, format!("container `{id}` cannot be {wanted}: it is {}", word(status))),
    }
}
