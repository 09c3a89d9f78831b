//! Servers from real images on the machine's network: a real client gets its answer, and a signal to the command line
//! ends them in order.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking, in their helpers too")]

mod common;

use common::{LIMIT, eventually, reference};
use rustix::process::Signal;
use std::net::TcpListener;
use std::process::Command;
use testkit::{Isolazi, Output, Running};

/// A port that nobody listens on. Somebody may take it before the server does; the kernel gives out others first.
fn free_port() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string()
}

/// Root's installation and an ordinary user's, both with the image.
fn both_with(image: &str) -> [Isolazi; 2] {
    [Isolazi::new(), Isolazi::ordinary()].map(|isolazi| {
        isolazi.run(&["pull", "-q", &reference(image)]).succeeds();
        isolazi
    })
}

fn serve(isolazi: &Isolazi, image: &str, flags: &[&str], arguments: &[&str]) -> Running {
    isolazi.spawn(&[&["run", "--rm", "--network", "host"], flags, &[reference(image).as_str()], arguments].concat())
}

/// A client's output as soon as it has one. While the server starts it is refused.
#[track_caller]
fn answer(client: &[&str]) -> String {
    eventually("the server's answer", || {
        let output = Command::new(client[0]).args(&client[1..]).output().unwrap();
        output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
    })
}

#[track_caller]
fn ends(isolazi: &Isolazi, running: Running, signal: Signal, code: i32) -> Output {
    running.signal(signal);
    let output = running.finish(b"", LIMIT);
    assert_eq!(output.code, code, "{output:?}");
    eventually("the end of all removals", || common::contents(isolazi).is_empty().then_some(()));
    output
}

#[test]
fn nginx_answers_and_ends_on_the_images_signal() {
    for isolazi in both_with("nginx") {
        let port = free_port();
        // SIGQUIT is nginx's own "finish what you are at", and the image's StopSignal; SIGTERM is "stop now".
        for signal in [Signal::QUIT, Signal::TERM, Signal::INT] {
            let running = serve(&isolazi, "nginx", &["-e", &format!("NGINX_PORT={port}")], &[]);
            let url = format!("http://127.0.0.1:{port}/");
            assert_eq!(answer(&["curl", "-fsS", &url]), "hello from nginx\n");
            let output = ends(&isolazi, running, signal, 0);
            // The access log is a link to /dev/stdout, which the image's file system does not have.
            assert!(output.stdout.contains("\"GET / HTTP/1.1\" 200 17 "), "{output:?}");
        }
    }
}

#[test]
fn postgres_keeps_its_rows_in_a_volume_from_one_container_to_the_next() {
    for isolazi in both_with("postgres") {
        let port = free_port();
        let flags =
            ["-v", "rows:/var/lib/postgresql/data", "-e", &format!("PGPORT={port}"), "-e", "POSTGRES_PASSWORD=secret"];
        let url = format!("postgresql://postgres:secret@127.0.0.1:{port}/postgres");
        let ask = |sql: &str| answer(&["psql", "-XAtq", &url, "-c", sql]);
        let first = serve(&isolazi, "postgres", &flags, &[]);
        assert_eq!(
            ask("create table t (x int); insert into t select generate_series(1, 1000); select sum(x) from t"),
            "500500\n"
        );
        first.signal(Signal::INT);
        assert_eq!(first.finish(b"", LIMIT).code, 0);
        let second = serve(&isolazi, "postgres", &flags, &["postgres", "-c", "fsync=off"]);
        assert_eq!(ask("select sum(x), current_setting('fsync') from t"), "500500|off\n");
        second.signal(Signal::TERM);
        assert_eq!(second.finish(b"", LIMIT).code, 0);
    }
}

#[test]
fn redis_answers_and_saves_on_its_way_out() {
    for isolazi in both_with("redis") {
        let port = free_port();
        let arguments = ["--bind", "127.0.0.1", "--port", &port, "--save", "3600 1"];
        let flags = ["-v", "saved:/data"];
        let ask = |words: &[&str]| answer(&[&["redis-cli", "-e", "-p", &port], words].concat());
        let first = serve(&isolazi, "redis", &flags, &arguments);
        assert_eq!(ask(&["set", "key", "value"]), "OK\n");
        first.signal(Signal::TERM);
        let output = first.finish(b"", LIMIT);
        assert!(output.code == 0 && output.stdout.contains("DB saved on disk"), "{output:?}");
        let second = serve(&isolazi, "redis", &flags, &arguments);
        assert_eq!(ask(&["get", "key"]), "value\n");
        second.signal(Signal::INT);
        assert_eq!(second.finish(b"", LIMIT).code, 0);
    }
}

#[test]
fn python_answers_who_it_is_and_runs_what_it_reads() {
    for isolazi in both_with("python") {
        let port = free_port();
        let running = serve(&isolazi, "python", &["-e", &format!("PORT={port}")], &[]);
        let body = answer(&["curl", "-fsS", &format!("http://127.0.0.1:{port}/x")]);
        let facts: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!((&facts["uid"], &facts["pid"]), (&1000.into(), &1.into()), "{facts}");
        let output = ends(&isolazi, running, Signal::INT, 0);
        assert_eq!(output.stdout, format!("listening on {port}\nstopped\n"));
        let words = ["run", "--rm", "-i", "--network", "none", &reference("python"), "python3", "-"];
        let program = b"import os, sys\nprint(sum(range(10**6)), os.getcwd())\nsys.exit(7)\n";
        let output = isolazi.run_with(&words, program, LIMIT);
        assert_eq!(output, Output { code: 7, stdout: "499999500000 /srv\n".into(), stderr: String::new() });
    }
}

#[test]
fn a_server_in_the_background_is_stopped_by_force() {
    let [isolazi, ordinary] = both_with("redis");
    for isolazi in [isolazi, ordinary] {
        let port = free_port();
        let words = ["run", "-d", "--name", "cache", "--network", "host", &reference("redis"), "--port", &port];
        isolazi.run(&words).succeeds();
        assert_eq!(answer(&["redis-cli", "-e", "-p", &port, "ping"]), "PONG\n");
        let logs = isolazi.run(&["logs", "cache"]).ok();
        assert!(logs.contains("Ready to accept connections"), "{logs}");
        assert_eq!(isolazi.run(&["rm", "-f", "-v", "cache"]).ok(), "cache\n");
        assert!(std::net::TcpStream::connect(format!("127.0.0.1:{port}")).is_err(), "the server lives");
        eventually("the end of all removals", || common::contents(&isolazi).is_empty().then_some(()));
    }
}
