//! Flags become an [`api::Create`]: every decision about what the user meant, and no effect.

use super::{
    env, health, kernel, limits, logging, mount, names, network, restart, rights, sharing, tmpfs, volume, volumes_from,
};
use crate::args::{all, is_given, is_on, one, value};
use api::{Attach, Create, Namespace, PullPolicy, RestartPolicy};
use clap::ArgMatches;
use error::{Error, Kind, Result, ResultExt};
use oci::Platform;
use oci::signals::Signal;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

/// What must be known of the caller, asked only when a flag needs it.
pub(crate) struct Caller<'a> {
    /// An environment variable.
    pub env: &'a dyn Fn(&str) -> Option<String>,
    /// All of them, as `KEY=value`.
    pub variables: &'a dyn Fn() -> Vec<String>,
    /// The content of a file.
    pub read: &'a dyn Fn(&Path) -> io::Result<Vec<u8>>,
    /// The working directory.
    pub directory: &'a dyn Fn() -> io::Result<PathBuf>,
    /// The home directory.
    pub home: Option<&'a Path>,
    /// Which standard streams are terminals.
    pub terminals: Terminals,
    /// Rows and columns of the terminal.
    pub window: Option<(u16, u16)>,
}

/// Which standard streams are terminals.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Terminals {
    /// Standard input.
    pub stdin: bool,
    /// Standard output.
    pub stdout: bool,
    /// Standard error.
    pub stderr: bool,
}

/// What the user wants: a container, and what becomes of this terminal meanwhile.
#[derive(Debug)]
pub(crate) struct Wish {
    /// The container.
    pub create: Create,
    /// No progress of a pull.
    pub quiet: bool,
    /// Do not stay.
    pub detach: bool,
    /// Which streams this terminal takes part in.
    pub attach: Attach,
    /// Hand our signals on.
    pub forward_signals: bool,
    /// Keys that detach, as typed.
    pub detach_keys: Option<String>,
}

/// What the flags mean. `of_run`: the flags that only `run` knows may be asked for.
pub(crate) fn wish(matches: &ArgMatches, arguments: Vec<String>, of_run: bool, caller: &Caller<'_>) -> Result<Wish> {
    let mut arguments = arguments.into_iter();
    let image = arguments.next().unwrap_or_default();
    if image.is_empty() {
        return Err(Error::invalid("invalid reference format"));
    }
    let detach = of_run && is_on(matches, "detach");
    let attach = attach(matches)?;
    if detach && attach.is_some() {
        return Err(Error::invalid("conflicting options: cannot specify both --attach and --detach"));
    }
    let (interactive, tty) = streams(matches, detach, of_run, caller.terminals);
    let (volumes, tmpfs) = mounts(matches, caller)?;
    let create = Create {
        image,
        command: arguments.collect(),
        entrypoint: one(matches, "entrypoint").map(|program| vec![program.to_owned()]),
        name: one(matches, "name").map(container_name).transpose()?,
        hostname: one(matches, "hostname").map(str::to_owned),
        env: variables(matches, caller)?,
        volumes,
        volumes_from: all(matches, "volumes-from").map(volumes_from::parse).collect::<Result<_>>()?,
        tmpfs,
        workdir: one(matches, "workdir").map(working_directory).transpose()?,
        user: one(matches, "user").map(str::to_owned),
        read_only: is_on(matches, "read-only"),
        remove: is_on(matches, "rm"),
        interactive,
        stdin_once: interactive && !detach && attach.is_none_or(|attach| attach.stdin),
        tty,
        network: network::network(matches)?,
        publish: network::published(matches),
        publish_all: is_on(matches, "publish-all"),
        platform: platform(matches, caller.env)?,
        pull: one(matches, "pull").map_or(Ok(PullPolicy::default()), pull_policy)?,
        stop_signal: one(matches, "stop-signal").map(stop_signal).transpose()?,
        labels: labels(matches, caller)?,
        init: is_on(matches, "init"),
        health: health::parse(matches)?,
        logging: logging::parse(matches)?,
        console_size: caller.window.filter(|_| tty),
        limits: limits::all_of(matches)?,
        rights: rights::parse(matches, caller)?,
        sharing: sharing::parse(matches)?,
        names: names::parse(matches),
        ulimits: kernel::ulimits(matches),
        sysctls: kernel::sysctls(matches),
        shm_size: value::<i64>(matches, "shm-size").and_then(|bytes| u64::try_from(bytes).ok()).filter(|b| *b != 0),
        oom_score_adj: value(matches, "oom-score-adj").map(oom_score).transpose()?,
        domainname: one(matches, "domainname").map(str::to_owned),
        cgroup_parent: one(matches, "cgroup-parent").filter(|parent| !parent.is_empty()).map(str::to_owned),
        annotations: all(matches, "annotation").map(annotation).collect::<Result<_>>()?,
        exposed_ports: names::exposed(matches)?,
        stop_timeout_s: value(matches, "stop-timeout"),
        restart: one(matches, "restart").map(restart::parse).transpose()?.unwrap_or_default(),
        time_limit_s: value(matches, "timeout").map(time_limit).transpose()?.filter(|seconds| *seconds != 0),
        replace: is_on(matches, "replace"),
        id_file: one(matches, "cidfile").map(PathBuf::from),
    };
    check(matches, &create)?;
    one_mount_a_target(&create)?;
    Ok(Wish {
        create,
        quiet: is_on(matches, "quiet"),
        detach,
        attach: attach.unwrap_or(Attach::ALL),
        forward_signals: !of_run || is_given(matches, "sig-proxy").unwrap_or(true),
        detach_keys: of_run.then(|| one(matches, "detach-keys").map(str::to_owned)).flatten(),
    })
}

/// `-i` and `-t`. Where a person sits at all three ends and says nothing about it, a shell is meant to be used: as if
/// `-it` had been given. Pipes, redirections and scripts never see this.
fn streams(matches: &ArgMatches, detach: bool, of_run: bool, terminals: Terminals) -> (bool, bool) {
    let (interactive, tty) = (is_given(matches, "interactive"), is_given(matches, "tty"));
    let Terminals { stdin, stdout, stderr } = terminals;
    let says_nothing = interactive.is_none() && tty.is_none() && all(matches, "attach").next().is_none();
    if says_nothing && of_run && !detach && stdin && stdout && stderr {
        return (true, true);
    }
    (interactive.unwrap_or(false), tty.unwrap_or(false))
}

/// `-a`; `None` when nothing is said.
fn attach(matches: &ArgMatches) -> Result<Option<Attach>> {
    let mut attach = None;
    for stream in all(matches, "attach") {
        let none = Attach { stdin: false, stdout: false, stderr: false };
        let chosen: &mut Attach = attach.get_or_insert(none);
        match stream.to_ascii_lowercase().as_str() {
            "stdin" => chosen.stdin = true,
            "stdout" => chosen.stdout = true,
            "stderr" => chosen.stderr = true,
            _ => {
                let text = format!("invalid argument \"{stream}\" for \"-a, --attach\" flag: ");
                return Err(Error::invalid(text + "valid streams are STDIN, STDOUT and STDERR"));
            }
        }
    }
    Ok(attach)
}

/// The caller's own, then files, then flags: later ones win.
fn variables(matches: &ArgMatches, caller: &Caller<'_>) -> Result<Vec<String>> {
    let mut env = if is_on(matches, "env-host") { (caller.variables)() } else { Vec::new() };
    env.extend(named_variables(matches, caller)?);
    Ok(env)
}

/// Files, then flags.
pub(crate) fn named_variables(matches: &ArgMatches, caller: &Caller<'_>) -> Result<Vec<String>> {
    let mut env = Vec::new();
    for path in all(matches, "env-file") {
        let content = (caller.read)(Path::new(path)).context(|| format!("can't read env file `{path}`"))?;
        env::push_file(&mut env, path, &content, caller.env)?;
    }
    for text in all(matches, "env") {
        env::push_flag(&mut env, text, caller.env)?;
    }
    Ok(env)
}

/// `-v`, `--tmpfs` and `--mount`.
fn mounts(matches: &ArgMatches, caller: &Caller<'_>) -> Result<(Vec<api::Volume>, Vec<api::Tmpfs>)> {
    let places = volume::Places { directory: caller.directory, home: caller.home };
    if let Some(driver) = one(matches, "volume-driver").filter(|driver| !matches!(*driver, "" | "local")) {
        return Err(volume::no_driver(driver));
    }
    let mut volumes: Vec<_> = all(matches, "volume").map(|text| volume::parse(text, &places)).collect::<Result<_>>()?;
    let mut temporary: Vec<_> = all(matches, "tmpfs").map(tmpfs::parse).collect::<Result<_>>()?;
    for mount in matches.get_many::<mount::Mount>("mount").into_iter().flatten() {
        match mount.clone().meant(&places)? {
            mount::Meant::Volume(volume) => volumes.push(volume),
            mount::Meant::Tmpfs(tmpfs) => temporary.push(tmpfs),
        }
    }
    Ok((volumes, temporary))
}

/// What cannot be had, and what contradicts itself.
fn check(matches: &ArgMatches, create: &Create) -> Result<()> {
    if let Some(option) = all(matches, "storage-opt").next() {
        let message = match option.split_once('=') {
            Some(("size", _)) => {
                "--storage-opt is supported only for overlay over xfs with 'pquota' mount option".to_owned()
            }
            _ => format!("invalid option for the overlay: {option}"),
        };
        return Err(Error::new(Kind::Unsupported, message).hint("the root grows as far as the disk has room"));
    }
    if one(matches, "gpus").is_some() {
        let message = "could not select device driver \"\" with capabilities: [[gpu]]";
        return Err(Error::new(Kind::Unsupported, message).hint("name the nodes: `--device /dev/…`"));
    }
    // The second is how Docker calls the one that everybody has.
    if let Some(name) = one(matches, "runtime").filter(|name| !matches!(*name, "" | "isolazi" | "runc")) {
        return Err(Error::invalid(format!("unknown or invalid runtime name: {name}")));
    }
    if is_on(matches, "use-api-socket") {
        return Err(Error::new(Kind::Unsupported, "--use-api-socket: there is no API and no socket of it"));
    }
    if create.sharing.uts != Namespace::Private && create.hostname.is_some() {
        return Err(Error::invalid("conflicting options: hostname and the UTS mode"));
    }
    if create.remove && create.restart != RestartPolicy::No {
        return Err(Error::invalid("conflicting options: cannot specify both --restart and --rm"));
    }
    if create.replace && create.name.is_none() {
        return Err(Error::invalid("cannot replace container without --name being set"));
    }
    kernel::check(create)
}

fn one_mount_a_target(create: &Create) -> Result<()> {
    let targets = create.volumes.iter().map(|v| &v.target).chain(create.tmpfs.iter().map(|t| &t.target));
    let mut seen = std::collections::BTreeSet::new();
    for target in targets {
        // Components, so that `/a` and `/a/` are the same.
        if !seen.insert(Path::new(target).components().collect::<PathBuf>()) {
            return Err(Error::invalid(format!("Duplicate mount point: {target}")));
        }
    }
    Ok(())
}

/// `[a-zA-Z0-9][a-zA-Z0-9_.-]+`
fn container_name(name: &str) -> Result<String> {
    let name = name.strip_prefix('/').unwrap_or(name); // as Docker: names are shown with a slash in `inspect`
    let is_name = name.len() > 1
        && name.as_bytes()[0].is_ascii_alphanumeric()
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b));
    if is_name {
        return Ok(name.to_owned());
    }
    Err(Error::invalid(format!("Invalid container name ({name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed")))
}

pub(crate) fn working_directory(path: &str) -> Result<String> {
    if path.starts_with('/') {
        return Ok(path.to_owned());
    }
    Err(Error::invalid(format!("the working directory '{path}' is invalid, it needs to be an absolute path")))
}

/// `--platform`, else the caller's `DOCKER_DEFAULT_PLATFORM`.
pub(crate) fn platform(matches: &ArgMatches, env: &dyn Fn(&str) -> Option<String>) -> Result<Option<Platform>> {
    match one(matches, "platform") {
        Some(text) => text.parse().map(Some),
        None => env("DOCKER_DEFAULT_PLATFORM")
            .filter(|text| !text.is_empty())
            .map(|text| text.parse().context(|| "can't use DOCKER_DEFAULT_PLATFORM"))
            .transpose(),
    }
}

fn pull_policy(text: &str) -> Result<PullPolicy> {
    match text {
        "always" => Ok(PullPolicy::Always),
        "missing" => Ok(PullPolicy::Missing),
        "never" => Ok(PullPolicy::Never),
        other => Err(Error::invalid(format!(
            "invalid pull option: '{other}': must be one of \"always\", \"missing\" or \"never\""
        ))),
    }
}

fn stop_signal(text: &str) -> Result<u8> {
    let number = Signal::parse(text)?.number();
    Ok(u8::try_from(number).expect("signals have numbers from 1 to 64"))
}

/// Files first, then flags: later ones win.
fn labels(matches: &ArgMatches, caller: &Caller<'_>) -> Result<BTreeMap<String, String>> {
    let mut labels = BTreeMap::new();
    for path in all(matches, "label-file") {
        let content = (caller.read)(Path::new(path)).context(|| format!("can't read label file `{path}`"))?;
        let text = String::from_utf8(content).map_err(|_| Error::invalid(format!("label file `{path}`: not UTF-8")))?;
        let lines = text.lines().map(str::trim_start).filter(|line| !line.is_empty() && !line.starts_with('#'));
        for line in lines {
            labels.extend([label(line)?]);
        }
    }
    for text in all(matches, "label") {
        labels.extend([label(text)?]);
    }
    Ok(labels)
}

/// `KEY=value`, or `KEY` alone for an empty value.
pub(crate) fn label(text: &str) -> Result<(String, String)> {
    let (key, value) = text.split_once('=').unwrap_or((text, ""));
    if key.is_empty() {
        return Err(Error::invalid(format!("invalid label '{text}': empty name")));
    }
    Ok((key.to_owned(), value.to_owned()))
}

/// `KEY=value`
fn annotation(text: &str) -> Result<(String, String)> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(Error::invalid(format!("invalid annotation '{text}': it is KEY=VALUE"))),
    }
}

fn oom_score(score: i64) -> Result<i32> {
    match i32::try_from(score).ok().filter(|score| (-1000..=1000).contains(score)) {
        Some(score) => Ok(score),
        None => Err(Error::invalid(format!("Invalid value {score}, range for oom score adj is [-1000, 1000]"))),
    }
}

fn time_limit(seconds: i64) -> Result<u64> {
    u64::try_from(seconds).map_err(|_| Error::invalid(format!("invalid timeout {seconds}: it is a number of seconds")))
}
