//! What a payload may do: capabilities, system calls, groups, hidden paths, all of it at once.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking, in their helpers too")]

mod common;

use common::Busybox;
use oci::capabilities::{Capability, DEFAULT, Wanted, mask_of};
use std::os::unix::fs::MetadataExt;
use testkit::Output;

/// The most that a container can get: what whoever runs the tests can. A user namespace begins with all that the kernel
/// knows (user_namespaces(7)).
fn most(busybox: &Busybox) -> u64 {
    if std::fs::metadata(busybox.isolazi.root()).unwrap().uid() != 0 {
        let last: u8 = std::fs::read_to_string("/proc/sys/kernel/cap_last_cap").unwrap().trim().parse().unwrap();
        return (2 << last) - 1;
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("CapBnd:\t")).unwrap();
    u64::from_str_radix(line, 16).unwrap()
}

fn one(name: &str) -> u64 {
    Capability::parse(name).unwrap().mask()
}

#[test]
fn capabilities_are_added_and_dropped_in_dockers_order() {
    for busybox in Busybox::both() {
        let default = mask_of(DEFAULT);
        let all = Wanted::All.mask();
        for (flags, expected) in [
            (&["--cap-add", "NET_ADMIN"][..], default | one("NET_ADMIN")),
            (&["--cap-add", "cap_net_admin", "--cap-add", "SYS_TIME"], default | one("NET_ADMIN") | one("SYS_TIME")),
            (&["--cap-drop", "CHOWN"], default & !one("CHOWN")),
            (&["--cap-drop", "ALL"], 0),
            (&["--cap-drop", "all", "--cap-add", "CHOWN"], one("CHOWN")),
            (&["--cap-add", "ALL"], all),
            (&["--cap-add", "ALL", "--cap-drop", "SYS_ADMIN"], all & !one("SYS_ADMIN")),
            (&["--cap-add", "CHOWN", "--cap-drop", "CHOWN"], default),
        ] {
            let expected = expected & most(&busybox);
            let text = busybox.sh(flags, "grep -E '^Cap(Prm|Eff|Bnd)' /proc/self/status").ok();
            let set = format!("{expected:016x}");
            assert_eq!(text, format!("CapPrm:\t{set}\nCapEff:\t{set}\nCapBnd:\t{set}\n"), "{flags:?}");
        }
        // Who is not root has none, and the bounding set is what programs can give.
        let text = busybox.sh(&["-u", "app", "--cap-add", "NET_ADMIN"], "grep -E '^Cap(Eff|Bnd)' /proc/self/status");
        let bounding = (default | one("NET_ADMIN")) & most(&busybox);
        assert_eq!(text.ok(), format!("CapEff:\t{:016x}\nCapBnd:\t{bounding:016x}\n", 0));
        busybox
            .run(&["--cap-add", "net_nope"], &["true"])
            .fails(125, "Error: invalid CapAdd: unknown capability: \"CAP_NET_NOPE\"\n");
        busybox
            .run(&["--cap-drop", "CAP_NOPE"], &["true"])
            .fails(125, "Error: invalid CapDrop: unknown capability: \"CAP_NOPE\"\n");
        busybox.holds_nothing();
    }
}

#[test]
fn capabilities_are_real() {
    let busybox = Busybox::new();
    let chown = "touch /x; chown 5 /x 2>&1; stat -c %u /x";
    assert_eq!(busybox.sh(&[], chown).ok(), "5\n");
    assert_eq!(busybox.sh(&["--cap-drop", "CHOWN"], chown).ok(), "chown: /x: Operation not permitted\n0\n");
    // The filter opens for who has the capability.
    let hostname = "hostname other 2>&1; hostname";
    assert_eq!(busybox.sh(&["-h", "box"], hostname).ok(), "hostname: sethostname: Operation not permitted\nbox\n");
    assert_eq!(busybox.sh(&["-h", "box", "--cap-add", "SYS_ADMIN"], hostname).ok(), "other\n");
}

#[test]
fn system_calls_are_filtered_by_a_profile_of_ones_own_or_not_at_all() {
    for busybox in Busybox::both() {
        let ask = "grep -E '^(NoNewPrivs|Seccomp):' /proc/self/status; mkdir /made 2>&1; ls -d /made 2>&1";
        let text =
            |privileges: u8, filter: u8, rest: &str| format!("NoNewPrivs:\t{privileges}\nSeccomp:\t{filter}\n{rest}");
        let file = busybox.isolazi.work().join("profile.json");
        let profile = r#"{"defaultAction": "SCMP_ACT_ALLOW", "archMap": [{"architecture": "SCMP_ARCH_X86_64"}],
            "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28}]}"#;
        std::fs::write(&file, profile).unwrap();
        let with_file = format!("seccomp={}", file.display());
        let refused =
            "mkdir: can't create directory '/made': No space left on device\nls: /made: No such file or directory\n";
        for (flags, expected) in [
            (&[][..], text(0, 2, "/made\n")),
            (&["--security-opt", "seccomp=unconfined"], text(0, 0, "/made\n")),
            (&["--security-opt", "seccomp=builtin"], text(0, 2, "/made\n")),
            (&["--security-opt", "no-new-privileges"], text(1, 2, "/made\n")),
            (&["--security-opt=no-new-privileges:true", "--security-opt", "seccomp:unconfined"], text(1, 0, "/made\n")),
            (&["--security-opt", &with_file], text(0, 2, refused)),
        ] {
            let output = busybox.sh(flags, ask);
            assert_eq!((output.stdout, output.stderr), (expected, String::new()), "{flags:?}");
        }
        std::fs::write(&file, r#"{"defaultAction": "SCMP_ACT_NOPE"}"#).unwrap();
        let bad = busybox.run(&["--security-opt", &with_file], &["true"]);
        assert!(bad.code == 125 && bad.stderr.starts_with("Error: can't use the seccomp profile: "), "{bad:?}");
        std::fs::write(&file, "{").unwrap();
        let bad = busybox.run(&["--security-opt", &with_file], &["true"]);
        let words = format!("Error: compacting json for seccomp profile ({}) failed: ", file.display());
        assert!(bad.code == 125 && bad.stderr.starts_with(&words), "{bad:?}");
        for (option, complaint) in [
            ("seccomp=/no/such", "opening seccomp profile (/no/such) failed: open /no/such: no such file or directory"),
            ("foo", "invalid --security-opt: \"foo\""),
            ("foo=bar", "invalid --security-opt 2: \"foo=bar\""),
            ("systempaths=confined", "invalid --security-opt 2: \"systempaths=confined\""),
        ] {
            busybox.run(&["--security-opt", option], &["true"]).fails(125, &format!("Error: {complaint}\n"));
        }
        busybox.holds_nothing();
    }
}

#[test]
fn profiles_of_modules_that_the_machine_lacks_are_refused_and_none_is_granted() {
    let enabled = std::fs::read_to_string("/sys/module/apparmor/parameters/enabled").unwrap_or_default();
    for busybox in Busybox::both() {
        let granted = ["apparmor=unconfined", "label=disable", "label:disable"];
        for option in granted {
            assert_eq!(busybox.run(&["--security-opt", option], &["echo", "ran"]).ok(), "ran\n", "{option}");
        }
        if !enabled.starts_with('Y') {
            let words = "Error: can't use the AppArmor profile `some`: AppArmor is not enabled on this machine\n";
            busybox.run(&["--security-opt", "apparmor=some"], &["true"]).fails(125, words);
        }
        busybox.holds_nothing();
    }
}

#[test]
fn hidden_paths_are_shown_when_asked_for() {
    let busybox = Busybox::new();
    let ask = "head -c 1 /proc/interrupts | wc -c; (echo 1 >/proc/sys/kernel/msgmax) 2>/dev/null && echo written; true";
    assert_eq!(busybox.sh(&[], ask).ok(), "0\n");
    assert_eq!(busybox.sh(&["--security-opt", "systempaths=unconfined"], ask).ok(), "1\nwritten\n");
}

#[test]
fn groups_are_added_by_name_and_number() {
    for busybox in Busybox::both() {
        let ask = |flags: &[&str]| busybox.sh(flags, "id -G").ok();
        assert_eq!(ask(&["--group-add", "staff", "--group-add", "77"]), "0 10 50 77\n");
        assert_eq!(ask(&["-u", "app", "--group-add", "50"]), "1000 10 50\n");
        let words = "Error: unable to find group nosuch: no matching entries in group file\n";
        busybox.run(&["--group-add", "nosuch"], &["true"]).fails(125, words);
        let range = "Error: invalid user or group `-5`: uids and gids must be in range 0-2147483647\n";
        busybox.run(&["--group-add", "-5"], &["true"]).fails(125, range);
        busybox.holds_nothing();
    }
}

#[test]
fn a_privileged_container_has_all_that_its_caller_has() {
    for busybox in Busybox::both() {
        let set = format!("{:016x}", Wanted::All.mask() & most(&busybox));
        let ask = "grep -E '^(CapEff|CapBnd|Seccomp):' /proc/self/status; test -e /dev/loop0 && echo loop0
            grep -c ' /proc/keys ' /proc/mounts; mkdir /mnt; mount -t tmpfs none /mnt && echo mounted";
        let expected = format!("CapEff:\t{set}\nCapBnd:\t{set}\nSeccomp:\t0\nloop0\n0\nmounted\n");
        assert_eq!(busybox.sh(&["--privileged"], ask).ok(), expected);
        // What is said besides still holds, but for capabilities.
        let ask = "grep -E '^(CapEff|NoNewPrivs|Seccomp):' /proc/self/status";
        let flags = ["--privileged", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"];
        assert_eq!(busybox.sh(&flags, ask).ok(), format!("CapEff:\t{set}\nNoNewPrivs:\t1\nSeccomp:\t0\n"));
        busybox.holds_nothing();
    }
    let busybox = Busybox::new();
    // As root of the machine: kernel parameters, devices that it makes itself, the file systems of the kernel.
    let ask = "cat /proc/sys/kernel/msgmax >/proc/sys/kernel/msgmax && echo parameter
        mknod /tmp/zero c 1 5 && head -c 3 /tmp/zero | wc -c
        grep -E ' (/sys|/sys/fs/cgroup) ' /proc/mounts | cut -d' ' -f4 | cut -d, -f1";
    assert_eq!(
        busybox.sh(&["--privileged", "--tmpfs", "/x"], &format!("mkdir -p /tmp; {ask}")),
        Output { code: 0, stdout: "parameter\n3\nrw\nrw\n".into(), stderr: String::new() }
    );
}
