//! What a document says of a container's life: hooks, terminal, pid file, annotations; watched by those it tells.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "tests fail by panicking, in their helpers too")]

mod common;

use common::bundle::Bundle;
use common::{container, end, with};
use error::Kind;
use oci::runtime::{Process, State, Status};
use runtime::container::{Create, Exec, Warnings};
use rustix::fd::AsRawFd;
use rustix::net::RecvFlags;
use serde_json::{Value, json};
use std::io::Read;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::time::Instant;

/// In the order of their moments.
const KINDS: [&str; 6] = ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"];

/// Says which mounts and names whoever runs it sees.
const NAMESPACES: &str = "for kind in mnt uts; do readlink /proc/self/ns/$kind; done";

/// A hook that writes down, in the folder that host and container share, what it was given and where it is.
fn witness(bundle: &Bundle, kind: &str) -> Value {
    let shared = bundle.room.dir.join("shared");
    let shared = if kind == "startContainer" { "/shared".to_owned() } else { shared.display().to_string() };
    let script = format!(
        "cat >{shared}/{kind}.state; echo {kind} >>{shared}/log
        echo $0 $* $A $B $PATH >{shared}/{kind}.words
        {NAMESPACES} >{shared}/{kind}.where
        ! grep -q ' {}/rootfs/proc ' /proc/self/mountinfo || echo mounted >>{shared}/{kind}.where",
        bundle.room.dir.display()
    );
    json!({"path": "/bin/sh", "args": ["sh", "-c", script, "zero", "one"], "env": ["A=a", "B=b=c", "PATH=/bin:/usr/bin"], "timeout": 30})
}

fn heard(bundle: &Bundle, name: &str) -> String {
    std::fs::read_to_string(bundle.room.dir.join("shared").join(name)).unwrap_or_else(|cause| panic!("{name}: {cause}"))
}

#[test]
fn every_hook_is_called_in_its_place_with_state_arguments_and_environment() {
    let bundle = Bundle::saying("");
    let mut hooks = json!({});
    for kind in KINDS {
        hooks[kind] = json!([witness(&bundle, kind), {"path": "/bin/sh", "args": ["sh", "-c", "true"]}]);
    }
    bundle.configure(&with(bundle.document(NAMESPACES), &json!({"hooks": hooks, "annotations": {"org.x": "y"}})));
    bundle.create().unwrap();
    assert_eq!(heard(&bundle, "log"), "prestart\ncreateRuntime\ncreateContainer\n");
    let created = bundle.state();
    assert_eq!((created.status, &*created.annotations["org.x"]), (Status::Created, "y"));
    assert!(bundle.start().unwrap().is_empty());
    bundle.wait_for(Status::Stopped);
    assert_eq!(heard(&bundle, "log"), "prestart\ncreateRuntime\ncreateContainer\nstartContainer\npoststart\n");
    assert!(bundle.delete().unwrap().is_empty());
    assert_eq!(heard(&bundle, "log"), KINDS.join("\n") + "\n");

    let pid = created.pid;
    let statuses =
        [Status::Created, Status::Creating, Status::Creating, Status::Created, Status::Running, Status::Stopped];
    let ours =
        ["mnt", "uts"].map(|kind| std::fs::read_link(format!("/proc/self/ns/{kind}")).unwrap().display().to_string());
    let theirs: Vec<_> = bundle.said().lines().map(str::to_owned).collect();
    for (kind, status) in KINDS.into_iter().zip(statuses) {
        let state: State = serde_json::from_str(&heard(&bundle, &format!("{kind}.state"))).unwrap();
        let pid = if status == Status::Stopped { None } else { pid };
        assert_eq!(state, State { status, pid, ..created.clone() }, "{kind}");
        assert_eq!(heard(&bundle, &format!("{kind}.words")), "zero one a b=c /bin:/usr/bin\n", "{kind}");
        let place = heard(&bundle, &format!("{kind}.where"));
        let place: Vec<_> = place.lines().collect();
        match kind {
            // The container's namespaces; first the host's tree with all that is mounted, then the container's own.
            "createContainer" => assert_eq!(place, [&*theirs[0], &theirs[1], "mounted"]),
            "startContainer" => assert_eq!(place, [&*theirs[0], &theirs[1]]),
            _ => assert_eq!(place, [&*ours[0], &ours[1]], "{kind}"),
        }
    }
}

#[test]
fn a_hook_that_fails_before_the_start_ends_the_container_and_leaves_nothing() {
    let bundle = Bundle::saying("true");
    let hooks = [
        (json!({"path": "/bin/sh", "args": ["sh", "-c", "exit 7"]}), "the KIND hook `/bin/sh` failed with exit code 7"),
        (
            json!({"path": "/bin/sh", "args": ["sh", "-c", "kill -9 $$"]}),
            "the KIND hook `/bin/sh` failed with exit code 137",
        ),
        (
            json!({"path": "/bin/sleep", "args": ["sleep", "100"], "timeout": 1}),
            "the KIND hook `/bin/sleep` took longer than its 1 s",
        ),
    ];
    for kind in ["prestart", "createRuntime", "createContainer"] {
        for (hook, text) in &hooks {
            let never = json!({"path": "/bin/sh", "args": ["sh", "-c", format!(": >{}/second", bundle.room.outside().display())]});
            bundle.configure(&with(bundle.document("true"), &json!({"hooks": {kind: [hook, never]}})));
            let begin = Instant::now();
            let error = bundle.create().unwrap_err();
            assert_eq!((error.kind, error.to_string()), (Kind::Denied, text.replace("KIND", kind)));
            assert!(begin.elapsed().as_secs() < 20);
            assert!(!bundle.folder().try_exists().unwrap());
            bundle.room.assert_outside_untouched();
        }
        let missing = json!({"hooks": {kind: [{"path": "/no/such/hook"}]}});
        bundle.configure(&with(bundle.document("true"), &missing));
        let text = bundle.create().unwrap_err().to_string();
        assert!(text.contains(&format!("the {kind} hook `/no/such/hook`")), "{text}");
        // Wrong ones are found before anything is done.
        bundle.configure(&with(bundle.document("true"), &json!({"hooks": {kind: [{"path": "relative"}]}})));
        let text = format!("config.json: `hooks.{kind}[0].path`: `relative` is not an absolute path");
        assert_eq!(bundle.create().unwrap_err().to_string(), text);
    }
}

#[test]
fn a_start_hook_that_fails_ends_the_container_and_a_stop_hook_is_a_warning() {
    let bundle = Bundle::saying("echo ran");
    let hook = json!([{"path": "/bin/sh", "args": ["sh", "-c", "exit 3"]}, {"path": "/bin/sh", "args": ["sh", "-c", "exit 4"]}]);
    bundle.configure(&with(bundle.document("echo ran"), &json!({"hooks": {"startContainer": hook}})));
    bundle.create().unwrap();
    let error = bundle.start().unwrap_err();
    assert_eq!(error.to_string(), "the startContainer hook `/bin/sh` failed with exit code 3");
    bundle.wait_for(Status::Stopped);
    assert!(!bundle.room.dir.join("shared/said").try_exists().unwrap());
    bundle.delete().unwrap();

    bundle.configure(&with(bundle.document("sleep 1000"), &json!({"hooks": {"poststart": hook}})));
    bundle.create().unwrap();
    assert_eq!(bundle.start().unwrap_err().to_string(), "the poststart hook `/bin/sh` failed with exit code 3");
    bundle.wait_for(Status::Stopped);
    bundle.delete().unwrap();

    bundle.configure(&with(bundle.document("echo ran"), &json!({"hooks": {"poststop": hook}})));
    bundle.create().unwrap();
    let texts = |warnings: Vec<error::Error>| warnings.iter().map(ToString::to_string).collect::<Vec<_>>();
    let expected = |kind: &str| [3, 4].map(|code| format!("the {kind} hook `/bin/sh` failed with exit code {code}"));
    bundle.start().unwrap();
    bundle.wait_for(Status::Stopped);
    assert_eq!(bundle.said(), "ran\n");
    assert_eq!(texts(bundle.delete().unwrap()), expected("poststop"));
    assert!(!bundle.folder().try_exists().unwrap());
}

#[test]
fn a_start_hook_is_what_the_payload_is() {
    let bundle = Bundle::saying("");
    let shared = bundle.room.dir.join("shared");
    std::fs::set_permissions(&shared, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    let script = "echo $A $HOME; id; grep -E '^(NoNewPrivs|Cap|Seccomp|Umask|Groups)' /proc/self/status; env | wc -l";
    for name in ["env", "wc"] {
        symlink("busybox", bundle.room.inside(&format!("bin/{name}"))).unwrap();
    }
    let seccomp: Value = serde_json::from_str(runtime::seccomp::default_json()).unwrap();
    for (no_new_privileges, uid) in [(false, 0), (true, 0), (false, 7), (true, 7)] {
        let hook = format!("rm -f /shared/hook; exec >/shared/hook; {script}");
        let patch = json!({
            "process": {"noNewPrivileges": no_new_privileges, "user": {"uid": uid, "gid": uid}, "env": ["PATH=/bin", "A=a"]},
            "linux": {"seccomp": seccomp},
            "hooks": {"startContainer": [{"path": "/bin/sh", "args": ["sh", "-c", hook]}]}
        });
        let _ = std::fs::remove_file(shared.join("said"));
        bundle.configure(&with(bundle.document(script), &patch));
        let said = bundle.live();
        assert_eq!(heard(&bundle, "hook"), said);
        assert!(said.starts_with("a /\n") && said.contains("Seccomp:\t2\n"), "{said}");
    }
}

#[test]
fn a_terminal_goes_to_the_console_socket_in_the_size_asked_for() {
    let bundle = Bundle::new(&Value::Null);
    symlink("busybox", bundle.room.inside("bin/stty")).unwrap();
    let patch = json!({"process": {"terminal": true, "consoleSize": {"height": 33, "width": 77}}});
    let script = "tty; stty size; ls -l /dev/console | cut -c1; read word; echo \"<$word>\"";
    symlink("busybox", bundle.room.inside("bin/tty")).unwrap();
    symlink("busybox", bundle.room.inside("bin/cut")).unwrap();
    bundle.configure(&with(container(script), &patch));
    let socket = bundle.room.dir.join("console");
    let listener = UnixListener::bind(&socket).unwrap();
    bundle.runtime.create(&Create { console_socket: Some(&socket), ..bundle.plain() }).unwrap();
    let mut name = [0; 32];
    let (connection, _) = listener.accept().unwrap();
    let (length, console) = sys::socket::receive(&connection, &mut name, RecvFlags::empty()).unwrap();
    assert_eq!(&name[..length], b"/dev/ptmx");
    let mut console = std::fs::File::from(console.unwrap());
    bundle.start().unwrap();
    std::io::Write::write_all(&mut console, b"key\r").unwrap();
    let mut text = Vec::new();
    // EIO: nobody has the other end any more (pty(7)).
    console.read_to_end(&mut text).unwrap_err();
    let text = String::from_utf8(text).unwrap();
    for line in ["/dev/pts/0\r\n", "33 77\r\n", "c\r\n", "<key>\r\n"] {
        assert!(text.contains(line), "{text:?}");
    }
    bundle.wait_for(Status::Stopped);
    bundle.delete().unwrap();
    // Without a listener nobody would have it, and without a terminal there is nothing to send.
    let text = bundle.create().unwrap_err().to_string();
    assert!(text.contains("`process.terminal`"), "{text}");
    bundle.configure(&container("true"));
    let error = bundle.runtime.create(&Create { console_socket: Some(&socket), ..bundle.plain() }).unwrap_err();
    assert_eq!(
        error.to_string(),
        "a `--console-socket` needs `process.terminal`: the container would have no terminal"
    );
    std::fs::remove_file(&socket).unwrap();
    bundle.configure(&with(container("true"), &patch));
    let error = bundle.runtime.create(&Create { console_socket: Some(&socket), ..bundle.plain() }).unwrap_err();
    let text = format!("can't connect to the socket `{}`: no such file or directory", socket.display());
    assert_eq!(error.to_string(), text);
    assert!(!bundle.folder().try_exists().unwrap());
}

#[test]
fn a_pidfd_goes_to_the_socket_that_asks_for_it() {
    let bundle = Bundle::saying("sleep 1000");
    let socket = bundle.room.dir.join("pidfd");
    let listener = UnixListener::bind(&socket).unwrap();
    // runc's words, which say what has become of a process.
    let receive = |word: &[u8]| {
        let (connection, _) = listener.accept().unwrap();
        let mut said = [0; 32];
        let (length, pidfd) = sys::socket::receive(&connection, &mut said, RecvFlags::empty()).unwrap();
        assert_eq!(&said[..length], word);
        pidfd.unwrap()
    };
    bundle.runtime.create(&Create { pidfd_socket: Some(&socket), ..bundle.plain() }).unwrap();
    let first = receive(b"standard");
    bundle.start().unwrap();
    let process = bundle.runtime.base_process(&bundle.id).unwrap();
    let exec = Exec {
        id: &bundle.id,
        process,
        pid_file: None,
        console_socket: None,
        pidfd_socket: Some(&socket),
        preserve_fds: 0,
        cgroup: None,
        ignore_paused: false,
    };
    let running = bundle.runtime.exec(&exec, &mut Warnings::new()).unwrap();
    for (pidfd, pid) in [(&first, bundle.state().pid), (&receive(b"setns"), Some(running.pid.as_raw_nonzero().get()))] {
        let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", pidfd.as_raw_fd())).unwrap();
        assert!(info.contains(&format!("\nPid:\t{}\n", pid.unwrap())), "{info}");
    }
    rustix::process::pidfd_send_signal(&first, rustix::process::Signal::KILL).unwrap();
    bundle.wait_for(Status::Stopped);
    bundle.delete().unwrap();
    assert_eq!(end(&running), 128 + 9);
    std::fs::remove_file(&socket).unwrap();
    let text =
        bundle.runtime.create(&Create { pidfd_socket: Some(&socket), ..bundle.plain() }).unwrap_err().to_string();
    assert_eq!(text, format!("can't connect to the socket `{}`: no such file or directory", socket.display()));
    assert!(!bundle.folder().try_exists().unwrap());
}

#[test]
fn a_pid_file_has_the_number_alone() {
    let bundle = Bundle::saying("true");
    let path = bundle.room.dir.join("pid");
    bundle.runtime.create(&Create { pid_file: Some(&path), ..bundle.plain() }).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), bundle.state().pid.unwrap().to_string());
    bundle.delete().unwrap();
    let nowhere = bundle.room.dir.join("no/pid");
    let error = bundle.runtime.create(&Create { pid_file: Some(&nowhere), ..bundle.plain() }).unwrap_err();
    let text = format!("can't write the process id to `{}`: no such file or directory", nowhere.display());
    assert_eq!(error.to_string(), text);
    assert!(!bundle.folder().try_exists().unwrap());
}

#[test]
fn fields_that_nobody_knows_change_nothing_and_wrong_ones_are_named() {
    let bundle = Bundle::saying("");
    let unknown =
        json!({"x-top": {"y": [1]}, "process": {"x": 1}, "linux": {"x": {}}, "windows": {}, "root": {"x": 1}});
    bundle.configure(&with(bundle.document("echo fine"), &unknown));
    assert_eq!(bundle.live(), "fine\n");
    for (wrong, text) in [
        (
            json!({"process": {"user": {"uid": "root"}}}),
            "config.json: `process.user.uid`: invalid type: string \"root\", expected u32",
        ),
        (
            json!({"linux": {"devices": [{"path": 7, "type": "c"}]}}),
            "config.json: `linux.devices[0].path`: invalid type: integer `7`, expected a string",
        ),
        (json!({"process": {"cwd": null}}), "config.json: `process`: missing field `cwd`"),
    ] {
        bundle.configure(&with(bundle.document("true"), &wrong));
        let error = bundle.create().unwrap_err();
        assert!(error.kind == Kind::Invalid && error.to_string().contains(text), "{error}");
        assert!(!bundle.folder().try_exists().unwrap());
    }
}

#[test]
fn what_cannot_be_given_is_told_and_the_container_runs_without_it() {
    let bundle = Bundle::saying("");
    let patch = json!({"process": {"capabilities": {
        "bounding": ["CAP_KILL", "CAP_DREAM"], "effective": ["CAP_KILL"], "permitted": ["CAP_KILL"]}}});
    bundle.configure(&with(bundle.document("exec grep CapPrm /proc/self/status"), &patch));
    let texts = |warnings: Vec<error::Error>| warnings.iter().map(ToString::to_string).collect::<Vec<_>>();
    let told = "config.json: `process.capabilities`: unknown here, and left out: `CAP_DREAM`";
    assert_eq!(texts(bundle.create().unwrap()), [told]);
    let process = bundle.runtime.base_process(&bundle.id).unwrap();
    let what = Exec {
        id: &bundle.id,
        process: Process { args: vec!["/bin/true".into()], ..process },
        pid_file: None,
        console_socket: None,
        pidfd_socket: None,
        preserve_fds: 0,
        cgroup: None,
        ignore_paused: false,
    };
    let mut warnings = Warnings::new();
    assert_eq!(end(&bundle.runtime.exec(&what, &mut warnings).unwrap()), 0);
    assert_eq!(texts(warnings), [told]);
    assert!(bundle.start().unwrap().is_empty());
    bundle.wait_for(Status::Stopped);
    bundle.delete().unwrap();
    assert_eq!(bundle.said(), "CapPrm:\t0000000000000020\n");
    let mut warnings = Warnings::new();
    end(&bundle.runtime.run(&bundle.plain(), &mut warnings).unwrap());
    assert_eq!(texts(warnings), [told]);
    bundle.delete().unwrap();
}

#[test]
fn a_container_without_a_process_is_created_and_a_start_changes_nothing() {
    let bundle = Bundle::saying("");
    bundle.configure(&with(bundle.document(""), &json!({"process": null})));
    bundle.create().unwrap();
    let pid = bundle.state().pid;
    for _ in 0..2 {
        let text = format!("container `{}` cannot be started: config.json: `process` is missing", bundle.id);
        assert_eq!(bundle.start().unwrap_err().to_string(), text);
        assert_eq!((bundle.state().status, bundle.state().pid), (Status::Created, pid));
    }
    let error = bundle.runtime.base_process(&bundle.id).unwrap_err();
    assert_eq!(error.to_string(), format!("container `{}` has no process", bundle.id));
    bundle.delete().unwrap();
    let error = bundle.runtime.run(&bundle.plain(), &mut Warnings::new()).unwrap_err();
    assert_eq!(error.to_string(), "config.json: `process` is missing");
    assert!(!bundle.folder().try_exists().unwrap());
}

#[test]
fn a_session_keyring_is_new_unless_the_callers_is_kept() {
    let bundle = Bundle::saying("/bin/keyring");
    bundle.room.build(
        "keyring",
        "#include <stdio.h>\n#include <sys/syscall.h>\n#include <unistd.h>\n
        int main(void) { printf(\"%ld\\n\", syscall(SYS_keyctl, 0, -3, 0)); }",
    );
    std::thread::scope(|scope| {
        let caller = scope.spawn(|| {
            // Credentials belong to threads: this one has a keyring that no other has.
            sys::process::join_new_session_keyring().unwrap();
            bundle.runtime.create(&Create { no_new_keyring: true, ..bundle.plain() }).unwrap();
            bundle.start().unwrap();
            bundle.wait_for(Status::Stopped);
            bundle.delete().unwrap();
            let kept = bundle.said();
            (kept, bundle.live(), bundle.live())
        });
        let (kept, new, another) = caller.join().unwrap();
        for id in [&kept, &new, &another] {
            assert!(id.trim().parse::<i32>().unwrap() > 0, "{id}");
        }
        assert!(kept != new && new != another, "{kept} {new} {another}");
    });
}

#[test]
fn a_root_that_only_covers_the_hosts_shows_nothing_of_it() {
    let bundle = Bundle::saying("ls -d /bin/busybox; cat /proc/self/mountinfo");
    bundle.runtime.create(&Create { no_pivot: true, ..bundle.plain() }).unwrap();
    bundle.start().unwrap();
    bundle.wait_for(Status::Stopped);
    bundle.delete().unwrap();
    let said = bundle.said();
    assert!(said.starts_with("/bin/busybox\n"), "{said}");
    let roots = said.lines().filter(|line| line.split(' ').nth(4) == Some("/")).count();
    assert_eq!(roots, 1, "{said}");
}
