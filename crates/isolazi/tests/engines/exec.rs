//! A second command in a container that runs.

use crate::container::{Container, eventually};
use testkit::{Engine, Kind};

pub fn exec_has_its_own_exit_code(engine: &Engine) {
    let container = Container::sleeping(engine, "codes", &[]);
    // Docker called a program that is not there one that cannot be executed, until it no longer did.
    let missing: &[i32] = if engine.kind() == Kind::Docker { &[126, 127] } else { &[127] };
    for (command, codes) in [
        (&["true"][..], &[0][..]),
        (&["sh", "-c", "exit 7"], &[7]),
        (&["sh", "-c", "kill -9 $$"], &[137]),
        (&["/etc/passwd"], &[126]),
        (&["no-such-program"], missing),
        (&["/no/such/program"], missing),
    ] {
        let output = container.exec(&[], command);
        assert!(codes.contains(&output.code), "{command:?} {codes:?}: {output:#?}");
    }
    let output = container.exec(&[], &["sh", "-c", "echo out; echo err >&2"]);
    assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("out\n", "err\n"));
}

pub fn exec_has_user_environment_folder_and_input(engine: &Engine) {
    let container = Container::sleeping(engine, "asked", &["-e", "A=of the container", "-e", "B=of the container"]);
    let id = container.sh(&["--user", "app"], "id; id -G");
    assert!(id.starts_with("uid=1000(app) gid=1000(app)"), "{id}");
    let groups: Vec<&str> = id.lines().last().unwrap().split(' ').collect();
    assert!(groups.contains(&"10") && groups.contains(&"50"), "{id}");
    assert_eq!(container.sh(&["--user", "1234:77"], "id -u; id -g"), "1234\n77\n");
    assert_eq!(
        container.sh(&["-e", "B=of exec", "-w", "/tmp"], "echo $A, $B; pwd"),
        "of the container, of exec\n/tmp\n"
    );
    let output = engine.run_with(&container.exec_words(&["-i"], &["cat"]), b"fed");
    assert_eq!((output.code, output.stdout.as_str()), (0, "fed"), "{output:#?}");
}

pub fn exec_joins_every_namespace_and_has_no_more_rights(engine: &Engine) {
    let container = Container::sleeping(engine, "joined", &["--cap-drop", "CHOWN"]);
    let facts = "cd /proc/$p; for n in pid mnt uts ipc net user cgroup; do readlink ns/$n; done
        grep -E '^(Cap|NoNewPrivs|Seccomp:)' status; cat cgroup";
    let of = |pid: &str| container.sh(&[], &format!("p={pid}; {facts}"));
    assert_eq!(of("self"), of("1"));
    let effective = |flags: &[&str]| container.sh(flags, "grep CapEff /proc/self/status");
    assert_eq!(effective(&["--user", "app"]), "CapEff:\t0000000000000000\n");
    assert_ne!(effective(&["--privileged"]), effective(&[]));
    assert_eq!(container.sh(&[], "ls /proc/self/fd | wc -l"), "4\n", "the three streams, and what ls itself opens");
}

pub fn exec_in_the_background_goes_on(engine: &Engine) {
    let container = Container::sleeping(engine, "background", &[]);
    engine.ok(&container.exec_words(&["--detach"], &["sh", "-c", "sleep 0.2; echo done >/done"]));
    eventually("the background's file", || (container.exec(&[], &["cat", "/done"]).stdout == "done\n").then_some(()));
}

pub fn exec_works_twenty_times_in_a_row(engine: &Engine) {
    let container = Container::sleeping(engine, "often", &[]);
    for number in 0..20 {
        let output = container.exec(&[], &["sh", "-c", &format!("echo {number}; exit {number}")]);
        assert_eq!((output.code, output.stdout), (number, format!("{number}\n")));
    }
    assert_eq!(container.sh(&[], "set -- /proc/[0-9]*; echo $#"), "2\n", "the payload and this shell");
}

pub fn exec_ends_with_the_container(engine: &Engine) {
    let container = Container::sleeping(engine, "ending", &[]);
    let running = engine.command(&container.exec_words(&[], &["sh", "-c", "touch /up; sleep 1000"])).spawn().unwrap();
    eventually("the command", || (container.exec(&[], &["test", "-e", "/up"]).code == 0).then_some(()));
    container.ok(&["kill"]);
    let output = testkit::finish(running, b"", std::time::Duration::from_secs(20));
    assert_eq!(output.code, 137, "{output:#?}");
    assert_ne!(container.exec(&[], &["true"]).code, 0, "there is nobody to join");
}
