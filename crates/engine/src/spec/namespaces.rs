//! Which namespaces are new. Those of another container are joined when this one starts (`joins`): its process has
//! another number then.

use api::{Create, Ipc, Network};
use oci::runtime::{Namespace, NamespaceKind};

/// The new ones; what is not among them is the host's.
pub(super) fn new(request: &Create) -> Vec<Namespace> {
    use NamespaceKind::{Cgroup, Ipc as IpcKind, Mount, Network as Net, Pid, Uts};
    let sharing = &request.sharing;
    let own_ipc = matches!(sharing.ipc, Ipc::Private | Ipc::None | Ipc::Shareable);
    let wanted = [
        (Mount, true),
        (Pid, sharing.pid == api::Namespace::Private),
        (Uts, sharing.uts == api::Namespace::Private),
        (IpcKind, own_ipc),
        (Cgroup, sharing.cgroup == api::Namespace::Private),
        (Net, request.network != Network::Host),
    ];
    let own = wanted.into_iter().filter(|(_, own)| *own);
    own.map(|(kind, _)| Namespace { kind, path: String::new() }).collect()
}
