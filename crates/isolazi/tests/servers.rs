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

/// All servers in one store: their images share a base, which is worth unpacking once.
fn everything(isolazi: &Isolazi) {
    for image in ["nginx", "postgres", "redis", "python"] {
        isolazi.run(&["pull", "-q", &reference(image)]).succeeds();
    }
    nginx_answers_and_ends_on_the_images_signal(isolazi);
    postgres_keeps_its_rows_in_a_volume_from_one_container_to_the_next(isolazi);
    redis_answers_and_saves_on_its_way_out(isolazi);
    python_answers_who_it_is_and_runs_what_it_reads(isolazi);
    a_server_in_the_background_is_stopped_by_force(isolazi);
}

#[test]
fn roots_servers_answer() {
    everything(&Isolazi::new());
}

#[test]
fn an_ordinary_users_servers_answer() {
    everything(&Isolazi::ordinary());
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

/// The named volumes stay.
#[track_caller]
fn no_container_is_left(isolazi: &Isolazi) {
    let volumes = isolazi.root().join("volumes");
    let named = |path: &std::path::PathBuf| path.parent() == Some(&volumes) && path.file_name().unwrap().len() < 64;
    eventually("the end of all removals", || common::contents(isolazi).iter().all(named).then_some(()));
}

#[track_caller]
fn ends(isolazi: &Isolazi, running: Running, signal: Signal, code: i32) -> Output {
    running.signal(signal);
    let output = running.finish(b"", LIMIT);
    assert_eq!(output.code, code, "{output:?}");
    no_container_is_left(isolazi);
    output
}

fn nginx_answers_and_ends_on_the_images_signal(isolazi: &Isolazi) {
    let port = free_port();
    // SIGQUIT is nginx's own "finish what you are at", and the image's StopSignal; SIGTERM is "stop now".
    for signal in [Signal::QUIT, Signal::TERM, Signal::INT] {
        let running = serve(isolazi, "nginx", &["-e", &format!("NGINX_PORT={port}")], &[]);
        let url = format!("http://127.0.0.1:{port}/");
        assert_eq!(answer(&["curl", "-fsS", &url]), "hello from nginx\n");
        let output = ends(isolazi, running, signal, 0);
        // The access log is a link to /dev/stdout, which the image's file system does not have.
        assert!(output.stdout.contains("\"GET / HTTP/1.1\" 200 17 "), "{output:?}");
    }
}

fn postgres_keeps_its_rows_in_a_volume_from_one_container_to_the_next(isolazi: &Isolazi) {
    let port = free_port();
    let flags =
        ["-v", "rows:/var/lib/postgresql/data", "-e", &format!("PGPORT={port}"), "-e", "POSTGRES_PASSWORD=secret"];
    let url = format!("postgresql://postgres:secret@127.0.0.1:{port}/postgres");
    let ask = |sql: &str| answer(&["psql", "-XAtq", &url, "-c", sql]);
    let first = serve(isolazi, "postgres", &flags, &[]);
    assert_eq!(
        ask("create table t (x int); insert into t select generate_series(1, 1000); select sum(x) from t"),
        "500500\n"
    );
    first.signal(Signal::INT);
    assert_eq!(first.finish(b"", LIMIT).code, 0);
    let second = serve(isolazi, "postgres", &flags, &["postgres", "-c", "fsync=off"]);
    assert_eq!(ask("select sum(x), current_setting('fsync') from t"), "500500|off\n");
    second.signal(Signal::TERM);
    assert_eq!(second.finish(b"", LIMIT).code, 0);
}

fn redis_answers_and_saves_on_its_way_out(isolazi: &Isolazi) {
    let port = free_port();
    let arguments = ["--bind", "127.0.0.1", "--port", &port, "--save", "3600 1"];
    let flags = ["-v", "saved:/data"];
    let ask = |words: &[&str]| answer(&[&["redis-cli", "-e", "-p", &port], words].concat());
    let first = serve(isolazi, "redis", &flags, &arguments);
    assert_eq!(ask(&["set", "key", "value"]), "OK\n");
    first.signal(Signal::TERM);
    let output = first.finish(b"", LIMIT);
    assert!(output.code == 0 && output.stdout.contains("DB saved on disk"), "{output:?}");
    let second = serve(isolazi, "redis", &flags, &arguments);
    assert_eq!(ask(&["get", "key"]), "value\n");
    second.signal(Signal::INT);
    assert_eq!(second.finish(b"", LIMIT).code, 0);
}

fn python_answers_who_it_is_and_runs_what_it_reads(isolazi: &Isolazi) {
    let port = free_port();
    let running = serve(isolazi, "python", &["-e", &format!("PORT={port}")], &[]);
    let body = answer(&["curl", "-fsS", &format!("http://127.0.0.1:{port}/x")]);
    let facts: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!((&facts["uid"], &facts["pid"]), (&1000.into(), &1.into()), "{facts}");
    let output = ends(isolazi, running, Signal::INT, 0);
    assert_eq!(output.stdout, format!("listening on {port}\nstopped\n"));
    let words = ["run", "--rm", "-i", "--network", "none", &reference("python"), "python3", "-"];
    let program = b"import os, sys\nprint(sum(range(10**6)), os.getcwd())\nsys.exit(7)\n";
    let output = isolazi.run_with(&words, program, LIMIT);
    assert_eq!(output, Output { code: 7, stdout: "499999500000 /srv\n".into(), stderr: String::new() });
}

fn a_server_in_the_background_is_stopped_by_force(isolazi: &Isolazi) {
    let port = free_port();
    let words = ["run", "-d", "--name", "cache", "--network", "host", &reference("redis"), "--port", &port];
    isolazi.run(&words).succeeds();
    assert_eq!(answer(&["redis-cli", "-e", "-p", &port, "ping"]), "PONG\n");
    let logs = isolazi.run(&["logs", "cache"]).ok();
    assert!(logs.contains("Ready to accept connections"), "{logs}");
    assert_eq!(isolazi.run(&["rm", "-f", "-v", "cache"]).ok(), "cache\n");
    assert!(std::net::TcpStream::connect(format!("127.0.0.1:{port}")).is_err(), "the server lives");
    no_container_is_left(isolazi);
}
