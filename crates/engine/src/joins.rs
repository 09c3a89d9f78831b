//! Namespaces of other containers: found by name when a container is made, joined by process when it starts.

use crate::Engine;
use crate::containers::{Container, Containers};
use api::{Create, Ipc, Namespace, Sharing};
use error::{Error, Kind, Result};
use oci::runtime::{Mount, NamespaceKind, Spec};
use std::borrow::Cow;
use std::path::Path;

/// The request with ids in place of names: a name may be another container's by the next start.
pub(crate) fn settle<'a>(engine: &Engine, request: &'a Create) -> Result<Cow<'a, Create>> {
    let sharing = &request.sharing;
    let is_joined = |namespace: &Namespace| matches!(namespace, Namespace::Container(_));
    if ![&sharing.pid, &sharing.uts, &sharing.cgroup].into_iter().any(is_joined)
        && !matches!(sharing.ipc, Ipc::Container(_))
    {
        return Ok(Cow::Borrowed(request));
    }
    if engine.host()?.user_namespace {
        let message = "can't share namespaces of another container: each container of an ordinary user has a user \
                       namespace of its own";
        return Err(Error::new(Kind::Unsupported, message));
    }
    let find = |wanted: &str| match engine.containers.find(&engine.names, wanted)? {
        Some(container) => Ok(container.record),
        None => Err(Error::not_found(format!("No such container: {wanted}"))),
    };
    let mut settled = request.clone();
    for namespace in [&mut settled.sharing.pid, &mut settled.sharing.cgroup] {
        if let Namespace::Container(wanted) = namespace {
            *wanted = find(wanted)?.id;
        }
    }
    if let Namespace::Container(wanted) = &mut settled.sharing.uts {
        let donor = find(wanted)?;
        settled.hostname = donor.request.hostname.or_else(|| Some(donor.id[..12].to_owned()));
        *wanted = donor.id;
    }
    if let Ipc::Container(wanted) = &mut settled.sharing.ipc {
        let donor = find(wanted)?;
        if !matches!(donor.request.sharing.ipc, Ipc::Shareable | Ipc::Host | Ipc::Container(_)) {
            let message = format!(
                "can't join IPC of container {}: non-shareable IPC (hint: use IpcMode:shareable for the donor container)",
                donor.id
            );
            return Err(Error::invalid(message));
        }
        *wanted = donor.id;
    }
    Ok(Cow::Owned(settled))
}

/// Adds to a spec what another container has at this moment. `dir`: the folder of the container that starts.
pub(crate) fn add(spec: &mut Spec, request: &Create, dir: &Path) -> Result<()> {
    let join = |id: &str, kind: NamespaceKind, name: &str| {
        let path = format!("/proc/{}/ns/{name}", pid_of(id, dir, &name.to_uppercase())?);
        Ok::<_, Error>(oci::runtime::Namespace { kind, path })
    };
    let mut joined = Vec::new();
    let Sharing { pid, uts, cgroup, .. } = &request.sharing;
    let kinds =
        [(pid, NamespaceKind::Pid, "pid"), (uts, NamespaceKind::Uts, "uts"), (cgroup, NamespaceKind::Cgroup, "cgroup")];
    for (namespace, kind, name) in kinds {
        if let Namespace::Container(id) = namespace {
            joined.push(join(id, kind, name)?);
        }
    }
    if let Ipc::Container(id) = &request.sharing.ipc {
        joined.push(join(id, NamespaceKind::Ipc, "ipc")?);
        spec.mounts.push(Mount {
            destination: "/dev/shm".into(),
            kind: "bind".into(),
            source: format!("/proc/{}/root/dev/shm", pid_of(id, dir, "IPC")?),
            options: ["rbind", "nosuid", "noexec", "nodev"].map(String::from).to_vec(),
            ..Mount::default()
        });
    }
    spec.linux.get_or_insert_default().namespaces.extend(joined);
    Ok(())
}

/// The payload of a container that must run.
fn pid_of(id: &str, dir: &Path, what: &str) -> Result<u32> {
    let containers = dir.parent().map(|dir| Containers { dir: dir.to_owned() });
    let containers = containers.ok_or_else(|| Error::new(Kind::Internal, "a container's folder has no parent"))?;
    let Some(Container { record, status, state, .. }) = containers.read(id)? else {
        return Err(Error::not_found(format!("No such container: {id}")));
    };
    match status.pid.filter(|_| state.is_alive()) {
        Some(pid) => Ok(pid),
        None => {
            let state = format!("{state:?}").to_lowercase();
            let message = format!(
                "cannot join {what} namespace of a non running container: container {} is {state}",
                record.name
            );
            Err(Error::new(Kind::Conflict, message))
        }
    }
}
