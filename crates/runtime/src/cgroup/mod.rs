//! A container's cgroups: what limits, counts, finds, freezes and kills its processes.
//!
//! ```text
//! Hierarchies ─┐
//! cgroupsPath ─┼─► plan ─► CgroupPlan ─► make ─► Cgroup ── keep ─► Paths ─► container's state
//! resources ───┘   pure                  (undone on drop)           │
//!                                        open (exec) ◄──────────────┤
//!        processes, kill_all, freeze, update, stats, oom, remove ◄──┘
//! ```
//! With systemd as driver it is a unit of systemd, made around the waiting init (`make_around`, `systemd/`); all else is
//! the same.
//!
//! There is one cgroup in each mounted hierarchy, as other tools look for it there. A limit is written where its
//! controller is at home; on a host with both versions that is v1 as a rule, and the v2 cgroup beside it is there to be
//! started in (`CLONE_INTO_CGROUP`, Linux 5.7) and to be killed through (`cgroup.kill`, 5.14).

mod apply;
pub mod devices;
mod dir;
mod enable;
mod freeze;
mod hierarchies;
mod kill;
mod limits;
mod make;
mod oom;
mod own;
mod paths;
mod place;
mod plan;
mod remove;
pub mod stats;
mod systemd;
mod update;

pub(crate) use hierarchies::unescape;
pub use hierarchies::{Hierarchies, Hierarchy};
pub use limits::{Refusal, Write};
pub use make::{Cgroup, make, make_around, may_make};
pub use oom::{MemoryUse, OomEvent, OomWatch};
pub(crate) use own::{base, mount_point};
pub use own::{below_mount, create, ids as own_ids, own_oom_kills, own_paths, path, remove};
pub use paths::Paths;
pub use place::{Place, Version};
pub use plan::{CgroupPlan, Driver, Group, plan};
pub use stats::Stats;
pub use systemd::{ScopePlan, Systemd, Unit};
