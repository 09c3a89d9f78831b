//! Containers come and go on networks from many callers, while monitors and command lines are killed: in the end addresses,
//! names, bridges and ports are those of the containers that run, and then nobody's.
//!
//! `ISOLAZI_SEED=` repeats the choices, `ISOLAZI_ROUNDS=` makes it longer.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking, in their helpers too")]

mod common;

use common::{Busybox, LIMIT, Moments, eventually, is_told, parent};
use rustix::process::{Pid, Signal, kill_process};
use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::Duration;
use testkit::Isolazi;

const CALLERS: u64 = 6;
const CONTAINERS: u64 = 9;
/// Commands of all callers together.
const ROUNDS: u64 = 300;
const NETWORKS: [&str; 3] = ["bridge", "one", "two"];

fn arguments<'a>(busybox: &'a Busybox, name: &'a str, choice: u64, port: &'a str) -> Vec<&'a str> {
    let run = |flags: &[&'a str]| {
        let command = ["sleep", "1000"];
        [&["run", "-d", "--name", name], flags, &[busybox.image.as_str()], &command[..]].concat()
    };
    match choice {
        0 => run(&["--network", "bridge"]),
        1 => run(&["--network", "one", "--network", "two"]),
        2 => run(&["--network", "two:alias=same", "--rm"]),
        3 => run(&["-p", port]),
        4 => run(&["--network", "one", "-p", "127.0.0.1::80"]),
        5 => vec!["restart", "-t", "0", name],
        6 => vec!["start", name],
        7 => vec!["kill", name],
        8 => vec!["exec", name, "true"],
        9 | 10 => vec!["rm", "-f", name],
        11 => vec!["network", "inspect", "one"],
        _ => vec!["ps", "-a"],
    }
}
const CHOICES: u64 = 13;

/// Kills the monitor of that container, if it has one.
fn kill_monitor(isolazi: &Isolazi, name: &str) {
    let pid = isolazi.run(&["inspect", "-f", "{{.State.Pid}}", name]).stdout;
    let Some(pid) = pid.trim().parse().ok().filter(|pid| *pid > 0).and_then(Pid::from_raw) else { return };
    let Ok(status) = std::fs::read_to_string(format!("/proc/{}/status", pid.as_raw_nonzero())) else { return };
    // Not somebody else's by now: our own monitors are called so.
    if status.contains("PPid:")
        && let Ok(name) = std::fs::read_to_string(format!("/proc/{}/comm", parent(pid).as_raw_nonzero()))
        && name.starts_with("isolazi:")
    {
        // It may have ended meanwhile.
        let _ = kill_process(parent(pid), Signal::KILL);
    }
}

fn call(busybox: &Busybox, moments: &mut Moments, odd: &Mutex<Vec<String>>, port: &str) {
    let isolazi = &busybox.isolazi;
    let name = format!("box{}", moments.below(CONTAINERS));
    let words = arguments(busybox, &name, moments.below(CHOICES), port);
    match moments.below(6) {
        0 => {
            let running = isolazi.spawn(&words);
            moments.pass(Duration::from_millis(20));
            running.signal(Signal::KILL);
            running.finish(b"", LIMIT);
            return;
        }
        1 => kill_monitor(isolazi, &name),
        _ => {}
    }
    let output = isolazi.spawn(&words).finish(b"", LIMIT);
    if output.code != 0 && !is_told(&output) {
        odd.lock().unwrap().push(format!("{words:?} {output:?}"));
    }
}

/// The names in a folder.
fn names(path: &std::path::Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().into_string().unwrap()).collect()
}

/// The addresses that are taken on a network, and those that running containers have there.
fn addresses(isolazi: &Isolazi, network: &str) -> (BTreeSet<String>, BTreeSet<String>) {
    let taken = names(&isolazi.root().join("networks").join(network).join("addresses"));
    let ids = isolazi.run(&["ps", "-q", "--no-trunc"]).ok();
    let format = format!(
        "{{{{with (index .NetworkSettings.Networks \"{network}\")}}}}{{{{.IPAddress}}}} {{{{.GlobalIPv6Address}}}}{{{{end}}}}"
    );
    let had = ids.lines().flat_map(|id| {
        let told = isolazi.run(&["inspect", "-f", &format, id]).stdout;
        told.split_whitespace().filter(|word| *word != "<no").map(str::to_owned).collect::<Vec<_>>()
    });
    (taken, had.filter(|word| word.contains(['.', ':'])).collect())
}

fn bridge(isolazi: &Isolazi, network: &str) -> bool {
    let id = isolazi.run(&["network", "inspect", "-f", "{{.Id}}", network]).ok();
    std::fs::metadata(format!("/sys/class/net/isolazi-{}", &id[..7])).is_ok()
}

#[test]
fn addresses_names_bridges_and_ports_are_those_of_who_runs() {
    let rounds = std::env::var("ISOLAZI_ROUNDS").map_or(ROUNDS, |text| text.parse().unwrap());
    let busybox = Busybox::new();
    let isolazi = &busybox.isolazi;
    isolazi.run(&["network", "create", "--ipv6", "one"]).ok();
    isolazi.run(&["network", "create", "--internal", "two"]).ok();
    // One that is free now, for whoever comes first.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let port = format!("{free}:80");
    let odd = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for caller in 0..CALLERS {
            let (busybox, odd, port) = (&busybox, &odd, &port);
            scope.spawn(move || {
                let mut moments = Moments::new(&format!("caller {caller}"));
                for _ in 0..caller * 7 {
                    moments.below(2);
                }
                for _ in 0..rounds / CALLERS {
                    call(busybox, &mut moments, odd, port);
                }
            });
        }
    });
    let odd = odd.into_inner().unwrap();
    assert!(odd.is_empty(), "{odd:#?}");
    for network in NETWORKS {
        eventually(network, || {
            isolazi.run(&["ps", "-a"]).ok();
            let (taken, had) = addresses(isolazi, network);
            (taken == had && bridge(isolazi, network) != taken.is_empty()).then_some(())
        });
    }
    // Whoever runs is reached, and reaches its gateway.
    for id in isolazi.run(&["ps", "-q", "-f", "network=bridge"]).ok().lines() {
        let ping = ["exec", id, "ping", "-c", "1", "-W", "5", "host.docker.internal"];
        isolazi.run(&ping).succeeds();
    }
    eventually("all removed", || {
        let ids = isolazi.run(&["ps", "-aq", "--no-trunc"]).ok();
        for id in ids.lines() {
            assert_eq!(isolazi.run(&["rm", "-f", id]).code, 0);
        }
        ids.is_empty().then_some(())
    });
    for network in NETWORKS {
        let folder = isolazi.root().join("networks").join(network);
        eventually(network, || {
            isolazi.run(&["ps"]).ok();
            let left = ["addresses", "names"].map(|name| names(&folder.join(name)));
            (left.iter().all(BTreeSet::is_empty) && !bridge(isolazi, network)).then_some(())
        });
    }
    std::net::TcpListener::bind(free).unwrap();
    isolazi.run(&["network", "rm", "one", "two"]).ok();
}
