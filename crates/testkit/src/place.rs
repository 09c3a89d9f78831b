//! A private place for programs under test: folders, a user, an environment; nothing of it may be left when it ends.

use crate::leftovers::{clear, leftovers};
use crate::pty::Pty;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::SystemTime;

/// The ordinary user of `tests/material/install.sh`.
const ORDINARY_USER: &str = "isolazi-test";
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A temporary folder and who runs there. Dropping it panics if a mount, process or cgroup is left; then it is cleared
/// away.
#[derive(Debug)]
pub(crate) struct Place {
    path: PathBuf,
    user: Option<(u32, u32)>,
    environment: Vec<(String, String)>,
    /// How the cgroups made here are called, from the beginning of their names.
    groups: String,
    since: SystemTime,
}

impl Place {
    /// For whoever runs the test, or for another user if the test runs as root.
    pub(crate) fn new(user: Option<(u32, u32)>) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        // Short, because socket addresses below it may have 108 bytes at most (unix(7)). The dot ends the number, so that
        // no place's name is the beginning of another's.
        let path = std::env::temp_dir().join(format!("isolazi-{}-{count}.t", std::process::id()));
        let place =
            Self { path, user, environment: Vec::new(), groups: "isolazi".to_owned(), since: SystemTime::now() };
        for (name, mode) in [("", 0o755), ("root", 0o700), ("run", 0o700), ("home", 0o700), ("work", 0o755)] {
            place.make_folder(name, mode);
        }
        place.with_environment()
    }

    fn with_environment(mut self) -> Self {
        self.env("PATH", PATH);
        for (key, folder) in [("HOME", "home"), ("XDG_RUNTIME_DIR", "run")] {
            self.env(key, self.folder(folder).display().to_string());
        }
        self
    }

    /// A folder of the user's own.
    pub(crate) fn make_folder(&self, name: &str, mode: u32) {
        let path = self.folder(name);
        std::fs::DirBuilder::new().mode(mode).create(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        self.give(&path);
    }

    /// Makes a file or folder the user's.
    pub(crate) fn give(&self, path: &Path) {
        if let Some((uid, gid)) = self.user {
            chown(path, Some(uid), Some(gid)).expect("root gives files away: run the tests as root");
        }
    }

    /// A copy of a program that every user may execute: the checkout may lie in a home that others cannot enter.
    pub(crate) fn copy_program(&self, program: &Path, name: &str) -> PathBuf {
        let copy = self.folder(name);
        // By another process: were it this one, whatever a parallel test starts meanwhile would inherit the descriptor
        // that writes, and the copy could not be executed (ETXTBSY).
        let copied = Command::new("cp").arg(program).arg(&copy).status();
        assert!(copied.as_ref().is_ok_and(|status| status.success()), "cp {}: {copied:?}", program.display());
        std::fs::set_permissions(&copy, PermissionsExt::from_mode(0o755)).expect("our own file");
        copy
    }

    /// Looks for cgroups of this name at the end, instead of all that are called after us.
    pub(crate) fn watch_groups(&mut self, name: &str) {
        name.clone_into(&mut self.groups);
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn folder(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    pub(crate) fn is_ordinary(&self) -> bool {
        self.user.is_some()
    }

    /// Sets a variable for all runs that follow.
    pub(crate) fn env(&mut self, key: &str, value: impl Into<String>) {
        self.environment.push((key.to_owned(), value.into()));
    }

    /// A command that is ready to be spawned by the user.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = self.base(program);
        if let Some((uid, gid)) = self.user {
            // std drops root's supplementary groups together with the user id.
            command.gid(gid).uid(uid);
        }
        command
    }

    fn base(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.env_clear().current_dir(self.folder("work"));
        command.envs(self.environment.iter().map(|(key, value)| (key, value)));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs a program on a new terminal of 24 rows and 80 columns.
    pub(crate) fn pty(&self, program: &Path, arguments: impl IntoIterator<Item = impl AsRef<std::ffi::OsStr>>) -> Pty {
        let mut command = match self.user {
            None => self.base(program),
            Some((uid, gid)) => {
                // The session and its terminal are made by root, who then becomes the user.
                let mut command = self.base(Path::new("setpriv"));
                command.args(["--reuid".to_owned(), uid.to_string(), "--regid".to_owned(), gid.to_string()]);
                command.args(["--clear-groups", "--"]).arg(program);
                command
            }
        };
        command.args(arguments).env("TERM", "xterm");
        Pty::spawn(&command, 24, 80)
    }
}

/// User and group id of `isolazi-test`.
pub(crate) fn ordinary_ids() -> (u32, u32) {
    let passwd = std::fs::read_to_string("/etc/passwd").expect("/etc/passwd is readable");
    let ids = passwd.lines().find_map(|line| {
        let mut fields = line.strip_prefix(ORDINARY_USER)?.strip_prefix(':')?.split(':').skip(1);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    });
    ids.unwrap_or_else(|| panic!("no user `{ORDINARY_USER}`: run `tests/material/install.sh`"))
}

impl Drop for Place {
    fn drop(&mut self) {
        let left = if std::thread::panicking() { Vec::new() } else { leftovers(&self.path, &self.groups, self.since) };
        clear(&self.path);
        let removed = remove(&self.path);
        if std::thread::panicking() {
            return;
        }
        assert!(left.is_empty(), "left behind in {}: {left:#?}", self.path.display());
        removed.unwrap_or_else(|cause| panic!("can't remove {}: {cause}", self.path.display()));
    }
}

/// Removes the place; an ordinary user's has files of ids that only a user namespace lets him remove.
fn remove(place: &Path) -> std::io::Result<()> {
    std::fs::remove_dir_all(place).or_else(|cause| {
        let mut unshare = Command::new("unshare");
        let status = unshare.args(["--map-root-user", "--map-auto", "rm", "-rf", "--"]).arg(place).status()?;
        if status.success() { Ok(()) } else { Err(cause) }
    })
}
