//! `run --health-*`: what tells whether a container is well, and what comes of it.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking, in their helpers too")]

mod common;

use common::{Archive, Busybox, Made, eventually, state};
use serde_json::{Value, json};
use testkit::Isolazi;

/// Starts `box`, which sleeps, with these flags and quick checks.
#[track_caller]
fn start(busybox: &Busybox, flags: &[&str]) {
    let quick = ["-d", "--network", "none", "--name", "box", "--health-interval", "20ms"];
    busybox.isolazi.run(&busybox.words(&[&quick, flags].concat(), &["sleep", "1000"])).ok();
}

#[track_caller]
fn health(isolazi: &Isolazi) -> Value {
    serde_json::from_str(&isolazi.run(&["inspect", "-f", "{{json .State.Health}}", "box"]).ok()).unwrap()
}

#[track_caller]
fn becomes(isolazi: &Isolazi, status: &str) {
    eventually(status, || state(isolazi, "{{.Status}}").ends_with(status).then_some(()));
}

#[test]
fn checks_tell_how_it_is_and_the_last_five_are_kept() {
    for busybox in Busybox::both() {
        let isolazi = &busybox.isolazi;
        start(&busybox, &["--health-cmd", "echo said; echo more >&2; test -e /well", "--health-retries", "2"]);
        assert!(state(isolazi, "{{.Status}}").ends_with(" (health: starting)") || health(isolazi)["Log"] != json!([]));
        becomes(isolazi, " (unhealthy)");
        let found = health(isolazi);
        assert!(found["FailingStreak"].as_u64().unwrap() >= 2, "{found}");
        let last = found["Log"].as_array().unwrap().last().unwrap().clone();
        assert_eq!((&last["ExitCode"], &last["Output"]), (&json!(1), &json!("said\nmore\n")));
        isolazi.run(&["exec", "box", "touch", "/well"]).ok();
        becomes(isolazi, " (healthy)");
        eventually("five results", || (health(isolazi)["Log"].as_array().unwrap().len() == 5).then_some(()));
        eventually("no streak", || (health(isolazi)["FailingStreak"] == json!(0)).then_some(()));
        assert_eq!(isolazi.run(&["ps", "-q", "-f", "health=unhealthy"]).ok(), "");
        assert_eq!(isolazi.run(&["ps", "--format", "{{.Names}}", "-f", "health=healthy"]).ok(), "box\n");
        isolazi.run(&["rm", "-f", "box"]).ok();
        busybox.holds_nothing();
    }
}

#[test]
fn what_takes_too_long_or_is_not_there_has_failed() {
    let busybox = Busybox::new();
    let isolazi = &busybox.isolazi;
    start(&busybox, &["--health-cmd", "sleep 1000", "--health-timeout", "50ms", "--health-retries", "1"]);
    becomes(isolazi, " (unhealthy)");
    let first = health(isolazi)["Log"][0].clone();
    assert_eq!(first["ExitCode"], json!(-1));
    assert_eq!(first["Output"], json!("Health check exceeded timeout (50ms)"));
    // Nobody is left of those that were ended.
    let sleepers = || isolazi.run(&["exec", "box", "ps"]).ok().matches("sleep 1000").count();
    eventually("only the payload and one check", || (sleepers() <= 3).then_some(()));
    isolazi.run(&["rm", "-f", "box"]).ok();
}

#[test]
fn output_is_cut_and_a_talkative_check_ends_all_the_same() {
    let busybox = Busybox::new();
    start(&busybox, &["--health-cmd", "yes | head -c 300000"]);
    becomes(&busybox.isolazi, " (healthy)");
    assert_eq!(health(&busybox.isolazi)["Log"][0]["Output"].as_str().unwrap().len(), 4096);
    busybox.isolazi.run(&["rm", "-f", "box"]).ok();
}

#[test]
fn failures_do_not_count_while_it_starts() {
    let busybox = Busybox::new();
    let flags = ["--health-cmd", "test -e /well", "--health-start-period", "1h", "--health-start-interval", "10ms"];
    start(&busybox, &[&flags[..], &["--health-retries", "1"]].concat());
    let isolazi = &busybox.isolazi;
    eventually("some failures", || (health(isolazi)["Log"].as_array().unwrap().len() == 5).then_some(()));
    assert_eq!((&health(isolazi)["Status"], &health(isolazi)["FailingStreak"]), (&json!("starting"), &json!(0)));
    isolazi.run(&["exec", "box", "touch", "/well"]).ok();
    becomes(isolazi, " (healthy)");
    isolazi.run(&["rm", "-f", "box"]).ok();
}

#[test]
fn one_that_is_paused_is_not_looked_at() {
    let busybox = Busybox::new();
    let isolazi = &busybox.isolazi;
    start(&busybox, &["--health-cmd", "true"]);
    becomes(isolazi, " (healthy)");
    isolazi.run(&["pause", "box"]).ok();
    let before = health(isolazi);
    // A check that was under way may still end; then there are no more.
    let mut last = before;
    eventually("rest", || {
        let now = health(isolazi);
        std::mem::replace(&mut last, now.clone()).eq(&now).then_some(())
    });
    isolazi.run(&["unpause", "box"]).ok();
    eventually("more checks", || (health(isolazi) != last).then_some(()));
    isolazi.run(&["rm", "-f", "box"]).ok();
}

#[test]
fn an_unhealthy_one_is_killed_stopped_or_restarted_as_wished() {
    for busybox in Busybox::both() {
        let isolazi = &busybox.isolazi;
        let quick = ["-d", "--name", "box", "--health-interval", "20ms", "--health-retries", "1"];
        let run = |flags: &[&str]| {
            let flags = [&quick[..], &["--health-cmd", "test -e /well"], flags].concat();
            let script = "trap 'exit 3' TERM; echo run >>/log; [ -e /twice ] && touch /well; touch /twice
                while :; do sleep 0.01; done";
            isolazi.run(&busybox.words(&flags, &["sh", "-c", script])).ok();
        };
        for (action, code) in [("kill", "137"), ("stop", "3")] {
            run(&["--health-on-failure", action]);
            assert_eq!(isolazi.run(&["wait", "box"]).ok(), format!("{code}\n"), "{action}");
            isolazi.run(&["rm", "box"]).ok();
        }
        for flags in [&["--health-on-failure", "restart"][..], &["--health-on-failure=kill", "--restart", "always"]] {
            run(flags);
            becomes(isolazi, " (healthy)");
            assert_eq!(isolazi.run(&["exec", "box", "wc", "-l", "/log"]).ok(), "2 /log\n", "{flags:?}");
            let output = isolazi.run(&["rm", "-f", "box"]);
            assert_eq!(output.code, 0, "{flags:?} {output:?}");
        }
        busybox.holds_nothing();
    }
}

#[test]
fn a_check_that_dies_with_the_payload_tells_nothing() {
    let busybox = Busybox::new();
    let isolazi = &busybox.isolazi;
    let flags = ["-d", "--name", "box", "--health-interval", "1ms", "--health-retries", "1"];
    let flags = [&flags[..], &["--health-cmd", "sleep 1000", "--health-on-failure", "restart"]].concat();
    for _ in 0..5 {
        isolazi.run(&busybox.words(&flags, &["sh", "-c", "sleep 0.3; exit 7"])).ok();
        assert_eq!(isolazi.run(&["wait", "box"]).ok(), "7\n");
        isolazi.run(&["rm", "box"]).ok();
    }
    busybox.holds_nothing();
}

#[test]
fn an_image_may_say_it_and_a_user_may_say_otherwise() {
    let check = json!({"Test": ["CMD", "sh", "-c", "true"], "Interval": 20_000_000, "Retries": 7});
    let made = Made::new(Archive::busybox(), json!({"Healthcheck": check, "Cmd": ["sleep", "1000"]}));
    let isolazi = Isolazi::new();
    let check = || isolazi.run(&["inspect", "-f", "{{json .Config.Healthcheck}}", "box"]).ok();
    isolazi.run(&["run", "-q", "-d", "--name", "box", &made.name]).ok();
    becomes(&isolazi, " (healthy)");
    assert_eq!(check(), "{\"Test\":[\"CMD\",\"sh\",\"-c\",\"true\"],\"Interval\":20000000,\"Retries\":7}\n");
    isolazi.run(&["rm", "-f", "box"]).ok();
    let flags = ["--health-cmd", "false", "--health-retries", "1"];
    isolazi.run(&[&["run", "-d", "--name", "box"], &flags[..], &[made.name.as_str()]].concat()).ok();
    becomes(&isolazi, " (unhealthy)");
    isolazi.run(&["rm", "-f", "box"]).ok();
    isolazi.run(&["run", "-d", "--name", "box", "--no-healthcheck", &made.name]).ok();
    assert_eq!(isolazi.run(&["inspect", "-f", "{{json .State.Health}}", "box"]).ok(), "null\n");
    assert_eq!(check(), "{\"Test\":[\"NONE\"]}\n");
    isolazi.run(&["rm", "-f", "box"]).ok();
}

#[test]
fn wishes_that_make_no_sense_are_refused() {
    let busybox = Busybox::new();
    for (flags, told) in [
        (&["--no-healthcheck", "--health-cmd", "x"][..], "Error: --no-healthcheck conflicts with --health-* options\n"),
        (
            &["--health-cmd", "x", "--health-interval", "10us"],
            "Error: Interval in Healthcheck cannot be less than 1ms\n",
        ),
        (
            &["--health-interval", "soon"],
            "Error: invalid argument \"soon\" for \"--health-interval\" flag: time: invalid duration \"soon\"\n\nSee \
             'isolazi run --help'.\n",
        ),
        (
            &["--health-on-failure", "x"],
            "Error: invalid on-failure action \"x\" for health check: must be one of \"none\", \"kill\", \"restart\" or \
             \"stop\"\n",
        ),
    ] {
        busybox.isolazi.run(&busybox.words(flags, &["true"])).fails(125, told);
    }
}
