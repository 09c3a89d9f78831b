//! What `checkpoint` and `restore` take: options that are CRIU's in the end (criu(8), "dump" and "restore").

use std::path::PathBuf;

/// How CRIU treats cgroups (criu(8), `--manage-cgroups`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum CgroupsMode {
    /// Restores properties of cgroups that it had to make.
    #[default]
    Soft,
    /// Restores all cgroups and their properties.
    Full,
    /// Fails when a cgroup is there already.
    Strict,
    /// Leaves them alone.
    Ignore,
}

/// How connections are held while a container is dumped or restored (criu(8), `--network-lock`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NetworkLock {
    /// By the rules of iptables(8).
    Iptables,
    /// By the rules of nft(8).
    Nftables,
    /// Not at all.
    Skip,
}

/// What a dump and a restore have in common.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Common {
    /// The folder of the image files.
    pub image_path: PathBuf,
    /// The folder of logs and other files of the work; `None`: CRIU's choice.
    pub work_path: Option<PathBuf>,
    /// Open TCP connections are kept.
    pub tcp_established: bool,
    /// Sockets whose other end is outside are allowed.
    pub ext_unix_sk: bool,
    /// Sessions and terminals that began outside are allowed.
    pub shell_job: bool,
    /// File locks are kept.
    pub file_locks: bool,
    /// Cgroups.
    pub manage_cgroups_mode: CgroupsMode,
    /// How connections are held; `None`: CRIU's choice.
    pub network_lock: Option<NetworkLock>,
    /// Namespaces that are made empty and not restored. Only `network` is known.
    pub empty_ns: Vec<String>,
    /// Memory pages are saved once only.
    pub auto_dedup: bool,
    /// Memory comes when it is asked for (userfaultfd(2)).
    pub lazy_pages: bool,
}

/// What `checkpoint` takes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dump {
    /// What a restore knows, too.
    pub common: Common,
    /// The folder of the dump before, relative to `image_path`.
    pub parent_path: Option<PathBuf>,
    /// The container goes on.
    pub leave_running: bool,
    /// Only the memory, and the container goes on.
    pub pre_dump: bool,
    /// Connections on their way are left out.
    pub tcp_skip_in_flight: bool,
    /// Files without a name get one for the while.
    pub link_remap: bool,
    /// A descriptor that gets a NUL byte when the pages can be asked for; an inherited one, by number.
    pub status_fd: Option<u32>,
    /// Address and port of a server for the pages.
    pub page_server: Option<(String, u16)>,
}

/// What `restore` takes besides what `create` does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Restore {
    /// What a dump knows, too.
    pub common: Common,
    /// Open TCP connections are restored as closed.
    pub tcp_close: bool,
    /// Another profile, as `apparmor:NAME` or `selinux:NAME`.
    pub lsm_profile: Option<String>,
    /// Another context of the mounts.
    pub lsm_mount_context: Option<String>,
}
