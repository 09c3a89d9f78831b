//! Does the writes of a plan in one cgroup, and words what the kernel refuses.

use super::dir::Dir;
use super::limits::{Refusal, Write};
use error::{Error, Kind, Result};
use rustix::fd::{AsFd, OwnedFd};
use rustix::io::Errno;
use sys::bpf::{self, Instruction};

/// Writes in order; what only fits together with a later value is tried a second time at the end.
pub(super) fn writes(dir: &Dir, writes: &[Write]) -> Result<()> {
    let (mut later, mut last) = (Vec::new(), Opened::default());
    for write in writes {
        let errno = match last.write(dir, &write.file, &write.value) {
            Ok(()) => continue,
            Err(errno) => errno,
        };
        match (&write.refusal, errno) {
            (Refusal::Harmless | Refusal::Optional, Errno::NOENT) | (Refusal::MayBeDenied, Errno::PERM) => {}
            (Refusal::Later, Errno::INVAL) => later.push(write),
            (Refusal::Else(file, value), Errno::NOENT) => {
                dir.write(file, value).map_err(|errno| refused(dir, write, file, value, errno))?;
            }
            _ => return Err(refused(dir, write, &write.file, &write.value, errno)),
        }
    }
    for write in later {
        dir.write(&write.file, &write.value).map_err(|errno| refused(dir, write, &write.file, &write.value, errno))?;
    }
    Ok(())
}

/// The file of the last write: a dozen rules for devices go into one.
#[derive(Default)]
struct Opened<'a>(Option<(&'a str, OwnedFd)>);

impl<'a> Opened<'a> {
    fn write(&mut self, dir: &Dir, name: &'a str, value: &str) -> Result<(), Errno> {
        let file = match self.0.take() {
            Some((last, file)) if last == name => file,
            _ => dir.open_file(name)?,
        };
        let written = rustix::io::write(&file, value.as_bytes());
        self.0 = Some((name, file));
        written.map(drop)
    }
}

fn refused(dir: &Dir, write: &Write, file: &str, value: &str, errno: Errno) -> Error {
    let mut error = Error::from(std::io::Error::from(errno));
    match errno {
        Errno::NOENT => {
            let message = format!("this kernel's cgroup controller `{}` has no file `{file}`", write.controller);
            error = Error::new(Kind::Unsupported, message);
        }
        Errno::INVAL | Errno::RANGE | Errno::NODEV => error.kind = Kind::Invalid,
        Errno::OPNOTSUPP => error.kind = Kind::Unsupported,
        // v1: more is in use than the new limit allows, and cannot be freed.
        Errno::BUSY if write.controller == "memory" => {
            if let Ok(usage) = dir.read("memory.usage_in_bytes") {
                error = Error::new(Kind::Conflict, format!("{} bytes are in use", usage.trim()));
            }
        }
        _ => {}
    }
    let path = dir.path.join(file);
    error
        .context(format!("can't write `{value}` to `{}`", path.display()))
        .context(format!("can't apply `{}` (cgroup controller `{}`)", write.field, write.controller))
}

/// Attaches the program that decides about devices, in the place of the one that is attached.
pub(super) fn devices(dir: &Dir, program: &[Instruction]) -> Result<()> {
    match attach(dir, program) {
        Ok(()) => Ok(()),
        // Root of a user namespace may not, and need not: it can make no device nodes, and opens only those that the
        // host's permissions let it open.
        Err(Errno::PERM) if in_user_namespace() => Ok(()),
        Err(errno) => {
            let error = Error::from(std::io::Error::from(errno));
            Err(error
                .context(format!("can't apply `linux.resources.devices` to the cgroup `{}` (bpf)", dir.path.display())))
        }
    }
}

fn attach(dir: &Dir, program: &[Instruction]) -> Result<(), Errno> {
    let cgroup = rustix::fs::openat(
        dir.as_fd(),
        c".",
        rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::DIRECTORY | rustix::fs::OFlags::CLOEXEC,
        rustix::fs::Mode::empty(),
    )?;
    let program = bpf::load_device_program(program, "devices")?;
    let old: Vec<_> =
        bpf::device_programs(cgroup.as_fd())?.into_iter().map(bpf::open_program).collect::<Result<_, _>>()?;
    if let [old] = old.as_slice() {
        match bpf::attach_device_program(cgroup.as_fd(), program.as_fd(), Some(old.as_fd())) {
            // Before Linux 5.6 there was no replacing.
            Err(Errno::INVAL) => {}
            other => return other,
        }
    }
    // All attached programs must allow: between the two calls the stricter of old and new holds.
    bpf::attach_device_program(cgroup.as_fd(), program.as_fd(), None)?;
    for old in &old {
        bpf::detach_device_program(cgroup.as_fd(), old.as_fd())?;
    }
    Ok(())
}

/// Not all ids are mapped to themselves (user_namespaces(7)).
fn in_user_namespace() -> bool {
    sys::read::small(c"/proc/self/uid_map").is_ok_and(|map| !map.split_whitespace().eq(["0", "0", "4294967295"]))
}
