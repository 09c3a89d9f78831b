//! How an init says where it stopped, and how that is put into words.
//!
//! ```text
//! report message = stage · index · errno   (3 × u32, native endian: both ends are the same program)
//! ```
//! The parent still has the plan, so 12 bytes are enough to name the object.

use crate::plan::{FsStep, HookPlan, Plan, ProcessPlan, Text};
use crate::sources;
use error::{Error, Kind};
use rustix::io::Errno;

/// How much of a command's name an error shows: more than any real path that people type.
const MAX_NAME_CHARS: usize = 512;

/// A point of the init. What `index` counts is said at each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Stage {
    /// A session (0), signals (1) and a keyring (2) of its own, its end with the launcher's (3), hidden memory (4).
    Session,
    /// The launcher's word (0), that all is mounted (1), that it is created (2), a connection to its socket (3).
    Launcher,
    /// A cgroup namespace (0); from 1 on, joining v1 cgroups.
    Cgroup,
    /// Host name (0) and domain name (1).
    Hostname,
    /// The loopback interface.
    Loopback,
    /// Index of a kernel parameter.
    Sysctl,
    /// Private propagation (0), attaching (1), entering (2), switching (3), leaving the old root (4), its top (5), the
    /// mount namespace that was named (6), propagation of the new root (7), what would be seen below it (8), a mount
    /// namespace of its own (9).
    Root,
    /// Index of a source that could not be opened.
    Source,
    /// Index of a source that could not get its attributes.
    SourcePrepared,
    /// Index of [`FsStep`].
    Step,
    /// Index of a hook that could not be called.
    CreateContainerHook,
    /// Index of a hook; the errno is its exit code.
    CreateContainerHookExit,
    /// Index of a hook that could not be called.
    StartContainerHook,
    /// Index of a hook; the errno is its exit code.
    StartContainerHookExit,
    /// The terminal, by the parts of `init::console`.
    Console,
    /// Index of a masked path.
    Mask,
    /// Index of a read-only path.
    ReadonlyPath,
    /// Mounts that become read-only.
    Seal,
    /// The root becomes read-only.
    ReadonlyRoot,
    /// Standard input, output, error.
    Stdio,
    /// Index of a limit.
    Rlimit,
    /// I/O priority (0), scheduler (1), memory policy (2), personality (3), processors (4).
    Schedule,
    /// The OOM score.
    OomScore,
    /// Working directory.
    Cwd,
    /// Number of the capability that leaves the bounding set.
    Bounding,
    /// Groups (0), group (1), user (2), keeping capabilities (3); root of a user namespace: group (4), user (5).
    User,
    /// AppArmor (0), SELinux (1).
    Label,
    /// Capability sets.
    Capabilities,
    /// No new privileges.
    NoNewPrivileges,
    /// The seccomp filter (0), telling its listener (1).
    Seccomp,
    /// Made ready (0), executed (1), a file that is there but lacks its interpreter (2), a directory (3).
    Exec,
}

const STAGES: [Stage; 31] = [
    Stage::Session,
    Stage::Launcher,
    Stage::Cgroup,
    Stage::Hostname,
    Stage::Loopback,
    Stage::Sysctl,
    Stage::Root,
    Stage::Source,
    Stage::SourcePrepared,
    Stage::Step,
    Stage::CreateContainerHook,
    Stage::CreateContainerHookExit,
    Stage::StartContainerHook,
    Stage::StartContainerHookExit,
    Stage::Console,
    Stage::Mask,
    Stage::ReadonlyPath,
    Stage::Seal,
    Stage::ReadonlyRoot,
    Stage::Stdio,
    Stage::Rlimit,
    Stage::Schedule,
    Stage::OomScore,
    Stage::Cwd,
    Stage::Bounding,
    Stage::User,
    Stage::Label,
    Stage::Capabilities,
    Stage::NoNewPrivileges,
    Stage::Seccomp,
    Stage::Exec,
];

/// Where and why an init stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Failure {
    /// At which point.
    pub stage: Stage,
    /// At which part of it.
    pub index: u32,
    /// The kernel's answer.
    pub errno: Errno,
}

impl Failure {
    /// As it travels.
    pub(crate) fn encode(self) -> [u8; 12] {
        let mut bytes = [0; 12];
        bytes[..4].copy_from_slice(&(self.stage as u32).to_ne_bytes());
        bytes[4..8].copy_from_slice(&self.index.to_ne_bytes());
        bytes[8..].copy_from_slice(&self.errno.raw_os_error().to_ne_bytes());
        bytes
    }

    /// `None` when the bytes are no such message.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let &[a, b, c, d, e, f, g, h, i, j, k, l] = bytes else { return None };
        let stage = *STAGES.get(usize::try_from(u32::from_ne_bytes([a, b, c, d])).ok()?)?;
        let index = u32::from_ne_bytes([e, f, g, h]);
        Some(Self { stage, index, errno: Errno::from_raw_os_error(i32::from_ne_bytes([i, j, k, l])) })
    }

    /// What lies in the container would say more: the init waits until somebody has looked (`diagnosis`).
    pub(crate) fn is_about_files(self) -> bool {
        matches!((self.stage, self.index), (Stage::Exec, 1..) | (Stage::Cwd, _))
    }

    /// In words, with the objects of `plan`.
    pub(crate) fn explain(self, plan: &Plan) -> Error {
        let index = self.index as usize;
        let name = |texts: &[Text]| texts.get(index).map_or(String::new(), |t| t.lossy().into_owned());
        let what = match self.stage {
            Stage::Cgroup if index == 0 => "can't make a cgroup namespace".to_owned(),
            Stage::Hostname => "can't set the host name".to_owned(),
            Stage::Loopback => "can't bring the loopback interface up".to_owned(),
            Stage::Sysctl => {
                let (path, value) = plan.sysctls.get(index).map_or_else(Default::default, |(path, value)| {
                    (path.lossy().into_owned(), value.lossy().into_owned())
                });
                format!("can't write `{value}` to `{path}`")
            }
            Stage::Root if index == 9 => "can't make a mount namespace".to_owned(),
            Stage::Root => format!("can't switch to the container's root file system (part {index})"),
            Stage::Source | Stage::SourcePrepared => return self.explain_source(plan),
            Stage::Step => self.explain_step(plan),
            Stage::Mask => format!("can't mask `{}`", name(&plan.root.masked)),
            Stage::ReadonlyPath => format!("can't make `{}` read-only", name(&plan.root.readonly_paths)),
            Stage::Seal => format!("can't make `{}` read-only", name(&plan.root.sealed)),
            Stage::ReadonlyRoot => "can't make the root file system read-only".to_owned(),
            Stage::CreateContainerHook | Stage::CreateContainerHookExit => {
                return self.explain_hook("createContainer", plan.create_container_hooks.get(index));
            }
            Stage::StartContainerHook | Stage::StartContainerHookExit => {
                return self.explain_hook("startContainer", plan.start_container_hooks.get(index));
            }
            Stage::Cwd => cwd(&plan.process),
            _ => return self.explain_process(&plan.process),
        };
        self.because(what)
    }

    /// The same for what belongs to a process alone.
    pub(crate) fn explain_process(self, plan: &ProcessPlan) -> Error {
        let index = self.index as usize;
        let what = match self.stage {
            Stage::Exec if index > 0 => return self.explain_exec(plan),
            Stage::Cgroup => "can't join the container's cgroups".to_owned(),
            Stage::Session if index == 2 => "can't make a keyring for the container".to_owned(),
            Stage::Session => "can't make a session for the container".to_owned(),
            Stage::Launcher => "can't hear from the container's launcher".to_owned(),
            Stage::Console => format!("can't give the container a terminal (part {index})"),
            Stage::Stdio => "can't hand over standard input, output and error".to_owned(),
            Stage::Rlimit => {
                let number = plan.rlimits.get(index).map_or(u32::MAX, |limit| limit.0);
                format!("can't set the resource limit RLIMIT_{}", crate::rlimits::name(number).unwrap_or("?"))
            }
            Stage::Schedule => {
                let whats =
                    ["the I/O priority", "the scheduler", "the memory policy", "the personality", "the processors"];
                format!("can't set {}", whats.get(index).unwrap_or(&"?"))
            }
            Stage::OomScore => "can't set the OOM score".to_owned(),
            // Who comes in later does not make it: to engines it is as absent as a command.
            Stage::Cwd if self.errno == Errno::NOENT => {
                return Error { kind: Kind::CommandNotFound, ..self.because(cwd(plan)) };
            }
            Stage::Cwd => cwd(plan),
            Stage::Bounding => format!("can't drop capability {index} from the bounding set"),
            Stage::User if index > 3 => "can't become root of the user namespace".to_owned(),
            Stage::User => format!("can't become user {} and group {}", plan.uid, plan.gid),
            Stage::Label => {
                let label = [&plan.apparmor, &plan.selinux].get(index).and_then(|label| label.as_ref());
                let what = if index == 0 { "the AppArmor profile" } else { "the SELinux label" };
                let label = label.map_or_else(Default::default, Text::lossy);
                format!("can't set {what} `{}`", label.trim_start_matches("exec "))
            }
            Stage::Capabilities => "can't set the capabilities".to_owned(),
            Stage::NoNewPrivileges => "can't forbid new privileges".to_owned(),
            Stage::Seccomp if index == 1 => "can't tell the seccomp listener".to_owned(),
            Stage::Seccomp => "can't load the seccomp filter".to_owned(),
            _ => "can't close what the payload must not have".to_owned(),
        };
        self.because(what)
    }

    fn because(self, what: String) -> Error {
        let mut error = sys::kernel::error(self.errno).context(what);
        error.kind = match error.kind {
            kind @ (Kind::Unavailable | Kind::Unsupported) => kind,
            // An object that is not found *inside* is no "not found" of the request.
            _ => Kind::Denied,
        };
        match (self.stage, self.index, self.errno) {
            (Stage::Session, _, Errno::DQUOT) => {
                error.hint("the user's quota of keyrings is used up: raise `sysctl kernel.keys.maxkeys`")
            }
            (Stage::User, _, Errno::INVAL) => error.hint(
                "the id is outside this user's range: give it more in /etc/subuid and /etc/subgid (package `uidmap`)",
            ),
            (Stage::Label, 0, Errno::NOENT) => error.hint("no such profile is loaded: `apparmor_parser` loads one"),
            _ => error,
        }
    }

    fn explain_hook(self, kind: &str, hook: Option<&HookPlan>) -> Error {
        let path = hook.map_or_else(Default::default, |hook| hook.path.lossy());
        match self.stage {
            Stage::CreateContainerHook | Stage::StartContainerHook if self.errno == Errno::TIMEDOUT => {
                crate::hooks::timed_out(kind, &path, hook.and_then(|hook| hook.timeout_s))
            }
            Stage::CreateContainerHook | Stage::StartContainerHook => {
                self.because(format!("can't call the {kind} hook `{path}`"))
            }
            // It ended with a failure of its own.
            _ => {
                let code = self.errno.raw_os_error();
                Error::new(Kind::Denied, format!("the {kind} hook `{path}` failed with exit code {code}"))
            }
        }
    }

    /// In the words that the launcher has for those that it opens itself.
    fn explain_source(self, plan: &Plan) -> Error {
        let cause = || sys::kernel::error(self.errno);
        match plan.root.sources.get(self.index as usize) {
            Some(source) if self.stage == Stage::Source => sources::not_opened(source, self.errno),
            Some(source) => sources::not_prepared(source, cause()),
            None => cause(),
        }
    }

    fn explain_step(self, plan: &Plan) -> String {
        match plan.root.steps.get(self.index as usize) {
            Some(FsStep::Mount { fstype, target, .. }) => {
                format!("can't mount {} on `{}`", fstype.lossy(), target.lossy())
            }
            Some(FsStep::Bind { source, target }) => {
                let source = plan.root.sources.get(*source).map_or("?".into(), crate::plan::Source::name);
                format!("can't mount `{source}` on `{}`", target.lossy())
            }
            Some(FsStep::Symlink { path, .. }) => format!("can't make the link `{}`", path.lossy()),
            Some(FsStep::Node(node)) => format!("can't make the device `{}`", node.path.lossy()),
            Some(FsStep::Change { target, .. }) => format!("can't change the mount on `{}`", target.lossy()),
            None => "can't prepare the root file system".to_owned(),
        }
    }

    /// Docker's words and kinds: scripts look for them, and for the exit codes 126 and 127 that follow.
    fn explain_exec(self, plan: &ProcessPlan) -> Error {
        let name = plan.argv.first().map_or(String::new(), |a| shortened(&a.lossy()));
        let cause = Error::from(std::io::Error::from(self.errno)).to_string();
        match (self.errno, self.index) {
            (Errno::NOENT, 2) => {
                Error::new(Kind::CommandNotFound, format!("exec: \"{name}\": no such file or directory"))
                    .hint("the file is there, but its loader or interpreter is not in the image")
            }
            (Errno::NOENT | Errno::NOTDIR, _) if plan.searched => {
                Error::new(Kind::CommandNotFound, format!("exec: \"{name}\": executable file not found in $PATH"))
            }
            (Errno::NOENT | Errno::NOTDIR, _) => {
                Error::new(Kind::CommandNotFound, format!("exec: \"{name}\": stat {name}: {cause}"))
            }
            (_, 3) => Error::new(Kind::NotExecutable, format!("exec: \"{name}\": is a directory")),
            (Errno::NOEXEC, _) => Error::new(Kind::NotExecutable, format!("exec: \"{name}\": exec format error"))
                .hint("the file is for another processor than this machine's, or a script without a `#!` line"),
            _ => Error::new(Kind::NotExecutable, format!("exec: \"{name}\": {cause}")),
        }
    }
}

/// A command of any length fits in a line that people read, and in the message that carries it.
fn shortened(name: &str) -> String {
    match name.char_indices().nth(MAX_NAME_CHARS) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name.to_owned(),
    }
}

fn cwd(plan: &ProcessPlan) -> String {
    format!("can't enter the working directory `{}`", plan.cwd.lossy())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stage_survives_the_wire() {
        for (number, stage) in STAGES.into_iter().enumerate() {
            assert_eq!(stage as usize, number);
            let failure = Failure { stage, index: 7, errno: Errno::PERM };
            assert_eq!(Failure::decode(&failure.encode()), Some(failure));
        }
        assert_eq!(Failure::decode(&[0; 11]), None);
        assert_eq!(Failure::decode(&[255; 12]), None);
    }
}
