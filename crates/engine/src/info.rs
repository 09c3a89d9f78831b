//! Facts about this machine that `isolazi info` shows.

use api::Info;
use error::{Result, ResultExt};
use std::fs::{self, File};
use std::io::{self, Read};

/// The most that is read of a text below; each has some hundred bytes.
const MAX_TEXT_BYTES: u64 = 64 << 10;

/// statfs(2)
const CGROUP2_SUPER_MAGIC: u64 = 0x6367_7270;

/// All that does not concern containers and images.
pub(crate) fn facts() -> Result<Info> {
    let system = rustix::system::uname();
    let cpus = std::thread::available_parallelism().context(|| "can't count the processors")?;
    Ok(Info {
        cgroup: cgroup_versions().to_owned(),
        name: system.nodename().to_string_lossy().into_owned(),
        kernel: system.release().to_string_lossy().into_owned(),
        operating_system: operating_system()?,
        architecture: system.machine().to_string_lossy().into_owned(),
        cpus: cpus.get(),
        memory_bytes: memory()?,
        rootless: !crate::is_initial_root(),
        security: security()?,
        ..Info::default()
    })
}

/// Memory of the machine, in bytes.
pub(crate) fn memory() -> Result<u64> {
    Ok(memory_bytes(&text("/proc/meminfo")?.unwrap_or_default()))
}

/// A small file, or nothing where there is none.
fn text(path: &str) -> Result<Option<String>> {
    let read = || -> io::Result<String> {
        let mut bytes = Vec::new();
        File::open(path)?.take(MAX_TEXT_BYTES).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    match read() {
        Ok(text) => Ok(Some(text)),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(cause) => Err(cause).context(|| format!("can't read `{path}`")),
    }
}

/// os-release(5) says which of the two counts.
fn operating_system() -> Result<String> {
    for path in ["/etc/os-release", "/usr/lib/os-release"] {
        if let Some(text) = text(path)? {
            return Ok(pretty_name(&text).unwrap_or_else(|| "Linux".to_owned()));
        }
    }
    Ok("Linux".to_owned())
}

/// The value of `PRETTY_NAME`, without the quotes and backslashes of a shell.
fn pretty_name(os_release: &str) -> Option<String> {
    let value = os_release.lines().rev().find_map(|line| line.trim().strip_prefix("PRETTY_NAME="))?;
    let bare = ['"', '\''].iter().find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote)).unwrap_or(value);
    let mut name = String::with_capacity(bare.len());
    let mut chars = bare.chars();
    while let Some(c) = chars.next() {
        name.extend(if c == '\\' { chars.next() } else { Some(c) });
    }
    Some(name)
}

/// `MemTotal` of proc_meminfo(5), which counts in KiB.
fn memory_bytes(meminfo: &str) -> u64 {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kibibytes = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    kibibytes.unwrap_or(0) << 10
}

/// By what is mounted where everybody mounts it (cgroups(7)).
fn cgroup_versions() -> &'static str {
    let is_v2 = |path| rustix::fs::statfs(path).is_ok_and(|s| u64::try_from(s.f_type) == Ok(CGROUP2_SUPER_MAGIC));
    let has_v1 = || fs::read_dir("/sys/fs/cgroup").is_ok_and(|mut entries| entries.next().is_some());
    match (is_v2("/sys/fs/cgroup"), is_v2("/sys/fs/cgroup/unified"), has_v1()) {
        (true, _, _) => "2",
        (false, true, _) => "1 and 2",
        (false, false, true) => "1",
        (false, false, false) => "none",
    }
}

/// In Docker's form (`name=seccomp,profile=builtin`), and what this kernel has without our using it.
fn security() -> Result<Vec<String>> {
    let mut options = Vec::new();
    if text("/proc/sys/kernel/seccomp/actions_avail")?.is_some() {
        options.push("name=seccomp,profile=builtin".to_owned());
    }
    let apparmor = text("/sys/module/apparmor/parameters/enabled")?;
    if apparmor.is_some_and(|enabled| enabled.starts_with('Y')) {
        options.push("apparmor (not used)".to_owned());
    }
    if text("/sys/fs/selinux/enforce")?.is_some() {
        options.push("selinux (not used)".to_owned());
    }
    Ok(options)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_systems_name_is_read_as_a_shell_reads_it() {
        for (text, name) in [
            ("NAME=x\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n", Some("Debian GNU/Linux 12 (bookworm)")),
            ("PRETTY_NAME='One \"Two\"'", Some("One \"Two\"")),
            ("PRETTY_NAME=\"a \\\"b\\\" \\$c\"", Some("a \"b\" $c")),
            ("PRETTY_NAME=Alpine", Some("Alpine")),
            ("PRETTY_NAME=\"", Some("\"")),
            ("PRETTY_NAME=first\nPRETTY_NAME=last", Some("last")),
            ("#PRETTY_NAME=no", None),
        ] {
            assert_eq!(pretty_name(text).as_deref(), name, "{text}");
        }
    }

    #[test]
    fn memory_is_counted_in_bytes() {
        assert_eq!(memory_bytes("Buffers: 1 kB\nMemTotal:        8025391 kB\nMemFree: 2 kB"), 8_218_000_384);
        assert_eq!(memory_bytes("nothing"), 0);
    }

    #[test]
    fn this_machine_has_facts() {
        let info = facts().unwrap();
        assert!(info.cpus > 0 && info.memory_bytes > 16 << 20, "{info:?}");
        assert!(info.kernel.starts_with(|c: char| c.is_ascii_digit()), "{info:?}");
        assert!(["1", "2", "1 and 2", "none"].contains(&info.cgroup.as_str()), "{info:?}");
        assert_eq!(info.architecture, std::env::consts::ARCH);
        assert!(!info.operating_system.is_empty() && !info.operating_system.contains('"'), "{info:?}");
    }
}
