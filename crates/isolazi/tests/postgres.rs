//! PostgreSQL keeps its rows in a named volume, whatever happens to the containers of it.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking, in their helpers too")]

mod common;

use common::{eventually, parent, payload, reference};
use rustix::process::{Pid, Signal, kill_process};
use std::net::TcpListener;
use std::process::Command;
use testkit::Isolazi;

struct Server {
    isolazi: Isolazi,
    port: String,
}

impl Server {
    fn start(isolazi: Isolazi) -> Self {
        isolazi.run(&["pull", "-q", &reference("postgres")]).succeeds();
        // A port that nobody listens on. Somebody may take it before the server does; the kernel gives out others first.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
        let server = Self { isolazi, port };
        server.run("db");
        server
    }

    fn run(&self, name: &str) {
        let port = format!("PGPORT={}", self.port);
        let image = reference("postgres");
        let flags = ["--network", "host", "-e", &port, "-e", "POSTGRES_PASSWORD=secret"];
        let volume = ["-v", "rows:/var/lib/postgresql/data"];
        self.isolazi.run(&[&["run", "-d", "--name", name], &flags[..], &volume, &[image.as_str()]].concat()).ok();
    }

    /// The answer as soon as there is one: a server that begins refuses, and one that was killed recovers first.
    #[track_caller]
    fn ask(&self, sql: &str) -> String {
        let url = format!("postgresql://postgres:secret@127.0.0.1:{}/postgres", self.port);
        eventually("the server's answer", || {
            let output = Command::new("psql").args(["-XAtq", &url, "-c", sql]).output().unwrap();
            output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
        })
    }

    /// What was committed so far, and one row more.
    #[track_caller]
    fn grows(&self, rows: u32) {
        assert_eq!(self.ask("insert into t values (1) returning (select count(*) from t)"), format!("{rows}\n"));
    }
}

/// Gone, or a zombie that the machine's init has not looked at yet.
fn has_ended(pid: Pid) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{}/status", pid.as_raw_nonzero()));
    status.map_or(true, |status| status.contains("\nState:\tZ"))
}

fn keeps_its_rows(isolazi: Isolazi) {
    let server = Server::start(isolazi);
    let isolazi = &server.isolazi;
    assert_eq!(server.ask("create table t (x int); select count(*) from t"), "0\n");
    server.grows(0);
    // `kill -9` of everything: who talks to it, the server with all its processes, its monitor. A server that began as root
    // and became somebody else survives its monitor; before the next one starts, it ends.
    for (rows, victims) in [(1, "payload"), (2, "monitor"), (3, "both")] {
        let follower = isolazi.spawn(&["logs", "-f", "db"]);
        let (server_pid, monitor) = (payload(isolazi), parent(payload(isolazi)));
        follower.signal(Signal::KILL);
        if victims != "payload" {
            kill_process(monitor, Signal::KILL).unwrap();
        }
        if victims != "monitor" {
            kill_process(server_pid, Signal::KILL).unwrap();
        }
        follower.finish(b"", common::LIMIT);
        eventually("the end of its container", || {
            ["exited", "dead"].contains(&common::state(isolazi, "{{.State}}").as_str()).then_some(())
        });
        // Nobody can take away what it keeps, not even now.
        assert_eq!(isolazi.run(&["volume", "prune", "-af"]).ok(), "Total reclaimed space: 0B\n");
        assert_eq!(isolazi.run(&["start", "db"]).ok(), "db\n");
        assert!(has_ended(server_pid), "two servers on the same data");
        server.grows(rows);
    }
    assert_eq!(isolazi.run(&["restart", "db"]).ok(), "db\n");
    server.grows(4);
    assert_eq!(isolazi.run(&["rm", "-f", "-v", "db"]).ok(), "db\n");
    assert_eq!(isolazi.run(&["volume", "prune", "-f"]).ok(), "Total reclaimed space: 0B\n");
    server.run("again");
    server.grows(5);
    let server_pid = payload(isolazi);
    kill_process(parent(server_pid), Signal::KILL).unwrap();
    eventually("the end of its container", || (common::state(isolazi, "{{.State}}") == "dead").then_some(()));
    assert_eq!(isolazi.run(&["rm", "again"]).ok(), "again\n");
    assert!(has_ended(server_pid), "a server without a container");
    let pruned = isolazi.run(&["volume", "prune", "-af"]).ok();
    assert!(pruned.starts_with("Deleted Volumes:\nrows\n\nTotal reclaimed space: "), "{pruned}");
    eventually("the end of all removals", || common::contents(isolazi).is_empty().then_some(()));
}

#[test]
fn roots_rows_survive() {
    keeps_its_rows(Isolazi::new());
}

#[test]
fn an_ordinary_users_rows_survive() {
    keeps_its_rows(Isolazi::ordinary());
}
