//! What a payload sees of the machine, and that a hostile image or command line reaches nothing of it.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking, in their helpers too")]

mod common;

use common::{Archive, Busybox, LIMIT, Made, parent, payload};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use serde_json::json;
use std::ffi::OsStr;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;
use testkit::{Answer, Ending, FaultyRegistry, Isolazi, binary, finish, listing};

/// Docker's default set: CHOWN, DAC_OVERRIDE, FOWNER, FSETID, KILL, SETGID, SETUID, SETPCAP, NET_BIND_SERVICE, NET_RAW,
/// SYS_CHROOT, MKNOD, AUDIT_WRITE, SETFCAP (moby, daemon/pkg/oci/caps/defaults.go).
const DEFAULT_CAPABILITIES: &str = "00000000a80425fb";

#[test]
fn every_namespace_is_the_containers_own() {
    for busybox in Busybox::both() {
        let inside = |flags: &[&str], kind: &str| {
            let words = [&["--rm"], flags].concat();
            let link = format!("/proc/self/ns/{kind}");
            busybox.isolazi.run(&busybox.words(&words, &["readlink", &link])).ok().trim().to_owned()
        };
        let outside = |kind: &str| std::fs::read_link(format!("/proc/self/ns/{kind}")).unwrap().display().to_string();
        for kind in ["pid", "mnt", "uts", "ipc", "net", "cgroup"] {
            let link = inside(&["--network", "none"], kind);
            assert!(link.starts_with(kind) && link != outside(kind), "{kind}: {link}");
        }
        assert_eq!(inside(&["--network", "host"], "net"), outside("net"));
        assert_eq!(busybox.run(&[], &["sh", "-c", "echo $$; ls -d /proc/[0-9]*"]).ok(), "1\n/proc/1\n");
    }
}

#[test]
fn an_ordinary_users_root_is_that_user() {
    let busybox = Busybox::ordinary();
    let owner = std::fs::metadata(busybox.isolazi.root()).unwrap().uid();
    let uid_of = |flags: &[&str]| {
        let running = busybox.spawn(&[&["--rm"], flags].concat(), &["sleep", "1000"]);
        let pid = payload(&busybox.isolazi);
        let uid = std::fs::metadata(format!("/proc/{}", pid.as_raw_nonzero())).unwrap().uid();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
        assert_eq!(running.finish(b"", LIMIT).code, 137);
        busybox.holds_nothing();
        uid
    };
    assert_eq!(uid_of(&[]), owner);
    let app = uid_of(&["-u", "app"]);
    assert!(app >= 100_000, "{app} is nobody's subordinate id");
}

#[test]
fn privileges_are_dockers_defaults() {
    for busybox in Busybox::both() {
        let ask = "grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/self/status";
        let text = |permitted: &str| {
            let none = "0000000000000000";
            format!(
                "CapInh:\t{none}\nCapPrm:\t{permitted}\nCapEff:\t{permitted}\nCapBnd:\t{DEFAULT_CAPABILITIES}\nCapAmb:\t{none}\n\
                 NoNewPrivs:\t0\nSeccomp:\t2\n"
            )
        };
        assert_eq!(busybox.sh(&[], ask).ok(), text(DEFAULT_CAPABILITIES));
        assert_eq!(busybox.sh(&["-u", "app"], ask).ok(), text("0000000000000000"));
    }
}

#[test]
fn masked_paths_are_empty_and_read_only_paths_refuse() {
    for busybox in Busybox::both() {
        let masked =
            "for p in acpi asound interrupts kcore keys latency_stats sched_debug scsi timer_list timer_stats; do
            test -e /proc/$p || continue
            if test -d /proc/$p; then ls -A /proc/$p; else cat /proc/$p; fi
        done; ls -A /sys/firmware; echo end";
        assert_eq!(busybox.sh(&[], masked).ok(), "end\n");
        let write = "for p in /proc/sys/kernel/hostname /proc/sysrq-trigger /sys/class/net/lo/mtu /proc/irq/x; do
            (echo 1 >$p) 2>/dev/null && echo $p was written
        done; echo end";
        assert_eq!(busybox.sh(&[], write).ok(), "end\n");
        let covered =
            "touch /proc/keys /proc/acpi/x 2>/dev/null; mount -o remount,rw /proc/sys 2>/dev/null || echo refused";
        assert_eq!(busybox.sh(&[], covered).ok(), "refused\n");
    }
}

#[test]
fn dev_holds_dockers_devices_and_the_hosts_stay_as_they_are() {
    let facts = || {
        ["null", "zero", "full", "random", "urandom", "tty"].map(|name| {
            let facts = std::fs::metadata(format!("/dev/{name}")).unwrap();
            (name, facts.mode(), facts.uid(), facts.gid(), facts.rdev())
        })
    };
    let before = facts();
    for busybox in Busybox::both() {
        let names = "fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero";
        for flags in [&[][..], &["-u", "app"], &["-i", "-u", "app"]] {
            assert_eq!(busybox.sh(flags, "cd /dev; echo *").ok(), format!("{names}\n"));
        }
        let works = "head -c 3 /dev/zero | wc -c; head -c 9 /dev/urandom | wc -c; echo x >/dev/null; cat /dev/null
            echo x 2>/dev/null >/dev/full || echo full; echo to stdout >/dev/stdout; readlink /dev/ptmx; readlink /dev/fd";
        assert_eq!(busybox.sh(&["-u", "app"], works).ok(), "3\n9\nfull\nto stdout\npts/ptmx\n/proc/self/fd\n");
    }
    assert_eq!(facts(), before);
}

#[test]
fn a_device_that_a_payload_makes_cannot_be_opened() {
    for busybox in Busybox::both() {
        let volume = format!("{}:/volume", busybox.isolazi.work().display());
        for folder in ["", "/tmp", "/dev", "/dev/shm", "/volume", "/tmpfs"] {
            // 1:3 is what `/dev/null` is; 254:0 is a disk on virtual machines. The open must fail whatever is behind.
            let script = format!(
                "mknod {folder}/c c 1 3 2>/dev/null; mknod {folder}/b b 254 0 2>/dev/null
                for f in c b; do test -e {folder}/$f || continue; (: <{folder}/$f) 2>/dev/null && echo opened $f; done
                rm -f {folder}/c {folder}/b; echo end"
            );
            assert_eq!(busybox.sh(&["-v", &volume, "--tmpfs", "/tmpfs"], &script).ok(), "end\n", "{folder}");
        }
    }
}

/// The same run of another program, as the same user.
fn in_place_of(command: &Command, owner: &Path, program: impl AsRef<OsStr>) -> Command {
    let owner = std::fs::metadata(owner).unwrap();
    let mut other = Command::new(program);
    other.args(command.get_args()).env_clear().current_dir(command.get_current_dir().unwrap());
    other.envs(command.get_envs().filter_map(|(key, value)| Some((key, value?))));
    other.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    other.uid(owner.uid()).gid(owner.gid());
    other
}

#[test]
fn the_payload_has_three_descriptors_whatever_the_caller_has() {
    for busybox in Busybox::both() {
        let ours = busybox.isolazi.command(&busybox.words(&["--rm", "-i"], &["sh", "-c", "ls /proc/1/fd; true"]));
        let shell = busybox.isolazi.command(&["-c", "exec 7</ 8</etc 9>>/dev/null; exec \"$0\" \"$@\""]);
        let mut command = in_place_of(&shell, &busybox.isolazi.root(), "sh");
        command.arg(ours.get_program()).args(ours.get_args());
        assert_eq!(finish(command.spawn().unwrap(), b"", LIMIT).ok(), "0\n1\n2\n");
    }
}

#[test]
fn mounts_have_dockers_flags() {
    for busybox in Busybox::both() {
        let table = busybox.run(&[], &["cat", "/proc/self/mounts"]).ok();
        for (target, fstype, flags) in [
            ("/", "overlay", &["rw", "nodev"][..]),
            ("/proc", "proc", &["rw", "nosuid", "nodev", "noexec"]),
            ("/dev", "tmpfs", &["rw", "nosuid"]),
            ("/dev/pts", "devpts", &["rw", "nosuid", "noexec"]),
            ("/dev/mqueue", "mqueue", &["rw", "nosuid", "nodev", "noexec"]),
            ("/dev/shm", "tmpfs", &["rw", "nosuid", "nodev", "noexec", "size=65536k"]),
            ("/sys", "sysfs", &["ro", "nosuid", "nodev", "noexec"]),
            ("/proc/sys", "proc", &["ro", "nosuid", "nodev", "noexec"]),
        ] {
            let line = table.lines().rfind(|line| line.split(' ').nth(1) == Some(target));
            let fields: Vec<&str> = line.unwrap_or_else(|| panic!("no {target} in {table}")).split(' ').collect();
            let options: Vec<&str> = fields[3].split(',').collect();
            assert_eq!(fields[2], fstype, "{target}");
            assert!(flags.iter().all(|flag| options.contains(flag)), "{target}: {flags:?} in {options:?}");
        }
        // Whatever else the host has mounted is not there.
        let hosts = std::fs::read_to_string("/proc/self/mounts").unwrap();
        let count = table.lines().count();
        assert!(count < 40 && !table.contains("/sys/fs/cgroup/memory"), "{count} mounts; the host has\n{hosts}");
    }
}

#[test]
fn our_program_cannot_be_overwritten_from_inside_cve_2019_5736() {
    // A registry that says nothing keeps our own program, executed as a payload, busy for as long as we look at it.
    let silent = FaultyRegistry::start(|_, _| Answer::new(200).ending(Ending::StallAfter(0, Duration::from_secs(5))));
    let name = format!("{}/x", silent.addr());
    for busybox in Busybox::both() {
        // A copy, since nothing can be written that any process executes, and other tests execute the original.
        let copy = busybox.isolazi.work().join("copy");
        std::fs::copy(binary(), &copy).unwrap();
        let command = ["/proc/self/exe", "--root", "/tmp/r", "pull", &name];
        let words = busybox.words(&["--rm", "--network", "host"], &command);
        let before = silent.requests().len();
        let mut ours = in_place_of(&busybox.isolazi.command(&words), &busybox.isolazi.root(), &copy);
        let child = ours.spawn().unwrap();
        let pid = payload(&busybox.isolazi);
        common::eventually("our program at work inside", || (silent.requests().len() > before).then_some(()));
        // As an attacker does it: held now, opened for writing when nobody executes it any more.
        let held = [pid, parent(pid)].map(|pid| {
            let path = format!("/proc/{}/exe", pid.as_raw_nonzero());
            rustix::fs::open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).unwrap()
        });
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
        assert_eq!(finish(child, b"", LIMIT).code, 137);
        for held in held {
            let path = format!("/proc/self/fd/{}", held.as_raw_fd());
            let refusal = common::eventually("the end of all who execute it", || {
                let opened = rustix::fs::open(&path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty());
                opened.map_or_else(Some, |_| panic!("open for writing")).filter(|errno| *errno != Errno::TXTBSY)
            });
            // A read-only mount, or a sealed copy in memory.
            assert!(matches!(refusal, Errno::ROFS | Errno::PERM), "{refusal}");
        }
        assert!(std::fs::read(&copy).unwrap() == std::fs::read(binary()).unwrap(), "the program was changed");
    }
    // The same by way of an interpreter: the kernel finds our program, which finds no such command.
    let archive = Archive::busybox().file("script", 0o755, b"#!/proc/self/exe\n");
    let made = Made::new(archive, json!({"Entrypoint": ["/script"]}));
    let isolazi = Isolazi::new();
    let output = isolazi.run(&["run", "--rm", "-q", &made.name]);
    assert_eq!((output.code, output.stdout.as_str()), (1, ""), "{output:?}");
    assert!(output.stderr.starts_with("isolazi: unknown command: isolazi /script\n"), "{output:?}");
}

#[test]
fn a_working_directory_never_leads_to_the_host_cve_2024_21626() {
    for busybox in Busybox::both() {
        let numbered = (0..=20).map(|number| format!("/proc/self/fd/{number}"));
        let others = ["/proc/self/cwd", "/proc/1/root", "/proc/self/root", "/proc/thread-self/fd/7/../.."];
        for path in numbered.chain(others.map(str::to_owned)) {
            let output = busybox.run(&["-w", &path], &["ls"]);
            assert_eq!((output.code, output.stdout.as_str()), (125, ""), "{path}: {output:?}");
            assert!(output.stderr.starts_with("Error: can't enter the working directory `"), "{path}: {output:?}");
            assert_eq!(output.stderr.lines().count(), 1, "{path}: {output:?}");
        }
        busybox.holds_nothing();
    }
}

/// A folder of the host that a hostile image aims at. Its listing must never change.
fn bait(isolazi: &Isolazi) -> (String, String) {
    let folder = isolazi.work().join("bait");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("passwd"), "baited:x:77:77::/:/bin/sh\n").unwrap();
    std::fs::write(folder.join("hosts"), "of the host\n").unwrap();
    for entry in ["", "passwd", "hosts"] {
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o777);
        std::fs::set_permissions(folder.join(entry), open).unwrap();
    }
    let before = listing(&folder);
    (folder.to_str().unwrap().to_owned(), before)
}

#[test]
fn links_of_an_image_never_lead_to_the_host() {
    for isolazi in [Isolazi::new(), Isolazi::ordinary()] {
        let (bait, before) = bait(&isolazi);
        let targets = [
            bait.clone(),
            format!("../../../../../../../..{bait}"),
            format!("/proc/self/root/../..{bait}"),
            format!("/proc/1/root{bait}"),
            "/proc/self/fd/3".to_owned(),
            "/proc/self/cwd".to_owned(),
            "/..".to_owned(),
        ];
        for name in ["dev", "proc", "sys", "etc", "data", "proc-link"] {
            for target in &targets {
                let archive = Archive::busybox().symlink(name, target);
                let made = Made::new(archive, json!({"WorkingDir": "/data/deep", "Volumes": {"/data/volume": {}}}));
                let show = format!("{}/shown:/data/shown", isolazi.work().display());
                // Started or refused: both are right, as long as nothing outside is touched.
                let script =
                    "echo started; touch /data/x /data/deep/x /data/shown/x /etc/hosts /dev/x 2>/dev/null; true";
                let run = ["run", "--rm", "-q", "--network", "none", "-v", &show, "--tmpfs", "/data/tmpfs", &made.name];
                let output = isolazi.run(&[&run[..], &["sh", "-c", script]].concat());
                let told = output.stderr.lines().count() == 1 && output.stderr.starts_with("Error: can't ");
                assert!(
                    (output.code == 0 && output.stdout == "started\n") || (output.code == 125 && told),
                    "{name} -> {target}: {output:?}"
                );
                assert_eq!(listing(Path::new(&bait)), before, "{name} -> {target}: {output:?}");
            }
        }
        common::eventually("the end of all removals", || common::contents(&isolazi).is_empty().then_some(()));
    }
}

#[test]
fn users_are_never_looked_up_on_the_host() {
    for isolazi in [Isolazi::new(), Isolazi::ordinary()] {
        let (bait, before) = bait(&isolazi);
        for target in
            [format!("{bait}/passwd"), format!("../../../../../..{bait}/passwd"), format!("/proc/1/root{bait}/passwd")]
        {
            let made = Made::new(Archive::busybox().folder("etc").symlink("etc/passwd", &target), json!({}));
            isolazi
                .run(&["run", "--rm", "-q", "-u", "baited", &made.name, "true"])
                .fails(125, "Error: unable to find user baited: no matching entries in passwd file\n");
        }
        let made =
            Made::new(Archive::busybox().folder("etc").symlink("etc/hosts", &format!("{bait}/hosts")), json!({}));
        let output = isolazi.run(&["run", "--rm", "-q", &made.name, "sh", "-c", "echo x >>/etc/hosts; cat /etc/hosts"]);
        assert!(output.stdout.is_empty() || !output.stdout.contains("of the host"), "{output:?}");
        assert_eq!(listing(Path::new(&bait)), before);
    }
}
