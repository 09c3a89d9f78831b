//! The payload: who it is, what it may, what it executes.

use super::{Setting, inside, invalid, text, texts, unsupported};
use crate::Host;
use crate::plan::{CapabilityPlan, CpuSet, MemoryPolicyPlan, ProcessPlan, SchedulerPlan, Text};
use error::{Error, Result, ResultExt};
use oci::capabilities::{Capability, of_mask};
use oci::runtime::{IoPriority, Linux, MemoryPolicy, Personality, Process, Rlimit, Scheduler};
use std::borrow::Cow;
use std::collections::{BTreeSet, HashSet};

/// Where a command without a slash is looked for when the environment has no PATH.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Processors and memory nodes beyond this number do not exist (the kernel's largest `NR_CPUS`).
const MAX_BITS: u32 = 8192;

/// No process has more descriptors unless an administrator allows it (proc_sys_fs(5), `nr_open`).
const MAX_FDS: u32 = 1 << 20;

/// For a container without a process: its init waits, and nothing can be executed.
pub(super) fn nobody(linux: &Linux, setting: &Setting<'_>) -> Result<ProcessPlan> {
    let process = Process { args: vec!["/".into()], cwd: "/".into(), ..Process::default() };
    Ok(ProcessPlan { candidates: Vec::new(), argv: Vec::new(), ..compile(&process, linux, setting)? })
}

pub(super) fn compile(process: &Process, linux: &Linux, setting: &Setting<'_>) -> Result<ProcessPlan> {
    let host = setting.host;
    let (candidates, searched) = candidates(process)?;
    let program = linux.seccomp.as_ref().map(|section| match setting.seccomp {
        Some(program) => Ok(program.clone()),
        None => crate::seccomp::compile_section(section.text()),
    });
    let program = program.transpose().context(|| "config.json: `linux.seccomp`")?;
    let (seccomp, seccomp_flags, listener) = match program {
        Some(program) => (program.instructions, program.flags, program.listener),
        None => (Cow::Borrowed(&[][..]), 0, None),
    };
    let user = &process.user;
    let mut warnings = Vec::new();
    let (apparmor, selinux) = labels(process, host, &mut warnings)?;
    Ok(ProcessPlan {
        terminal: process.terminal.then(|| {
            let size = process.console_size.unwrap_or_default();
            (u16::try_from(size.height).unwrap_or(0), u16::try_from(size.width).unwrap_or(0))
        }),
        plain_lines: false,
        dies_with_launcher: setting.dies_with_launcher,
        reaper: setting.reaper,
        new_keyring: setting.new_keyring,
        uid: id(user.uid, "process.user.uid")?,
        gid: id(user.gid, "process.user.gid")?,
        groups: host.may_set_groups.then(|| groups(&user.additional_gids)).transpose()?,
        umask: user.umask.unwrap_or(0o022),
        rlimits: rlimits(&process.rlimits)?,
        oom_score_adj: oom_score_adj(process)?,
        scheduler: process.scheduler.as_ref().map(scheduler).transpose()?,
        io_priority: process.io_priority.as_ref().map(io_priority).transpose()?,
        personality: linux.personality.as_ref().map(personality).transpose()?,
        memory_policy: linux.memory_policy.as_ref().map(memory_policy).transpose()?,
        affinity: None,
        apparmor,
        selinux,
        capabilities: capabilities(process, host, &mut warnings),
        no_new_privileges: process.no_new_privileges,
        seccomp,
        seccomp_flags,
        listener,
        cwd: inside(&process.cwd, "process.cwd")?,
        candidates,
        searched,
        argv: texts(&process.args, "process.args")?,
        env: environment(process, setting)?,
        kept_fds: kept_fds(setting)?,
        warnings,
    })
}

fn kept_fds(setting: &Setting<'_>) -> Result<u32> {
    let count = setting.kept_fds.saturating_add(setting.listen_fds);
    match count {
        ..=MAX_FDS => Ok(count),
        _ => Err(Error::invalid(format!("no process has {count} descriptors to hand on"))),
    }
}

/// What `execvp` would try: the name itself when it has a slash, else each folder of the payload's own PATH.
fn candidates(process: &Process) -> Result<(Vec<Text>, bool)> {
    let Some(name) = process.args.first().filter(|name| !name.is_empty()) else {
        return Err(Error::invalid("config.json: `process.args` names no program"));
    };
    if name.contains('/') {
        return Ok((vec![text(name.as_str(), "process.args[0]")?], false));
    }
    let path = process.env.iter().rev().find_map(|entry| entry.strip_prefix("PATH=")).unwrap_or(DEFAULT_PATH);
    let candidate = |dir: &str| {
        // An empty entry is the working directory (environ(7)).
        let dir = if dir.is_empty() { "." } else { dir };
        text(format!("{dir}/{name}"), "process.args[0]")
    };
    Ok((path.split(':').map(candidate).collect::<Result<_>>()?, true))
}

fn environment(process: &Process, setting: &Setting<'_>) -> Result<Vec<Text>> {
    let mut env = texts(&process.env, "process.env")?;
    if let Some(home) = setting.home {
        env.retain(|entry| entry.c().to_bytes() != b"HOME=");
        env.push(text(format!("HOME={home}"), "process.env")?);
    }
    if setting.notify_folder.is_some() {
        use crate::container::notify::{INSIDE, SOCKET};
        env.retain(|entry| !entry.c().to_bytes().starts_with(b"NOTIFY_SOCKET="));
        env.push(text(format!("NOTIFY_SOCKET={INSIDE}/{SOCKET}"), "process.env")?);
    }
    if setting.listen_fds > 0 {
        // sd_listen_fds(3): the payload is process 1 of its namespace.
        env.push(text(format!("LISTEN_FDS={}", setting.listen_fds), "process.env")?);
        env.push(text("LISTEN_PID=1", "process.env")?);
    }
    keep_last(&mut env);
    Ok(env)
}

/// Of two values of a variable programs see one or the other; the later one is what somebody wanted, as with runc.
fn keep_last(env: &mut Vec<Text>) {
    let mut seen = HashSet::with_capacity(env.len());
    let name = |entry: &Text| entry.c().to_bytes().split(|byte| *byte == b'=').next().unwrap_or_default().to_vec();
    let mut kept: Vec<bool> = env.iter().rev().map(|entry| seen.insert(name(entry))).collect();
    env.retain(|_| kept.pop().unwrap_or(true));
}

/// The kernel takes −1 for "as it is" (setresuid(2)): such a payload would stay root.
fn id(id: u32, field: &str) -> Result<u32> {
    if id == u32::MAX { Err(invalid(field, &format!("{id} is no id"))) } else { Ok(id) }
}

fn groups(ids: &[u32]) -> Result<Vec<u32>> {
    let group = |(index, gid): (usize, &u32)| id(*gid, &format!("process.user.additionalGids[{index}]"));
    ids.iter().enumerate().map(group).collect()
}

fn rlimits(limits: &[Rlimit]) -> Result<Vec<(u32, u64, u64)>> {
    let mut plan: Vec<(u32, u64, u64)> = Vec::with_capacity(limits.len());
    for (index, limit) in limits.iter().enumerate() {
        let bad = |why: &str| Err(invalid(&format!("process.rlimits[{index}]"), why));
        let Some(number) = crate::rlimits::number(&limit.kind) else {
            return bad(&format!("unknown limit `{}`", limit.kind));
        };
        if limit.soft > limit.hard {
            return bad(&format!("the soft limit {} is above the hard limit {}", limit.soft, limit.hard));
        }
        if plan.iter().any(|(other, ..)| *other == number) {
            return bad(&format!("`{}` is given twice", limit.kind));
        }
        plan.push((number, limit.soft, limit.hard));
    }
    Ok(plan)
}

fn oom_score_adj(process: &Process) -> Result<Option<i32>> {
    match process.oom_score_adj {
        Some(score) if !(-1000..=1000).contains(&score) => {
            Err(invalid("process.oomScoreAdj", &format!("{score} is not between -1000 and 1000")))
        }
        score => Ok(score),
    }
}

/// sched(7). What a policy does not use must not be set: it would silently not hold.
fn scheduler(scheduler: &Scheduler) -> Result<SchedulerPlan> {
    const POLICIES: [(&str, u32); 7] = [
        ("SCHED_OTHER", 0),
        ("SCHED_FIFO", 1),
        ("SCHED_RR", 2),
        ("SCHED_BATCH", 3),
        ("SCHED_ISO", 4),
        ("SCHED_IDLE", 5),
        ("SCHED_DEADLINE", 6),
    ];
    const FLAGS: [(&str, u64); 7] = [
        ("SCHED_FLAG_RESET_ON_FORK", 0x01),
        ("SCHED_FLAG_RECLAIM", 0x02),
        ("SCHED_FLAG_DL_OVERRUN", 0x04),
        ("SCHED_FLAG_KEEP_POLICY", 0x08),
        ("SCHED_FLAG_KEEP_PARAMS", 0x10),
        ("SCHED_FLAG_UTIL_CLAMP_MIN", 0x20),
        ("SCHED_FLAG_UTIL_CLAMP_MAX", 0x40),
    ];
    let policy = number(&POLICIES, &scheduler.policy, "process.scheduler.policy")?;
    if !(-20..=19).contains(&scheduler.nice) {
        return Err(invalid("process.scheduler.nice", &format!("{} is not between -20 and 19", scheduler.nice)));
    }
    let real_time = matches!(scheduler.policy.as_str(), "SCHED_FIFO" | "SCHED_RR");
    if scheduler.priority != 0 && !real_time {
        return Err(invalid("process.scheduler.priority", "only SCHED_FIFO and SCHED_RR have one"));
    }
    let has_deadline = scheduler.runtime != 0 || scheduler.deadline != 0 || scheduler.period != 0;
    if has_deadline && scheduler.policy != "SCHED_DEADLINE" {
        return Err(invalid("process.scheduler", "`runtime`, `deadline` and `period` are for SCHED_DEADLINE"));
    }
    let flags = flags(&FLAGS, &scheduler.flags, "process.scheduler.flags")?;
    let priority = u32::try_from(scheduler.priority)
        .map_err(|_| invalid("process.scheduler.priority", &format!("{} is below 0", scheduler.priority)))?;
    Ok(SchedulerPlan {
        policy,
        flags,
        nice: scheduler.nice,
        priority,
        runtime_ns: scheduler.runtime,
        deadline_ns: scheduler.deadline,
        period_ns: scheduler.period,
    })
}

fn io_priority(asked: &IoPriority) -> Result<u32> {
    const CLASSES: [(&str, u32); 3] = [("IOPRIO_CLASS_RT", 1), ("IOPRIO_CLASS_BE", 2), ("IOPRIO_CLASS_IDLE", 3)];
    /// Where the class begins in the number (linux/ioprio.h).
    const CLASS_SHIFT: u32 = 13;
    let class = number(&CLASSES, &asked.class, "process.ioPriority.class")?;
    match u32::try_from(asked.priority) {
        Ok(level) if level < 8 => Ok(class << CLASS_SHIFT | level),
        _ => Err(invalid("process.ioPriority.priority", &format!("{} is not between 0 and 7", asked.priority))),
    }
}

fn personality(personality: &Personality) -> Result<u64> {
    // personality(2): PER_LINUX, PER_LINUX32.
    const DOMAINS: [(&str, u64); 2] = [("LINUX", 0), ("LINUX32", 8)];
    if !personality.flags.is_empty() {
        return Err(unsupported("linux.personality.flags", "the specification defines none"));
    }
    number(&DOMAINS, &personality.domain, "linux.personality.domain")
}

fn memory_policy(policy: &MemoryPolicy) -> Result<MemoryPolicyPlan> {
    const MODES: [(&str, u32); 7] = [
        ("MPOL_DEFAULT", 0),
        ("MPOL_PREFERRED", 1),
        ("MPOL_BIND", 2),
        ("MPOL_INTERLEAVE", 3),
        ("MPOL_LOCAL", 4),
        ("MPOL_PREFERRED_MANY", 5),
        ("MPOL_WEIGHTED_INTERLEAVE", 6),
    ];
    const FLAGS: [(&str, u64); 3] =
        [("MPOL_F_NUMA_BALANCING", 1 << 13), ("MPOL_F_RELATIVE_NODES", 1 << 14), ("MPOL_F_STATIC_NODES", 1 << 15)];
    let mode = number(&MODES, &policy.mode, "linux.memoryPolicy.mode")?;
    let flags = flags(&FLAGS, &policy.flags, "linux.memoryPolicy.flags")?;
    let nodes = bits(&policy.nodes, "linux.memoryPolicy.nodes")?;
    if nodes.is_empty() && !matches!(policy.mode.as_str(), "MPOL_DEFAULT" | "MPOL_LOCAL" | "MPOL_PREFERRED") {
        return Err(invalid("linux.memoryPolicy.nodes", &format!("{} needs some", policy.mode)));
    }
    let mode = mode | u32::try_from(flags).map_err(|_| invalid("linux.memoryPolicy.flags", "unknown flags"))?;
    Ok(MemoryPolicyPlan { mode, nodes })
}

/// `process.execCPUAffinity`: before and after the process is in the container's cgroup.
pub(super) fn affinity(process: &Process) -> Result<Option<(CpuSet, CpuSet)>> {
    let Some(asked) = &process.exec_cpu_affinity else { return Ok(None) };
    let initial = bits(&asked.initial, "process.execCPUAffinity.initial")?;
    Ok(Some((initial, bits(&asked.last, "process.execCPUAffinity.final")?)))
}

/// `0-3,7` as bits; an empty list has none.
fn bits(list: &str, field: &str) -> Result<Vec<u64>> {
    let mut words: Vec<u64> = Vec::new();
    for part in list.split_terminator(',') {
        let bad = || invalid(field, &format!("`{part}` is neither a number nor a range of numbers"));
        let number = |text: &str| text.trim().parse::<u32>().ok().filter(|bit| *bit < MAX_BITS);
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (number(first).ok_or_else(bad)?, number(last).ok_or_else(bad)?);
        if first > last {
            return Err(bad());
        }
        for bit in first..=last {
            let word = (bit / 64) as usize;
            if words.len() <= word {
                words.resize(word + 1, 0);
            }
            words[word] |= 1 << (bit % 64);
        }
    }
    Ok(words)
}

fn number<T: Copy>(table: &[(&str, T)], name: &str, field: &str) -> Result<T> {
    let found = table.iter().find(|(known, _)| *known == name).map(|(_, number)| *number);
    found.ok_or_else(|| invalid(field, &format!("unknown value `{name}`")))
}

fn flags(table: &[(&str, u64)], names: &[String], field: &str) -> Result<u64> {
    let mut bits = 0;
    for (index, name) in names.iter().enumerate() {
        bits |= number(table, name, &format!("{field}[{index}]"))?;
    }
    Ok(bits)
}

/// A machine without AppArmor confines nobody by it, and that is no reason to fail, as for crun. A label of SELinux means
/// more than that, and all refuse it without SELinux.
fn labels(process: &Process, host: &Host, warnings: &mut Vec<Error>) -> Result<(Option<Text>, Option<Text>)> {
    let missing = |field: &str, what: &str| unsupported(field, &format!("{what} is not enabled on this machine"));
    let field = "process.apparmorProfile";
    let apparmor = match process.apparmor_profile.as_str() {
        "" => None,
        // A process without a profile is "unconfined" wherever there is no AppArmor.
        "unconfined" if !host.apparmor => None,
        profile => Some(text(format!("exec {profile}"), field)?),
    };
    if apparmor.is_some() && !host.apparmor {
        warnings.push(missing(field, "AppArmor"));
    }
    let field = "process.selinuxLabel";
    let selinux = match process.selinux_label.as_str() {
        "" => None,
        _ if !host.selinux => return Err(missing(field, "SELinux")),
        label => Some(text(label, field)?),
    };
    Ok((apparmor.filter(|_| host.apparmor), selinux))
}

/// What cannot be given is left out and told (config.md, `capabilities`).
fn capabilities(process: &Process, host: &Host, warnings: &mut Vec<Error>) -> CapabilityPlan {
    let last = host.last_capability;
    let Some(sets) = &process.capabilities else { return CapabilityPlan { last, ..CapabilityPlan::default() } };
    let mut unknown = BTreeSet::new();
    let mut bits = |names: &[String]| {
        let mut bits = 0;
        for name in names {
            match Capability::parse(name).map(Capability::bit) {
                Ok(bit) if bit <= last => bits |= 1 << bit,
                _ => drop(unknown.insert(name.clone())),
            }
        }
        bits
    };
    let [bounding, effective, permitted, inheritable, ambient] =
        [&sets.bounding, &sets.effective, &sets.permitted, &sets.inheritable, &sets.ambient].map(|names| bits(names));
    let mut warn = |field: &str, names: &str, why: &str| {
        if !names.is_empty() {
            warnings.push(invalid(field, &format!("{why}: {names}")));
        }
    };
    let quoted: Vec<String> = unknown.iter().map(|name| format!("`{name}`")).collect();
    warn("process.capabilities", &quoted.join(", "), "unknown here, and left out");
    let inherited = permitted & inheritable;
    warn("process.capabilities.effective", &names(effective & !permitted), "not permitted, and left out");
    warn("process.capabilities.ambient", &names(ambient & !inherited), "not permitted and inheritable, and left out");
    CapabilityPlan {
        bounding,
        effective: effective & permitted,
        permitted,
        inheritable,
        ambient: ambient & inherited,
        last,
    }
}

fn names(set: u64) -> String {
    let names: Vec<String> = of_mask(set).map(|capability| format!("`{}`", capability.name())).collect();
    names.join(", ")
}
