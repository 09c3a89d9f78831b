//! Mounts, made and attached nowhere yet.
//!
//! Those of a plan are made in the order of its document, before the launcher's mount namespace is left: the host's mounts
//! can be opened there only, and `/proc/self/mountinfo` has mounts in the order in which they were made (kernel 6.8). What
//! is attached nowhere is seen by nobody, and goes with us if we are killed.

use super::paths::open;
use super::root::clone_tree;
use super::{At, Done, Inherited};
use crate::failure::Stage;
use crate::plan::{Content, FsStep, Plan, Text};
use crate::sources;
use rustix::fd::OwnedFd;
use rustix::fs::OFlags;
use rustix::io::Errno;
use sys::mount::{new_mount_with, set_attributes};

/// One for each step that needs one and has none.
pub(super) fn make(plan: &Plan, inherited: &Inherited<'_>) -> Done {
    for (index, (step, made)) in plan.root.steps.iter().zip(inherited.made).enumerate() {
        match step {
            FsStep::Mount { .. } => made.set(Some(file_system(step).at(Stage::Step, index)?)),
            FsStep::Bind { source, .. } if inherited.sources.get(*source).is_some_and(Option::is_none) => {
                made.set(of_host(plan, *source)?);
            }
            _ => {}
        }
    }
    Ok(())
}

/// `None` for what is not the host's.
fn of_host(plan: &Plan, index: usize) -> Done<Option<OwnedFd>> {
    let Some(source) = plan.root.sources.get(index) else { return Ok(None) };
    let Content::Host { path, recursive, nofollow } = &source.content else { return Ok(None) };
    let mount = sources::open_host(path, *recursive, *nofollow).at(Stage::Source, index)?;
    sources::prepare(&mount, source).at(Stage::SourcePrepared, index)?;
    Ok(Some(mount))
}

/// What the container has there by now; `None` for what is not its own. Links and `..` end at its root.
pub(super) fn of_container(plan: &Plan, index: usize) -> Result<Option<OwnedFd>, Errno> {
    let Some(source) = plan.root.sources.get(index) else { return Ok(None) };
    let Content::Inside { path, recursive, nofollow } = &source.content else { return Ok(None) };
    let flags = if *nofollow { OFlags::PATH | OFlags::NOFOLLOW } else { OFlags::PATH };
    let mount = clone_tree(open(path.c(), flags)?, c"", *recursive)?;
    sources::prepare(&mount, source)?;
    Ok(Some(mount))
}

/// The new file system of a step.
pub(super) fn file_system(step: &FsStep) -> Result<OwnedFd, Errno> {
    let FsStep::Mount { fstype, source, parameters, attributes, propagations, .. } = step else {
        return Err(Errno::INVAL);
    };
    let source = source.iter().map(|source| (c"source", Some(source.c())));
    let parameters = parameters.iter().map(|(key, value)| (key.c(), value.as_ref().map(Text::c)));
    let mount = new_mount_with(fstype.c(), source.chain(parameters), *attributes)?;
    for propagation in propagations {
        set_attributes(&mount, 0, 0, propagation.kind, propagation.recursive)?;
    }
    Ok(mount)
}
