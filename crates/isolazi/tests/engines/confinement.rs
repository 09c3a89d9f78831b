//! What a payload may do.

use crate::container::{run, sh};
use testkit::{Engine, Kind};

/// A line of a payload's `/proc/self/status`.
#[track_caller]
fn status(engine: &Engine, flags: &[&str], key: &str) -> String {
    sh(engine, flags, &format!("grep ^{key}: /proc/self/status | cut -f 2")).trim().to_owned()
}

pub fn capabilities_are_dropped_and_added(engine: &Engine) {
    let sets = "for s in Prm Eff Bnd Inh; do grep Cap$s /proc/self/status | cut -f 2; done";
    let of = |flags: &[&str]| sh(engine, flags, sets);
    assert_eq!(of(&["--cap-drop", "ALL"]).lines().collect::<Vec<_>>(), ["0000000000000000"; 4]);
    // 13 is CAP_NET_RAW.
    let one = of(&["--cap-drop", "ALL", "--cap-add", "NET_RAW"]);
    assert_eq!(one.lines().take(3).collect::<Vec<_>>(), ["0000000000002000"; 3]);
    let usual = u64::from_str_radix(&status(engine, &[], "CapEff"), 16).unwrap();
    let script = "chown app /etc 2>&1; grep CapEff /proc/self/status | cut -f 2";
    let text = sh(engine, &["--cap-drop", "CHOWN"], script);
    let (refused, fewer) = text.trim().split_once('\n').unwrap();
    assert_eq!(refused, "chown: /etc: Operation not permitted");
    assert_eq!(usual & !u64::from_str_radix(fewer, 16).unwrap(), 1, "CAP_CHOWN is the first");
    assert_eq!(status(engine, &["--user", "app"], "CapEff"), "0000000000000000");
}

pub fn no_new_privileges_and_seccomp_are_set(engine: &Engine) {
    let of = |flags: &[&str]| sh(engine, flags, "grep -E '^(NoNewPrivs|Seccomp):' /proc/self/status | cut -f 2");
    assert_eq!(of(&[]), "0\n2\n");
    let unconfined = ["--security-opt", "seccomp=unconfined"];
    assert_eq!(of(&[&unconfined[..], &["--security-opt", "no-new-privileges"]].concat()), "1\n0\n");
    // Without any privilege the filter needs `no_new_privs`, or to be set while there still is one.
    assert_eq!(of(&["--user", "app", "--cap-drop", "ALL"]), "0\n2\n");
    if engine.kind() == Kind::Docker {
        // Its default profile refuses new user namespaces to those without CAP_SYS_ADMIN, podman's does not.
        let unshare = ["unshare", "-U", "true"];
        let output = run(engine, &[], &unshare);
        assert!(output.code == 1 && output.stderr.contains("Operation not permitted"), "{output:#?}");
        assert_eq!(run(engine, &unconfined, &unshare).code, 0);
    }
    let folder = engine.folder("seccomp");
    let profile = folder.join("profile.json");
    std::fs::write(&profile, PROFILE).unwrap();
    let option = format!("seccomp={}", profile.display());
    let output = run(engine, &["--security-opt", &option], &["sh", "-c", "mkdir /x 2>&1; touch /y && echo touched"]);
    assert_eq!(output.stdout, "mkdir: can't create directory '/x': No space left on device\ntouched\n", "{output:#?}");
}

/// Everything but making folders, which fails with an error of our choice (28 is ENOSPC).
const PROFILE: &str = r#"{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
    {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28}]}"#;

pub fn privileged_lifts_the_confinement(engine: &Engine) {
    let ours = std::fs::read_to_string("/proc/self/status").unwrap();
    let ours = ours.lines().find_map(|line| line.strip_prefix("CapBnd:\t")).unwrap();
    let script = "grep -E '^(CapEff|Seccomp:)' /proc/self/status | cut -f 2
        mount -t tmpfs none /tmp && echo mounted; grep -c ' /sys sysfs rw' /proc/mounts; ls -d /dev/full
        (: >/proc/sys/kernel/domainname) && echo open";
    let text = sh(engine, &["--privileged"], &format!("{script}; true"));
    let lines: Vec<&str> = text.lines().collect();
    let effective = u64::from_str_radix(lines[0], 16).unwrap();
    if engine.is_ordinary() {
        // Root of a user namespace has all capabilities there, and the machine's files stay the machine's.
        assert_eq!(lines[1..3], ["0", "mounted"], "{text}");
        assert_eq!(effective & KNOWN, KNOWN, "{text}");
    } else {
        // What the machine's own root lacks cannot be given, and is no reason not to start (config.md, "Linux Process").
        assert_eq!(effective & KNOWN, u64::from_str_radix(ours, 16).unwrap() & KNOWN, "{text}");
        assert_eq!(lines[1..], ["0", "mounted", "1", "/dev/full", "open"]);
    }
}

/// The capabilities that engines of any age know: the first 38, up to CAP_AUDIT_READ.
const KNOWN: u64 = (1 << 38) - 1;

pub fn hidden_and_read_only_paths_of_proc_stay_so(engine: &Engine) {
    let script = "for p in kcore keys timer_list; do test -e /proc/$p && cat /proc/$p; done | wc -c; ls /sys/firmware
        for p in /proc/sys/kernel/domainname /proc/sysrq-trigger /sys/kernel/uevent_helper; do
            (echo 1 >$p) 2>/dev/null && echo $p was written
        done; mount -o remount,rw /proc/sys 2>/dev/null && echo remounted; echo end";
    assert_eq!(sh(engine, &[], script), "0\nend\n");
}

pub fn host_name_and_sysctls_are_set(engine: &Engine) {
    let flags = ["--hostname", "other", "--sysctl", "net.ipv4.ip_default_ttl=77", "--sysctl", "kernel.msgmax=4242"];
    let script = "hostname; cat /proc/sys/net/ipv4/ip_default_ttl /proc/sys/kernel/msgmax";
    assert_eq!(sh(engine, &flags, script), "other\n77\n4242\n");
    let output = run(engine, &["--sysctl", "net.ipv4.no_such=1"], &["true"]);
    assert!(output.code >= 125 && output.stderr.contains("no_such"), "{output:#?}");
}

pub fn limits_of_a_process_are_set(engine: &Engine) {
    let flags = [
        "--ulimit",
        "nofile=100:200",
        "--ulimit",
        "core=0",
        "--ulimit",
        "stack=1048576:2097152",
        "--ulimit",
        "nproc=100:200",
    ];
    assert_eq!(sh(engine, &flags, "ulimit -Sn; ulimit -Hn; ulimit -c; ulimit -Ss"), "100\n200\n0\n1024\n");
}
