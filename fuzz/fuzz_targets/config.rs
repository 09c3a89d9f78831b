//! `config.json`: parsed, compiled, its cgroups planned; nothing is executed.
#![no_main]

#[path = "../program.rs"]
mod program;

use libfuzzer_sys::fuzz_target;
use oci::runtime::Spec;
use runtime::cgroup::{self, Driver, Hierarchies, Hierarchy, Systemd};
use runtime::plan::{Content, FsStep, Plan};
use runtime::{Host, Setting};
use std::path::{Component, Path};

fuzz_target!(|text: &[u8]| {
    let Ok(spec) = serde_json::from_slice::<Spec>(text) else { return };
    reads_as_written(&spec);
    let linux = spec.linux.clone().unwrap_or_default();
    for (hierarchies, has_everything) in [(mixed(), true), (unified(), false)] {
        let resources = linux.resources.clone().unwrap_or_default();
        let driver = if has_everything { Driver::Cgroupfs } else { Driver::Systemd(Systemd::of_machine()) };
        let cgroups = cgroup::plan(&hierarchies, &linux.cgroups_path, "id", &resources, driver);
        let places = cgroups.map_or_else(|_| Vec::new(), |plan| plan.paths().places);
        for place in &places {
            let plain = |part: Component| matches!(part, Component::Normal(_));
            assert!(!place.dir.as_os_str().is_empty() && place.dir.components().all(plain), "{place:?}");
        }
        let host = host(has_everything);
        let setting = setting(&host, &places);
        if let Ok(plan) = runtime::compile(&spec, &setting) {
            check(&plan, &host);
        }
        if let Some(process) = &spec.process
            && let Ok(plan) = runtime::compile_exec(process, spec.linux.as_ref(), &setting)
        {
            program::check(&plan.seccomp);
        }
    }
});

/// A value that is written and read again is the same.
fn reads_as_written(spec: &Spec) {
    let written = serde_json::to_string(spec).expect("a spec is JSON");
    let again: Spec = serde_json::from_str(&written).expect("what we write we read");
    assert_eq!(serde_json::to_string(&again).expect("a spec is JSON"), written);
}

fn check(plan: &Plan, host: &Host) {
    program::check(&plan.process.seccomp);
    let is_inside = |path: &str| path.starts_with('/');
    for step in &plan.root.steps {
        let target = match step {
            FsStep::Mount { target, .. } | FsStep::Change { target, .. } => target,
            FsStep::Bind { source, target } => {
                assert!(*source < plan.root.sources.len());
                target
            }
            FsStep::Symlink { path, .. } => path,
            FsStep::Node(node) => &node.path,
        };
        assert!(is_inside(&target.lossy()), "{step:?}");
    }
    for path in plan.root.masked.iter().chain(&plan.root.readonly_paths).chain([&plan.process.cwd]) {
        assert!(is_inside(&path.lossy()), "{path:?}");
    }
    for (path, _) in &plan.sysctls {
        let path = path.lossy();
        let path = Path::new(&*path);
        assert!(
            path.starts_with("/proc/sys") && path.components().skip(1).all(|c| matches!(c, Component::Normal(_))),
            "{path:?}"
        );
    }
    assert!(matches!(plan.root.sources[plan.root.null_source].content, Content::Host { .. }));
    let caps = &plan.process.capabilities;
    let known = u64::MAX >> (63 - host.last_capability);
    assert_eq!((caps.bounding | caps.permitted | caps.inheritable) & !known, 0);
    assert_eq!(caps.effective & !caps.permitted, 0);
    assert_eq!(caps.ambient & !(caps.permitted & caps.inheritable), 0);
    assert!(plan.process.uid != u32::MAX && plan.process.gid != u32::MAX);
}

/// A machine with everything, or an ordinary user on a poor one.
fn host(has_everything: bool) -> Host {
    Host {
        last_capability: if has_everything { 40 } else { 37 },
        user_namespace: !has_everything,
        may_set_groups: has_everything,
        cgroup: None,
        cgroup2_mounted: true,
        may_make_nodes: has_everything,
        apparmor: has_everything,
        selinux: has_everything,
    }
}

fn setting<'a>(host: &'a Host, cgroups: &'a [cgroup::Place]) -> Setting<'a> {
    Setting {
        rootfs: Some(Path::new("/bundle/rootfs")),
        cgroups,
        kept_fds: 2,
        listen_fds: 1,
        notify_folder: Some(Path::new("/run/notify")),
        stops_at_birth: true,
        waits_for_start: true,
        home: Some("/root"),
        ..Setting::plain(host, Path::new("/bundle"), Path::new("/bundle/rootfs"))
    }
}

fn hierarchy(mount: &str, own: &str, controllers: &[&str]) -> Hierarchy {
    let controllers = controllers.iter().map(|&name| name.to_owned()).collect();
    Hierarchy { controllers, mount: mount.into(), own: Path::new(mount).join(own) }
}

fn unified() -> Hierarchies {
    let controllers = ["cpu", "cpuset", "io", "memory", "hugetlb", "pids", "rdma", "misc"];
    Hierarchies { v2: Some(hierarchy("/sys/fs/cgroup", "a/b", &controllers)), v1: Vec::new() }
}

fn mixed() -> Hierarchies {
    let v1 = [
        &["cpu", "cpuacct"][..],
        &["cpuset"],
        &["blkio"],
        &["memory"],
        &["hugetlb"],
        &["pids"],
        &["rdma"],
        &["devices"],
        &["freezer"],
        &["net_cls", "net_prio"],
        &["name=systemd"],
    ];
    let v1 = v1.map(|names| hierarchy(&format!("/sys/fs/cgroup/{}", names.join(",")), "c", names));
    Hierarchies { v2: Some(hierarchy("/sys/fs/cgroup/unified", "", &[])), v1: v1.to_vec() }
}
