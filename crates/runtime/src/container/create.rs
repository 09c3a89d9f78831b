//! `create` and `run`: from a bundle to an init that waits for its start, or to a payload that runs.

use super::folder::{Folder, file};
use super::kept::{self, Kept};
use super::loan::{Loan, LoanPlan};
use super::{Create, Runtime, Warnings, check_id, config, filter, notify, process, start, start_socket, tree, user};
use crate::cgroup::{self, Cgroup, CgroupPlan, Hierarchies};
use crate::compile::{Setting, compile};
use crate::files::Receivers;
use crate::launch::{Event, Launch, launch};
use crate::plan::{Entry, Plan};
use crate::{Host, Running, files, hooks, prologue};
use error::{Error, Kind, Result, ResultExt};
use oci::runtime::{Namespace, NamespaceKind, Resources, Spec, Status};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::CWD;
use rustix::mount::{OpenTreeFlags, open_tree};
use rustix::process::Pid;
use std::path::{Path, PathBuf};
use sys::mount::propagation;

/// How far a container is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Until {
    /// Its payload waits for `start`.
    Created,
    /// Its payload runs.
    Running,
}

/// What was made.
struct Made {
    running: Running,
    /// Its payload waits for `start`.
    waits: bool,
    warnings: Warnings,
}

impl Runtime {
    /// Makes a container whose payload waits for `start`.
    pub fn create(&self, what: &Create<'_>) -> Result<Warnings> {
        self.make(what, Until::Created).map(|made| made.warnings)
    }

    /// Makes a container whose payload runs. The caller waits for its end.
    pub fn run(&self, what: &Create<'_>, warnings: &mut Warnings) -> Result<Running> {
        let Made { running, waits, warnings: mut found } = self.make(what, Until::Running)?;
        warnings.append(&mut found);
        if waits {
            match self.start(what.id) {
                Ok(more) => warnings.extend(more),
                Err(error) => {
                    let error = crate::launch::reap(running.pid, error);
                    // The failure is told; what stays can be deleted by name.
                    let _ = self.delete(what.id, true);
                    return Err(error);
                }
            }
        }
        Ok(running)
    }

    /// Whatever can be wrong with the document is found before anything is changed; what is made is taken back when a
    /// later step fails.
    fn make(&self, what: &Create<'_>, until: Until) -> Result<Made> {
        check_id(what.id)?;
        let bundle = what.bundle.canonicalize();
        let bundle = bundle.context(|| format!("can't find the bundle `{}`", what.bundle.display()))?;
        let (text, mut spec) = config::read(&bundle)?;
        if let (Some(process), Some(window)) = (&mut spec.process, what.window) {
            process.console_size = Some(window);
        }
        let rootfs = rootfs(&spec, &bundle)?;
        become_root(&mut spec)?;
        // What comes after the start is `start`'s business also in a run.
        let waits_for_start =
            until == Until::Created || !spec.hooks.poststart.is_empty() || what.notify_socket.is_some();
        let host = Host::read()?;
        let root = open_root(&rootfs, &spec)?;
        let cgroups = self.plan_cgroups(&spec, what.id, &host)?;
        let home = home(&spec, &root);
        let notify_socket = what.notify_socket.map(notify::absolute).transpose()?;
        let notify_folder = notify_socket.as_ref().map(|_| self.root.join(what.id).join(file::NOTIFY));
        let tree = tree::is_needed(&spec).then(|| self.root.join(what.id).join(file::TREE));
        let setting = Setting {
            rootfs: Some(&rootfs),
            // A scope is not there yet when mounts are prepared; what is shown of it is its namespace, or the whole tree.
            cgroups: &cgroups
                .as_ref()
                .filter(|plan| plan.scope.is_none())
                .map_or_else(Vec::new, |plan| plan.paths().places),
            pivot: !what.no_pivot,
            new_keyring: !what.no_new_keyring,
            kept_fds: what.preserve_fds,
            listen_fds: what.listen_fds,
            notify_folder: notify_folder.as_deref(),
            stops_at_birth: true,
            waits_for_start,
            home: home.as_deref(),
            ..Setting::plain(&host, &bundle, tree.as_deref().unwrap_or(&rootfs))
        };
        let mut plan = compile(&spec, &setting)?;
        // Else the caller shows the terminal on its own.
        plan.process.plain_lines = what.console_socket.is_none();
        check(&spec, &plan, what, until)?;
        let lent = LoanPlan::of(&spec, &plan, what.id)?;
        let folder = Unfinished(Some(Folder::make(&self.root, what.id)?));
        let kept = Kept {
            version: kept::VERSION,
            bundle,
            rootfs,
            created: jiff::Timestamp::now().to_string(),
            pid: None,
            start_time: 0,
            cgroups: cgroups.as_ref().map(CgroupPlan::paths),
            intel_rdt: None,
            notify_socket,
            descriptors: crate::criu::descriptors(),
            shares_pids: plan.namespaces & sys::process::namespace::PID == 0,
        };
        folder.get().write(file::CONFIG, &text)?;
        filter::keep(folder.get(), &plan.process)?;
        if kept.notify_socket.is_some() {
            notify::make_folder(folder.get())?;
        }
        let mut loan = lent.make()?;
        let making = Making { what, spec: &spec, plan: &plan, root: root.as_fd() };
        let (running, cgroup) = making.make(folder.get(), kept, cgroups.as_ref(), &mut loan)?;
        folder.keep();
        loan.keep();
        if let Some(cgroup) = cgroup {
            cgroup.keep();
        }
        Ok(Made { running, waits: waits_for_start, warnings: plan.warnings().cloned().collect() })
    }

    /// `None`: there shall be none, or this user can have none, and the document asks for nothing that needs one.
    pub(super) fn plan_cgroups(&self, spec: &Spec, id: &str, host: &Host) -> Result<Option<CgroupPlan>> {
        let linux = spec.linux.as_ref();
        let resources = linux.and_then(|linux| linux.resources.clone()).unwrap_or_default();
        let path = linux.map_or("", |linux| linux.cgroups_path.as_str());
        let Some(driver) = self.driver.clone() else {
            return if has_no_limits(&resources) { Ok(None) } else { Err(limits_without_cgroup()) };
        };
        match cgroup::plan(&Hierarchies::read()?, path, id, &resources, driver) {
            Err(_) if host.user_namespace && has_no_limits(&resources) => Ok(None),
            Ok(plan) if host.user_namespace && has_no_limits(&resources) && !cgroup::may_make(&plan) => Ok(None),
            planned => planned.map(Some),
        }
    }
}

/// An ordinary user goes on as root of the user namespace that the container was to have.
fn become_root(spec: &mut Spec) -> Result<()> {
    if prologue::is_root() {
        return Ok(());
    }
    let linux = spec.linux.get_or_insert_default();
    let new = |namespace: &Namespace| namespace.kind == NamespaceKind::User && namespace.path.is_empty();
    if !linux.namespaces.iter().any(new) {
        return Err(Error::new(
            Kind::Denied,
            "config.json: `linux.namespaces`: an ordinary user needs a new user namespace",
        )
        .hint("`spec --rootless` writes a document with one"));
    }
    if !linux.namespaces.iter().any(|namespace| namespace.kind == NamespaceKind::Mount) {
        let message = "config.json: `linux.namespaces`: an ordinary user needs a mount namespace";
        return Err(Error::new(Kind::Denied, message).hint("`spec --rootless` writes a document with one"));
    }
    linux.namespaces.retain(|namespace| !new(namespace));
    let (uids, gids) = (std::mem::take(&mut linux.uid_mappings), std::mem::take(&mut linux.gid_mappings));
    prologue::enter(&crate::compile::id_maps(&uids, &gids)?)
}

/// Nothing that would silently not hold without a cgroup. Devices do: in a user namespace nobody makes them, and who wants
/// no cgroup has been told.
fn has_no_limits(resources: &Resources) -> bool {
    *resources == Resources { devices: resources.devices.clone(), ..Resources::default() }
}

fn limits_without_cgroup() -> Error {
    Error::invalid("config.json: `linux.resources`: nothing would hold the container to its limits: it gets no cgroup")
        .hint("leave `--cgroup-manager=disabled` out, or the limits")
}

/// Where the root file system is, without links.
pub(super) fn rootfs(spec: &Spec, bundle: &Path) -> Result<PathBuf> {
    let root = spec.root.as_ref().ok_or_else(|| Error::invalid("config.json: `root` is missing"))?;
    if root.path.is_empty() {
        return Err(Error::invalid("config.json: `root.path` is empty"));
    }
    let path = bundle.join(&root.path);
    path.canonicalize().context(|| format!("can't find the root file system `{}`", path.display()))
}

/// As a mount of its own, attached nowhere. What is mounted inside never reaches the host; what the host mounts there
/// later comes in if the document wants a slave.
pub(super) fn open_root(rootfs: &Path, spec: &Spec) -> Result<OwnedFd> {
    let wanted = spec.linux.as_ref().map_or("", |linux| &linux.rootfs_propagation);
    let kind = if wanted.ends_with("slave") { propagation::SLAVE } else { propagation::PRIVATE };
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_RECURSIVE;
    let open = || {
        let root = open_tree(CWD, rootfs, flags)?;
        sys::mount::set_attributes(&root, 0, 0, kind, true)?;
        Ok(root)
    };
    open().map_err(sys::kernel::error).context(|| format!("can't open the root file system `{}`", rootfs.display()))
}

fn home(spec: &Spec, root: &OwnedFd) -> Option<String> {
    let process = spec.process.as_ref()?;
    (!user::has_home(&process.env)).then(|| user::home(root, process.user.uid))
}

/// What neither the plan nor the cgroups look at.
fn check(spec: &Spec, plan: &Plan, what: &Create<'_>, until: Until) -> Result<()> {
    hooks::check(&spec.hooks.prestart, "hooks.prestart")?;
    hooks::check(&spec.hooks.create_runtime, "hooks.createRuntime")?;
    hooks::check(&spec.hooks.poststart, "hooks.poststart")?;
    hooks::check(&spec.hooks.poststop, "hooks.poststop")?;
    if until == Until::Running && spec.process.is_none() {
        return Err(start::missing_process());
    }
    match (plan.process.terminal, what.console_socket) {
        (Some(_), None) if until == Until::Created => Err(Error::invalid(
            "config.json: `process.terminal`: nobody would have the terminal: give a `--console-socket`",
        )),
        (None, Some(_)) => {
            Err(Error::invalid("a `--console-socket` needs `process.terminal`: the container would have no terminal"))
        }
        _ => Ok(()),
    }
}

/// The folder of a container that is not made yet: removed again unless it is kept.
pub(super) struct Unfinished(pub(super) Option<Folder>);

impl Unfinished {
    pub(super) fn get(&self) -> &Folder {
        self.0.as_ref().expect("it is there until it is kept")
    }

    pub(super) fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Some(folder) = &self.0 {
            // The failure that led here is the one to tell; `delete --force` removes what stays.
            let _ = folder.remove();
        }
    }
}

/// What is given from the beginning of the making to its end.
struct Making<'a> {
    what: &'a Create<'a>,
    spec: &'a Spec,
    plan: &'a Plan,
    root: BorrowedFd<'a>,
}

impl Making<'_> {
    fn make(
        &self,
        folder: &Folder,
        mut kept: Kept,
        cgroups: Option<&CgroupPlan>,
        loan: &mut Loan<'_>,
    ) -> Result<(Running, Option<Cgroup>)> {
        kept.intel_rdt = loan.class();
        folder.write_kept(&kept)?;
        if self.plan.root.entry == Entry::Chroot {
            tree::make(folder)?;
        }
        // A systemd scope can't be empty: that one is made around the init.
        let scope = cgroups.filter(|plan| plan.scope.is_some());
        let cgroup = cgroups.filter(|plan| plan.scope.is_none()).map(cgroup::make).transpose()?;
        let mut made_around = None;
        let task_files = cgroup.as_ref().map(Cgroup::task_files).transpose()?.unwrap_or_default();
        let start = self.plan.stops.before_payload.then(|| start_socket::make(folder)).transpose()?;
        let agent = self.plan.process.listener.as_ref().map(|listener| files::connect(Path::new(&listener.path)));
        let agent = agent.transpose()?;
        let has_hooks = !(self.plan.create_container_hooks.is_empty() && self.plan.start_container_hooks.is_empty());
        let inputs = if has_hooks { Some([hooks::empty_input()?, hooks::empty_input()?]) } else { None };
        let launched = launch(
            self.plan,
            Launch {
                root: self.root,
                stdio: self
                    .plan
                    .process
                    .terminal
                    .is_none()
                    .then(|| [rustix::stdio::stdin(), rustix::stdio::stdout(), rustix::stdio::stderr()]),
                cgroup: cgroup.as_ref().and_then(Cgroup::v2_fd),
                task_files: &task_files,
                launchers: Some(folder.dir.as_fd()),
                start: start.as_ref().map(AsFd::as_fd),
                agent: agent.as_ref().map(AsFd::as_fd),
                hook_input: inputs.as_ref().map(|[creating, created]| [creating.as_fd(), created.as_fd()]),
                attend: &mut |event| match event {
                    Event::Born(pid, told) => {
                        if let Some(plan) = scope {
                            let made = cgroup::make_around(plan, pid)?;
                            kept.cgroups = Some(made.paths().clone());
                            made_around = Some(made);
                        }
                        self.write_down(folder, &mut kept, pid)?;
                        loan.give(pid)?;
                        self.prepare_hooks(folder, &kept, inputs.as_ref())?;
                        self.prepare_agent(folder, &kept, told)
                    }
                    Event::Mounted(_) => self.call_hooks(folder, &kept),
                },
            },
        );
        let mut running = launched?;
        match self.hand_over(folder, &mut running) {
            Ok(()) => Ok((running, cgroup.or(made_around))),
            Err(error) => Err(crate::launch::reap(running.pid, error)),
        }
    }

    /// From here on whoever deletes the container finds its process.
    fn write_down(&self, folder: &Folder, kept: &mut Kept, pid: Pid) -> Result<()> {
        let number = pid.as_raw_nonzero().get();
        kept.pid = Some(number);
        kept.start_time = process::start_time(number)?.unwrap_or_default();
        folder.write_kept(kept)
    }

    fn prepare_hooks(&self, folder: &Folder, kept: &Kept, inputs: Option<&[OwnedFd; 2]>) -> Result<()> {
        let Some([creating, created]) = inputs else { return Ok(()) };
        hooks::write_input(creating, &folder.state(kept, Status::Creating, self.spec))?;
        hooks::write_input(created, &folder.state(kept, Status::Created, self.spec))
    }

    /// What the seccomp agent is told with the filter's descriptor (config-linux.md, "The Container Process State").
    fn prepare_agent(&self, folder: &Folder, kept: &Kept, told: &mut sys::shared::Text) -> Result<()> {
        let Some(listener) = &self.plan.process.listener else { return Ok(()) };
        let text = files::agent_message(listener, folder.state(kept, Status::Creating, self.spec))?;
        told.set(&text).map_err(std::io::Error::from).context(|| "can't write down the state for the seccomp agent")
    }

    fn call_hooks(&self, folder: &Folder, kept: &Kept) -> Result<()> {
        // A container is `created` after step 2 of its life, and prestart hooks are step 3 (runtime.md, "Lifecycle").
        // The hooks that came later know the word that runc says to them.
        let state = folder.state(kept, Status::Created, self.spec);
        hooks::call(&self.spec.hooks.prestart, "prestart", &state)?;
        let state = folder.state(kept, Status::Creating, self.spec);
        hooks::call(&self.spec.hooks.create_runtime, "createRuntime", &state)
    }

    /// The terminal and the process id go to those who asked for them, and then the container is created.
    fn hand_over(&self, folder: &Folder, running: &mut Running) -> Result<()> {
        let receivers = Receivers {
            console_socket: self.what.console_socket,
            pid_file: self.what.pid_file,
            pidfd_socket: self.what.pidfd_socket.map(|socket| (socket, "standard")),
        };
        files::hand_over(running, receivers)?;
        if self.plan.stops.before_payload { start_socket::publish(folder) } else { Ok(()) }
    }
}
