//! What the payload may do: capabilities, system calls, hidden paths, devices.

use super::Facts;
use api::{Create, Seccomp};
use error::{Result, ResultExt};
use oci::capabilities::{self, Wanted};
use oci::runtime::{Capabilities, Device, RawJson};
use runtime::seccomp::{self, profile};
use rustix::mount::MountAttrFlags;

/// Docker's default masked paths.
const MASKED_PATHS: [&str; 12] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
];

/// Docker's default read-only paths.
const READONLY_PATHS: [&str; 5] = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/// Are devices held back by rules of the cgroup? Otherwise by every mount: then none that is made can be opened.
pub(crate) fn has_rules(request: &Create) -> bool {
    let is_limited = |device: &api::Device| !["r", "w", "m"].iter().all(|letter| device.access.contains(letter));
    // A privileged container may use any.
    !request.rights.privileged
        && (!request.limits.device_rules.is_empty() || request.rights.devices.iter().any(is_limited))
}

/// Can a device be opened that a payload makes in its root or in `/dev`?
pub(crate) fn opens_devices(request: &Create) -> bool {
    request.rights.privileged || has_rules(request)
}

/// Attributes of the mount of the root.
pub(crate) fn root_attributes(request: &Create) -> MountAttrFlags {
    if opens_devices(request) { MountAttrFlags::empty() } else { MountAttrFlags::MOUNT_ATTR_NODEV }
}

/// The bounding set: Docker's default, less what is dropped, and what is added.
pub(crate) fn bounding(request: &Create) -> Result<Vec<&'static str>> {
    let rights = &request.rights;
    let names = |mask: u64| capabilities::of_mask(mask).map(capabilities::Capability::name).collect();
    if rights.privileged {
        return Ok(names(Wanted::All.mask()));
    }
    if rights.cap_add.is_empty() && rights.cap_drop.is_empty() {
        return Ok(capabilities::DEFAULT.map(capabilities::Capability::name).to_vec());
    }
    let set = |names: &[String], what: &str| -> Result<(bool, u64)> {
        let wanted =
            names.iter().map(|name| Wanted::parse(name)).collect::<Result<Vec<_>>>().context(|| what.to_owned())?;
        let one = |wanted: &Wanted| if *wanted == Wanted::All { 0 } else { wanted.mask() };
        Ok((wanted.contains(&Wanted::All), wanted.iter().fold(0, |mask, wanted| mask | one(wanted))))
    };
    let (add_all, add) = set(&rights.cap_add, "invalid CapAdd")?;
    let (drop_all, drop) = set(&rights.cap_drop, "invalid CapDrop")?;
    Ok(names(match (add_all, drop_all) {
        // Docker's order: who adds all says what it is taken from, who drops all says what is left.
        (true, _) => Wanted::All.mask() & !drop,
        (false, true) => add,
        (false, false) => capabilities::mask_of(capabilities::DEFAULT) & !drop | add,
    }))
}

/// The sets of the payload. Whoever is not root has them only by programs that give them.
pub(super) fn capabilities(request: &Create, uid: u32) -> Result<Capabilities> {
    let bounding: Vec<String> = bounding(request)?.into_iter().map(str::to_owned).collect();
    let root_only = if uid == 0 { bounding.clone() } else { Vec::new() };
    Ok(Capabilities { bounding, effective: root_only.clone(), permitted: root_only, ..Capabilities::default() })
}

/// The seccomp section; `None` is no filter.
pub(crate) fn seccomp(request: &Create) -> Result<Option<RawJson>> {
    let rights = &request.rights;
    let caps = bounding(request)?;
    match &rights.seccomp {
        Seccomp::Unconfined => Ok(None),
        Seccomp::Default if rights.privileged => Ok(None),
        Seccomp::Default => RawJson::from_text(seccomp::json_for(&caps)?).map(Some),
        Seccomp::Profile(text) => {
            let facts = profile::Facts { caps: &caps, arch: seccomp::NATIVE, kernel: kernel() };
            let section = profile::read(text, facts).context(|| "can't use the seccomp profile")?;
            // What does not compile is told before anything is made.
            seccomp::program(&section).context(|| "can't use the seccomp profile")?;
            RawJson::of(&section).map(Some)
        }
    }
}

/// `(6, 1)` of `6.1.0-amd64`.
fn kernel() -> (u32, u32) {
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    let mut numbers = release.split(['.', '-']).map_while(|part| part.parse().ok());
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

/// Paths that are hidden, and those that cannot be written.
pub(super) fn hidden(request: &Create) -> (Vec<String>, Vec<String>) {
    if request.rights.privileged || request.rights.unconfined_paths {
        return (Vec::new(), Vec::new());
    }
    (MASKED_PATHS.map(String::from).to_vec(), READONLY_PATHS.map(String::from).to_vec())
}

/// Nodes to make, or to show where none can be made: all of the host's for a privileged container.
pub(super) fn devices(request: &Create, facts: &Facts<'_>) -> Vec<Device> {
    if request.rights.privileged { facts.host_devices.to_vec() } else { Vec::new() }
}

/// An empty name is no profile; so is `unconfined` where there is no AppArmor.
pub(super) fn apparmor(request: &Create) -> String {
    if request.rights.apparmor.is_empty() && request.rights.privileged {
        return "unconfined".to_owned();
    }
    request.rights.apparmor.clone()
}
