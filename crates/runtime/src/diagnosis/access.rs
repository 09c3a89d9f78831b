//! Who may not do what, and where on the way.

use super::inside::{Found, Inside};
use super::script::{self, Script};
use super::{path_of, shown};
use crate::plan::ProcessPlan;
use std::path::{Path, PathBuf};

/// `CAP_DAC_OVERRIDE` and `CAP_DAC_READ_SEARCH` (capabilities(7)).
const DAC_OVERRIDE: u64 = 1 << 1;
const DAC_READ_SEARCH: u64 = 1 << 2;
const EXECUTE: u32 = 1;
const ANYBODY: u32 = 0o111;

/// Who the payload would be.
struct User<'a> {
    uid: u32,
    gid: u32,
    groups: &'a [u32],
    capabilities: u64,
}

impl<'a> User<'a> {
    fn of(plan: &'a ProcessPlan) -> Self {
        let groups = plan.groups.as_deref().unwrap_or_default();
        Self { uid: plan.uid, gid: plan.gid, groups, capabilities: plan.capabilities.effective }
    }

    /// By mode and owner (path_resolution(7)); access control lists are not looked at.
    fn may_execute(&self, found: &Found) -> bool {
        let is_known = found.uid.inside.is_some() && found.gid.inside.is_some();
        let by_right = if found.is_folder() {
            self.capabilities & (DAC_OVERRIDE | DAC_READ_SEARCH) != 0
        } else {
            self.capabilities & DAC_OVERRIDE != 0 && found.mode & ANYBODY != 0
        };
        let is_in = |group: u32| self.gid == group || self.groups.contains(&group);
        let shift = match (found.uid.inside, found.gid.inside) {
            (Some(owner), _) if owner == self.uid => 6,
            (_, Some(group)) if is_in(group) => 3,
            _ => 0,
        };
        by_right && is_known || found.mode >> shift & EXECUTE != 0
    }
}

/// A program that may not be executed.
pub(super) fn file(inside: &Inside, plan: &ProcessPlan, path: &Path) -> Option<String> {
    if let Some(text) = folder(inside, plan, path.parent()?) {
        return Some(text);
    }
    let user = User::of(plan);
    let found = inside.find(path).ok()?;
    if !user.may_execute(&found) {
        let fix = if found.mode & ANYBODY == 0 { ": `chmod +x` makes it executable" } else { "" };
        return Some(format!("{}, and the command runs as {}{fix}", described(path, &found), user.uid));
    }
    if found.is_on_noexec() {
        return Some(format!("{} lies on a mount with `noexec`", shown(path)));
    }
    if let Some(Script::Interpreter(interpreter)) = script::parse(&found.read(0, script::LINE)) {
        let interpreter = path_of(interpreter);
        let found = inside.find(interpreter).ok()?;
        if !user.may_execute(&found) {
            return Some(format!("its interpreter: {}", described(interpreter, &found)));
        }
    }
    let label = plan.apparmor.as_ref().or(plan.selinux.as_ref())?;
    Some(format!("perhaps by the security policy that holds for it, `{}`", label.lossy().trim_start_matches("exec ")))
}

/// A folder that may not be entered, on the way or at its end.
pub(super) fn folder(inside: &Inside, plan: &ProcessPlan, path: &Path) -> Option<String> {
    let user = User::of(plan);
    let mut way = PathBuf::new();
    for part in path.components() {
        way.push(part);
        let found = inside.find(&way).ok()?;
        if found.is_folder() && !user.may_execute(&found) {
            return Some(format!("{}: {} may not enter it", described(&way, &found), user.uid));
        }
    }
    None
}

fn described(path: &Path, found: &Found) -> String {
    format!("{} belongs to {}, group {}, with mode {:04o}", shown(path), found.uid, found.gid, found.mode)
}
