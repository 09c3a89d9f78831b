//! `exec`: another process in a running container.

use super::create::refuse_console_socket;
use super::door::Door;
use super::words::{Words, number};
use super::{document, foreground};
use crate::exit::SUCCESS;
use error::{Error, Result};
use oci::capabilities::Capability;
use oci::runtime::{Capabilities, Process};
use runtime::container::Exec;

/// `exec ID COMMAND [ARG...]`
pub(super) fn run(door: &mut Door, words: &Words) -> Result<u8> {
    let (runtime, id) = (door.runtime()?, words.id()?);
    let cgroup = match words.texts("cgroup")?[..] {
        [] => None,
        [path] => Some(path),
        // One for each controller, as cgroup v1 would have it.
        _ => return Err(Error::invalid("option `--cgroup`: only one is possible")),
    };
    let mut process = match words.path("process") {
        Some(file) => change(document::read(file)?, Origin::File, words)?,
        None => {
            // Before the container is looked for: this is wrong whatever is found.
            if words.rest.len() < 2 {
                return Err(Error::invalid("exec args cannot be empty"));
            }
            change(runtime.base_process(id)?, Origin::Container, words)?
        }
    };
    let detach = words.on("detach");
    check_terminal(process.terminal, detach, words)?;
    if process.terminal && !detach {
        process.console_size = foreground::window().or(process.console_size);
    }
    let what = Exec {
        id,
        process,
        pid_file: words.path("pid-file"),
        console_socket: words.path("console-socket"),
        pidfd_socket: words.path("pidfd-socket"),
        preserve_fds: words.number("preserve-fds")?.unwrap_or(0),
        cgroup,
        ignore_paused: words.on("ignore-paused"),
    };
    let start = || door.telling(|warnings| runtime.exec(&what, warnings));
    if detach {
        start()?;
        return Ok(SUCCESS);
    }
    foreground::run(start)
}

/// Somebody must have the controlling end of a terminal, and only one can.
fn check_terminal(terminal: bool, detach: bool, words: &Words) -> Result<()> {
    if !detach {
        return refuse_console_socket(words);
    }
    match (terminal, words.path("console-socket")) {
        (true, None) => {
            Err(Error::invalid("cannot allocate tty if the runtime will detach without setting console socket"))
        }
        (false, Some(_)) => {
            Err(Error::invalid("cannot use console socket if the runtime will not detach or allocate tty"))
        }
        _ => Ok(()),
    }
}

/// Where a process comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// From `--process`: meant as it is.
    File,
    /// The container's own: its terminal is not the new one's.
    Container,
}

/// The process with what the options say.
fn change(mut process: Process, origin: Origin, words: &Words) -> Result<Process> {
    if words.rest.len() > 1 {
        let args = words.rest[1..].iter().map(|arg| arg.to_str().map(str::to_owned));
        let args: Option<Vec<String>> = args.collect();
        process.args = args.ok_or_else(|| Error::invalid("exec args must be UTF-8"))?;
    }
    process.terminal = words.switch("tty").unwrap_or(origin == Origin::File && process.terminal);
    for variable in words.texts("env")? {
        set_variable(&mut process.env, variable);
    }
    for (option, field) in [
        ("cwd", &mut process.cwd),
        ("apparmor", &mut process.apparmor_profile),
        ("process-label", &mut process.selinux_label),
    ] {
        if let Some(value) = words.text(option)?.filter(|value| !value.is_empty()) {
            value.clone_into(field);
        }
    }
    if let Some(on) = words.switch("no-new-privs") {
        process.no_new_privileges = on;
    }
    if let Some(user) = words.text("user")? {
        let (uid, gid) = user.split_once(':').map_or((user, None), |(uid, gid)| (uid, Some(gid)));
        process.user.uid = number("user", uid)?;
        process.user.gid = gid.map_or(Ok(process.user.gid), |gid| number("user", gid))?;
    }
    for gid in words.texts("additional-gids")? {
        process.user.additional_gids.push(number("additional-gids", gid)?);
    }
    for name in words.texts("cap")? {
        let capability = Capability::parse(name).map_err(|error| error.context("option `--cap`"))?;
        add_capability(process.capabilities.get_or_insert_default(), capability.name());
    }
    Ok(process)
}

/// Adds `NAME=value`, in place of what `NAME` was.
fn set_variable(env: &mut Vec<String>, variable: &str) {
    let name = variable.split('=').next().unwrap_or_default();
    env.retain(|other| other.split('=').next() != Some(name));
    env.push(variable.to_owned());
}

/// Into the sets that count. Not into the inheritable one, which would leak into programs with file capabilities
/// (CVE-2022-29162); and into the ambient one only if the document uses it, which also needs it inheritable.
fn add_capability(sets: &mut Capabilities, name: &str) {
    let mut wanted = vec![&mut sets.bounding, &mut sets.effective, &mut sets.permitted];
    if sets.inheritable.iter().any(|other| other == name) {
        wanted.push(&mut sets.ambient);
    }
    for set in wanted {
        if !set.iter().any(|other| other == name) {
            set.push(name.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{table, words};
    use super::*;
    use oci::runtime::User;
    use std::ffi::OsString;

    fn said(line: &str) -> Words {
        let command = table::find("exec").unwrap();
        words::parse(command.options, command.stops_at_first, line.split(' ').map(OsString::from)).unwrap()
    }

    fn own() -> Process {
        let caps = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        Process {
            terminal: true,
            args: vec!["init".into()],
            env: vec!["PATH=/bin".into(), "A=1".into(), "AB=2".into()],
            cwd: "/".into(),
            user: User { uid: 1, gid: 2, additional_gids: vec![3], ..User::default() },
            capabilities: Some(Capabilities {
                bounding: caps(&["CAP_CHOWN"]),
                inheritable: caps(&["CAP_SYSLOG"]),
                ..Capabilities::default()
            }),
            no_new_privileges: true,
            ..Process::default()
        }
    }

    #[test]
    fn options_change_what_they_name_and_nothing_else() {
        let base = || Process { terminal: false, args: vec!["sh".into()], ..own() };
        let sets = |text: &str| Some(serde_json::from_str(text).unwrap());
        let cases: Vec<(&str, Process)> = vec![
            ("x sh", base()),
            ("x sh -c -t", Process { args: ["sh", "-c", "-t"].map(String::from).to_vec(), ..base() }),
            ("-t x sh", Process { terminal: true, ..base() }),
            ("--cwd /tmp x sh", Process { cwd: "/tmp".into(), ..base() }),
            (
                "-e A=3 -e B x sh",
                Process { env: ["PATH=/bin", "AB=2", "A=3", "B"].map(String::from).to_vec(), ..base() },
            ),
            ("-u 7 x sh", Process { user: User { uid: 7, ..base().user }, ..base() }),
            ("-u 7:8 x sh", Process { user: User { uid: 7, gid: 8, ..base().user }, ..base() }),
            ("-g 4 -g 5 x sh", Process { user: User { additional_gids: vec![3, 4, 5], ..base().user }, ..base() }),
            ("--no-new-privs=false x sh", Process { no_new_privileges: false, ..base() }),
            ("--apparmor p --process-label l x sh", {
                Process { apparmor_profile: "p".into(), selinux_label: "l".into(), ..base() }
            }),
            ("-c kill -c CAP_CHOWN x sh", {
                let text = r#"{"bounding":["CAP_CHOWN","CAP_KILL"],"effective":["CAP_KILL","CAP_CHOWN"],
                    "permitted":["CAP_KILL","CAP_CHOWN"],"inheritable":["CAP_SYSLOG"]}"#;
                Process { capabilities: sets(text), ..base() }
            }),
            ("-c syslog x sh", {
                let text = r#"{"bounding":["CAP_CHOWN","CAP_SYSLOG"],"effective":["CAP_SYSLOG"],
                    "permitted":["CAP_SYSLOG"],"inheritable":["CAP_SYSLOG"],"ambient":["CAP_SYSLOG"]}"#;
                Process { capabilities: sets(text), ..base() }
            }),
        ];
        for (line, expected) in cases {
            assert_eq!(change(own(), Origin::Container, &said(line)).unwrap(), expected, "{line}");
        }
    }

    #[test]
    fn a_process_from_a_file_is_meant_as_it_is() {
        assert_eq!(change(own(), Origin::File, &said("-p f x")).unwrap(), own());
        let other = change(own(), Origin::File, &said("-p f --tty=false --cwd /x x")).unwrap();
        assert_eq!(other, Process { terminal: false, cwd: "/x".into(), ..own() });
    }

    #[test]
    fn wrong_values_are_told_by_the_option() {
        for (line, words) in [
            ("-u root x sh", "option `--user`: `root` is no number that fits"),
            ("-u 1:-1 x sh", "option `--user`: `-1` is no number that fits"),
            ("-g 4294967296 x sh", "option `--additional-gids`: `4294967296` is no number that fits"),
            ("-c ALL x sh", "option `--cap`: invalid capability: \"ALL\""),
        ] {
            assert_eq!(change(own(), Origin::Container, &said(line)).unwrap_err().to_string(), words);
        }
    }

    #[test]
    fn a_terminal_has_exactly_one_holder() {
        let no_socket = "cannot allocate tty if the runtime will detach without setting console socket";
        let no_terminal = "cannot use console socket if the runtime will not detach or allocate tty";
        for (line, terminal, words) in [
            ("-d x sh", false, None),
            ("-d --console-socket /s x sh", true, None),
            ("x sh", true, None),
            ("-d x sh", true, Some(no_socket)),
            ("-d --console-socket /s x sh", false, Some(no_terminal)),
            ("--console-socket /s x sh", true, Some(no_terminal)),
        ] {
            let said = said(line);
            let found = check_terminal(terminal, said.on("detach"), &said).err().map(|error| error.to_string());
            assert_eq!(found.as_deref(), words, "{line} {terminal}");
        }
    }
}
