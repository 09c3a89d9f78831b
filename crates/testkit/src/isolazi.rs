//! The real binary in a private place: own data folder, runtime folder and home; nothing may be left when it ends.

use crate::output::{Output, finish};
use crate::place::{Place, ordinary_ids};
use crate::pty::Pty;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

/// A run that takes longer hangs; pulls of the largest image need a fraction of it on a busy machine.
const LIMIT: Duration = Duration::from_secs(120);

/// One user's installation. Dropping it panics if a mount, process or cgroup is left; then it is cleared away.
#[derive(Debug)]
pub struct Isolazi {
    place: Place,
    binary: PathBuf,
}

/// A run that goes on while the test does something else.
#[derive(Debug)]
pub struct Running(Child);

impl Default for Isolazi {
    fn default() -> Self {
        Self::new()
    }
}

impl Isolazi {
    /// Run by whoever runs the test.
    pub fn new() -> Self {
        Self::place(None, binary())
    }

    /// Run by the ordinary user `isolazi-test`; the test itself is root.
    pub fn ordinary() -> Self {
        Self::place(Some(ordinary_ids()), binary())
    }

    fn place(user: Option<(u32, u32)>, mut binary: PathBuf) -> Self {
        let mut place = Place::new(user);
        place.env("ISOLAZI_ROOT", place.folder("root").display().to_string());
        if user.is_some() {
            binary = place.copy_program(&binary, "isolazi");
        }
        Self { place, binary }
    }

    /// Sets a variable for all runs that follow; runs inherit nothing else but `PATH`, `HOME` and the private folders.
    pub fn env(&mut self, key: &str, value: impl Into<String>) -> &mut Self {
        self.place.env(key, value);
        self
    }

    /// `ISOLAZI_ROOT`: images, snapshots, containers.
    pub fn root(&self) -> PathBuf {
        self.place.folder("root")
    }

    /// `XDG_RUNTIME_DIR`.
    pub fn runtime(&self) -> PathBuf {
        self.place.folder("run")
    }

    /// `HOME`.
    pub fn home(&self) -> PathBuf {
        self.place.folder("home")
    }

    /// The working folder of every run, and a place for a test's own files.
    pub fn work(&self) -> PathBuf {
        self.place.folder("work")
    }

    /// A command that is ready to be spawned, for whatever the methods below do not do.
    pub fn command<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Command {
        let mut command = self.place.command(&self.binary);
        command.args(arguments);
        command
    }

    /// Runs with an empty standard input.
    #[track_caller]
    pub fn run<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Output {
        self.run_with(arguments, b"", LIMIT)
    }

    /// Runs with this standard input, at most so long.
    #[track_caller]
    pub fn run_with<S: AsRef<OsStr>>(&self, arguments: &[S], stdin: &[u8], limit: Duration) -> Output {
        self.spawn(arguments).finish(stdin, limit)
    }

    /// Starts a run and goes on.
    pub fn spawn<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Running {
        let child = self.command(arguments).spawn();
        Running(child.unwrap_or_else(|cause| panic!("{}: {cause}", self.binary.display())))
    }

    /// Runs on a new terminal of 24 rows and 80 columns.
    pub fn pty<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Pty {
        self.place.pty(&self.binary, arguments)
    }
}

impl Running {
    /// The process id of the command line.
    pub fn pid(&self) -> u32 {
        self.0.id()
    }

    /// Sends a signal to the command line.
    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.0);
        rustix::process::kill_process(pid, signal).expect("a child that is not reaped takes signals");
    }

    /// The pipes, if the test reads or writes while it runs.
    pub fn child(&mut self) -> &mut Child {
        &mut self.0
    }

    /// Waits for its end.
    #[track_caller]
    pub fn finish(self, stdin: &[u8], limit: Duration) -> Output {
        finish(self.0, stdin, limit)
    }
}

/// The binary under test: `$ISOLAZI_BIN`, or the one beside the test's own folder, of the test's own profile.
///
/// # Panics
/// If there is none: says how to build it.
pub fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("ISOLAZI_BIN") {
        return PathBuf::from(path);
    }
    let test = std::env::current_exe().expect("/proc is mounted");
    // target/<triple>/<profile>/deps/<test>
    let profile = test.parent().and_then(Path::parent).expect("a test lies in a folder of a profile");
    let binary = profile.join("isolazi");
    assert!(binary.is_file(), "no binary {}: run `cargo build -p isolazi`, or set ISOLAZI_BIN", binary.display());
    binary
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::leftovers::leftovers;
    use std::time::SystemTime;

    /// A shell in the place of the binary: what it leaves behind is ours to choose.
    fn shell(user: Option<(u32, u32)>) -> Isolazi {
        Isolazi::place(user, PathBuf::from("/bin/sh"))
    }

    #[track_caller]
    fn complaint_about(script: &str) -> String {
        let isolazi = shell(None);
        let place = isolazi.place.path().to_owned();
        isolazi.run(&["-c", script]).ok();
        let failure = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(isolazi))).unwrap_err();
        assert!(std::fs::metadata(&place).is_err(), "the place is still there");
        assert_eq!(leftovers(&place, "isolazi", SystemTime::now()), Vec::<String>::new(), "not cleared");
        failure.downcast_ref::<String>().unwrap().clone()
    }

    #[test]
    fn a_run_sees_the_private_environment_and_no_other() {
        let mut isolazi = shell(None);
        isolazi.env("EXTRA", "1");
        let mut lines: Vec<String> = isolazi.run(&["-c", "env"]).ok().lines().map(str::to_owned).collect();
        lines.sort();
        let place = isolazi.place.path().display().to_string();
        let expected = [
            "EXTRA=1".to_owned(),
            format!("HOME={place}/home"),
            format!("ISOLAZI_ROOT={place}/root"),
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned(),
            format!("PWD={place}/work"),
            format!("XDG_RUNTIME_DIR={place}/run"),
        ];
        assert_eq!(lines, expected);
        isolazi.run(&["-c", "echo no >&2; exit 125"]).fails(125, "no\n");
    }

    #[test]
    fn a_process_left_behind_is_found_and_ended() {
        let text = complaint_about("setsid sleep 1000 </dev/null >/dev/null 2>&1 &");
        assert!(text.contains("process ") && text.contains("(sleep 1000)"), "{text}");
    }

    #[test]
    fn a_payload_that_knows_nothing_of_us_is_found_by_its_root() {
        let text = complaint_about(
            "cd $ISOLAZI_ROOT; mkdir l u w m; cp /bin/busybox l/sleep
            unshare --mount sh -c '
                mount -t overlay none -o lowerdir=$ISOLAZI_ROOT/l,upperdir=$ISOLAZI_ROOT/u,workdir=$ISOLAZI_ROOT/w m
                exec env -i /usr/sbin/chroot m /sleep 1001' </dev/null >/dev/null 2>&1 &
            sleep 0.5",
        );
        assert!(text.contains("(/sleep 1001)") && !text.contains("mount /"), "{text}");
    }

    #[test]
    fn a_mount_left_behind_is_found_and_undone() {
        let text = complaint_about("mkdir $ISOLAZI_ROOT/m; mount -t tmpfs none $ISOLAZI_ROOT/m");
        assert!(text.contains("mount /") && text.contains("/root/m\""), "{text}");
    }

    #[test]
    fn the_ordinary_user_has_no_rights_of_root() {
        let isolazi = shell(Some(ordinary_ids()));
        let (uid, gid) = ordinary_ids();
        let ask =
            "id -u; id -g; id -G; grep CapEff /proc/self/status; touch $ISOLAZI_ROOT/x $HOME/x $XDG_RUNTIME_DIR/x x";
        let expected = format!("{uid}\n{gid}\n{gid}\nCapEff:\t0000000000000000\n");
        assert_eq!(isolazi.run(&["-c", ask]).ok(), expected);
        let (code, text) = isolazi.pty(&["-c", &format!("tty >/dev/null && {ask} && exit 9")]).wait();
        assert_eq!((code, text.replace('\r', "")), (9, expected));
    }

    #[test]
    fn a_signal_reaches_a_run() {
        let isolazi = shell(None);
        let mut running = isolazi.spawn(&["-c", "trap 'exit 42' TERM; echo up; while :; do sleep 0.05; done"]);
        let mut up = [0; 3];
        std::io::Read::read_exact(running.child().stdout.as_mut().unwrap(), &mut up).unwrap();
        running.signal(rustix::process::Signal::TERM);
        assert_eq!(running.finish(b"", LIMIT).code, 42);
    }
}
