//! What every command gets: the runtime, a way to talk, and the caller's environment as far as it concerns a container.

use super::Called;
use super::log::Log;
use super::words::Words;
use crate::console::Console;
use error::{Error, Kind, Result, ResultExt};
use runtime::cgroup::{Driver, Systemd};
use runtime::container::{Container, Runtime, Warnings};
use std::env;
use std::path::{Path, PathBuf};

/// The folder of states below the system's or the user's runtime folder.
const STATES: &str = "isolazi-oci";

/// A command's view of the world.
pub(super) struct Door<'a> {
    /// How the program was called.
    pub called: Called,
    /// Options before the command.
    pub globals: Words,
    /// Where failures go that do not end the command.
    pub log: &'a Log,
    /// Results.
    pub console: Console,
}

impl Door<'_> {
    /// The runtime that the options before the command describe.
    pub(super) fn runtime(&self) -> Result<Runtime> {
        let driver = match self.globals.text("cgroup-manager")? {
            None | Some("cgroupfs") if !self.globals.on("systemd-cgroup") => Some(Driver::Cgroupfs),
            None | Some("cgroupfs" | "systemd") => Some(Driver::Systemd(systemd()?)),
            Some("disabled") => None,
            Some(other) => {
                let message = format!("option `--cgroup-manager`: `{other}` is none of cgroupfs, systemd and disabled");
                return Err(Error::invalid(message));
            }
        };
        match self.globals.text("rootless")? {
            None | Some("" | "auto" | "true" | "false" | "1" | "0") => {}
            Some(other) => {
                return Err(Error::invalid(format!("option `--rootless`: `{other}` is not true, false or auto")));
            }
        }
        Ok(Runtime { root: self.root()?, driver })
    }

    /// All containers. The folder of their states is made with the first; one that was named must be there, as with runc.
    pub(super) fn list(&self, runtime: &Runtime) -> Result<Vec<Container>> {
        match runtime.list() {
            Err(error) if error.kind == Kind::NotFound && self.globals.one("root").is_none() => Ok(Vec::new()),
            listed => listed,
        }
    }

    /// Does something, and says what it warns of.
    pub(super) fn telling<T>(&self, act: impl FnOnce(&mut Warnings) -> Result<T>) -> Result<T> {
        let mut warnings = Warnings::new();
        let done = act(&mut warnings)?;
        self.warn(&warnings);
        Ok(done)
    }

    /// What went wrong without ending the command.
    pub(super) fn warn(&self, warnings: &[Error]) {
        for warning in warnings {
            self.log.warn(warning);
        }
    }

    fn root(&self) -> Result<PathBuf> {
        let Some(root) = self.globals.one("root") else {
            return default_root(is_real_root(), path("XDG_RUNTIME_DIR").as_deref());
        };
        let root = std::path::absolute(root).context(|| "option `--root`")?;
        if root == Path::new("/") {
            return Err(Error::invalid("option `--root`: `/` is no folder for states"));
        }
        Ok(root)
    }
}

/// `NOTIFY_SOCKET`: where the service manager hears that a service is ready (sd_notify(3)).
pub(super) fn notify_socket() -> Option<PathBuf> {
    path("NOTIFY_SOCKET")
}

/// How many listening sockets the caller has handed to this very process (sd_listen_fds(3)).
pub(super) fn listen_fds() -> u32 {
    let number = |name| env::var(name).ok().and_then(|value| value.parse::<u32>().ok());
    sockets_for(std::process::id(), number("LISTEN_PID"), number("LISTEN_FDS"))
}

/// Are all descriptors there that are to be handed on? Where the caller has none, one of ours would have the number.
pub(super) fn check_preserved(words: &Words) -> Result<()> {
    let sockets = listen_fds();
    let count = words.number::<u32>("preserve-fds")?.unwrap_or(0);
    let first = 3_u32.saturating_add(sockets);
    match (3..first.saturating_add(count)).find(|&number| !sys::process::is_inherited(number)) {
        None => Ok(()),
        Some(number) if number < first => {
            Err(Error::invalid(format!("LISTEN_FDS: {sockets} are to be handed on, but {number} is not open")))
        }
        Some(number) => Err(Error::invalid(format!(
            "option `--preserve-fds`: {count} are to be handed on, but {number} is not open"
        ))),
    }
}

/// Sockets that were meant for another process are none of ours, though their descriptors may have come here, too.
fn sockets_for(own_pid: u32, listen_pid: Option<u32>, listen_fds: Option<u32>) -> u32 {
    listen_fds.filter(|_| listen_pid == Some(own_pid)).unwrap_or(0)
}

fn path(name: &str) -> Option<PathBuf> {
    env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// The system's runtime folder is the real root's; everybody else has one of their own.
fn default_root(is_real_root: bool, runtime_folder: Option<&Path>) -> Result<PathBuf> {
    match (is_real_root, runtime_folder) {
        (true, _) => Ok(Path::new("/run").join(STATES)),
        (false, Some(folder)) => Ok(folder.join(STATES)),
        (false, None) => Err(Error::not_found("can't tell where to keep the containers' states")
            .hint("set XDG_RUNTIME_DIR, or name a folder with `--root`")),
    }
}

/// The systemd that is in charge of us: the machine's, or that of the user who we are outside of user namespaces.
fn systemd() -> Result<Systemd> {
    if is_real_root() {
        return Ok(Systemd::of_machine());
    }
    let own = rustix::process::geteuid().as_raw();
    let map = sys::read::small(c"/proc/self/uid_map").map_err(std::io::Error::from);
    let uid = outside(own, &map.context(|| "can't read `/proc/self/uid_map`")?);
    Ok(Systemd::of_user(uid, &path("XDG_RUNTIME_DIR").unwrap_or_else(|| format!("/run/user/{uid}").into())))
}

/// Who `uid` is outside, by lines of `inside outside count` (user_namespaces(7)).
fn outside(uid: u32, map: &str) -> u32 {
    let mapped = |line: &str| {
        let mut numbers = line.split_whitespace().map(|word| word.parse::<u32>().ok());
        let (inside, outside, count) = (numbers.next()??, numbers.next()??, numbers.next()??);
        uid.checked_sub(inside).filter(|offset| *offset < count).and_then(|offset| outside.checked_add(offset))
    };
    map.lines().find_map(mapped).unwrap_or(uid)
}

/// Root outside of all user namespaces?
fn is_real_root() -> bool {
    rustix::process::geteuid().is_root() && sys::ids::in_initial_namespace()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listening_sockets_count_when_they_are_meant_for_us() {
        assert_eq!(sockets_for(7, Some(7), Some(2)), 2);
        assert_eq!(sockets_for(7, Some(8), Some(2)), 0);
        assert_eq!((sockets_for(7, None, Some(2)), sockets_for(7, Some(7), None)), (0, 0));
    }

    #[test]
    fn the_user_outside_is_read_from_the_map() {
        let map = "         0       1000          1\n         1     100000      65536\n";
        assert_eq!([0, 1, 7].map(|uid| outside(uid, map)), [1000, 100_000, 100_006]);
        assert_eq!((outside(70_000, map), outside(5, "0 0 4294967295")), (70_000, 5));
    }

    #[test]
    fn states_are_kept_where_others_cannot_reach() {
        let xdg = Some(Path::new("/run/user/7"));
        assert_eq!(default_root(true, xdg).unwrap(), Path::new("/run/isolazi-oci"));
        assert_eq!(default_root(false, xdg).unwrap(), Path::new("/run/user/7/isolazi-oci"));
        let error = default_root(false, None).unwrap_err();
        assert_eq!(error.to_string(), "can't tell where to keep the containers' states");
        assert_eq!(error.hints, ["set XDG_RUNTIME_DIR, or name a folder with `--root`"]);
    }
}
