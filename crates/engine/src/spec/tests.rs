//! What a request means, as golden files; beside them the rules of the command line as a table.

use super::*;
use crate::user::ResolvedUser;
use api::{Below, Create, DeviceRate, Ipc, Limits, Network, Rights, Sharing, Tmpfs, Ulimit};
use oci::runtime::{BlockDevice, DeviceRule};
use testkit::golden;

fn image(config: &str) -> ImageConfig {
    serde_json::from_str(&format!(
        r#"{{"architecture":"amd64","os":"linux","config":{config},"rootfs":{{"type":"layers"}}}}"#
    ))
    .unwrap()
}

fn strings(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn placed(source: &str, target: &str) -> Placed {
    let content = Content::Host(source.into());
    let below = Below::default();
    Placed { content, target: target.into(), read_only: false, propagation: String::new(), below }
}

fn tmpfs(target: &str, options: &[&str]) -> Tmpfs {
    Tmpfs { target: target.into(), options: strings(options), by_mount: false }
}

fn root() -> ResolvedUser {
    ResolvedUser { uid: 0, gid: 0, additional_gids: vec![0, 10], home: "/root".into() }
}

static NO_DISKS: &Disks = &Disks::new();

fn filter() -> Option<RawJson> {
    Some(RawJson::from_text(r#"{"defaultAction":"SCMP_ACT_ALLOW"}"#).unwrap())
}

fn rootful<'a>(user: &'a ResolvedUser, volumes: &'a [Placed]) -> Facts<'a> {
    Facts {
        hostname: "0123456789ab",
        bundle: Path::new("/data/containers/0123"),
        user,
        volumes,
        cgroup2: true,
        user_namespace: false,
        tty_group: true,
        devices: &[],
        host_devices: &[],
        disks: NO_DISKS,
        cgroups_path: "",
    }
}

#[track_caller]
fn check(name: &str, image: &ImageConfig, request: &Create, facts: &Facts<'_>) {
    let spec = build(image, request, facts, filter()).unwrap();
    let text = serde_json::to_string_pretty(&spec).unwrap();
    golden(format!("src/spec/golden/{name}.json"), &format!("{text}\n"));
}

const NGINX: &str = r#"{"Entrypoint":["/entry.sh"],"Cmd":["nginx","-g","daemon off;"],
    "Env":["PATH=/opt/bin:/bin","VERSION=1"],"WorkingDir":"/srv","User":"web"}"#;

#[test]
fn a_container_of_root_is_dockers() {
    check("root", &image(NGINX), &Create::default(), &rootful(&root(), &[]));
}

#[test]
fn a_user_without_privilege_keeps_only_the_bounding_set() {
    let user = ResolvedUser { uid: 33, gid: 34, additional_gids: vec![34, 4], home: "/var/www".into() };
    let request = Create {
        tty: true,
        console_size: Some((24, 80)),
        read_only: true,
        network: Network::None,
        hostname: Some("web".into()),
        workdir: Some("/tmp/x".into()),
        command: strings(&["sh", "-c", "id"]),
        ..Create::default()
    };
    let facts = Facts { hostname: "web", ..rootful(&user, &[]) };
    check("user-with-terminal", &image(NGINX), &request, &facts);
}

#[test]
fn rootless_containers_have_what_a_user_namespace_allows() {
    let (user, image) = (root(), image(NGINX));
    let facts = Facts { user_namespace: true, cgroup2: false, ..rootful(&user, &[]) };
    check("rootless", &image, &Create::default(), &facts);
    let request = Create { network: Network::None, ..Create::default() };
    let alone = Facts { tty_group: false, ..facts };
    check("rootless-of-one-id-without-network", &image, &request, &alone);
}

#[test]
fn the_users_mounts_replace_ours_and_deeper_ones_come_later() {
    let volumes = [
        Placed { read_only: true, propagation: "rslave".into(), ..placed("/src/deep", "/data/a/b") },
        placed("/src/data", "/data/"),
        placed("/dev/fuse", "/dev/fuse"),
        placed("/src/hosts", "/etc//hosts"),
        placed("/src/shm", "/dev/shm/"),
    ];
    let request = Create {
        tmpfs: vec![tmpfs("/data/a", &["size=64m", "exec"]), tmpfs("/run", &[]), tmpfs("//sys", &["ro"])],
        ..Create::default()
    };
    check("mounts", &image(NGINX), &request, &rootful(&root(), &volumes));
}

#[test]
fn limits_become_resources_and_a_place_for_cgroups() {
    let rate = |rate| vec![DeviceRate { path: "/dev/sda".into(), rate }];
    let limits = Limits {
        memory: Some(64 << 20),
        memory_reservation: Some(32 << 20),
        memory_swappiness: Some(10),
        oom_kill_disable: true,
        nano_cpus: Some(1_500_000_000),
        cpu_shares: Some(512),
        cpuset_cpus: "0-1".into(),
        cpuset_mems: "0".into(),
        pids: Some(20),
        blkio_weight: Some(500),
        read_bps: rate(1),
        write_bps: rate(2),
        read_iops: rate(3),
        write_iops: rate(4),
        device_rules: vec![DeviceRule {
            allow: true,
            kind: "c".into(),
            major: Some(10),
            access: "rw".into(),
            minor: None,
        }],
        ..Limits::default()
    };
    let request = Create {
        limits,
        ulimits: vec![Ulimit { name: "nofile".into(), soft: 10, hard: -1 }],
        sysctls: [("kernel.msgmax".to_owned(), "8192".to_owned())].into(),
        shm_size: Some(1 << 20),
        oom_score_adj: Some(-5),
        ..Create::default()
    };
    let disks = [("/dev/sda".into(), BlockDevice { major: 8, minor: 0 })].into();
    let user = root();
    let facts = Facts { disks: &disks, cgroups_path: "/isolazi/0123", ..rootful(&user, &[]) };
    check("limits", &image(NGINX), &request, &facts);
}

#[test]
fn swap_is_what_was_said_or_as_much_as_memory() {
    let swap = |memory, memory_swap| {
        let limits = Limits { memory, memory_swap, ..Limits::default() };
        limits::of_limits(&limits, NO_DISKS).memory.unwrap().swap
    };
    assert_eq!(swap(Some(100), None), Some(200));
    assert_eq!(swap(Some(100), Some(100)), Some(100));
    assert_eq!(swap(Some(100), Some(-1)), Some(-1));
    let most = |pids| limits::of_limits(&Limits { pids, ..Limits::default() }, NO_DISKS).pids.map(|pids| pids.limit);
    assert_eq!(
        (most(None), most(Some(0)), most(Some(-1)), most(Some(5))),
        (None, Some(Some(-1)), Some(Some(-1)), Some(Some(5)))
    );
}

#[test]
fn rights_change_capabilities_filters_devices_and_paths() {
    let rights = Rights {
        cap_add: strings(&["CAP_SYS_ADMIN"]),
        cap_drop: strings(&["CAP_CHOWN"]),
        no_new_privileges: true,
        unconfined_paths: true,
        apparmor: "some".into(),
        ..Rights::default()
    };
    let found = [Found {
        source: "/dev/fuse".into(),
        target: "/dev/other".into(),
        kind: "c",
        number: (10, 229),
        access: "r".into(),
    }];
    let devices = vec![api::Device { source: "/dev/fuse".into(), target: "/dev/other".into(), access: "r".into() }];
    let request = Create { rights: Rights { devices, ..rights }, ..Create::default() };
    let user = root();
    let facts = Facts { devices: &found, cgroups_path: "/isolazi/0123", ..rootful(&user, &[]) };
    check("rights", &image(NGINX), &request, &facts);
}

#[test]
fn a_privileged_container_has_everything() {
    let request = Create { rights: Rights { privileged: true, ..Rights::default() }, ..Create::default() };
    let kvm = Device { kind: "c".into(), path: "/dev/kvm".into(), major: 10, minor: 232, ..Device::default() };
    let (user, devices) = (root(), [kvm]);
    let facts = Facts { host_devices: &devices, ..rootful(&user, &[]) };
    assert_eq!(rights::seccomp(&request).unwrap(), None);
    let spec = build(&image(NGINX), &request, &facts, None).unwrap();
    let text = serde_json::to_string_pretty(&spec).unwrap();
    golden("src/spec/golden/privileged.json", &format!("{text}\n"));
}

#[test]
fn shared_namespaces_are_not_made_and_their_mounts_are_the_hosts() {
    let host = api::Namespace::Host;
    let sharing = Sharing { pid: host.clone(), ipc: Ipc::Host, uts: host.clone(), cgroup: host, ..Sharing::default() };
    let request = Create { sharing, domainname: Some("example.org".into()), ..Create::default() };
    let user = root();
    check("shared", &image(NGINX), &request, &rootful(&user, &[]));
    check("shared-rootless", &image(NGINX), &request, &Facts { user_namespace: true, ..rootful(&user, &[]) });
    let targets = |ipc| {
        let request = Create { sharing: Sharing { ipc, ..Sharing::default() }, ..Create::default() };
        let spec = build(&image(NGINX), &request, &rootful(&user, &[]), None).unwrap();
        spec.mounts.iter().any(|mount| mount.destination == "/dev/shm")
    };
    let another = Ipc::Container("0123".into());
    assert!(targets(Ipc::Shareable) && !targets(Ipc::None) && !targets(another));
}

#[test]
fn the_bounding_set_is_dockers() {
    let set = |add: &[&str], drop: &[&str]| {
        let rights = Rights { cap_add: strings(add), cap_drop: strings(drop), ..Rights::default() };
        rights::bounding(&Create { rights, ..Create::default() }).unwrap().len()
    };
    let default = oci::capabilities::DEFAULT.len();
    let all = oci::capabilities::Capability::all().count();
    for (add, drop, count) in [
        (&[][..], &[][..], default),
        (&["CAP_NET_ADMIN"], &[], default + 1),
        (&["CAP_CHOWN"], &["CAP_CHOWN"], default),
        (&[], &["CAP_CHOWN", "CAP_NET_ADMIN"], default - 1),
        (&["ALL"], &["CAP_CHOWN"], all - 1),
        (&["CAP_NET_ADMIN"], &["ALL"], 1),
        (&["ALL"], &["ALL"], all),
    ] {
        assert_eq!(set(add, drop), count, "{add:?} {drop:?}");
    }
}

#[test]
fn the_hosts_dev_comes_with_all_that_is_in_it() {
    let volumes = [placed("/dev", "/dev/")];
    let spec = build(&image(NGINX), &Create::default(), &rootful(&root(), &volumes), None).unwrap();
    let targets: Vec<&str> = spec.mounts.iter().map(|mount| mount.destination.as_str()).collect();
    let files = ["/etc/resolv.conf", "/etc/hostname", "/etc/hosts"];
    assert_eq!(targets, [&["/proc", "/sys", "/sys/fs/cgroup", "/dev/"][..], &files].concat());
}

#[test]
fn the_environment_is_ours_then_the_images_then_the_users() {
    let env = |image_env: &str, user_env: &[&str], tty: bool| {
        let request = Create { env: strings(user_env), tty, ..Create::default() };
        environment(&image(&format!(r#"{{"Env":{image_env}}}"#)), &request, &rootful(&root(), &[]))
    };
    let (host, home) = ("HOSTNAME=0123456789ab", "HOME=/root");
    assert_eq!(env("null", &[], false), [DEFAULT_PATH, host, home]);
    assert_eq!(env("null", &[], true), [DEFAULT_PATH, host, "TERM=xterm", home]);
    // In place of the old value, in the place of the old value.
    assert_eq!(
        env(r#"["A=1","PATH=/bin","B=2"]"#, &["A=3", "C="], false),
        ["PATH=/bin", host, "A=3", "B=2", "C=", home]
    );
    assert_eq!(
        env(r#"["HOME=/h","A=x=y"]"#, &["TERM=dumb"], true),
        [DEFAULT_PATH, host, "TERM=dumb", "HOME=/h", "A=x=y"]
    );
    // A name alone takes the variable out.
    assert_eq!(env(r#"["A=1","B=2"]"#, &["A", "PATH", "NEVER"], false), [host, "B=2", home]);
    assert_eq!(env("null", &["HOSTNAME=other", "HOME="], false), [DEFAULT_PATH, "HOSTNAME=other", "HOME="]);
}

#[test]
fn the_command_is_the_entrypoint_and_then_arguments_or_cmd() {
    let run = |config: &str, entrypoint: Option<&[&str]>, command: &[&str]| {
        let request = Create { entrypoint: entrypoint.map(strings), command: strings(command), ..Create::default() };
        command_text(&image(config), &request)
    };
    let both = r#"{"Entrypoint":["/e","-x"],"Cmd":["c"]}"#;
    type Case = (&'static str, Option<&'static [&'static str]>, &'static [&'static str], &'static str);
    let cases: &[Case] = &[
        (both, None, &[], "/e -x c"),
        (both, None, &["a", "b"], "/e -x a b"),
        (both, Some(&["new"]), &[], "new"),
        (both, Some(&["new", "word"]), &["a"], "new word a"),
        (both, Some(&[""]), &["a"], "a"),
        (both, Some(&[]), &["a"], "a"),
        (r#"{"Cmd":["c","d"]}"#, None, &[], "c d"),
        (r#"{"Entrypoint":["e"]}"#, None, &[], "e"),
        (both, Some(&[""]), &[], "no command specified"),
        ("null", None, &[], "no command specified"),
    ];
    for (config, entrypoint, command, expected) in cases {
        assert_eq!(run(config, *entrypoint, command), *expected, "{config} {entrypoint:?} {command:?}");
    }
}

fn command_text(image: &ImageConfig, request: &Create) -> String {
    command(image, request).map_or_else(|error| error.to_string(), |words| words.join(" "))
}

#[test]
fn a_relative_working_directory_is_refused_and_an_empty_one_is_the_root() {
    let cwd = |config: &str, workdir: Option<&str>| {
        let request = Create { command: strings(&["x"]), workdir: workdir.map(str::to_owned), ..Create::default() };
        process(&image(config), &request, &rootful(&root(), &[])).map(|process| process.cwd)
    };
    assert_eq!(cwd("null", None).unwrap(), "/");
    assert_eq!(cwd(r#"{"WorkingDir":"/a"}"#, None).unwrap(), "/a");
    assert_eq!(cwd(r#"{"WorkingDir":"/a"}"#, Some("/b")).unwrap(), "/b");
    let refused = cwd(r#"{"WorkingDir":"a"}"#, None).unwrap_err();
    let text = "the working directory 'a' is invalid, it needs to be an absolute path";
    assert_eq!((refused.kind, refused.to_string()), (error::Kind::Invalid, text.to_owned()));
}
