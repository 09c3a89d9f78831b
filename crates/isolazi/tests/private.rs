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
        assert_eq!(names, ["data", "containers", "images", "names", "snapshots", "volumes"]);
        for folder in folders {
            let mode = std::fs::metadata(&folder).unwrap().permissions().mode() & 0o7777;
            assert_eq!(mode, 0o700, "{}", folder.display());
        }
    }
}
