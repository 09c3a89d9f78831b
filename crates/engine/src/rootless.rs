//! The prologue of ordinary users: become root of a user namespace of one's own, then run the very same code.
//!
//! With `newuidmap` and ranges in `/etc/subuid` the namespace has a full set of ids; without, only the user's own,
//! which is enough for images whose files all belong to root.

use error::Result;
use oci::runtime::IdMapping;
use runtime::plan::IdMaps;
use runtime::prologue;
use rustix::process::{getgid, getuid};
use std::path::Path;

/// A range of ids that a user may map, from `/etc/subuid` or `/etc/subgid` (subuid(5)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Range {
    start: u32,
    count: u32,
}

/// When not root: become root of a new user and mount namespace. The caller must be single-threaded.
///
/// # Errors
/// `Denied` where the kernel or a policy forbids user namespaces.
pub fn enter() -> Result<()> {
    if prologue::is_root() {
        return Ok(());
    }
    let user = getuid().as_raw();
    let own = |id: u32| IdMapping { container_id: 0, host_id: id, size: 1 };
    let (mut uids, mut gids) = (vec![own(user)], vec![own(getgid().as_raw())]);
    if prologue::has_helpers()
        && let (Some(more_uids), Some(more_gids)) = (ranges("/etc/subuid", user), ranges("/etc/subgid", user))
    {
        // Ids 1 and up come from the user's ranges.
        let rest = |range: Range| IdMapping { container_id: 1, host_id: range.start, size: range.count };
        uids.push(rest(more_uids));
        gids.push(rest(more_gids));
    }
    prologue::enter(&IdMaps { uids, gids })
}

/// The first range of the user, by name or number.
fn ranges(file: &str, uid: u32) -> Option<Range> {
    let text = std::fs::read_to_string(file).ok()?;
    find_range(&text, uid, user_name(uid).as_deref())
}

fn find_range(text: &str, uid: u32, name: Option<&str>) -> Option<Range> {
    let number = uid.to_string();
    text.lines().find_map(|line| {
        let mut fields = line.trim().split(':');
        let who = fields.next()?;
        if who != number && Some(who) != name {
            return None;
        }
        let (start, count) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
        (count > 0).then_some(Range { start, count })
    })
}

fn user_name(uid: u32) -> Option<String> {
    let passwd = std::fs::read_to_string(Path::new("/etc/passwd")).ok()?;
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_usable_line_of_the_user_counts() {
        let text = "# x\nother:1:2\nann:x:1\nann:100000:0\n1000:200000:65536\nann:300000:65536\n";
        assert_eq!(find_range(text, 1000, Some("ann")), Some(Range { start: 200_000, count: 65536 }));
        assert_eq!(find_range(text, 7, Some("ann")), Some(Range { start: 300_000, count: 65536 }));
        assert_eq!(find_range(text, 7, None), None);
    }
}
