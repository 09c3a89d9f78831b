//! The engine answers every request by using the rooms below it: images, snapshots, the runtime.
//!
//! It knows no argv, no terminal and no colours, and reads no environment: a door says where everything lives
//! ([`api::Paths`]) and what the user chose ([`Options`]). There is no daemon: the state is files (see `record`), and
//! each running container has a monitor of its own (see `monitor`).
#![cfg(target_os = "linux")]

mod cgroups;
mod containers;
mod create;
mod death;
mod devices;
mod disk;
mod entry;
mod etc;
mod events;
mod files;
mod health;
mod hello;
mod images;
mod info;
mod inspect;
mod joins;
mod limits;
mod logs;
mod monitor;
mod names;
mod networks;
mod orders;
mod orphans;
mod placing;
mod processes;
mod prune;
mod record;
mod remove;
mod rootless;
#[cfg(test)]
mod scratch;
mod spec;
mod start;
mod talk;
mod update;
mod user;
mod volumes;
mod why;

pub use hello::report as hello_report;
pub use monitor::main as monitor_main;
pub use orders::{Attached, Streams};
pub use prune::Prunable;
pub use rootless::enter as enter_rootless;
pub use start::Session;

use api::{ContainerSummary, Create, Info, LogPart, Logs, Paths, PullEvent, Remove, State, Update};
use containers::Containers;
use error::Result;
use names::Names;
use networks::Networks;
use runtime::Host;
use snapshot::Flavour;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::AtomicBool;
use volumes::Volumes;

/// Choices of the user that hold for every request. A door reads them once.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Files like `~/.docker/config.json`, asked for credentials in this order.
    pub auth_files: Vec<PathBuf>,
    /// Registries (`host:port`) spoken to without verified TLS, besides those on loopback.
    pub insecure_registries: Vec<String>,
    /// Extra CA certificates (PEM files).
    pub ca_files: Vec<PathBuf>,
    /// Folders of such files, looked into only when something is pulled.
    pub ca_dirs: Vec<PathBuf>,
    /// `HTTP_PROXY`, `HTTPS_PROXY`, `NO_PROXY`, `ALL_PROXY` in either case, as (name, value).
    pub proxies: Vec<(String, String)>,
}

/// The stores of one user. Opening it touches nothing.
#[derive(Debug)]
pub struct Engine {
    images: image::Store,
    snapshots: snapshot::Store,
    containers: Containers,
    names: Names,
    volumes: Volumes,
    networks: Networks,
    paths: Paths,
    options: Options,
    host: OnceLock<Host>,
}

impl Engine {
    /// The engine over these folders; nothing is read or made yet. After [`enter_rootless`], where that is needed.
    pub fn open(paths: Paths, options: Options) -> Self {
        let data = &paths.data;
        Self {
            images: image::Store::open(&data.join("images")),
            snapshots: snapshot::Store::open(&data.join("snapshots"), flavour()),
            containers: Containers { dir: data.join("containers") },
            names: Names::new(data),
            volumes: Volumes::new(data),
            networks: Networks::new(data),
            paths,
            options,
            host: OnceLock::new(),
        }
    }

    /// Makes a container and returns its id. Pulls when the image is missing; `cancel` ends the pull.
    pub fn create(
        &self,
        request: &Create,
        progress: &(dyn Fn(PullEvent) + Sync),
        cancel: &AtomicBool,
    ) -> Result<String> {
        create::create(self, request, progress, cancel).map(|created| created.id)
    }

    /// Makes a container and starts it: its id, and the conversation with its monitor.
    pub fn run(
        &self,
        request: &Create,
        progress: &(dyn Fn(PullEvent) + Sync),
        cancel: &AtomicBool,
    ) -> Result<(String, Session)> {
        let created = create::create(self, request, progress, cancel)?;
        let id = created.id.clone();
        Ok((id, start::start(created)?))
    }

    /// All containers, newest first. What killed processes left is given back on the way, if we may: an ordinary user
    /// outside his namespace only looks.
    pub fn containers(&self) -> Result<Vec<ContainerSummary>> {
        Ok(self.swept()?.into_iter().map(containers::Container::summary).collect())
    }

    fn swept(&self) -> Result<Vec<containers::Container>> {
        if rustix::process::geteuid().is_root() { remove::sweep(self) } else { self.containers.list() }
    }

    /// Removes a container.
    pub fn remove(&self, request: &Remove) -> Result<()> {
        remove::remove(self, request)?;
        remove::sweep(self).map(drop)
    }

    /// Changes a container's limits, at once if it runs.
    pub fn update(&self, request: &Update) -> Result<()> {
        update::update(self, request)
    }

    /// Gives what a container said to `sink`, until it wants no more.
    pub fn logs(&self, request: &Logs, sink: &mut dyn FnMut(LogPart<'_>) -> ControlFlow<()>) -> Result<()> {
        logs::logs(self, request, sink)
    }

    /// Gives what happens, or happened, to `sink`, until it wants no more or the time is over.
    pub fn events(&self, request: &api::Events, sink: &mut dyn FnMut(api::Event) -> ControlFlow<()>) -> Result<()> {
        events::events(&self.paths.data, request, sink)
    }

    /// Facts about this machine and these stores.
    pub fn info(&self) -> Result<Info> {
        let containers = self.containers()?;
        let count = |states: &[State]| containers.iter().filter(|container| states.contains(&container.state)).count();
        let (running, paused) = (count(&[State::Running, State::Restarting]), count(&[State::Paused]));
        let images = self.images.list()?.len();
        Ok(Info {
            containers: containers.len(),
            running,
            paused,
            images,
            data_root: self.paths.data.clone(),
            ..info::facts()?
        })
    }

    /// Read when first asked for.
    fn host(&self) -> Result<&Host> {
        if let Some(host) = self.host.get() {
            return Ok(host);
        }
        let host = Host::read()?;
        Ok(self.host.get_or_init(|| host))
    }
}

/// Root of the machine, not of a user namespace?
fn is_initial_root() -> bool {
    rustix::process::geteuid().is_root() && sys::ids::in_initial_namespace()
}

/// How layers are marked and mounted by whom we are.
fn flavour() -> Flavour {
    if is_initial_root() { Flavour::Privileged } else { Flavour::UserNamespace }
}
