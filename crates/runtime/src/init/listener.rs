//! Tells a seccomp agent of the filter that asks it (config-linux.md, `listenerPath`).

use super::Payload;
use rustix::fd::{AsFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::SendFlags;
use std::io::IoSlice;

/// Hands over the filter's descriptor with what the launcher wrote down for it. Under the filter already: a filter must
/// not ask about `sendmsg` before somebody listens.
pub(super) fn tell(payload: &Payload<'_>, filter: Option<OwnedFd>) -> Result<(), Errno> {
    let (Some((agent, state)), Some(filter)) = (payload.listener, filter) else { return Ok(()) };
    sys::socket::send(agent, &[IoSlice::new(state.bytes())], Some(filter.as_fd()), SendFlags::empty())
}
