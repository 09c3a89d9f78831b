//! What `isolazi/hello` prints: the kernel's texts, put into words. Pure, at most 100 columns wide.

use super::facts::Facts;
use oci::capabilities;
use std::collections::BTreeMap;
use std::fmt::Write;

/// Where the second column begins.
const INDENT: usize = 16;
/// No line is wider, unless a single word is.
const WIDTH: usize = 100;

/// The whole text.
pub(super) fn text(facts: &Facts) -> String {
    let mut report = Report(String::new());
    report.plain(&format!("Hello from inside a container! This is isolazi {}.", facts.version));
    report.plain("Its root file system is made of nothing but this program. From in here it looks like this:");
    report.plain("");
    process(facts, &mut report);
    report.plain("");
    namespaces(facts, &mut report);
    report.plain("");
    mounts(facts, &mut report);
    report.plain("");
    privileges(facts, &mut report);
    report.plain("");
    limits(facts, &mut report);
    report.plain("");
    report.plain("Next: `isolazi run -it IMAGE COMMAND` does the same with an image of your choice.");
    report.0
}

struct Report(String);

impl Report {
    fn plain(&mut self, line: &str) {
        self.0.push_str(line);
        self.0.push('\n');
    }

    /// A label, and words that go on in the second column of the next line where they are too many.
    fn line(&mut self, label: &str, words: &str) {
        let mut line = format!("{label:<INDENT$}");
        let mut is_first = true;
        for word in words.split_whitespace() {
            if !is_first && line.chars().count() + 1 + word.chars().count() > WIDTH {
                self.plain(&line);
                line = " ".repeat(INDENT);
                is_first = true;
            }
            if !is_first {
                line.push(' ');
            }
            line.push_str(word);
            is_first = false;
        }
        self.plain(line.trim_end());
    }

    /// A row whose columns stand under those of the row before.
    fn row(&mut self, label: &str, columns: &str) {
        let line = format!("{label:<INDENT$}{columns}");
        self.plain(line.trim_end());
    }
}

fn process(facts: &Facts, report: &mut Report) {
    let of_parent = if field(&facts.status, "PPid:") == Some("0") { ", its parent is outside" } else { "" };
    report.line("process", &format!("number {}{of_parent}", facts.pid));
    let uid = numbers(&facts.status, "Uid:").next().unwrap_or("unknown");
    let gid = numbers(&facts.status, "Gid:").next().unwrap_or("unknown");
    let name = facts.passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1) == Some(uid)).then(|| format!(" ({name})"))
    });
    let groups: Vec<_> = numbers(&facts.status, "Groups:").collect();
    let groups = if groups.is_empty() { "none".to_owned() } else { groups.join(" ") };
    report.line("user", &format!("{uid}{}, group {gid}, all groups: {groups}", name.unwrap_or_default()));
    report.line("user ids", &id_map(&facts.uid_map));
    report.line("group ids", &id_map(&facts.gid_map));
    report.line("host name", &facts.hostname);
}

/// user_namespaces(7): first id inside, first id outside, how many.
fn id_map(text: &str) -> String {
    let mut parts = Vec::new();
    for line in text.lines() {
        let mut numbers = line.split_whitespace().map(str::parse::<u64>);
        let (Some(Ok(inside)), Some(Ok(outside)), Some(Ok(count))) = (numbers.next(), numbers.next(), numbers.next())
        else {
            continue;
        };
        if (inside, outside, count) == (0, 0, u64::from(u32::MAX)) {
            return "the same as outside".to_owned();
        }
        let range = |first: u64| if count == 1 { first.to_string() } else { format!("{first}-{}", first + count - 1) };
        let verb = if count == 1 { "is" } else { "are" };
        parts.push(format!("{} {verb} {} outside", range(inside), range(outside)));
    }
    if parts.is_empty() { "not visible".to_owned() } else { parts.join(", ") }
}

fn namespaces(facts: &Facts, report: &mut Report) {
    let host: BTreeMap<_, _> = facts.host_namespaces.split_whitespace().filter_map(namespace).collect();
    let mut label = "namespaces";
    for (kind, number) in facts.namespaces.iter().filter_map(|link| namespace(link)) {
        let compared = match host.get(kind) {
            None if host.is_empty() => String::new(),
            None => "own".to_owned(),
            Some(of_host) if *of_host == number => "shared with the host".to_owned(),
            Some(of_host) => format!("own (host has {of_host})"),
        };
        report.row(label, &format!("{kind:<8}{number:<12}{compared}"));
        label = "";
    }
    if label == "namespaces" {
        report.line(label, "not visible");
    }
}

/// `mnt:[4026531841]`
fn namespace(link: &str) -> Option<(&str, &str)> {
    let (kind, number) = link.split_once(":[")?;
    Some((kind, number.strip_suffix(']')?))
}

/// A line of proc_pid_mountinfo(5).
struct Mount<'a> {
    root: &'a str,
    point: &'a str,
    options: &'a str,
    kind: &'a str,
}

impl Mount<'_> {
    fn is_read_only(&self) -> bool {
        self.options.split(',').any(|option| option == "ro")
    }

    fn hides(&self) -> bool {
        let is_kernels = self.point.starts_with("/proc/") || self.point.starts_with("/sys/");
        is_kernels && (self.root == "/null" || self.kind == "tmpfs" && self.is_read_only())
    }

    /// A part of /proc that can be read only.
    fn protects(&self) -> bool {
        self.kind == "proc" && self.point.starts_with("/proc/") && self.is_read_only()
    }

    /// A device of the host's, in here by its own mount.
    fn is_device(&self) -> bool {
        self.kind == "devtmpfs" && self.point.starts_with("/dev/")
    }
}

fn mounts(facts: &Facts, report: &mut Report) {
    let mounts: Vec<Mount<'_>> = facts.mountinfo.lines().filter_map(mount).collect();
    if mounts.is_empty() {
        report.line("mounts", "not visible");
        return;
    }
    let root = mounts.iter().rfind(|mount| mount.point == "/");
    let words = root.map_or("not visible".to_owned(), |root| {
        format!("{}, {}", root.kind, if root.is_read_only() { "read-only" } else { "writable" })
    });
    report.line("root", &format!("{words}, {} mounts in all", mounts.len()));
    let is_shown = |mount: &&Mount<'_>| mount.point != "/" && !mount.hides() && !mount.protects() && !mount.is_device();
    let shown: Vec<_> = mounts.iter().filter(is_shown).collect();
    let widest = |of: fn(&Mount<'_>) -> usize| shown.iter().map(|mount| of(mount)).max().unwrap_or(0);
    let (points, kinds) = (widest(|mount| mount.point.chars().count()), widest(|mount| mount.kind.chars().count()));
    let mut label = "mounts";
    for Mount { point, kind, options, .. } in &shown {
        let options: Vec<_> = options.split(',').filter(|option| !option.ends_with("atime")).collect();
        report.row(label, &format!("{point:<points$}  {kind:<kinds$}  {}", options.join(" ")));
        label = "";
    }
    report.line("read-only", &list(mounts.iter().filter(|mount| mount.protects()).map(|mount| mount.point)));
    report.line("hidden", &list(mounts.iter().filter(|mount| mount.hides()).map(|mount| mount.point)));
    report.line("in /dev", &list(facts.devices.iter().map(String::as_str)));
}

/// In the order of the alphabet.
fn list<'a>(words: impl Iterator<Item = &'a str>) -> String {
    let mut words: Vec<_> = words.collect();
    words.sort_unstable();
    if words.is_empty() { "nothing".to_owned() } else { words.join(" ") }
}

/// `36 35 98:0 /root /point rw,noatime shared:1 - ext3 /dev/sda1 rw`
fn mount(line: &str) -> Option<Mount<'_>> {
    let (place, system) = line.split_once(" - ")?;
    let mut fields = place.split(' ').skip(3);
    let (root, point, options) = (fields.next()?, fields.next()?, fields.next()?);
    Some(Mount { root, point, options, kind: system.split(' ').next()? })
}

fn privileges(facts: &Facts, report: &mut Report) {
    let set = |name| field(&facts.status, name).and_then(|hex| u64::from_str_radix(hex, 16).ok());
    let (effective, bounding) = (set("CapEff:"), set("CapBnd:"));
    let all = capabilities::Capability::all().count();
    let names = |mask: u64| {
        let short = |c: capabilities::Capability| c.name().trim_start_matches("CAP_").to_ascii_lowercase();
        capabilities::of_mask(mask).map(short).collect::<Vec<_>>()
    };
    let words = |mask: Option<u64>| match mask.map(names) {
        None => "not visible".to_owned(),
        Some(names) if names.is_empty() => "none".to_owned(),
        Some(names) => format!("{} of {all}: {}", names.len(), names.join(" ")),
    };
    report.line("capabilities", &words(effective));
    match (effective, bounding) {
        (Some(effective), Some(bounding)) if effective == bounding => {
            report.line("", "No program in here can have more.");
        }
        _ => report.line("can be gained", &words(bounding)),
    }
    let seccomp = match field(&facts.status, "Seccomp:") {
        Some("0") => "off: every system call is allowed",
        Some("1") => "strict: four system calls are allowed",
        Some("2") => "a filter refuses system calls that a container has no need of",
        _ => "not visible",
    };
    report.line("seccomp", seccomp);
    let gains = match field(&facts.status, "NoNewPrivs:") {
        Some("0") => "possible: setuid programs work",
        Some("1") => "refused (no_new_privs): setuid programs gain nothing",
        _ => "not visible",
    };
    report.line("new privileges", gains);
}

fn limits(facts: &Facts, report: &mut Report) {
    report.line("cgroup", &cgroups(&facts.cgroup));
    let limit = |text: &str| match text.trim() {
        "" => "not visible".to_owned(),
        "max" => "no limit".to_owned(),
        number => number.to_owned(),
    };
    let memory = match facts.memory_max.trim().parse::<u64>() {
        Ok(bytes) => format!("{} MiB", bytes >> 20),
        Err(_) => limit(&facts.memory_max),
    };
    let cpu = match facts.cpu_max.trim().split_once(' ') {
        Some(("max", _)) => "no limit".to_owned(),
        Some((quota, period)) => format!("{quota} of each {period} microseconds"),
        None => "not visible".to_owned(),
    };
    report.line("limits", &format!("memory: {memory}; processors: {cpu}; processes: {}", limit(&facts.pids_max)));
    let open_files = facts.limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    let mut values = open_files.unwrap_or("").split_whitespace();
    if let (Some(soft), Some(hard)) = (values.next(), values.next()) {
        report.line("", &format!("open files: {soft} (up to {hard} if asked for)"));
    }
    // The first two lines are headings.
    let names: Vec<_> =
        facts.interfaces.lines().skip(2).filter_map(|line| Some(line.split_once(':')?.0.trim())).collect();
    let words = match names[..] {
        [] => "no interface".to_owned(),
        ["lo"] => "lo only: nothing outside can be reached".to_owned(),
        _ => names.join(" "),
    };
    report.line("network", &words);
}

/// `0::/path` for version 2, `4:memory:/path` for controllers of version 1 (cgroups(7)): by path.
fn cgroups(text: &str) -> String {
    let mut by_path: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    // Version 2, which we use, stands last.
    for line in text.lines().rev() {
        let mut fields = line.splitn(3, ':').skip(1);
        if let (Some(controllers), Some(path)) = (fields.next(), fields.next()) {
            by_path.entry(path).or_default().push(if controllers.is_empty() { "v2" } else { controllers });
        }
    }
    let mut words = String::new();
    for (path, controllers) in by_path {
        let between = if words.is_empty() { "" } else { "; " };
        let _ = write!(words, "{between}{path} ({})", controllers.join(" ")); // a String takes everything
    }
    if words.is_empty() { "not visible".to_owned() } else { words }
}

/// The first word after a name of proc_pid_status(5).
fn field<'a>(status: &'a str, name: &str) -> Option<&'a str> {
    numbers(status, name).next()
}

fn numbers<'a>(status: &'a str, name: &str) -> impl Iterator<Item = &'a str> {
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("");
    line.split_whitespace()
}
