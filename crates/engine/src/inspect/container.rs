//! One container: decided from its files, without touching anything.

use super::host_config::host_config;
use super::{DRIVER, mounts};
use crate::containers::Container;
use crate::health::{Health, HealthResult};
use crate::networks::Connected;
use crate::record::{Record, file};
use api::inspect::{self, Config, GraphDriver, Nothing, NullList, NullMap};
use api::{Create, LogDriver, State, VolumeSource};
use oci::image::ContainerDefaults;
use oci::runtime::Spec;
use oci::signals::Signal;
use snapshot::Upper;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What else is known.
pub(super) struct Facts<'a> {
    pub spec: &'a Spec,
    /// What its image says.
    pub image: &'a ContainerDefaults,
    pub volumes_dir: &'a Path,
    /// Folders of the image's layers, lowest first.
    pub layers: &'a [PathBuf],
    /// What it has of its networks.
    pub connected: Connected,
    /// Bytes it wrote, and those with the image's.
    pub sizes: Option<(u64, u64)>,
}

/// A point in time that never was.
const NEVER: &str = "0001-01-01T00:00:00Z";

pub(super) fn details(container: &Container, facts: &Facts<'_>) -> inspect::Container {
    let Container { dir, record, .. } = container;
    let path = |name: &str| dir.join(name).display().to_string();
    let linux = facts.spec.linux.clone().unwrap_or_default();
    let (command, args) = record.command.split_first().map_or((String::new(), &[][..]), |(c, args)| (c.clone(), args));
    inspect::Container {
        id: record.id.clone(),
        created: or_never(&record.created),
        path: command,
        args: args.to_vec(),
        state: state(container),
        image: record.image_id.to_string(),
        resolv_conf_path: path(file::RESOLV_CONF),
        hostname_path: path(file::HOSTNAME),
        hosts_path: path(file::HOSTS),
        log_path: if has_log_file(&record.request) { path(file::LOG) } else { String::new() },
        name: format!("/{}", record.name),
        restart_count: container.status.restart_count,
        driver: DRIVER,
        platform: "linux",
        app_armor_profile: facts.spec.process.as_ref().map_or_else(String::new, |p| p.apparmor_profile.clone()),
        host_config: host_config(&record.request, &linux),
        graph_driver: graph_driver(dir, facts.layers),
        size_rw: facts.sizes.map(|(own, _)| own),
        size_root_fs: facts.sizes.map(|(_, all)| all),
        mounts: mounts::of(facts.spec, container, facts.volumes_dir),
        config: Config {
            healthcheck: healthcheck(record, facts.image),
            ..config(&record.request, facts, record.stop_signal)
        },
        network_settings: super::networks::settings(&record.request, &facts.connected, container.state.is_alive()),
        ..inspect::Container::default()
    }
}

fn has_log_file(request: &Create) -> bool {
    matches!(request.logging.driver, LogDriver::JsonFile | LogDriver::Local)
}

fn or_never(time: &str) -> String {
    if time.is_empty() { NEVER.to_owned() } else { time.to_owned() }
}

fn state(container: &Container) -> inspect::State {
    let Container { status, state, .. } = container;
    inspect::State {
        status: state.name().to_owned(),
        // To Docker, one that is paused or waits for its next start runs, too.
        running: state.is_alive() || *state == State::Restarting,
        paused: *state == State::Paused,
        restarting: *state == State::Restarting,
        oom_killed: status.oom_killed,
        dead: *state == State::Dead,
        pid: status.pid.filter(|_| state.is_alive()).unwrap_or_default(),
        exit_code: status.exit_code.unwrap_or_default(),
        error: status.error.clone(),
        started_at: or_never(&status.started),
        finished_at: or_never(&status.finished),
        health: status.health.as_ref().map(health),
    }
}

fn health(health: &Health) -> inspect::Health {
    let result = |result: &HealthResult| inspect::HealthResult {
        start: result.start.clone(),
        end: result.end.clone(),
        exit_code: result.exit_code,
        output: result.output.clone(),
    };
    inspect::Health {
        status: health.status.name().to_owned(),
        failing_streak: health.failing_streak,
        log: health.log.iter().map(result).collect(),
    }
}

/// What was decided when it was made, or that it has none although its image has.
fn healthcheck(record: &Record, image: &ContainerDefaults) -> Option<inspect::Healthcheck> {
    match &record.health {
        Some(check) => Some(inspect::Healthcheck {
            test: check.test.clone(),
            interval: check.interval,
            timeout: check.timeout,
            start_period: check.start_period,
            start_interval: check.start_interval,
            retries: check.retries,
        }),
        None if record.request.health.disabled => {
            Some(inspect::Healthcheck { test: vec!["NONE".to_owned()], ..inspect::Healthcheck::default() })
        }
        None => of_image(image).healthcheck,
    }
}

/// The layers from the top down, as overlayfs takes them.
fn graph_driver(dir: &Path, layers: &[PathBuf]) -> GraphDriver {
    let lower: Vec<_> = layers.iter().rev().map(|layer| layer.display().to_string()).collect();
    let Upper { dir: upper, work } = Upper::at(dir);
    let (upper, work) = (upper.display().to_string(), work.display().to_string());
    let data = [("LowerDir", lower.join(":")), ("UpperDir", upper), ("WorkDir", work)];
    GraphDriver { data: data.map(|(name, path)| (name.to_owned(), path)).into(), name: DRIVER }
}

fn config(request: &Create, facts: &Facts<'_>, stop_signal: u8) -> Config {
    let process = facts.spec.process.clone().unwrap_or_default();
    let mut config = of_image(facts.image);
    let mut cmd = std::mem::take(&mut config.cmd);
    if let Some(words) = &request.entrypoint {
        config.entrypoint = NullList(words.iter().filter(|word| !word.is_empty()).cloned().collect());
        cmd = NullList::default();
    }
    if !request.command.is_empty() {
        cmd = NullList(request.command.clone());
    }
    let anonymous = request.volumes.iter().filter(|volume| volume.source == VolumeSource::Anonymous);
    config.volumes.0.extend(anonymous.map(|volume| (volume.target.clone(), Nothing {})));
    config.exposed_ports.extend(request.exposed_ports.iter().map(|port| (port.clone(), Nothing {})));
    config.labels.extend(request.labels.clone());
    Config {
        hostname: facts.spec.hostname.clone(),
        domainname: request.domainname.clone().unwrap_or_default(),
        user: request.user.clone().unwrap_or(config.user),
        attach_stdin: request.interactive,
        attach_stdout: true,
        attach_stderr: true,
        tty: request.tty,
        open_stdin: request.interactive,
        stdin_once: request.stdin_once,
        env: NullList(env(&request.env, &facts.image.env)),
        cmd,
        image: request.image.clone(),
        working_dir: process.cwd,
        stop_signal: signal_name(stop_signal),
        stop_timeout: request.stop_timeout_s,
        ..config
    }
}

/// The user's first, then what the image has besides.
fn env(own: &[String], images: &[String]) -> Vec<String> {
    let key = |entry: &str| entry.split('=').next().unwrap_or_default().to_owned();
    let keys: Vec<String> = own.iter().map(|entry| key(entry)).collect();
    let besides = images.iter().filter(|entry| !keys.contains(&key(entry)));
    own.iter().filter(|entry| entry.contains('=')).chain(besides).cloned().collect()
}

fn signal_name(number: u8) -> String {
    Signal::from_number(number.into()).map_or_else(|| number.to_string(), Signal::name)
}

/// What an image says about its containers.
pub(super) fn of_image(image: &ContainerDefaults) -> Config {
    let keys = |map: &Option<BTreeMap<String, serde_json::Value>>| {
        map.iter().flatten().map(|(key, _)| (key.clone(), Nothing {})).collect()
    };
    let texts = |name: &str| -> Vec<String> {
        image.extra.get(name).and_then(|value| serde_json::from_value(value.clone()).ok()).unwrap_or_default()
    };
    Config {
        user: image.user.clone(),
        exposed_ports: keys(&image.exposed_ports),
        env: NullList(image.env.clone()),
        cmd: NullList(image.cmd.clone()),
        healthcheck: image.extra.get("Healthcheck").and_then(|value| serde_json::from_value(value.clone()).ok()),
        volumes: NullMap(keys(&image.volumes)),
        working_dir: image.working_dir.clone(),
        entrypoint: NullList(image.entrypoint.clone()),
        on_build: NullList(texts("OnBuild")),
        labels: image.labels.clone().unwrap_or_default(),
        stop_signal: image.stop_signal.clone(),
        shell: texts("Shell"),
        ..Config::default()
    }
}
