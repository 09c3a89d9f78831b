//! Mounts, made and attached nowhere yet.
//!
//! Those of a plan are made in the order of its document, before the launcher's mount namespace is left: the host's mounts
//! can be opened there only, and `/proc/self/mountinfo` has mounts in the order in which they were made (kernel 6.8). What
//! is attached nowhere is seen by nobody, and goes with us if we are killed.

use super::{At, Done, Inherited};
use crate::failure::Stage;
use crate::plan::{Content, FsStep, Plan, Text};
use crate::sources;
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use sys::mount::{new_mount_with, set_attributes};

/// One for each step that needs one and has none.
pub(super) fn make(plan: &Plan, inherited: &Inherited<'_>) -> Done {
    for (index, (step, made)) in plan.root.steps.iter().zip(inherited.made).enumerate() {
        match step {
            FsStep::Mount { .. } => made.set(Some(file_system(step).at(Stage::Step, index)?)),
            FsStep::Bind { source, .. } if inherited.sources.get(*source).is_some_and(Option::is_none) => {
                made.set(Some(of_host(plan, *source)?));
            }
            _ => {}
        }
    }
    Ok(())
}

fn of_host(plan: &Plan, index: usize) -> Done<OwnedFd> {
    let opened = match plan.root.sources.get(index) {
        Some(source @ crate::plan::Source { content: Content::Host { path, recursive, nofollow }, .. }) => {
            sources::open_host(path, *recursive, *nofollow).map(|mount| (source, mount))
        }
        _ => Err(Errno::INVAL),
    };
    let (source, mount) = opened.at(Stage::Source, index)?;
    sources::prepare(&mount, source).at(Stage::SourcePrepared, index)?;
    Ok(mount)
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
