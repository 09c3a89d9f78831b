//! What other users of the machine see of somebody's images, containers, logs and volumes: nothing.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking, in their helpers too")]

mod common;

use common::reference;
use std::os::unix::fs::PermissionsExt;
use testkit::Isolazi;

#[test]
fn nobody_else_can_enter_a_folder_of_ours_wherever_it_lies() {
    for isolazi in [Isolazi::new(), Isolazi::ordinary()] {
        let data = isolazi.root().join("deep/data");
        let image = reference("busybox");
        let words = ["--root", data.to_str().unwrap(), "run", "-v", "named:/a", "-v", "/b", "--name", "one", &image];
        isolazi.run(&[&words[..], &["echo", "secret"]].concat()).succeeds();
        let entries = std::fs::read_dir(&data).unwrap().map(|entry| entry.unwrap().path());
        let mut folders: Vec<_> = entries.chain([data.clone()]).collect();
        folders.sort();
        let names: Vec<&str> = folders.iter().map(|path| path.file_name().unwrap().to_str().unwrap()).collect();
        assert_eq!(names, ["data", "containers", "events.log", "images", "names", "snapshots", "volumes"]);
        for entry in folders {
            let metadata = std::fs::metadata(&entry).unwrap();
            let mode = if metadata.is_dir() { 0o700 } else { 0o600 };
            assert_eq!(metadata.permissions().mode() & 0o7777, mode, "{}", entry.display());
        }
    }
}
