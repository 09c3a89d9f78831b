//! `isolazi create`: what it says.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking, in their helpers too")]

mod common;

#[test]
fn what_is_said_is_as_recorded() {
    for scene in common::Scene::both() {
        scene.records(
            "create",
            &[
                "",
                "--pull never nosuch",
                "--pull often IMAGE",
                "Bad/Name",
                "--name made IMAGE",
                "--name -x IMAGE",
                "--name a IMAGE",
                "-m lots IMAGE",
                "-m 1 IMAGE",
                "-v relative:x IMAGE",
                "-v /a:/b:colour IMAGE",
                "-e =x IMAGE",
                "--env-file nosuch IMAGE",
                "-u ghost:x:y IMAGE",
                "-q --platform x IMAGE",
                "--restart nope IMAGE",
                "--restart on-failure:x IMAGE",
                "--restart always --rm IMAGE",
                "--network nosuch IMAGE",
                "--network container:nope IMAGE",
                "--ulimit x IMAGE",
                "--cap-add nope IMAGE",
                "--label = IMAGE",
                "--stop-signal NOPE IMAGE",
                "--log-driver nope IMAGE",
                "-p 80:x IMAGE",
                "--cidfile /nosuch/id IMAGE",
                "--volumes-from nope IMAGE",
                "--health-retries x IMAGE",
                "--security-opt nope IMAGE",
                "--mount type=nope,dst=/x IMAGE",
                "--device /nosuch IMAGE",
            ],
        );
    }
}
