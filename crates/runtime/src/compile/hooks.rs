//! Hooks that the init calls itself (config.md, "POSIX-platform Hooks").

use super::{inside, invalid, texts};
use crate::plan::{HookPlan, ProcessPlan};
use error::Result;
use oci::runtime::Hook;

pub(super) fn compile(hooks: &[Hook], field: &str) -> Result<Vec<HookPlan>> {
    hooks.iter().enumerate().map(|(index, hook)| one(hook, &format!("{field}[{index}]"))).collect()
}

/// One that starts in the container and has no environment gets the payload's: the specification is silent, and images
/// are used to what runc does.
pub(super) fn compile_start(hooks: &[Hook], payload: &ProcessPlan) -> Result<Vec<HookPlan>> {
    let mut plans = compile(hooks, "hooks.startContainer")?;
    for plan in plans.iter_mut().filter(|plan| plan.env.is_empty()) {
        plan.env.clone_from(&payload.env);
    }
    Ok(plans)
}

/// Checks a hook, also one that the launcher calls: a document is wrong before anything was done.
pub(crate) fn one(hook: &Hook, field: &str) -> Result<HookPlan> {
    let path = inside(&hook.path, &format!("{field}.path"))?;
    let timeout_s = match hook.timeout {
        None => None,
        Some(seconds) => Some(
            u32::try_from(seconds)
                .ok()
                .filter(|seconds| *seconds > 0)
                .ok_or_else(|| invalid(&format!("{field}.timeout"), "it must be more than 0 seconds"))?,
        ),
    };
    let mut argv = texts(&hook.args, &format!("{field}.args"))?;
    if argv.is_empty() {
        argv.push(path.clone());
    }
    Ok(HookPlan { path, argv, env: texts(&hook.env, &format!("{field}.env"))?, timeout_s })
}
