//! From a container's folder to a payload that runs.

use super::streams::{PayloadEnds, Streams};
use crate::cgroups;
use crate::networks::Connection;
use crate::record::{self, Record, file};
use error::{Error, Kind, Result};
use oci::runtime::Spec;
use runtime::{Event, Host, Launch, Running};
use rustix::fd::{AsFd, OwnedFd};
use std::path::Path;

/// Starts it. Its cgroups stay when that fails; the caller removes them in any case.
pub(super) fn launch(
    dir: &Path,
    record: &Record,
    host: &Host,
    root: OwnedFd,
    connection: Option<&Connection>,
) -> Result<(Running, Streams)> {
    let mut spec: Spec = record::read(&dir.join(file::SPEC))?
        .ok_or_else(|| Error::new(Kind::Internal, format!("`{}` has no {}", dir.display(), file::SPEC)))?;
    crate::joins::add(&mut spec, &record.request, dir)?;
    let _pinned = crate::placing::subpath::pin(&mut spec, record)?;
    let wanted = cgroups::plan(&spec, &record.id, host)?;
    let places = wanted.places();
    let setting = setting(dir, record, host, &places);
    let stops_at_birth = setting.stops_at_birth || connection.is_some();
    let plan = runtime::compile(&spec, &runtime::Setting { stops_at_birth, ..setting })?;
    let cgroup = wanted.make(dir, &record.id)?;
    let (streams, ends) = Streams::new(record.request.tty, record.request.interactive)?;
    let mut running = runtime::launch(
        &plan,
        Launch {
            root: root.as_fd(),
            stdio: ends.as_ref().map(PayloadEnds::as_array),
            cgroup: cgroup.v2_fd(),
            task_files: cgroup.task_files(),
            launchers: None,
            start: None,
            agent: None,
            hook_input: None,
            attend: &mut |event| match event {
                Event::Born(pid, _) => {
                    cgroup.born(dir, pid)?;
                    connection.map_or(Ok(()), |connection| connection.attach(pid))
                }
                Event::Mounted(_) => Ok(()),
            },
        },
    )?;
    cgroup.keep();
    // Our copies of the payload's ends and of the root go with this call: they would keep the pipes open and the root
    // mounted after the payload's end.
    let streams = streams.with_console(running.console.take());
    match streams {
        Ok(streams) => Ok((running, streams)),
        Err(error) => Err(super::kill(&running, error)),
    }
}

/// What the plan of a monitor's payload depends on besides its spec. A cgroup namespace of its own shows the container's
/// cgroup.
fn setting<'a>(dir: &'a Path, record: &Record, host: &'a Host, cgroups: &'a cgroups::Places) -> runtime::Setting<'a> {
    runtime::Setting {
        dies_with_launcher: true,
        reaper: record.request.init,
        cgroups: cgroups.places.as_slice(),
        stops_at_birth: cgroups.around,
        ..runtime::Setting::plain(host, dir, dir)
    }
}
