//! What a container costs beside its payload while nothing happens.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking, in their helpers too")]

mod common;

use common::{Busybox, eventually, parent, payload};

/// Of the program's own pages, 10 MiB and more after its start, an idle monitor needs those of its one loop. (The kernel
/// brings 64 KiB with each.)
#[test]
fn an_idle_monitor_gives_back_what_only_work_needs() {
    for busybox in Busybox::both() {
        let isolazi = &busybox.isolazi;
        isolazi.run(&busybox.words(&["-d", "--name", "box"], &["sleep", "1000"])).ok();
        let monitor = parent(payload(isolazi));
        let kilobytes = |field: &str| -> u64 {
            let text = std::fs::read_to_string(format!("/proc/{}/status", monitor.as_raw_nonzero())).unwrap();
            let line = text.lines().find_map(|line| line.strip_prefix(field)).unwrap();
            line.trim().trim_end_matches(" kB").parse().unwrap()
        };
        eventually("rest", || (kilobytes("RssFile:") + kilobytes("RssShmem:") < 2500).then_some(()));
        // And it is there when it is called.
        assert_eq!(isolazi.run(&["exec", "box", "echo", "there"]).ok(), "there\n");
        isolazi.run(&["rm", "-f", "box"]).ok();
    }
}
