//! A room: a root file system with a static busybox, and real launches in it.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking, in their helpers too")]
#![allow(dead_code, unreachable_pub, reason = "each test program uses its own part")]

pub mod bundle;

use error::Result;
use oci::runtime::Spec;
use runtime::plan::Plan;
use runtime::{Host, Launch, Running, Setting};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::CWD;
use rustix::mount::{OpenTreeFlags, open_tree};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{WaitOptions, WaitStatus, waitpid};
use serde_json::{Value, json};
use std::io::Read;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// Debian's `busybox-static`.
const BUSYBOX: &str = "/bin/busybox";

pub struct Room {
    pub dir: PathBuf,
}

/// What a payload said, and how it ended.
#[derive(Debug, PartialEq)]
pub struct Ended {
    pub text: String,
    pub code: i32,
}

impl Room {
    pub fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("room-{}-{number}", std::process::id()));
        let room = Self { dir };
        for folder in ["at", "outside", "shared", "rootfs/bin", "rootfs/etc", "rootfs/tmp"] {
            std::fs::create_dir_all(room.dir.join(folder)).unwrap();
        }
        copy(Path::new(BUSYBOX), &room.inside("bin/busybox"));
        for name in ["sh", "cat", "ls", "grep", "id", "sleep", "readlink", "chroot", "true"] {
            symlink("busybox", room.inside(&format!("bin/{name}"))).unwrap();
        }
        room
    }

    pub fn inside(&self, path: &str) -> PathBuf {
        self.dir.join("rootfs").join(path)
    }

    pub fn outside(&self) -> PathBuf {
        self.dir.join("outside")
    }

    /// The root file system as a mount attached nowhere.
    pub fn root(&self) -> OwnedFd {
        open_tree(CWD, self.dir.join("rootfs"), OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC)
            .unwrap()
    }

    pub fn compile(&self, document: Value) -> Result<Plan> {
        let spec: Spec = serde_json::from_value(document).unwrap();
        let host = Host::read()?;
        runtime::compile(&spec, &setting(&host, &self.dir, &self.dir.join("at")))
    }

    /// Compiles, launches, waits.
    pub fn run(&self, document: Value) -> Result<Ended> {
        let plan = self.compile(document)?;
        self.run_plan(&plan)
    }

    pub fn run_plan(&self, plan: &Plan) -> Result<Ended> {
        let (running, output) = self.start(plan, None)?;
        let mut text = String::new();
        std::fs::File::from(output).read_to_string(&mut text).unwrap();
        Ok(Ended { text, code: end(&running) })
    }

    /// Launches with a pipe for standard output and error.
    pub fn start(&self, plan: &Plan, cgroup: Option<BorrowedFd<'_>>) -> Result<(Running, OwnedFd)> {
        let null = std::fs::File::open("/dev/null").unwrap();
        let (output, writer) = pipe_with(PipeFlags::CLOEXEC).unwrap();
        let root = self.root();
        let stdio = plan.process.terminal.is_none().then(|| [null.as_fd(), writer.as_fd(), writer.as_fd()]);
        let running = runtime::launch(plan, Launch { cgroup, ..launching(root.as_fd(), stdio) })?;
        Ok((running, output))
    }

    /// A static program made of C, put at `/bin/<name>` inside.
    pub fn build(&self, name: &str, source: &str) {
        let file = self.dir.join(format!("{name}.c"));
        std::fs::write(&file, source).unwrap();
        let target = self.inside(&format!("bin/{name}"));
        let status = Command::new("cc").args(["-static", "-O1", "-o"]).arg(&target).arg(&file).status();
        assert!(status.expect("a C compiler is installed").success());
        std::fs::set_permissions(target, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Nothing came into being outside.
    #[track_caller]
    pub fn assert_outside_untouched(&self) {
        let found: Vec<_> = std::fs::read_dir(self.outside()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert!(found.is_empty(), "made outside: {found:?}");
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
        assert!(!mounts.contains(self.dir.to_str().unwrap()), "{mounts}");
    }
}

/// Copies a program by a process of its own: an init that another test makes meanwhile would have our descriptor, and
/// nobody can execute what somebody may write.
pub fn copy(from: &Path, to: &Path) {
    let status = Command::new("cp").arg(from).arg(to).status();
    assert!(status.unwrap().success(), "can't copy {}: is busybox-static installed?", from.display());
}

/// A launch without anything special.
pub fn launching<'a>(root: BorrowedFd<'a>, stdio: Option<[BorrowedFd<'a>; 3]>) -> Launch<'a> {
    Launch {
        root,
        stdio,
        cgroup: None,
        task_files: &[],
        launchers: None,
        start: None,
        agent: None,
        hook_input: None,
        attend: Box::leak(Box::new(runtime::attend_nothing)),
    }
}

/// A setting without anything special.
pub fn setting<'a>(host: &'a Host, bundle: &'a Path, root_target: &'a Path) -> Setting<'a> {
    Setting { dies_with_launcher: true, ..Setting::plain(host, bundle, root_target) }
}

impl Drop for Room {
    fn drop(&mut self) {
        let removed = std::fs::remove_dir_all(&self.dir);
        if !std::thread::panicking() {
            removed.unwrap();
        }
    }
}

/// Waits for the end; 128 and the signal if it was one.
pub fn end(running: &Running) -> i32 {
    let (_, status): (_, WaitStatus) =
        rustix::io::retry_on_intr(|| waitpid(Some(running.pid), WaitOptions::empty())).unwrap().unwrap();
    status.exit_status().unwrap_or_else(|| 128 + status.terminating_signal().unwrap())
}

/// A container as Docker makes it, without network, that runs `script` in busybox's shell.
pub fn container(script: &str) -> Value {
    let names = ["CHOWN", "DAC_OVERRIDE", "FOWNER", "KILL", "SETGID", "SETUID", "SETPCAP", "SYS_CHROOT", "MKNOD"];
    let capabilities: Vec<String> = names.iter().map(|name| format!("CAP_{name}")).collect();
    json!({
        "ociVersion": "1.2.1",
        "process": {
            "args": ["sh", "-c", script],
            "env": ["PATH=/bin"],
            "cwd": "/",
            "capabilities": {"bounding": capabilities, "effective": capabilities, "permitted": capabilities}
        },
        "root": {"path": "rootfs"},
        "hostname": "room",
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc", "options": ["nosuid", "noexec", "nodev"]},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755", "size=65536k"]},
            {"destination": "/dev/pts", "type": "devpts", "source": "devpts", "options": ["newinstance", "ptmxmode=0666"]},
            {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["ro"]},
            {"destination": "/dev/shm", "type": "tmpfs", "source": "shm", "options": ["nosuid", "size=1m"]}
        ],
        "linux": {
            "namespaces": [
                {"type": "mount"}, {"type": "network"}, {"type": "uts"}, {"type": "pid"}, {"type": "ipc"}, {"type": "cgroup"}
            ],
            "maskedPaths": ["/proc/kcore", "/proc/scsi", "/proc/is-not-there", "/sys/firmware"],
            "readonlyPaths": ["/proc/sys", "/proc/is-not-there"]
        }
    })
}

/// `document` with `patch` laid over it: objects are merged, `null` removes (RFC 7396).
pub fn with(mut document: Value, patch: &Value) -> Value {
    merge(&mut document, patch);
    document
}

fn merge(into: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else { return patch.clone_into(into) };
    if !into.is_object() {
        *into = json!({});
    }
    let into = into.as_object_mut().unwrap();
    for (key, value) in patch {
        if value.is_null() {
            into.remove(key);
        } else {
            merge(into.entry(key).or_insert(Value::Null), value);
        }
    }
}

/// Adds mounts to a document.
pub fn add_mounts(mut document: Value, mounts: &[Value]) -> Value {
    document["mounts"].as_array_mut().unwrap().extend_from_slice(mounts);
    document
}

/// A bind mount of the host's `source`.
pub fn bind(source: &Path, destination: &str) -> Value {
    json!({"destination": destination, "type": "bind", "source": source, "options": ["rbind"]})
}

/// Does it in a thread whose system calls, and those of all it starts, are answered as `rules` say: seccomp's rules,
/// where everything else is allowed.
pub fn under<T: Send>(rules: &str, act: impl FnOnce() -> T + Send) -> T {
    let section = format!(r#"{{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{rules}]}}"#);
    let filter = runtime::seccomp::compile_section(&section).unwrap();
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            sys::seccomp::load(&filter.instructions, 0).unwrap();
            act()
        });
        thread.join().unwrap()
    })
}

/// Does it where mounts of the host are this thread's own, and everything that it makes is.
#[allow(unsafe_code, reason = "there is no safe way to leave a namespace")]
pub fn in_own_mounts<T: Send>(act: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            // SAFETY: FS and NEWNS give this thread a root and mounts of its own.
            unsafe {
                rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::FS | rustix::thread::UnshareFlags::NEWNS)
            }
            .unwrap();
            let private = rustix::mount::MountPropagationFlags::REC | rustix::mount::MountPropagationFlags::PRIVATE;
            rustix::mount::mount_change("/", private).unwrap();
            act()
        });
        thread.join().unwrap()
    })
}

/// A rule: this call fails with that errno.
pub fn refuse(call: &str, errno: i32) -> String {
    format!(r#"{{"names":["{call}"],"action":"SCMP_ACT_ERRNO","errnoRet":{errno}}}"#)
}
