//! Everything about one object, in the shape of Docker's API, which scripts and templates know by heart: names, order
//! of the fields, and what is `null`, `[]` or absent.

use crate::is_default;
use serde::{Deserialize, Serialize, Serializer};
use std::collections::BTreeMap;

/// As a newtype's name: this null could have been a list.
pub const NULL_LIST: &str = "null list";
/// As a newtype's name: this null could have been a map.
pub const NULL_MAP: &str = "null map";

/// A list that is `null` when it is empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NullList<T>(pub Vec<T>);

/// A map that is `null` when it is empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NullMap<T>(pub BTreeMap<String, T>);

impl<T> Default for NullList<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Default for NullMap<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T: Serialize> Serialize for NullList<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.is_empty() {
            serializer.serialize_newtype_struct(NULL_LIST, &())
        } else {
            self.0.serialize(serializer)
        }
    }
}

impl<T: Serialize> Serialize for NullMap<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.is_empty() {
            serializer.serialize_newtype_struct(NULL_MAP, &())
        } else {
            self.0.serialize(serializer)
        }
    }
}

/// A container.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase", rename = "container")]
#[expect(missing_docs, reason = "the names are Docker's")]
pub struct Container {
    pub id: String,
    pub created: String,
    pub path: String,
    pub args: Vec<String>,
    pub state: State,
    pub image: String,
    pub resolv_conf_path: String,
    pub hostname_path: String,
    pub hosts_path: String,
    pub log_path: String,
    pub name: String,
    pub restart_count: u32,
    pub driver: &'static str,
    pub platform: &'static str,
    pub mount_label: String,
    pub process_label: String,
    pub app_armor_profile: String,
    #[serde(rename = "ExecIDs")]
    pub exec_ids: NullList<String>,
    pub host_config: HostConfig,
    pub graph_driver: GraphDriver,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size_rw: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size_root_fs: Option<u64>,
    pub mounts: Vec<Mount>,
    pub config: Config,
    pub network_settings: NetworkSettings,
}

/// What a container does.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase", rename = "state")]
#[expect(missing_docs, reason = "the names are Docker's")]
pub struct State {
    pub status: String,
    pub running: bool,
    pub paused: bool,
    pub restarting: bool,
    #[serde(rename = "OOMKilled")]
    pub oom_killed: bool,
    pub dead: bool,
    pub pid: u32,
    pub exit_code: u8,
    pub error: String,
    pub started_at: String,
    pub finished_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health: Option<Health>,
}

/// What its health checks said.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase", rename = "health")]
#[expect(missing_docs, reason = "the names are Docker's")]
pub struct Health {
    pub status: String,
    pub failing_streak: u32,
    pub log: Vec<HealthResult>,
}

/// One health check.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase", rename = "health result")]
#[expect(missing_docs, reason = "the names are Docker's")]
pub struct HealthResult {
    pub start: String,
    pub end: String,
    pub exit_code: i32,
    pub output: String,
}

/// What was asked of the host.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase", rename = "host config")]
#[expect(missing_docs, reason = "the names are Docker's")]
pub struct HostConfig {
    pub binds: NullList<String>,
    #[serde(rename = "ContainerIDFile")]
    pub container_id_file: String,
    pub log_config: LogConfig,
    pub network_mode: String,
    pub port_bindings: BTreeMap<String, Vec<PortBinding>>,
    pub restart_policy: RestartPolicy,
    pub auto_remove: bool,
    pub volume_driver: String,
    pub volumes_from: NullList<String>,
    pub console_size: [u16; 2],
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    pub cap_add: NullList<String>,
    pub cap_drop: NullList<String>,
    pub cgroupns_mode: &'static str,
    pub dns: Vec<String>,
    pub dns_options: Vec<String>,
    pub dns_search: Vec<String>,
    pub extra_hosts: NullList<String>,
    pub group_add: NullList<String>,
    pub ipc_mode: String,
    pub cgroup: String,
    pub links: NullList<String>,
    pub oom_score_adj: i32,
    pub pid_mode: String,
    pub privileged: bool,
    pub publish_all_ports: bool,
    pub readonly_rootfs: bool,
    pub security_opt: NullList<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tmpfs: BTreeMap<String, String>,
    #[serde(rename = "UTSMode")]
    pub uts_mode: &'static str,
    pub userns_mode: String,
    pub shm_size: u64,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub sysctls: BTreeMap<String, String>,
    pub runtime: &'static str,
    pub isolation: String,
    pub cpu_shares: i64,
    pub memory: i64,
    pub nano_cpus: i64,
    pub cgroup_parent: String,
    pub blkio_weight: u16,
    pub blkio_weight_device: Vec<DeviceRate>,
    pub blkio_device_read_bps: Vec<DeviceRate>,
    pub blkio_device_write_bps: Vec<DeviceRate>,
    #[serde(rename = "BlkioDeviceReadIOps")]
    pub blkio_device_read_iops: Vec<DeviceRate>,
    #[serde(rename = "BlkioDeviceWriteIOps")]
    pub blkio_device_write_iops: Vec<DeviceRate>,
    pub cpu_period: i64,
    pub cpu_quota: i64,
    pub cpu_realtime_period: i64,
    pub cpu_realtime_runtime: i64,
    pub cpuset_cpus: String,
    pub cpuset_mems: String,
    pub devices: Vec<Device>,
    pub device_cgroup_rules: NullList<String>,
    pub device_requests: NullList<String>,
    pub memory_reservation: i64,
    pub memory_swap: i64,
    pub memory_swappiness: Option<i64>,
    pub oom_kill_disable: Option<bool>,
    pub pids_limit: Option<i64>,
    pub ulimits: Vec<Ulimit>,
    pub cpu_count: i64,
    pub cpu_percent: i64,
    #[serde(rename = "IOMaximumIOps")]
    pub io_maximum_iops: u64,
    #[serde(rename = "IOMaximumBandwidth")]
    pub io_maximum_bandwidth: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mounts: Vec<MountPoint>,
    pub masked_paths: NullList<String>,
    pub readonly_paths: NullList<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub init: Option<bool>,
}

/// A mount as it was asked for.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase", rename = "mount point")]
#[expect(missing_docs, reason = "the names are Docker's")]
pub struct MountPoint {
    #[serde(rename = "Type")]
    pub kind: &'static str,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub source: String,
    pub target: String,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub read_only: bool,
}

/// Where what it says is kept.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase", rename = "log config")]
#[expect(missing_docs, reason = "the names are Docker's")]
pub struct LogConfig {
    #[serde(rename = "Type")]
    pub kind: String,
    pub config: BTreeMap<String, String>,
}

/// A port of the host that leads inside.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase", rename = "port binding")]
#[expect(missing_docs, reason = "the names are Docker's")]
pub struct PortBinding {
    pub host_ip: String,
    pub host_port: String,
}

/// When it is started again.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase", rename = "restart policy")]
#[expect(missing_docs, reason = "the names are Docker's")]
pub struct RestartPolicy {
    pub name: String,
    pub maximum_retry_count: u32,
}

/// How fast a disk may be used.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase", rename = "device rate")]
#[expect(missing_docs, reason = "the names are Docker's")]
pub struct DeviceRate {
    pub path: String,
    pub rate: u64,
}

/// A device of the host.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase", rename = "device")]
#[expect(missing_docs, reason = "the names are Docker's")]
pub struct Device {
    pub path_on_host: String,
    pub path_in_container: String,
    pub cgroup_permissions: String,
}

/// A limit of each process.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase", rename = "ulimit")]
#[expect(missing_docs, reason = "the names are Docker's")]
pub struct Ulimit {
    pub name: String,
    pub hard: i64,
    pub soft: i64,
}

/// Where the root file system lies.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase", rename = "graph driver")]
#[expect(missing_docs, reason = "the names are Docker's")]
pub struct GraphDriver {
    pub data: BTreeMap<String, String>,
    pub name: &'static str,
}

/// What is mounted in a container.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase", rename = "mount")]
#[expect(missing_docs, reason = "the names are Docker's")]
pub struct Mount {
    #[serde(rename = "Type")]
    pub kind: &'static str,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    pub source: String,
    pub destination: String,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub driver: &'static str,
    pub mode: String,
    #[serde(rename = "RW")]
    pub rw: bool,
    pub propagation: String,
}

/// What a container of an image starts with; of a container, what it was started with.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase", rename = "config")]
#[expect(missing_docs, reason = "the names are Docker's")]
pub struct Config {
    pub hostname: String,
    pub domainname: String,
    pub user: String,
    pub attach_stdin: bool,
    pub attach_stdout: bool,
    pub attach_stderr: bool,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub exposed_ports: BTreeMap<String, Nothing>,
    pub tty: bool,
    pub open_stdin: bool,
    pub stdin_once: bool,
    pub env: NullList<String>,
    pub cmd: NullList<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healthcheck: Option<Healthcheck>,
    pub image: String,
    pub volumes: NullMap<Nothing>,
    pub working_dir: String,
    pub entrypoint: NullList<String>,
    pub on_build: NullList<String>,
    pub labels: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub stop_signal: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_timeout: Option<i64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub shell: Vec<String>,
}

/// What tells whether it is well. Times are nanoseconds; what is 0 is Docker's default.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", rename = "healthcheck", default)]
#[expect(missing_docs, reason = "the names are Docker's")]
pub struct Healthcheck {
    pub test: Vec<String>,
    #[serde(skip_serializing_if = "is_default")]
    pub interval: u64,
    #[serde(skip_serializing_if = "is_default")]
    pub timeout: u64,
    #[serde(skip_serializing_if = "is_default")]
    pub start_period: u64,
    #[serde(skip_serializing_if = "is_default")]
    pub start_interval: u64,
    #[serde(skip_serializing_if = "is_default")]
    pub retries: u64,
}

/// `{}`
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
#[serde(rename = "nothing")]
pub struct Nothing {}

/// How a container is connected.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase", rename = "network settings")]
#[expect(missing_docs, reason = "the names are Docker's")]
pub struct NetworkSettings {
    pub bridge: String,
    #[serde(rename = "SandboxID")]
    pub sandbox_id: String,
    pub sandbox_key: String,
    pub ports: BTreeMap<String, NullList<PortBinding>>,
    #[serde(rename = "EndpointID")]
    pub endpoint_id: String,
    pub gateway: String,
    #[serde(rename = "GlobalIPv6Address")]
    pub global_ipv6_address: String,
    #[serde(rename = "GlobalIPv6PrefixLen")]
    pub global_ipv6_prefix_len: u32,
    #[serde(rename = "IPAddress")]
    pub ip_address: String,
    #[serde(rename = "IPPrefixLen")]
    pub ip_prefix_len: u32,
    #[serde(rename = "IPv6Gateway")]
    pub ipv6_gateway: String,
    pub mac_address: String,
    pub networks: BTreeMap<String, Endpoint>,
}

/// How it is connected to one network.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase", rename = "endpoint")]
#[expect(missing_docs, reason = "the names are Docker's")]
pub struct Endpoint {
    #[serde(rename = "IPAMConfig")]
    pub ipam_config: NullMap<String>,
    pub links: NullList<String>,
    pub aliases: NullList<String>,
    pub mac_address: String,
    pub driver_opts: NullMap<String>,
    pub gw_priority: i32,
    #[serde(rename = "NetworkID")]
    pub network_id: String,
    #[serde(rename = "EndpointID")]
    pub endpoint_id: String,
    pub gateway: String,
    #[serde(rename = "IPAddress")]
    pub ip_address: String,
    #[serde(rename = "IPPrefixLen")]
    pub ip_prefix_len: u32,
    #[serde(rename = "IPv6Gateway")]
    pub ipv6_gateway: String,
    #[serde(rename = "GlobalIPv6Address")]
    pub global_ipv6_address: String,
    #[serde(rename = "GlobalIPv6PrefixLen")]
    pub global_ipv6_prefix_len: u32,
    #[serde(rename = "DNSNames")]
    pub dns_names: NullList<String>,
}

/// A network.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase", rename = "network")]
#[expect(missing_docs, reason = "the names are Docker's")]
pub struct NetworkDetails {
    pub name: String,
    pub id: String,
    pub created: String,
    #[serde(serialize_with = "local")]
    pub scope: (),
    pub driver: &'static str,
    #[serde(rename = "EnableIPv4")]
    pub enable_ipv4: bool,
    #[serde(rename = "EnableIPv6")]
    pub enable_ipv6: bool,
    #[serde(rename = "IPAM")]
    pub ipam: Ipam,
    pub internal: bool,
    pub attachable: bool,
    pub ingress: bool,
    pub containers: BTreeMap<String, Member>,
    pub options: BTreeMap<String, String>,
    pub labels: BTreeMap<String, String>,
}

/// How a network gives addresses.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase", rename = "IPAM")]
#[expect(missing_docs, reason = "the names are Docker's")]
pub struct Ipam {
    #[serde(serialize_with = "default")]
    pub driver: (),
    pub options: NullMap<String>,
    pub config: Vec<IpamConfig>,
}

/// Addresses of a network.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase", rename = "IPAM config")]
#[expect(missing_docs, reason = "the names are Docker's")]
pub struct IpamConfig {
    pub subnet: String,
    #[serde(rename = "IPRange", skip_serializing_if = "Option::is_none")]
    pub ip_range: Option<String>,
    pub gateway: String,
}

/// A container on a network.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase", rename = "member")]
#[expect(missing_docs, reason = "the names are Docker's")]
pub struct Member {
    pub name: String,
    #[serde(rename = "EndpointID")]
    pub endpoint_id: String,
    pub mac_address: String,
    #[serde(rename = "IPv4Address")]
    pub ipv4_address: String,
    #[serde(rename = "IPv6Address")]
    pub ipv6_address: String,
}

fn local<S: serde::Serializer>((): &(), to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str("local")
}

fn default<S: serde::Serializer>((): &(), to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str("default")
}

/// An image.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase", rename = "image")]
#[expect(missing_docs, reason = "the names are Docker's")]
pub struct Image {
    pub id: String,
    pub repo_tags: Vec<String>,
    pub repo_digests: Vec<String>,
    pub comment: String,
    pub created: String,
    pub author: String,
    pub config: Config,
    pub architecture: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub variant: String,
    pub os: String,
    pub size: u64,
    pub graph_driver: GraphDriver,
    #[serde(rename = "RootFS")]
    pub root_fs: RootFs,
    pub metadata: Metadata,
    pub descriptor: Descriptor,
}

/// Its layers, by the digest of what they hold.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase", rename = "root file system")]
#[expect(missing_docs, reason = "the names are Docker's")]
pub struct RootFs {
    #[serde(rename = "Type")]
    pub kind: &'static str,
    pub layers: Vec<String>,
}

/// What this machine knows of it.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase", rename = "metadata")]
#[expect(missing_docs, reason = "the names are Docker's")]
pub struct Metadata {
    pub last_tag_time: String,
}

/// The blob that its name stands for.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", rename = "descriptor")]
#[expect(missing_docs, reason = "the names are OCI's")]
pub struct Descriptor {
    pub media_type: String,
    pub digest: String,
    pub size: u64,
}
