//! The last words of a monitor: how it ended.

use super::client::{Client, Role, STALL};
use super::watch::{READABLE, WRITABLE, Watch, What};
use crate::remove::Leftover;
use api::attach::FromMonitor;
use error::{Error, Kind, Result};
use rustix::fd::AsFd;

/// Tells all who wait, then deletes what is left. The container's lock is free.
pub(super) fn say(mut clients: Vec<Client>, outcome: Result<u8>, leftover: Option<Leftover>) {
    for client in &mut clients {
        let word = match (client.role, &outcome) {
            (Role::New | Role::Leaving, _) => continue,
            (Role::Restarting, Ok(_)) => {
                FromMonitor::Failed(Error::new(Kind::Conflict, "somebody else has stopped the container"))
            }
            (_, Ok(code)) => FromMonitor::Exited(*code),
            (_, Err(error)) => FromMonitor::Failed(error.clone()),
        };
        client.say_last(&word);
    }
    clients.retain(|client| !client.has_heard_all());
    // Nobody waits for this, nor hears of a failure: the next command that lists tries again.
    if let Some(leftover) = leftover {
        let _ = leftover.delete();
    }
    deliver(clients);
}

/// To those who are slow, as long as any of them takes something.
fn deliver(mut clients: Vec<Client>) {
    let mut buffer = vec![0; 16];
    while !clients.is_empty() {
        let mut watch = Watch::default();
        for (place, client) in clients.iter().enumerate() {
            watch.add(What::Client(place), Some(client.as_fd()), client.flags());
        }
        let Ok(seen) = watch.wait(Some(STALL)) else { return };
        if seen.is_empty() {
            return;
        }
        for (place, client) in clients.iter_mut().enumerate() {
            if seen.has(What::Client(place), WRITABLE) {
                client.flush();
            }
            if seen.has(What::Client(place), READABLE) {
                // What it still says has no meaning, only that it goes.
                let _ = client.hear(&mut buffer);
            }
        }
        clients.retain(|client| !client.has_heard_all());
    }
}
