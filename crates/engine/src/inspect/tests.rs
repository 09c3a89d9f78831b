//! What is told of a container, as golden files.

use super::container::{Facts, details};
use crate::containers::Container;
use crate::health::{Health, HealthResult, Healthcheck};
use crate::networks::Connected;
use crate::record::{Record, Status};
use api::{Create, HealthStatus, Limits, Logging, RestartPolicy, Rights, State, Tmpfs, Volume, VolumeSource};
use oci::Digest;
use oci::image::ContainerDefaults;
use oci::runtime::{Linux, Mount, Process, Spec};
use std::path::{Path, PathBuf};
use testkit::golden;

fn strings(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn container(request: Create, command: &[&str]) -> Container {
    let id = "0123456789abcdef".repeat(4);
    let mut record = Record::lost(&id);
    record.name = "web".into();
    record.created = "2026-08-20T10:00:00.123456789Z".into();
    record.image_id = format!("sha256:{}", "ab".repeat(32)).parse::<Digest>().unwrap();
    record.command = strings(command);
    record.stop_signal = 15;
    record.request = request;
    Container {
        dir: "/data/containers/0123".into(),
        record,
        status: Status::default(),
        state: State::Created,
        has_leftovers: false,
    }
}

#[track_caller]
fn check(name: &str, container: &Container, spec: &Spec, image: &str, sizes: Option<(u64, u64)>) {
    let image: ContainerDefaults = serde_json::from_str(image).unwrap();
    let layers = [PathBuf::from("/data/snapshots/aa/fs"), PathBuf::from("/data/snapshots/bb/fs")];
    let facts = Facts {
        spec,
        image: &image,
        volumes_dir: Path::new("/data/volumes"),
        layers: &layers,
        connected: Connected::default(),
        sizes,
    };
    let mut bytes = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    serde::Serialize::serialize(
        &details(container, &facts),
        &mut serde_json::Serializer::with_formatter(&mut bytes, formatter),
    )
    .unwrap();
    golden(format!("src/inspect/golden/{name}.json"), &(String::from_utf8(bytes).unwrap() + "\n"));
}

#[test]
fn a_plain_container_has_dockers_defaults() {
    let request = Create { image: "alpine".into(), ..Create::default() };
    let spec = Spec {
        process: Some(Process { cwd: "/".into(), ..Process::default() }),
        hostname: "0123456789ab".into(),
        mounts: vec![
            Mount { kind: "proc".into(), source: "proc".into(), destination: "/proc".into(), ..Mount::default() },
            bind("/data/containers/0123/hosts", "/etc/hosts", &["rbind"]),
            bind("/sys", "/sys", &["rbind", "ro"]),
        ],
        linux: Some(Linux {
            masked_paths: strings(&["/proc/kcore"]),
            readonly_paths: strings(&["/proc/sys"]),
            ..Linux::default()
        }),
        ..Spec::default()
    };
    let image = r#"{"Env":["PATH=/bin"],"Cmd":["/bin/sh"]}"#;
    check("plain", &container(request, &["/bin/sh"]), &spec, image, None);
}

#[test]
fn what_was_asked_is_told() {
    let volume = |source, target: &str| Volume {
        source,
        target: target.into(),
        read_only: target == "/etc/x",
        ..Volume::default()
    };
    let request = Create {
        image: "nginx:1".into(),
        command: strings(&["-g", "daemon off;"]),
        env: strings(&["A=1", "PATH=/usr/bin", "GONE"]),
        volumes: vec![
            volume(VolumeSource::Bind("/srv".into()), "/etc/x"),
            volume(VolumeSource::Named("data".into()), "/data"),
            volume(VolumeSource::Anonymous, "/cache"),
            volume(VolumeSource::Bind("/dev".into()), "/dev/"),
        ],
        tmpfs: vec![Tmpfs { target: "/tmp".into(), options: strings(&["size=1m"]), by_mount: false }],
        user: Some("www".into()),
        workdir: Some("/w".into()),
        init: true,
        interactive: true,
        tty: true,
        console_size: Some((24, 80)),
        limits: Limits { memory: Some(1 << 20), nano_cpus: Some(500_000_000), pids: Some(7), ..Limits::default() },
        rights: Rights { cap_drop: strings(&["ALL"]), no_new_privileges: true, ..Rights::default() },
        labels: [("own".to_owned(), "1".to_owned())].into(),
        exposed_ports: strings(&["443/tcp"]),
        stop_timeout_s: Some(3),
        restart: RestartPolicy::OnFailure(4),
        logging: Logging::new("local", [("max-file".to_owned(), "2".to_owned())].into()).unwrap(),
        ..Create::default()
    };
    let spec = Spec {
        process: Some(Process { cwd: "/w".into(), ..Process::default() }),
        mounts: vec![
            bind("/srv", "/etc/x", &["rbind", "ro", "rslave"]),
            bind("/data/volumes/data/_data", "/data", &["rbind"]),
            bind("/data/volumes/0a/_data", "/cache", &["rbind"]),
            bind("/dev", "/dev", &["rbind"]),
            bind("/proc", "/proc", &["rbind"]),
        ],
        ..Spec::default()
    };
    let image = r#"{"User":"nobody","Env":["PATH=/bin","B=2"],"Entrypoint":["nginx"],"Cmd":["x"],
        "ExposedPorts":{"80/tcp":{}},"Labels":{"its":"2"},"StopSignal":"SIGQUIT","Shell":["/bin/sh","-c"],
        "OnBuild":["RUN x"],"Healthcheck":{"Test":["CMD","x"],"Interval":30000000000},"Volumes":{"/v":{}}}"#;
    let mut container = container(request, &["nginx", "-g", "daemon off;"]);
    container.record.stop_signal = 3;
    container.state = State::Paused;
    container.status.restart_count = 2;
    container.record.health = Some(Healthcheck {
        test: strings(&["CMD", "x"]),
        interval: 30_000_000_000,
        retries: 2,
        ..Healthcheck::default()
    });
    let result = HealthResult {
        start: "2026-08-20T10:00:02Z".into(),
        end: "2026-08-20T10:00:03Z".into(),
        exit_code: 1,
        output: "no\n".into(),
    };
    container.status.health = Some(Health { status: HealthStatus::Unhealthy, failing_streak: 1, log: vec![result] });
    container.status.pid = Some(42);
    container.status.started = "2026-08-20T10:00:01Z".into();
    check("asked", &container, &spec, image, Some((2, 1002)));
}

fn bind(source: &str, destination: &str, options: &[&str]) -> Mount {
    Mount {
        kind: "bind".into(),
        source: source.into(),
        destination: destination.into(),
        options: strings(options),
        ..Mount::default()
    }
}
