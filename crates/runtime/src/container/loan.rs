//! What of the machine a container gets besides its cgroups: network devices, and a class of service for caches and
//! memory bandwidth.

use crate::intel_rdt::{self, RdtGroup, RdtPlan};
use crate::net_devices::{self, Moved};
use crate::plan::Plan;
use error::{Result, ResultExt};
use oci::runtime::{NetDevice, Spec};
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::process::Pid;
use std::collections::BTreeMap;
use std::path::PathBuf;
use sys::process::namespace;

/// What is asked for, checked.
#[derive(Debug, Default)]
pub(super) struct LoanPlan {
    devices: BTreeMap<String, NetDevice>,
    class: Option<(RdtPlan, PathBuf)>,
}

impl LoanPlan {
    pub(super) fn of(spec: &Spec, plan: &Plan, id: &str) -> Result<Self> {
        let Some(linux) = &spec.linux else { return Ok(Self::default()) };
        let has_network =
            plan.namespaces & namespace::NETWORK != 0 || plan.joins.iter().any(|join| join.kind == namespace::NETWORK);
        net_devices::check(&linux.net_devices, has_network)?;
        let class = match &linux.intel_rdt {
            Some(rdt) => Some((intel_rdt::plan(rdt, id)?, intel_rdt::root()?)),
            None => None,
        };
        Ok(Self { devices: linux.net_devices.clone(), class })
    }

    /// Makes the class, before there is a process for it.
    pub(super) fn make(&self) -> Result<Loan<'_>> {
        let class = self.class.as_ref().map(|(plan, root)| intel_rdt::make(plan, root)).transpose()?;
        Ok(Loan { plan: self, class, moved: None })
    }
}

/// What was lent; dropped, it is taken back, unless it was kept.
#[derive(Debug)]
pub(super) struct Loan<'a> {
    plan: &'a LoanPlan,
    class: Option<RdtGroup>,
    moved: Option<Moved>,
}

impl Loan<'_> {
    /// For the container's state.
    pub(super) fn class(&self) -> Option<RdtGroup> {
        self.class.clone()
    }

    /// The container has its first process, which waits in its namespaces.
    pub(super) fn give(&mut self, pid: Pid) -> Result<()> {
        if let Some(class) = &self.class {
            class.add(pid)?;
        }
        if !self.plan.devices.is_empty() {
            let path = format!("/proc/{}/ns/net", pid.as_raw_nonzero());
            let namespace = openat(CWD, &path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty());
            let namespace = namespace.map_err(std::io::Error::from).context(|| format!("can't open `{path}`"))?;
            self.moved = Some(net_devices::move_in(&self.plan.devices, rustix::fd::AsFd::as_fd(&namespace))?);
        }
        Ok(())
    }

    /// The container is complete.
    pub(super) fn keep(mut self) {
        self.class = None;
        if let Some(moved) = self.moved.take() {
            moved.keep();
        }
    }
}

impl Drop for Loan<'_> {
    fn drop(&mut self) {
        if let Some(class) = &self.class {
            // The failure that led here is the one to tell.
            let _ = class.remove();
        }
    }
}
