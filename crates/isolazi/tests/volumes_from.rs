//! `run --volumes-from`.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking, in their helpers too")]

mod common;

use common::Busybox;

#[test]
fn another_containers_mounts_are_shared() {
    for busybox in Busybox::both() {
        let isolazi = &busybox.isolazi;
        let work = isolazi.work();
        std::fs::write(work.join("file"), "of the host").unwrap();
        let bind = format!("{}:/bind:ro", work.display());
        let words = busybox.words(
            &["--name", "donor", "--network", "none", "-v", "/own", "-v", "named:/named", "-v", &bind],
            &["sh", "-c", "echo own >/own/x; echo named >/named/x"],
        );
        isolazi.run(&words).ok();
        let script = "cat /own/x /named/x /bind/file; echo more >>/own/x";
        assert_eq!(busybox.sh(&["--volumes-from", "donor"], script).ok(), "own\nnamed\nof the host");
        // That one went with all that was made for it, and for it alone: what it shared stays.
        assert_eq!(busybox.sh(&["--volumes-from", "donor:ro"], "cat /own/x").ok(), "own\nmore\n");
        busybox
            .sh(&["--volumes-from", "donor:ro"], "echo >/own/y")
            .fails(1, "sh: can't create /own/y: Read-only file system\n");
        busybox
            .sh(&["--volumes-from", "donor:rw,z"], "echo >/bind/y")
            .fails(1, "sh: can't create /bind/y: Read-only file system\n");
        // Its own mount at the same place is the one that counts.
        assert_eq!(busybox.sh(&["--volumes-from", "donor", "-v", "other:/named"], "ls /named").ok(), "");
        // From one to the next, and after the first is gone.
        isolazi
            .run(
                &[
                    &["create", "--name", "heir", "--volumes-from", "donor"],
                    &[busybox.image.as_str(), "cat", "/own/x"][..],
                ]
                .concat(),
            )
            .ok();
        assert_eq!(isolazi.run(&["rm", "-v", "donor"]).ok(), "donor\n");
        assert_eq!(isolazi.run(&["start", "-a", "heir"]).ok(), "own\nmore\n");
        assert_eq!(isolazi.run(&["inspect", "-f", "{{.HostConfig.VolumesFrom}}", "heir"]).ok(), "[donor]\n");
        assert_eq!(isolazi.run(&["rm", "heir"]).ok(), "heir\n");
        let anonymous = isolazi.run(&["volume", "ls", "-q", "--filter", "name=^.{64}$"]).ok();
        assert_eq!(
            isolazi.run(&["volume", "prune", "-f"]).ok(),
            format!("Deleted Volumes:\n{anonymous}\nTotal reclaimed space: 9B\n")
        );
        assert_eq!(isolazi.run(&["volume", "ls", "-q"]).ok(), "named\nother\n");
    }
}

#[test]
fn what_cannot_be_had_is_said() {
    let busybox = Busybox::new();
    for (from, complaint) in [
        ("nobody", "No such container: nobody"),
        ("", "malformed volumes-from specification: "),
        (":ro", "malformed volumes-from specification: :ro"),
        ("nobody:wr", "invalid mode: wr"),
    ] {
        busybox.sh(&["--volumes-from", from], "true").fails(125, &format!("Error: {complaint}\n"));
    }
    busybox.holds_nothing();
}
