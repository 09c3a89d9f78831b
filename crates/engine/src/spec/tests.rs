//! What a request means, as golden files; beside them the rules of the command line as a table.

use super::*;
use crate::user::ResolvedUser;
use api::{Create, Network, Tmpfs};
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
    Placed { source: source.into(), target: target.into(), read_only: false, propagation: String::new() }
}

fn tmpfs(target: &str, options: &[&str]) -> Tmpfs {
    Tmpfs { target: target.into(), options: strings(options) }
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
