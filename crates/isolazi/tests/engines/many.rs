//! Many containers at once, and many processes in one.

use crate::container::{Container, words};
use std::time::Duration;
use testkit::{Engine, finish};

const LIMIT: Duration = Duration::from_secs(60);

pub fn twenty_containers_at_once(engine: &Engine) {
    let image = engine.image();
    let start = |number: i32| {
        let script = format!("echo {number}; exit {number}");
        engine.command(&words(engine, &image, &["--rm"], &["sh", "-c", &script])).spawn().unwrap()
    };
    let running: Vec<_> = (1..=20).map(|number| (number, start(number))).collect();
    for (number, child) in running {
        let output = finish(child, b"", LIMIT);
        assert_eq!((output.code, output.stdout.as_str()), (number, format!("{number}\n").as_str()), "{output:#?}");
    }
}

/// Docker asks the runtime which processes there are, and `ps` what they do.
pub fn the_processes_are_listed(engine: &Engine) {
    let container = Container::start(engine, "listed", &[], &["sh", "-c", "sleep 1000 & sleep 1001 & wait"]);
    let text = crate::container::eventually("three processes", || {
        let text = container.ok(&["top"]);
        (text.lines().count() == 4).then_some(text)
    });
    for command in ["sleep 1000", "sleep 1001", "sh -c"] {
        assert!(text.contains(command), "{text}");
    }
}
