//! A container's share of caches and memory bandwidth: `linux.intelRdt` (config-linux.md, "IntelRdt").
//!
//! ```text
//! <resctrl>/info/last_cmd_status        the kernel's words for the last failure
//! <resctrl>/<class>/schemata            the shares of a class of service
//! <resctrl>/<class>/tasks               who is in it; children are where their parents are
//! <resctrl>/<class>/mon_groups/<id>/    what one container of the class uses
//! ```
//! The class `/` is the file system's root. (Documentation/filesystems/resctrl.rst of the kernel, 4.10 and later.)

use error::{Error, Kind, Result, ResultExt};
use oci::runtime::IntelRdt;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, mkdirat, openat, unlinkat};
use rustix::io::Errno;
use rustix::process::Pid;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What one write can carry: the kernel takes a page at once (kernfs), and a write is valid as a whole.
const MAX_SCHEMATA_BYTES: usize = 4095;

/// What a file of ours to read may have: schemata of a machine with hundreds of caches.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// The longest name of a folder (NAME_MAX).
const MAX_NAME_BYTES: usize = 255;

/// What is to be done, decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RdtPlan {
    /// Name of the class; `None` is the default class, the root.
    class: Option<String>,
    /// The document names the class: it belongs to somebody else, and may be there already.
    named: bool,
    /// Lines of `l3CacheSchema` and `memBwSchema`: a class that exists must have them.
    shares: Vec<String>,
    /// Lines of `schemata`, written in any case.
    schemata: Vec<String>,
    /// Name of a monitoring group.
    monitoring: Option<String>,
}

/// What a container has of resctrl; part of its state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RdtGroup {
    /// The folder of its class.
    pub class: PathBuf,
    /// It was made for this container alone, and goes with it.
    pub own: bool,
    /// Its monitoring group, which goes with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub monitoring: Option<PathBuf>,
}

/// Decides; `id` is the container's.
///
/// # Errors
/// `Invalid` with the field.
pub fn plan(rdt: &IntelRdt, id: &str) -> Result<RdtPlan> {
    let invalid = |field: &str, why: &str| Err(Error::invalid(format!("config.json: `linux.intelRdt.{field}`: {why}")));
    let named = !rdt.clos_id.is_empty();
    let class = if named { &*rdt.clos_id } else { id };
    if class != "/" && !is_name(class) {
        return invalid("closID", &format!("`{class}` is no name of a class: `/`, or a plain name"));
    }
    if !rdt.mem_bw_schema.is_empty() && (!rdt.mem_bw_schema.starts_with("MB:") || rdt.mem_bw_schema.contains('\n')) {
        return invalid("memBwSchema", "it is one line that starts with `MB:`");
    }
    if rdt.schemata.iter().any(|line| line.contains('\n')) {
        return invalid("schemata", "each element is one line");
    }
    let lines = |text: &str| text.lines().filter(|line| !line.is_empty()).map(String::from).collect::<Vec<_>>();
    let mut shares = lines(&rdt.l3_cache_schema);
    shares.extend(lines(&rdt.mem_bw_schema));
    let schemata: Vec<String> = rdt.schemata.iter().filter(|line| !line.is_empty()).cloned().collect();
    for (field, lines) in [("l3CacheSchema", &shares), ("schemata", &schemata)] {
        if text(lines).len() > MAX_SCHEMATA_BYTES {
            return invalid(field, &format!("more than {MAX_SCHEMATA_BYTES} bytes"));
        }
        if lines.iter().any(|line| line.contains('\0')) {
            return invalid(field, "it has a NUL byte");
        }
    }
    let monitored = rdt.enable_monitoring || rdt.enable_cmt || rdt.enable_mbm;
    Ok(RdtPlan {
        class: (class != "/").then(|| class.to_owned()),
        named,
        shares,
        schemata,
        monitoring: monitored.then(|| id.to_owned()),
    })
}

/// A folder right below the root that is not the kernel's.
fn is_name(name: &str) -> bool {
    !matches!(name, "" | "." | ".." | "info" | "mon_groups" | "mon_data")
        && name.len() <= MAX_NAME_BYTES
        && !name.contains(['/', '\0', '\n'])
}

fn text(lines: &[String]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// Where resctrl is mounted.
///
/// # Errors
/// `Unsupported` where it is not.
pub fn root() -> Result<PathBuf> {
    let mounts = std::fs::read("/proc/self/mountinfo").context(|| "can't read `/proc/self/mountinfo`")?;
    mount_point(&String::from_utf8_lossy(&mounts)).ok_or_else(|| {
        let why = "no `resctrl` file system is mounted on this machine";
        Error::new(Kind::Unsupported, format!("config.json: `linux.intelRdt`: {why}"))
            .hint("where the processor and the kernel have it: mount -t resctrl resctrl /sys/fs/resctrl")
    })
}

/// The first mount of resctrl in a `mountinfo` (proc_pid_mountinfo(5)).
fn mount_point(mounts: &str) -> Option<PathBuf> {
    let line =
        mounts.lines().find(|line| line.split_once(" - ").is_some_and(|(_, rest)| rest.starts_with("resctrl ")))?;
    // Blanks in a path are octal; nobody mounts it there.
    line.split(' ').nth(4).map(PathBuf::from)
}

/// Makes the class, or finds it, and gives it its shares. The process comes later.
///
/// # Errors
/// With the field. What was made is gone then.
pub fn make(plan: &RdtPlan, root: &Path) -> Result<RdtGroup> {
    let class = plan.class.as_ref().map_or_else(|| root.to_owned(), |name| root.join(name));
    let only_named = plan.named && plan.shares.is_empty() && plan.schemata.is_empty();
    let made = if plan.class.is_none() || only_named {
        false
    } else {
        make_folder(&class).map_err(last_words(root)).context(|| field("closID"))?
    };
    let group = RdtGroup { own: made && !plan.named, monitoring: None, class };
    fill(plan, root, group.clone(), made).inspect_err(|_| {
        if made {
            // Also one with a name of the document's: nobody else was in it. The failure that led here is the one to
            // tell.
            let _ = RdtGroup { own: true, ..group }.remove();
        }
    })
}

fn fill(plan: &RdtPlan, root: &Path, mut group: RdtGroup, made: bool) -> Result<RdtGroup> {
    let schemata = group.class.join("schemata");
    if !made {
        let present = read(&schemata).map_err(|error| match error.kind {
            Kind::NotFound => Error::not_found(format!("there is no class `{}`", group.class.display()))
                .hint("without `schemata` the class must have been made by somebody else"),
            _ => error,
        });
        let present = present.context(|| field("closID"))?;
        let step = read(&root.join("info/MB/bandwidth_gran")).ok().and_then(|text| text.trim().parse().ok());
        if plan.named
            && let Some(line) = plan.shares.iter().find(|line| !has(&present, line, step.unwrap_or(1)))
        {
            let why = format!("the class `{}` exists with other shares than `{line}`", group.class.display());
            return Err(Error::new(Kind::Conflict, why).context(field("closID")));
        }
    }
    if (made || !plan.named) && !plan.shares.is_empty() {
        write(&schemata, &text(&plan.shares)).map_err(last_words(root)).context(|| field("l3CacheSchema"))?;
    }
    if !plan.schemata.is_empty() {
        write(&schemata, &text(&plan.schemata)).map_err(last_words(root)).context(|| field("schemata"))?;
    }
    if let Some(name) = &plan.monitoring {
        let path = group.class.join("mon_groups").join(name);
        make_folder(&path).map_err(last_words(root)).context(|| field("enableMonitoring"))?;
        group.monitoring = Some(path);
    }
    Ok(group)
}

fn field(name: &str) -> String {
    format!("config.json: `linux.intelRdt.{name}`")
}

impl RdtGroup {
    /// Puts a process into it; what that starts later is in it, too.
    pub fn add(&self, pid: Pid) -> Result<()> {
        let pid = pid.as_raw_nonzero().to_string();
        let words = || format!("can't put the container into its class of service `{}`", self.class.display());
        for group in std::iter::once(&self.class).chain(&self.monitoring) {
            write(&group.join("tasks"), &pid).context(words)?;
        }
        Ok(())
    }

    /// Takes away what belongs to this container alone. What is gone already is success.
    pub fn remove(&self) -> Result<()> {
        let class = self.own.then_some(&self.class);
        let mut result = Ok(());
        for path in self.monitoring.iter().chain(class) {
            match unlinkat(CWD, path, AtFlags::REMOVEDIR) {
                Ok(()) | Err(Errno::NOENT) => {}
                // The rest goes all the same; the first failure is told.
                Err(errno) => {
                    let failed =
                        Err(std::io::Error::from(errno)).context(|| format!("can't remove `{}`", path.display()));
                    result = result.and(failed);
                }
            }
        }
        result
    }
}

/// False: it was there.
fn make_folder(path: &Path) -> Result<bool> {
    match mkdirat(CWD, path, Mode::from_raw_mode(0o755)) {
        Ok(()) => Ok(true),
        Err(Errno::EXIST) => Ok(false),
        Err(errno) => Err(std::io::Error::from(errno)).context(|| format!("can't make `{}`", path.display())),
    }
}

fn read(path: &Path) -> Result<String> {
    use std::io::Read;
    let mut text = String::new();
    let file = openat(CWD, path, OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty());
    let read = file
        .map_err(std::io::Error::from)
        .and_then(|file| std::fs::File::from(file).take(MAX_FILE_BYTES).read_to_string(&mut text));
    read.context(|| format!("can't read `{}`", path.display()))?;
    Ok(text)
}

fn write(path: &Path, text: &str) -> Result<()> {
    let file = openat(CWD, path, OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty());
    let written = file.and_then(|file| rustix::io::write(&file, text.as_bytes()));
    let words = || format!("can't write `{}` to `{}`", text.trim_end().replace('\n', ", "), path.display());
    match written.map_err(std::io::Error::from).context(words)? {
        all if all == text.len() => Ok(()),
        _ => Err(Error::new(Kind::Internal, "the kernel took only a part").context(words())),
    }
}

/// Adds what the kernel says of its last refusal.
fn last_words(root: &Path) -> impl Fn(Error) -> Error {
    move |error| match read(&root.join("info/last_cmd_status")) {
        Ok(status) if !matches!(status.trim(), "" | "ok") => {
            Error { messages: [error.messages, vec![status.trim().to_owned()]].concat(), ..error }
        }
        // It says nothing; the errno has been told.
        _ => error,
    }
}

/// Does a class with these schemata have the share that a line asks for? A line may leave caches out; bandwidth was
/// rounded up to steps when it was written.
fn has(schemata: &str, line: &str, step: u64) -> bool {
    let Some((resource, wanted)) = shares(line, step) else { return false };
    let present = schemata.lines().filter_map(|line| shares(line, step)).find(|(name, _)| *name == resource);
    present.is_some_and(|(_, present)| wanted.iter().all(|(cache, share)| present.get(cache) == Some(share)))
}

/// `L3:0=7f0;1=1f`: the resource, and the share of each cache. Shares of bandwidth are decimal, others bit masks.
fn shares(line: &str, step: u64) -> Option<(&str, BTreeMap<u32, u64>)> {
    let (resource, rest) = line.trim().split_once(':')?;
    let share = |part: &str| {
        let (cache, share) = part.split_once('=')?;
        let share = match resource {
            "MB" => share.trim().parse::<u64>().ok()?.checked_next_multiple_of(step.max(1))?,
            _ => u64::from_str_radix(share.trim().trim_start_matches("0x"), 16).ok()?,
        };
        Some((cache.trim().parse().ok()?, share))
    };
    Some((resource.trim(), rest.split(';').map(share).collect::<Option<_>>()?))
}

#[cfg(test)]
mod tests;
