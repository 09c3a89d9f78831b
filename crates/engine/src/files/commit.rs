//! `commit`: what a container changed becomes a layer, and with its image's an image.

use super::{Stoppable, changes, left_out, unless_stopped};
use crate::containers::Container;
use crate::{Engine, events, record};
use api::{CommandLine, Commit, Committed, ConfigChange, LeftOut, State};
use error::{Error, Kind, Result, ResultExt};
use image::Image;
use oci::image::{ContainerDefaults, History, media_type};
use oci::{Descriptor, ImageConfig, Reference};
use rustix::fd::{AsFd, OwnedFd};
use serde_json::{Value, json};
use snapshot::{Limits, Packer};
use std::collections::HashSet;
use std::io::{BufWriter, Write};
use std::sync::atomic::AtomicBool;

/// The repository of images without a name: no registry can have this one's (RFC 6761).
const NAMELESS: &str = "isolazi.invalid/none@sha256:0000000000000000000000000000000000000000000000000000000000000000";

/// What runs a line that is no list of words, unless the image names another.
const SHELL: [&str; 2] = ["/bin/sh", "-c"];

impl Engine {
    /// Makes an image of a container; `cancel` ends it, and a container that was frozen for it goes on.
    pub fn commit(&self, request: &Commit, cancel: &AtomicBool) -> Result<Committed> {
        let reference: Reference = request.name.as_deref().unwrap_or(NAMELESS).parse()?;
        if request.name.is_some() && reference.digest().is_some() {
            return Err(Error::invalid("refusing to create a tag with a digest reference"));
        }
        let container = self.containers.get(&self.names, &request.container)?;
        let image = self.image_of(&container)?;
        let mut defaults = self.defaults(&container)?;
        apply_all(&mut defaults, &request.changes)?;
        let (hold, not_paused) = freeze(self, &container, request.pause)?;
        let (layer, left_out) = unless_stopped(self.layer(&container, cancel), cancel)?;
        thaw(self, &container, hold)?;
        // Not compressed: its digest is its diff ID.
        let mut blob = self.images.open_blob(&layer)?;
        self.snapshots.unpack(&layer.digest, &mut blob, &Limits::default(), &|_| ())?;
        // A stack that is too high is told now, not when somebody runs it.
        self.snapshots.chain(&[&image.config.rootfs.diff_ids[..], &[layer.digest]].concat())?;
        let layers = image.manifest.layers.iter().chain([&layer]).cloned().collect();
        let config = config(image.config, defaults, &layer, request, container.record.command.join(" "));
        let id = self.images.put_image(&reference, &config, layers)?.id;
        let named = request.name.as_ref().map(|_| ("imageRef", reference.familiar()));
        let told = [("comment", request.message.clone()), ("imageID", id.to_string())].into_iter().chain(named);
        events::tell_of(&self.paths.data, &container.record, "commit", &told.collect::<Vec<_>>());
        Ok(Committed { id, left_out, not_paused })
    }

    /// The image that a container was made from.
    fn image_of(&self, container: &Container) -> Result<Image> {
        let id = container.record.image_id.to_string();
        self.images.find_by_id_prefix(&id)?.ok_or_else(|| {
            let text = format!("the image of container {} is not here any more: {id}", container.record.name);
            Error::not_found(text).hint(format!("`isolazi pull {}` may bring it back", container.record.request.image))
        })
    }

    /// What the container's own image would say: its image's words and the user's.
    fn defaults(&self, container: &Container) -> Result<ContainerDefaults> {
        let told = self.inspect_container(&container.record.id, false)?;
        let told = told.ok_or_else(|| Error::not_found(format!("No such container: {}", container.record.id)))?.config;
        let keys = |names: Vec<String>| {
            let map: std::collections::BTreeMap<_, _> = names.into_iter().map(|name| (name, json!({}))).collect();
            (!map.is_empty()).then_some(map)
        };
        let mut extra = serde_json::Map::new();
        extra.extend(told.healthcheck.map(|check| ("Healthcheck".to_owned(), json!(check))));
        for (name, list) in [("OnBuild", told.on_build.0), ("Shell", told.shell)] {
            if !list.is_empty() {
                extra.insert(name.to_owned(), json!(list));
            }
        }
        Ok(ContainerDefaults {
            user: told.user,
            exposed_ports: keys(told.exposed_ports.into_keys().collect()),
            env: told.env.0,
            entrypoint: told.entrypoint.0,
            cmd: told.cmd.0,
            volumes: keys(told.volumes.0.into_keys().collect()),
            working_dir: told.working_dir,
            labels: (!told.labels.is_empty()).then_some(told.labels),
            stop_signal: told.stop_signal,
            extra,
        })
    }

    /// Stores the container's changes as a layer.
    fn layer(&self, container: &Container, cancel: &AtomicBool) -> Result<(Descriptor, LeftOut)> {
        let words = || format!("can't make a layer of container {}", container.record.name);
        let (upper, lower) = (changes::upper(container)?, changes::lower(self, container)?);
        let omit = changes::stubs(&upper, &lower)?;
        let flavour = self.snapshots.flavour();
        let (mut reader, writer) = std::io::pipe().context(words)?;
        let (packed, stored) = std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().name("pack".into());
            let writer = Stoppable { writer, cancel };
            let packing = thread.spawn_scoped(scope, || pack(&upper, &lower, flavour, &omit, writer));
            let packing = packing.context(words)?;
            let stored = self.images.put_blob(media_type::LAYER, &mut reader);
            drop(reader); // a packer that nobody listens to ends, too
            let packed = packing.join().unwrap_or_else(|_| Err(Error::new(Kind::Internal, "packing panicked")));
            Ok::<_, Error>((packed, stored))
        })?;
        // A full disk ends both; the packer only noticed that nobody listens any more.
        let layer = stored.context(words)?;
        let packed = packed.context(words)?;
        Ok((layer, left_out(packed, snapshot::Skipped::default())))
    }
}

fn pack(
    upper: &OwnedFd,
    lower: &OwnedFd,
    flavour: snapshot::Flavour,
    omit: &HashSet<Vec<u8>>,
    writer: impl Write,
) -> Result<snapshot::Packed> {
    let mut writer = BufWriter::with_capacity(64 << 10, writer);
    let omit = |path: &[u8]| omit.contains(path);
    let mut packer = Packer::of_layer(&mut writer, flavour, &omit);
    // Of a root that is as it was the layers below tell.
    let facts = |fd| rustix::fs::fstat(fd).map(|stat| (stat.st_mode, stat.st_uid, stat.st_gid));
    if facts(upper).map_err(std::io::Error::from)? != facts(lower).map_err(std::io::Error::from)? {
        packer.root(upper.as_fd())?;
    }
    packer.content(upper.as_fd())?;
    packer.finish()
}

/// Freezes a container that runs for as long as the conversation lasts, if that is wanted and can be; else why it cannot.
/// Whatever becomes of us, it goes on.
fn freeze(engine: &Engine, container: &Container, wanted: bool) -> Result<(Option<OwnedFd>, Option<String>)> {
    if !wanted || container.state != State::Running {
        return Ok((None, None));
    }
    match engine.hold(container) {
        Ok(hold) => Ok((Some(hold), None)),
        Err(error) if error.kind == Kind::Unsupported => Ok((None, Some(error.to_string()))),
        // It has ended, or somebody else froze it: it writes nothing either way.
        Err(error) if error.kind == Kind::Conflict => Ok((None, None)),
        Err(error) => Err(error),
    }
}

/// Lets it go on at once; the conversation's end alone would do it a moment later.
fn thaw(engine: &Engine, container: &Container, hold: Option<OwnedFd>) -> Result<()> {
    let Some(_hold) = hold else { return Ok(()) };
    match engine.resume(&container.record.id) {
        // Somebody else did, or it was killed.
        Err(error) if matches!(error.kind, Kind::Conflict | Kind::NotFound) => Ok(()),
        other => other,
    }
}

/// The image's config with one more layer.
fn config(
    image: ImageConfig,
    defaults: ContainerDefaults,
    layer: &Descriptor,
    request: &Commit,
    created_by: String,
) -> ImageConfig {
    let now = record::now();
    let mut config = ImageConfig { created: Some(now.clone()), config: defaults, ..image };
    let mut step = History { created: Some(now), created_by, comment: request.message.clone(), ..History::default() };
    config.extra.remove("author");
    if !request.author.is_empty() {
        config.extra.insert("author".to_owned(), json!(request.author));
        step.extra.insert("author".to_owned(), json!(request.author));
    }
    config.rootfs.diff_ids.push(layer.digest);
    config.history.push(step);
    config
}

/// Changes what the image says. A new entrypoint has no use for the arguments of the old program, unless they are new, too.
fn apply_all(defaults: &mut ContainerDefaults, changes: &[ConfigChange]) -> Result<()> {
    if changes.iter().any(|change| matches!(change, ConfigChange::Entrypoint(_))) {
        defaults.cmd.clear();
    }
    changes.iter().try_for_each(|change| apply(defaults, change))
}

/// What one instruction changes.
fn apply(defaults: &mut ContainerDefaults, change: &ConfigChange) -> Result<()> {
    let shell = |defaults: &ContainerDefaults| -> Vec<String> {
        let own = defaults.extra.get("Shell").and_then(|value| serde_json::from_value(value.clone()).ok());
        own.unwrap_or_else(|| SHELL.map(str::to_owned).to_vec())
    };
    let words = |defaults: &ContainerDefaults, line: &CommandLine| match line {
        CommandLine::Words(words) => words.clone(),
        CommandLine::Shell(line) => shell(defaults).into_iter().chain([line.clone()]).collect(),
    };
    match change {
        ConfigChange::Cmd(line) => defaults.cmd = words(defaults, line),
        ConfigChange::Entrypoint(line) => defaults.entrypoint = words(defaults, line),
        ConfigChange::Env(key, value) => {
            let entry = format!("{key}={value}");
            let known = |entry: &&mut String| entry.split('=').next() == Some(key);
            match defaults.env.iter_mut().find(known) {
                Some(known) => *known = entry,
                None => defaults.env.push(entry),
            }
        }
        ConfigChange::Expose(port) => {
            defaults.exposed_ports.get_or_insert_default().insert(port.clone(), json!({}));
        }
        ConfigChange::Healthcheck(value) => insert(defaults, "Healthcheck", value.clone()),
        ConfigChange::Label(key, value) => {
            defaults.labels.get_or_insert_default().insert(key.clone(), value.clone());
        }
        ConfigChange::Onbuild(instruction) => {
            let list = defaults.extra.entry("OnBuild").or_insert_with(|| json!([]));
            match list.as_array_mut() {
                Some(list) => list.push(json!(instruction)),
                None => *list = json!([instruction]),
            }
        }
        ConfigChange::StopSignal(signal) => {
            oci::signals::Signal::parse(signal)?;
            defaults.stop_signal.clone_from(signal);
        }
        ConfigChange::User(user) => defaults.user.clone_from(user),
        ConfigChange::Volume(path) => {
            defaults.volumes.get_or_insert_default().insert(path.clone(), json!({}));
        }
        ConfigChange::Workdir(path) => {
            let before = if defaults.working_dir.is_empty() { "/" } else { &defaults.working_dir };
            defaults.working_dir = std::path::Path::new(before).join(path).display().to_string();
        }
    }
    Ok(())
}

fn insert(defaults: &mut ContainerDefaults, name: &str, value: Value) {
    defaults.extra.insert(name.to_owned(), value);
}

/// Is this the name of an image that has none?
pub(crate) fn is_nameless(reference: &Reference) -> bool {
    NAMELESS.parse::<Reference>().is_ok_and(|nameless| {
        (nameless.registry(), nameless.repository()) == (reference.registry(), reference.repository())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instructions_change_what_an_image_says() {
        let mut defaults = ContainerDefaults {
            env: vec!["A=1".to_owned(), "B=2".to_owned()],
            cmd: vec!["old".to_owned()],
            ..ContainerDefaults::default()
        };
        let changes = [
            ConfigChange::Env("A".into(), "x y".into()),
            ConfigChange::Env("C".into(), String::new()),
            ConfigChange::Entrypoint(CommandLine::Words(vec!["/e".into()])),
            ConfigChange::Cmd(CommandLine::Shell("echo $A".into())),
            ConfigChange::Workdir("/w".into()),
            ConfigChange::Workdir("deep".into()),
            ConfigChange::Expose("80/tcp".into()),
            ConfigChange::Onbuild("RUN a".into()),
            ConfigChange::Onbuild("RUN b".into()),
            ConfigChange::Label("k".into(), "v".into()),
            ConfigChange::StopSignal("SIGINT".into()),
        ];
        apply_all(&mut defaults, &changes).unwrap();
        assert_eq!(
            serde_json::to_value(&defaults).unwrap(),
            json!({"User": "", "ExposedPorts": {"80/tcp": {}}, "Env": ["A=x y", "B=2", "C="], "Entrypoint": ["/e"],
                "Cmd": ["/bin/sh", "-c", "echo $A"], "WorkingDir": "/w/deep", "Labels": {"k": "v"},
                "StopSignal": "SIGINT", "OnBuild": ["RUN a", "RUN b"]})
        );
        assert!(apply(&mut defaults, &ConfigChange::StopSignal("SIGNOT".into())).is_err());
    }
}
