//! What was asked of the host.

use api::inspect::{
    Device, DeviceRate, HostConfig, LogConfig, MountPoint, NullList, PortBinding, RestartPolicy, Ulimit,
};
use api::{Create, Ipc, Namespace, Network, Seccomp, Volume, VolumeSource};
use oci::runtime::{DeviceRule, Linux};
use std::collections::BTreeMap;

/// Docker's default for `/dev/shm`.
const SHM_BYTES: u64 = 64 << 20;

/// `linux` is the section of the spec.
pub(super) fn host_config(request: &Create, linux: &Linux) -> HostConfig {
    let limits = &request.limits;
    let rights = &request.rights;
    let (rows, columns) = request.console_size.unwrap_or_default();
    let hosts = request.names.hosts.iter().map(|(name, address)| format!("{name}:{address}"));
    let rates = |rates: &[api::DeviceRate]| -> Vec<DeviceRate> {
        rates.iter().map(|rate| DeviceRate { path: rate.path.display().to_string(), rate: rate.rate }).collect()
    };
    let tmpfs_mounts = request.tmpfs.iter().filter(|tmpfs| tmpfs.by_mount).map(tmpfs_mount);
    let tmpfs = request
        .tmpfs
        .iter()
        .filter(|tmpfs| !tmpfs.by_mount)
        .map(|tmpfs| (tmpfs.target.clone(), tmpfs.options.join(",")));
    HostConfig {
        binds: NullList(request.volumes.iter().filter(|volume| !volume.by_mount).filter_map(bind).collect()),
        volumes_from: NullList(request.volumes_from.iter().map(|from| from.text.clone()).collect()),
        mounts: request.volumes.iter().filter(|v| v.by_mount).map(mount).chain(tmpfs_mounts).collect(),
        container_id_file: request.id_file.as_ref().map_or_else(String::new, |path| path.display().to_string()),
        log_config: LogConfig {
            kind: request.logging.driver.name().to_owned(),
            config: request.logging.options.clone(),
        },
        network_mode: network_mode(&request.network).to_owned(),
        port_bindings: port_bindings(&request.publish),
        publish_all_ports: request.publish_all,
        restart_policy: restart_policy(request.restart),
        auto_remove: request.remove,
        console_size: [rows, columns],
        annotations: request.annotations.clone(),
        cap_add: NullList(rights.cap_add.clone()),
        cap_drop: NullList(rights.cap_drop.clone()),
        cgroupns_mode: if request.sharing.cgroup == Namespace::Host { "host" } else { "private" },
        dns: request.names.servers.clone(),
        dns_options: request.names.options.clone(),
        dns_search: request.names.search.clone(),
        extra_hosts: NullList(hosts.collect()),
        group_add: NullList(rights.group_add.clone()),
        ipc_mode: ipc_mode(&request.sharing.ipc),
        oom_score_adj: request.oom_score_adj.unwrap_or_default(),
        pid_mode: pid_mode(&request.sharing.pid),
        privileged: rights.privileged,
        readonly_rootfs: request.read_only,
        security_opt: NullList(security_options(rights)),
        tmpfs: tmpfs.collect(),
        uts_mode: if request.sharing.uts == Namespace::Host { "host" } else { "" },
        userns_mode: request.sharing.user.clone(),
        shm_size: request.shm_size.unwrap_or(SHM_BYTES),
        sysctls: request.sysctls.clone(),
        runtime: "isolazi",
        cpu_shares: limits.cpu_shares.unwrap_or_default(),
        memory: limits.memory.unwrap_or_default(),
        nano_cpus: limits.nano_cpus.unwrap_or_default(),
        cgroup_parent: request.cgroup_parent.clone().unwrap_or_default(),
        blkio_weight: limits.blkio_weight.unwrap_or_default(),
        blkio_device_read_bps: rates(&limits.read_bps),
        blkio_device_write_bps: rates(&limits.write_bps),
        blkio_device_read_iops: rates(&limits.read_iops),
        blkio_device_write_iops: rates(&limits.write_iops),
        cpu_period: limits.cpu_period.unwrap_or_default(),
        cpu_quota: limits.cpu_quota.unwrap_or_default(),
        cpuset_cpus: limits.cpuset_cpus.clone(),
        cpuset_mems: limits.cpuset_mems.clone(),
        devices: rights.devices.iter().map(device).collect(),
        device_cgroup_rules: NullList(limits.device_rules.iter().map(rule).collect()),
        memory_reservation: limits.memory_reservation.unwrap_or_default(),
        memory_swap: limits.memory_swap.or(limits.memory.map(|memory| memory.saturating_mul(2))).unwrap_or_default(),
        memory_swappiness: limits.memory_swappiness,
        oom_kill_disable: limits.oom_kill_disable.then_some(true),
        pids_limit: limits.pids,
        ulimits: request.ulimits.iter().map(ulimit).collect(),
        masked_paths: NullList(linux.masked_paths.clone()),
        readonly_paths: NullList(linux.readonly_paths.clone()),
        init: request.init.then_some(true),
        ..HostConfig::default()
    }
}

/// `source:target[:options]`; a volume without a name is told in the config.
fn bind(volume: &Volume) -> Option<String> {
    let source = match &volume.source {
        VolumeSource::Bind(path) => path.display().to_string(),
        VolumeSource::Named(name) => name.clone(),
        VolumeSource::Anonymous => return None,
    };
    let options = [
        if volume.read_only { "ro" } else { "" },
        if volume.no_copy { "nocopy" } else { "" },
        volume.propagation.as_str(),
    ];
    let options: Vec<_> = options.into_iter().filter(|option| !option.is_empty()).collect();
    let target = &volume.target;
    Some(if options.is_empty() {
        format!("{source}:{target}")
    } else {
        format!("{source}:{target}:{}", options.join(","))
    })
}

/// As `--mount` says it.
fn mount(volume: &Volume) -> MountPoint {
    let (kind, source) = match &volume.source {
        VolumeSource::Bind(path) => ("bind", path.display().to_string()),
        VolumeSource::Named(name) => ("volume", name.clone()),
        VolumeSource::Anonymous => ("volume", String::new()),
    };
    MountPoint { kind, source, target: volume.target.clone(), read_only: volume.read_only }
}

fn tmpfs_mount(tmpfs: &api::Tmpfs) -> MountPoint {
    let read_only = tmpfs.options.iter().any(|option| option == "ro");
    MountPoint { kind: "tmpfs", source: String::new(), target: tmpfs.target.clone(), read_only }
}

/// What was asked for, by the container's port.
fn port_bindings(ports: &[api::Publish]) -> BTreeMap<String, Vec<PortBinding>> {
    let mut bindings: BTreeMap<String, Vec<PortBinding>> = BTreeMap::new();
    for port in ports {
        bindings.entry(format!("{}/{}", port.container_port, port.protocol)).or_default().push(PortBinding {
            host_ip: port.host_ip.map_or_else(String::new, |ip| ip.to_string()),
            host_port: if port.host_port == 0 { String::new() } else { port.host_port.to_string() },
        });
    }
    bindings
}

/// How Docker calls it.
pub(crate) fn network_mode(network: &Network) -> &str {
    match network {
        Network::Host => "host",
        Network::None => "none",
        Network::Joined(all) => all.first().map_or("none", |first| &first.network),
    }
}

fn restart_policy(policy: api::RestartPolicy) -> RestartPolicy {
    let (name, maximum_retry_count) = match policy {
        api::RestartPolicy::No => ("no", 0),
        api::RestartPolicy::Always => ("always", 0),
        api::RestartPolicy::OnFailure(times) => ("on-failure", times),
        api::RestartPolicy::UnlessStopped => ("unless-stopped", 0),
    };
    RestartPolicy { name: name.to_owned(), maximum_retry_count }
}

fn ipc_mode(ipc: &Ipc) -> String {
    match ipc {
        Ipc::Private => "private".to_owned(),
        Ipc::None => "none".to_owned(),
        Ipc::Shareable => "shareable".to_owned(),
        Ipc::Host => "host".to_owned(),
        Ipc::Container(id) => format!("container:{id}"),
    }
}

fn pid_mode(pid: &Namespace) -> String {
    match pid {
        Namespace::Private => String::new(),
        Namespace::Host => "host".to_owned(),
        Namespace::Container(id) => format!("container:{id}"),
    }
}

/// As `--security-opt` takes them.
fn security_options(rights: &api::Rights) -> Vec<String> {
    let mut options = Vec::new();
    if rights.no_new_privileges {
        options.push("no-new-privileges".to_owned());
    }
    match &rights.seccomp {
        Seccomp::Default => {}
        Seccomp::Unconfined => options.push("seccomp=unconfined".to_owned()),
        Seccomp::Profile(profile) => options.push(format!("seccomp={profile}")),
    }
    if !rights.apparmor.is_empty() {
        options.push(format!("apparmor={}", rights.apparmor));
    }
    options.extend(rights.labels.iter().map(|label| format!("label={label}")));
    if rights.unconfined_paths {
        options.push("systempaths=unconfined".to_owned());
    }
    options
}

fn device(device: &api::Device) -> Device {
    Device {
        path_on_host: device.source.display().to_string(),
        path_in_container: device.target.clone(),
        cgroup_permissions: device.access.clone(),
    }
}

/// `c 1:3 rwm`
fn rule(rule: &DeviceRule) -> String {
    let number = |number: Option<i64>| number.map_or_else(|| "*".to_owned(), |number| number.to_string());
    let kind = if rule.kind.is_empty() { "a" } else { &rule.kind };
    format!("{kind} {}:{} {}", number(rule.major), number(rule.minor), rule.access)
}

fn ulimit(limit: &api::Ulimit) -> Ulimit {
    Ulimit { name: limit.name.clone(), hard: limit.hard, soft: limit.soft }
}
