//! `mounts`, as a payload sees them.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "tests fail by panicking, in their helpers too")]

mod common;

use common::bundle::Bundle;
use common::{Ended, Room, add_mounts, bind, container, end, in_own_mounts, with};
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::io::{Read, Write as _};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

fn said(text: &str) -> Ended {
    Ended { text: text.into(), code: 0 }
}

/// Prints options, propagation, type, source and the file system's options of the mounts at and below `/x`.
const LOOK: &str =
    "while read -r _ _ _ _ at rest; do case $at in /x*) echo $at $rest;; esac; done </proc/self/mountinfo";

/// Capabilities for mounting and for making devices inside.
fn may_mount(document: Value) -> Value {
    let capabilities = ["CAP_SYS_ADMIN", "CAP_DAC_OVERRIDE", "CAP_MKNOD", "CAP_FOWNER"];
    with(
        document,
        &json!({"process": {"capabilities": {"bounding": capabilities, "effective": capabilities, "permitted": capabilities}}}),
    )
}

fn tmpfs(at: &Path) {
    std::fs::create_dir_all(at).unwrap();
    mount("tmpfs", at, "tmpfs", MountFlags::empty(), None).unwrap();
}

#[test]
fn every_attribute_of_a_mount_is_what_its_last_option_says() {
    let room = Room::new();
    let cases: &[(&[&str], &str)] = &[
        (&[], "rw,relatime"),
        (&["defaults"], "rw,relatime"),
        (&["ro"], "ro,relatime"),
        (&["ro", "rw"], "rw,relatime"),
        (&["nosuid"], "rw,nosuid,relatime"),
        (&["nosuid", "suid"], "rw,relatime"),
        (&["nodev"], "rw,nodev,relatime"),
        (&["nodev", "dev"], "rw,relatime"),
        (&["noexec"], "rw,noexec,relatime"),
        (&["noexec", "exec"], "rw,relatime"),
        (&["noatime"], "rw,noatime"),
        (&["noatime", "atime"], "rw,relatime"),
        (&["nodiratime"], "rw,nodiratime,relatime"),
        (&["nodiratime", "diratime"], "rw,relatime"),
        (&["strictatime"], "rw"),
        (&["strictatime", "nostrictatime"], "rw,relatime"),
        (&["noatime", "relatime"], "rw,relatime"),
        (&["nosymfollow"], "rw,relatime,nosymfollow"),
        (&["nosymfollow", "symfollow"], "rw,relatime"),
        (&["ro", "nosuid", "nodev", "noexec", "noatime"], "ro,nosuid,nodev,noexec,noatime"),
        (&["rro"], "ro,relatime"),
        (&["rnoatime"], "rw,noatime"),
        (&["loud", "silent", "norelatime", "iversion"], "rw,relatime"),
    ];
    // New file systems and bind mounts of a directory of one, whose own mount says nothing.
    for kind in ["tmpfs", "bind"] {
        let (mut mounts, mut expected) = (Vec::new(), String::new());
        for (number, (options, attributes)) in cases.iter().enumerate() {
            let mut options = options.to_vec();
            if kind == "tmpfs" && options.iter().any(|option| option.starts_with("rro") || option.starts_with("rno")) {
                continue; // what is new has nothing below it
            }
            if kind == "bind" {
                options.push("bind");
            }
            let at = format!("/x{number:02}");
            mounts.push(json!({"destination": at, "type": kind, "source": "shared", "options": options}));
            writeln!(expected, "{at} {attributes}").unwrap();
        }
        let script = "while read -r _ _ _ _ at options _; do case $at in /x*) echo $at $options;; esac; done </proc/self/mountinfo";
        let document = add_mounts(container(script), &mounts);
        let text = in_own_mounts(|| {
            tmpfs(&room.dir.join("shared"));
            room.run(document).unwrap()
        });
        assert_eq!(text, said(&expected), "{kind}");
    }
}

#[test]
fn attributes_have_the_effect_of_their_names() {
    let room = Room::new();
    for name in ["touch", "stat", "cp", "mkdir", "mknod"] {
        symlink("busybox", room.inside(&format!("bin/{name}"))).unwrap();
    }
    let script = "
        for at in /x /y; do
            mkdir $at/own; cp /bin/busybox $at/own
            mknod $at/null c 1 3
            (: >$at/new) 2>/dev/null && echo $at writes
            $at/own/busybox true 2>/dev/null && echo $at executes
            (: <$at/null) 2>/dev/null && echo $at has devices
            touch -a -d '2001-01-01' $at/own/busybox; cat $at/own/busybox >/dev/null
            [ $(stat -c %X $at/own/busybox) -gt 1000000000 ] && echo $at remembers access
        done
        cat /z/link 2>/dev/null || echo /z follows nothing
        (: >/r/new) 2>/dev/null || echo /r is read-only";
    let mount = |at: &str, options: &[&str]| json!({"destination": at, "type": "tmpfs", "options": options});
    let document = add_mounts(
        may_mount(container(script)),
        &[
            mount("/x", &["noexec", "nodev", "noatime"]),
            mount("/y", &["strictatime"]),
            mount("/r", &["ro"]),
            json!({"destination": "/z", "type": "bind", "source": "shared", "options": ["bind", "nosymfollow"]}),
        ],
    );
    std::fs::write(room.dir.join("shared/file"), "secret").unwrap();
    symlink("file", room.dir.join("shared/link")).unwrap();
    let text =
        "/x writes\n/y writes\n/y executes\n/y has devices\n/y remembers access\n/z follows nothing\n/r is read-only\n";
    assert_eq!(room.run(document).unwrap(), said(text));
}

#[test]
fn set_user_id_bits_are_ignored_where_a_mount_says_so() {
    let room = Room::new();
    room.build("who", "#include <unistd.h>\nint main(void) { return geteuid(); }");
    common::copy(&room.inside("bin/who"), &room.dir.join("shared/who"));
    std::fs::set_permissions(room.dir.join("shared/who"), std::fs::Permissions::from_mode(0o4755)).unwrap();
    for (option, code) in [("suid", 0), ("nosuid", 7)] {
        let mount = json!({"destination": "/x", "type": "bind", "source": "shared", "options": ["bind", option]});
        let user = json!({"process": {"user": {"uid": 7, "gid": 7}}});
        assert_eq!(
            room.run(add_mounts(with(container("exec /x/who"), &user), &[mount])).unwrap().code,
            code,
            "{option}"
        );
    }
}

#[test]
fn what_lies_below_a_bind_mount_comes_and_changes_as_the_options_say() {
    let room = Room::new();
    let cases: &[(&[&str], &str)] = &[
        (&["bind"], "/x rw,relatime\n"),
        (&["rbind"], "/x rw,relatime\n/x/sub rw,relatime\n"),
        (&["rbind", "ro", "nosuid"], "/x ro,nosuid,relatime\n/x/sub rw,relatime\n"),
        (&["rbind", "rro"], "/x ro,relatime\n/x/sub ro,relatime\n"),
        (&["rbind", "rro", "rrw"], "/x rw,relatime\n/x/sub rw,relatime\n"),
        (&["rbind", "rro", "rw"], "/x rw,relatime\n/x/sub ro,relatime\n"),
        (
            &["rbind", "rnosuid", "rnodev", "rnoexec"],
            "/x rw,nosuid,nodev,noexec,relatime\n/x/sub rw,nosuid,nodev,noexec,relatime\n",
        ),
        (&["rbind", "rnoatime"], "/x rw,noatime\n/x/sub rw,noatime\n"),
        (&["rbind", "rstrictatime"], "/x rw\n/x/sub rw\n"),
        (&["rbind", "rnodiratime"], "/x rw,nodiratime,relatime\n/x/sub rw,nodiratime,relatime\n"),
        (&["rbind", "rnosymfollow"], "/x rw,relatime,nosymfollow\n/x/sub rw,relatime,nosymfollow\n"),
    ];
    let script =
        "while read -r _ _ _ _ at options _; do case $at in /x*) echo $at $options;; esac; done </proc/self/mountinfo";
    in_own_mounts(|| {
        tmpfs(&room.dir.join("shared"));
        tmpfs(&room.dir.join("shared/sub"));
        for (options, expected) in cases {
            let mount = json!({"destination": "/x", "type": "bind", "source": "shared", "options": options});
            assert_eq!(room.run(add_mounts(container(script), &[mount])).unwrap(), said(expected), "{options:?}");
        }
        // Of the host's own nothing has changed.
        let mounts = std::fs::read_to_string("/proc/thread-self/mountinfo").unwrap();
        let ours: Vec<_> = mounts.lines().filter(|line| line.contains(room.dir.to_str().unwrap())).collect();
        assert!(ours.len() == 2 && ours.iter().all(|line| line.contains(" rw,relatime ")), "{ours:?}");
    });
}

/// A mount that the host makes while the container runs, and one that the container makes, each seen or not.
#[test]
fn mounts_travel_as_the_propagation_says() {
    let room = Room::new();
    for name in ["mount", "mkdir"] {
        symlink("busybox", room.inside(&format!("bin/{name}"))).unwrap();
    }
    // option, word in mountinfo, does the host's come in, does the container's go out
    let cases = [
        ("private", "-", false, false),
        ("rprivate", "-", false, false),
        ("slave", "master:", true, false),
        ("rslave", "master:", true, false),
        ("shared", "shared:", true, true),
        ("rshared", "shared:", true, true),
        ("unbindable", "unbindable", false, false),
        ("runbindable", "unbindable", false, false),
    ];
    for (option, word, comes_in, goes_out) in cases {
        in_own_mounts(|| {
            let shared = room.dir.join("shared");
            tmpfs(&shared);
            mount_change(&shared, MountPropagationFlags::SHARED).unwrap();
            for dir in ["late", "inner"] {
                std::fs::create_dir(shared.join(dir)).unwrap();
            }
            rustix::fs::mkfifoat(rustix::fs::CWD, shared.join("go"), rustix::fs::Mode::RWXU).unwrap();
            let script = format!("mount -t tmpfs inner /x/inner; echo; read _ </x/go; {LOOK}");
            let mount = json!({"destination": "/x", "type": "bind", "source": "shared", "options": ["rbind", option]});
            let plan = room.compile(may_mount(add_mounts(container(&script), &[mount]))).unwrap();
            let (running, output) = room.start(&plan, None).unwrap();
            let mut output = std::fs::File::from(output);
            output.read_exact(&mut [0]).unwrap();
            let is_out = std::fs::read_to_string("/proc/thread-self/mountinfo").unwrap().contains("/shared/inner ");
            tmpfs(&shared.join("late"));
            std::fs::OpenOptions::new().write(true).open(shared.join("go")).unwrap().write_all(b"\n").unwrap();
            let mut text = String::new();
            output.read_to_string(&mut text).unwrap();
            assert_eq!(end(&running), 0);
            let propagation = text.lines().find_map(|line| line.strip_prefix("/x rw,relatime ")).unwrap();
            assert!(propagation.starts_with(word), "{option}: {text}");
            assert_eq!((text.contains("/x/late "), is_out), (comes_in, goes_out), "{option}: {text}");
        });
    }
}

#[test]
fn a_new_file_system_has_the_propagation_that_it_asks_for() {
    let room = Room::new();
    for (option, word) in [("rshared", "shared:"), ("private", "-"), ("runbindable", "unbindable")] {
        let mount = json!({"destination": "/x", "type": "tmpfs", "options": [option]});
        let text = room.run(add_mounts(container(LOOK), &[mount])).unwrap().text;
        assert!(text.starts_with(&format!("/x rw,relatime {word}")), "{option}: {text}");
    }
}

#[test]
fn sources_may_be_files_relative_and_links_that_are_not_wanted_are_refused() {
    let room = Room::new();
    std::fs::write(room.dir.join("shared/file"), "a file").unwrap();
    symlink("file", room.dir.join("shared/link")).unwrap();
    let mount =
        |source: &str, options: &[&str]| json!({"destination": "/made/for/it", "source": source, "options": options});
    for source in ["shared/file", "./shared/../shared/file", "shared/link"] {
        let document = add_mounts(container("cat /made/for/it"), &[mount(source, &["bind"])]);
        assert_eq!(room.run(document).unwrap(), said("a file"), "{source}");
    }
    let document = add_mounts(container("readlink /made/for/it"), &[mount("shared/link", &["bind", "src-nofollow"])]);
    assert_eq!(room.run(document).unwrap().text, "file\n");
    let error = room.run(add_mounts(container("true"), &[mount("shared/nothing", &["bind"])])).unwrap_err();
    let text =
        format!("can't open `{}` to mount it: no such file or directory", room.dir.join("shared/nothing").display());
    assert_eq!(error.to_string(), text);
}

#[test]
fn a_tmpfs_without_a_mode_has_that_of_the_folder_it_covers() {
    let room = Room::new();
    symlink("busybox", room.inside("bin/stat")).unwrap();
    symlink("tmp", room.inside("link")).unwrap();
    for (name, mode) in [("etc", 0o710), ("tmp", 0o1777)] {
        std::fs::set_permissions(room.inside(name), std::fs::Permissions::from_mode(mode)).unwrap();
    }
    let mount =
        |at: &str, options: &[&str]| json!({"destination": at, "type": "tmpfs", "source": "tmpfs", "options": options});
    // What is absent is made, and the kernel's mode counts; the third covers the first, which is there by then.
    for (mounts, modes) in [
        (vec![mount("/etc", &["uid=3"]), mount("/link", &["size=1m"]), mount("/new/deep", &[])], "710\n1777\n1777\n"),
        (
            vec![mount("/etc", &["mode=0500"]), mount("/tmp", &["mode=1700"]), mount("/new/deep", &["mode=7"])],
            "500\n1700\n7\n",
        ),
        (vec![mount("/etc", &["mode=0500"]), mount("/etc", &["ro"]), mount("/etc/in", &[])], "500\n1777\n755\n"),
    ] {
        let document = add_mounts(container("stat -c %a /etc /tmp /new/deep"), &mounts);
        assert_eq!(room.run(document).unwrap(), said(modes));
        assert_eq!(std::fs::metadata(room.inside("etc")).unwrap().permissions().mode() & 0o7777, 0o710);
    }
}

#[test]
fn a_tmpfs_has_its_parameters_and_may_begin_with_what_was_there() {
    let room = Room::new();
    symlink("busybox", room.inside("bin/stat")).unwrap();
    std::fs::create_dir(room.inside("etc/deep")).unwrap();
    std::fs::write(room.inside("etc/deep/file"), "copied").unwrap();
    std::fs::set_permissions(room.inside("etc/deep/file"), std::fs::Permissions::from_mode(0o640)).unwrap();
    std::fs::set_permissions(room.inside("etc"), std::fs::Permissions::from_mode(0o751)).unwrap();
    let mounts = [
        json!({"destination": "/x", "type": "tmpfs", "source": "name", "options": ["size=1m", "nr_inodes=9", "mode=711", "uid=3", "gid=4"]}),
        json!({"destination": "/etc", "type": "tmpfs", "options": ["tmpcopyup", "nosuid"]}),
    ];
    let script = "stat -c '%a %u %g' /x; cat /etc/deep/file; stat -c %a /etc /etc/deep/file; : >/etc/new
        while read -r _ _ _ _ at options _ fstype source rest; do [ $at = /x ] && echo $source $rest; done </proc/self/mountinfo
        while read -r _ _ _ _ at options _; do [ $at = /etc ] && echo $options; done </proc/self/mountinfo";
    let text = "711 3 4\ncopied751\n640\nrw,nosuid,relatime\n";
    let ended = room.run(add_mounts(container(script), &mounts)).unwrap();
    let (one, rest) = ended.text.split_at(ended.text.find("640\n").unwrap() + 4);
    assert_eq!(one, &text[..text.find("rw,").unwrap()]);
    assert!(rest.starts_with("name rw,size=1024k,nr_inodes=9,mode=711,uid=3,gid=4"), "{rest}");
    assert!(rest.ends_with("\nrw,nosuid,relatime\n"), "{rest}");
    // The root file system got nothing of it.
    assert!(!room.inside("etc/new").try_exists().unwrap());
}

#[test]
fn file_systems_of_the_kernel_take_their_options() {
    let room = Room::new();
    symlink("busybox", room.inside("bin/stat")).unwrap();
    let mounts = [
        json!({"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue", "options": ["nosuid", "noexec", "nodev"]}),
        json!({"destination": "/dev/pts", "type": "devpts", "source": "devpts",
            "options": ["newinstance", "ptmxmode=0640", "mode=0621", "gid=5"]}),
    ];
    let script = "stat -c %a /dev/pts/ptmx
        while read -r _ _ _ _ at options _ fstype _ rest; do
            case $at in /dev/mqueue|/dev/pts) echo $at $options $fstype $rest;; esac
        done </proc/self/mountinfo";
    let text = room.run(add_mounts(container(script), &mounts)).unwrap().text;
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines[0], "640");
    assert!(lines.contains(&"/dev/mqueue rw,nosuid,nodev,noexec,relatime mqueue rw"), "{text}");
    let pts = "/dev/pts rw,relatime devpts rw,gid=5,mode=621,ptmxmode=640";
    assert_eq!(lines.iter().filter(|line| **line == pts).count(), 1, "{text}");
}

#[test]
fn a_read_only_file_system_and_a_remounted_one_refuse_writers() {
    let room = Room::new();
    let mounts = [
        json!({"destination": "/x", "type": "tmpfs"}),
        json!({"destination": "/x/file", "type": "bind", "source": "shared", "options": ["bind"]}),
        json!({"destination": "/x", "options": ["remount", "ro", "noexec"]}),
        json!({"destination": "/y", "type": "bind", "source": "shared", "options": ["bind", "ro"]}),
        json!({"destination": "/y", "options": ["remount", "bind", "rw", "nosuid"]}),
    ];
    let script = "while read -r _ _ _ _ at options _; do case $at in /[xy]*) echo $at $options;; esac; done </proc/self/mountinfo";
    let text = room.run(add_mounts(container(script), &mounts)).unwrap().text;
    let mut lines: Vec<_> = text.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["/x ro,noexec,relatime", "/x/file rw,relatime", "/y rw,nosuid,relatime"]);
    // Of what is not in memory alone the file system becomes read-only, too.
    let mounts = [json!({"destination": "/x", "type": "ramfs", "source": "ram", "options": ["ro"]})];
    assert_eq!(room.run(add_mounts(container(LOOK), &mounts)).unwrap(), said("/x ro,relatime - ramfs ram ro\n"));
    let error =
        room.run(add_mounts(container("true"), &[json!({"destination": "/bin", "options": ["remount", "ro"]})]));
    assert_eq!(error.unwrap_err().to_string(), "can't change the mount on `/bin`: invalid argument");
}

#[test]
fn an_overlay_may_have_more_layers_than_one_parameter_has_room_for() {
    let room = Room::new();
    let long = "l".repeat(60);
    let mut folders = Vec::new();
    for number in 0..12 {
        let folder = room.dir.join(format!("shared/{long}{number}:colon"));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(format!("of-{number:02}")), "").unwrap();
        std::fs::write(folder.join("top"), number.to_string()).unwrap();
        folders.push(folder.to_str().unwrap().replace(':', "\\:"));
    }
    for dir in ["upper", "work"] {
        std::fs::create_dir(room.dir.join("shared").join(dir)).unwrap();
    }
    let at = |dir: &str| format!("{dir}dir={}", room.dir.join("shared").join(dir).display());
    let lower = format!("lowerdir={}", folders.join(":"));
    assert!(lower.len() > 1000);
    let mount = |lower: &str| json!({"destination": "/x", "type": "overlay", "source": "overlay", "options": [lower, at("upper"), at("work")]});
    let document = add_mounts(container("cat /x/top; ls /x | grep -c of-; : >/x/new"), &[mount(&lower)]);
    assert_eq!(room.run(document).unwrap(), said("012\n"));
    assert!(room.dir.join("shared/upper/new").try_exists().unwrap());
    let error =
        room.compile(add_mounts(container(""), &[mount(&format!("lowerdir=/{}", "x".repeat(255)))])).unwrap_err();
    let text = "config.json: `mounts[5].options`: the kernel takes no more than 255 bytes of `lowerdir+`";
    assert_eq!(error.to_string(), text);
}

#[test]
fn order_counts_and_later_mounts_lie_on_earlier_ones() {
    let room = Room::new();
    std::fs::write(room.dir.join("shared/file"), "below").unwrap();
    let shared = room.dir.join("shared");
    let hidden = [bind(&shared, "/x/in"), json!({"destination": "/x", "type": "tmpfs"})];
    assert_eq!(room.run(add_mounts(container("ls -A /x"), &hidden)).unwrap(), said(""));
    let shown = [json!({"destination": "/x", "type": "tmpfs"}), bind(&shared, "/x/in")];
    assert_eq!(room.run(add_mounts(container("cat /x/in/file"), &shown)).unwrap(), said("below"));
}

/// What lies below an earlier mount is looked for in the container, where a link leads no further than its root.
#[test]
fn a_source_may_be_what_an_earlier_mount_of_the_container_brings() {
    let bundle = Bundle::saying("");
    let volume = bundle.room.dir.join("volume");
    std::fs::create_dir_all(volume.join("deep")).unwrap();
    std::fs::create_dir(bundle.room.inside("vol")).unwrap();
    std::fs::write(volume.join("deep/file"), "of the volume\n").unwrap();
    std::fs::write(bundle.room.inside("etc/issue"), "of the container\n").unwrap();
    symlink("/etc/issue", volume.join("link")).unwrap();
    symlink("../../../../../../../etc/issue", volume.join("up")).unwrap();
    let within = |path: &str| bundle.room.inside(path);
    let mounts = [
        bind(&volume, "/vol"),
        bind(&within("vol/deep"), "/deep"),
        json!({"destination": "/link", "type": "bind", "source": "rootfs/vol/link", "options": ["bind", "ro"]}),
        bind(&within("vol/up"), "/up"),
        // Nothing lies over it: the host's, as it is.
        bind(&within("etc"), "/etc-too"),
    ];
    let map = json!([{"containerID": 0, "hostID": 0, "size": 65536}]);
    let own_users = json!({"uidMappings": map, "gidMappings": map});
    for patch in [json!({}), own_users] {
        let mut document = add_mounts(bundle.document("cat /deep/file /link /up /etc-too/issue; : >/link"), &mounts);
        document["linux"].as_object_mut().unwrap().extend(patch.as_object().unwrap().clone());
        if patch != json!({}) {
            document["linux"]["namespaces"].as_array_mut().unwrap().push(json!({"type": "user"}));
        }
        bundle.configure(&document);
        let inside = "of the container\n";
        let refused = "sh: can't create /link: Read-only file system\n";
        assert_eq!(bundle.live(), format!("of the volume\n{inside}{inside}{inside}{refused}"), "{patch}");
    }
    bundle.configure(&add_mounts(bundle.document(""), &[bind(&volume, "/vol"), bind(&within("vol/none"), "/x")]));
    assert_eq!(bundle.create().unwrap_err().to_string(), "can't mount `/vol/none` on `/x`: no such file or directory");
}

/// What programs take for the order in which things were mounted.
#[test]
fn mountinfo_has_the_order_of_the_document() {
    let room = Room::new();
    let shared = room.dir.join("shared");
    let with = |target: &str, option: &str| json!({"destination": target, "type": "bind", "source": shared, "options": ["rbind", option]});
    let tmpfs = |target: &str| json!({"destination": target, "type": "tmpfs"});
    let mounts = [
        tmpfs("/m/1"),
        with("/m/2", "rshared"),
        tmpfs("/m/3"),
        with("/m/4", "rslave"),
        bind(&shared, "/m/5"),
        tmpfs("/m/6"),
    ];
    let script = "while read -r _ _ _ _ at _; do case $at in /m/*) echo $at;; esac; done </proc/self/mountinfo";
    let listed = room.run(add_mounts(container(script), &mounts)).unwrap();
    assert_eq!(listed, said("/m/1\n/m/2\n/m/3\n/m/4\n/m/5\n/m/6\n"));
}

/// The machine's hierarchies, each with its controllers, as far as a container has a cgroup in it: v1 by the name of
/// where it is mounted, and v2.
#[test]
fn cgroups_are_the_containers_own_part_of_every_hierarchy() {
    let namespaces = |names: &[&str]| {
        let all: Vec<_> = names.iter().map(|name| json!({"type": name})).collect();
        json!({"linux": {"namespaces": all}})
    };
    let script = "
        while read -r _ _ _ root at options _ fstype _; do
            case $at in /sys/fs/cgroup*) echo mount $at ${options%%,*} $fstype;; esac
        done </proc/self/mountinfo
        for dir in /sys/fs/cgroup/*/; do
            [ -L ${dir%/} ] && continue
            read -r first <${dir}cgroup.procs; echo procs $dir $first
            mkdir ${dir}new 2>/dev/null && rmdir ${dir}new && echo made in $dir
        done
        while read -r line; do echo cgroup ${line##*:}; done </proc/self/cgroup; exit 0";
    for own in [true, false] {
        for options in [json!(["ro", "nosuid", "noexec", "nodev"]), json!(["nosuid"])] {
            let bundle = Bundle::saying("");
            for name in ["mkdir", "rmdir"] {
                symlink("busybox", bundle.room.inside(&format!("bin/{name}"))).unwrap();
            }
            let mount =
                json!({"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": options});
            let names = ["mount", "pid", "uts", "ipc", "network", "cgroup"];
            let names = if own { &names[..] } else { &names[..5] };
            bundle.configure(&with(add_mounts(bundle.document(script), &[mount]), &namespaces(names)));
            let said = bundle.live();
            let read_only = options[0] == "ro";
            let lines = |first: &str| {
                said.lines()
                    .filter_map(|line| line.strip_prefix(first)?.strip_prefix(' '))
                    .map(str::to_owned)
                    .collect::<Vec<_>>()
            };
            // Where the machine has v1 there is a tmpfs with a folder for each hierarchy.
            let mounts = lines("mount");
            let expected = if read_only { " ro " } else { " rw " };
            assert!(mounts.len() > 1 && mounts.iter().all(|line| line.contains(expected)), "{said}");
            assert!(mounts.iter().any(|line| line.ends_with("cgroup")), "{said}");
            // Our own pid namespace's first process is the only one in each.
            let procs = lines("procs");
            assert_eq!(procs.len(), mounts.len() - 1, "{said}");
            assert!(procs.iter().all(|line| line.ends_with(" 1")), "{said}");
            assert_eq!(lines("made").is_empty(), read_only, "{said}");
            let cgroups = lines("cgroup");
            assert!(cgroups.iter().all(|path| own == (path == "/")), "{said}");
        }
    }
}
