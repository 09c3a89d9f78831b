//! Health checks: an exec that the engine repeats.

use crate::container::{Container, eventually};
use testkit::{Engine, Kind};

pub fn a_health_check_sees_both(engine: &Engine) {
    let check = ["--health-cmd", "test -e /tmp/well", "--health-retries", "1", "--health-interval"];
    if engine.kind() == Kind::Podman {
        // Its timer is systemd's, which need not be there.
        let container = Container::sleeping(engine, "healthy", &[&check[..], &["disable"]].concat());
        assert_eq!(engine.run(&["healthcheck", "run", &container.name]).code, 1);
        container.sh(&[], "touch /tmp/well");
        assert_eq!(engine.run(&["healthcheck", "run", &container.name]).code, 0);
        return;
    }
    let container = Container::sleeping(engine, "healthy", &[&check[..], &["200ms"]].concat());
    for (command, expected) in [("touch /tmp/well", "healthy"), ("rm /tmp/well", "unhealthy")] {
        container.sh(&[], command);
        eventually(expected, || (container.inspect(".State.Health.Status") == expected).then_some(()));
    }
}
