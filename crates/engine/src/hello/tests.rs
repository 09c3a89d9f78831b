//! The built-in image in a real store, and its report as a whole.

use super::*;
use crate::scratch::Folder;
use std::io::Read;
use std::process::Command;

#[test]
fn the_image_is_made_once_of_this_binary() {
    let folder = Folder::new();
    let store = Store::open(&folder.join("images"));
    let image = image_for(&store).unwrap();
    assert_eq!(image.reference.to_string(), "docker.io/isolazi/hello:latest");
    assert_eq!(image.config.config.entrypoint, ["/isolazi", "internal", "hello"]);
    assert!(image.config.platform().serves(&Platform::of_this_machine()));
    assert_eq!(image.config.rootfs.diff_ids, [image.manifest.layers[0].digest]);
    let written = |image: &Image| store.open_blob(&image.manifest.layers[0]).unwrap().metadata().unwrap().ino();
    let first = written(&image);
    let told = format!("ISOLAZI_HOST_NAMESPACES={}", host_namespaces());
    assert_eq!(image.config.config.env, ["PATH=/", &told]);
    let again = image_for(&store).unwrap();
    assert_eq!((again.id, written(&again)), (image.id, first), "an unchanged binary is not read again");
}

#[test]
fn another_binary_makes_another_image() {
    let folder = Folder::new();
    let store = Store::open(&folder.join("images"));
    let reference: Reference = NAME.parse().unwrap();
    let path = folder.join("binary");
    std::fs::write(&path, "old").unwrap();
    let old = File::open(&path).unwrap();
    let of_old = make(&store, &reference, &old, &old.metadata().unwrap(), "old".to_owned()).unwrap();
    let current = image_for(&store).unwrap();
    assert_ne!(of_old.id, current.id);
    assert_eq!(store.find(&reference, None).unwrap().unwrap().id, current.id);
}

#[test]
fn a_binary_that_shrinks_while_it_is_read_makes_no_image() {
    let folder = Folder::new();
    let store = Store::open(&folder.join("images"));
    let path = folder.join("binary");
    std::fs::write(&path, "long enough").unwrap();
    let binary = File::open(&path).unwrap();
    let meta = binary.metadata().unwrap();
    std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(3).unwrap();
    let error = make(&store, &NAME.parse().unwrap(), &binary, &meta, String::new()).unwrap_err();
    assert_eq!(error.to_string(), "`/proc/self/exe` changed while it was read");
    assert_eq!(store.list().unwrap(), []);
}

#[test]
fn gnu_tar_reads_the_layer() {
    let folder = Folder::new();
    for size in [0, 1, 511, 512, 513, 70_000] {
        let binary = folder.join("binary");
        std::fs::write(&binary, vec![b'x'; size]).unwrap();
        let file = File::open(&binary).unwrap();
        let (mut content, total) = layer::tar(&file, size as u64, 1_100_000_000).unwrap();
        let mut bytes = Vec::new();
        content.read_to_end(&mut bytes).unwrap();
        assert_eq!((bytes.len() as u64, bytes.len() % 512), (total, 0));
        let archive = folder.join("layer.tar");
        std::fs::write(&archive, bytes).unwrap();
        let listed = Command::new("tar").env("TZ", "UTC").arg("-tvf").arg(&archive).output().unwrap();
        let expected = format!(
            "\
drwxr-xr-x root/root         0 2004-11-09 11:33 dev/
drwxr-xr-x root/root         0 2004-11-09 11:33 etc/
drwxr-xr-x root/root         0 2004-11-09 11:33 proc/
drwxr-xr-x root/root         0 2004-11-09 11:33 sys/
drwxrwxrwt root/root         0 2004-11-09 11:33 tmp/
-rw-r--r-- root/root        26 2004-11-09 11:33 etc/group
-rw-r--r-- root/root        50 2004-11-09 11:33 etc/passwd
-rwxr-xr-x root/root {size:>9} 2004-11-09 11:33 isolazi
"
        );
        assert_eq!(String::from_utf8(listed.stderr).unwrap(), "");
        assert_eq!(String::from_utf8(listed.stdout).unwrap(), expected);
    }
}

const STATUS: &str = "\
Name:\tisolazi
PPid:\t0
Uid:\t0\t0\t0\t0
Gid:\t0\t0\t0\t0
Groups:\t0 10
CapEff:\t00000000a80425fb
CapBnd:\t00000000a80425fb
NoNewPrivs:\t0
Seccomp:\t2
Seccomp_filters:\t1
";

const MOUNTINFO: &str = "\
90 80 0:50 / / rw,relatime - overlay overlay rw,lowerdir+=/x
91 90 0:51 / /proc rw,nosuid,nodev,noexec,relatime - proc proc rw
92 90 0:52 / /dev rw,nosuid - tmpfs tmpfs rw,size=65536k,mode=755
93 92 0:53 / /dev/pts rw,nosuid,noexec,relatime - devpts devpts rw,gid=5
94 92 0:6 /null /dev/null rw,nosuid,noexec - devtmpfs devtmpfs rw
95 90 254:0 /etc/hosts /etc/hosts rw,relatime - ext4 /dev/vda rw
96 91 0:51 /sys /proc/sys ro,nosuid,nodev,noexec,relatime - proc proc rw
97 91 0:51 /bus /proc/bus ro,nosuid,nodev,noexec,relatime - proc proc rw
98 91 0:6 /null /proc/kcore ro,nosuid,noexec - devtmpfs devtmpfs rw
99 91 0:60 / /proc/acpi ro,nosuid,nodev,noexec,relatime - tmpfs tmpfs ro
";

fn container() -> facts::Facts {
    facts::Facts {
        version: "1.2.3".into(),
        pid: 1,
        hostname: "0123456789ab".into(),
        status: STATUS.into(),
        uid_map: "         0       1000          1\n         1     100000      65536\n".into(),
        gid_map: "         0          0 4294967295\n".into(),
        passwd: "root:x:0:0:root:/:\n".into(),
        namespaces: ["mnt:[4026532291]", "pid:[4026532294]", "user:[4026531837]"].map(String::from).to_vec(),
        host_namespaces: "mnt:[4026531841] user:[4026531837]".into(),
        mountinfo: MOUNTINFO.into(),
        cgroup: "2:cpu,cpuacct:/x\n1:name=systemd:/\n0::/\n".into(),
        memory_max: "268435456\n".into(),
        pids_max: "max\n".into(),
        cpu_max: "max 100000\n".into(),
        limits: "Limit  Soft Limit  Hard Limit  Units\nMax open files            1024  524288  files\n".into(),
        devices: ["fd", "full", "null", "pts"].map(String::from).to_vec(),
        interfaces: "Inter-| Receive\n face |bytes\n    lo: 0 0\n".into(),
    }
}

#[test]
fn a_container_is_told_in_words() {
    let expected = "\
Hello from inside a container! This is isolazi 1.2.3.
Its root file system is made of nothing but this program. From in here it looks like this:

process         number 1, its parent is outside
user            0 (root), group 0, all groups: 0 10
user ids        0 is 1000 outside, 1-65536 are 100000-165535 outside
group ids       the same as outside
host name       0123456789ab

namespaces      mnt     4026532291  own (host has 4026531841)
                pid     4026532294  own
                user    4026531837  shared with the host

root            overlay, writable, 10 mounts in all
mounts          /proc       proc    rw nosuid nodev noexec
                /dev        tmpfs   rw nosuid
                /dev/pts    devpts  rw nosuid noexec
                /etc/hosts  ext4    rw
read-only       /proc/bus /proc/sys
hidden          /proc/acpi /proc/kcore
in /dev         fd full null pts

capabilities    14 of 41: chown dac_override fowner fsetid kill setgid setuid setpcap
                net_bind_service net_raw sys_chroot mknod audit_write setfcap
                No program in here can have more.
seccomp         a filter refuses system calls that a container has no need of
new privileges  possible: setuid programs work

cgroup          / (v2 name=systemd); /x (cpu,cpuacct)
limits          memory: 256 MiB; processors: no limit; processes: no limit
                open files: 1024 (up to 524288 if asked for)
network         lo only: nothing outside can be reached

Next: `isolazi run -it IMAGE COMMAND` does the same with an image of your choice.
";
    assert_eq!(report::text(&container()), expected);
}

#[test]
fn what_is_not_visible_is_said_so() {
    let expected = "\
Hello from inside a container! This is isolazi .
Its root file system is made of nothing but this program. From in here it looks like this:

process         number 0
user            unknown, group unknown, all groups: none
user ids        not visible
group ids       not visible
host name

namespaces      not visible

mounts          not visible

capabilities    not visible
can be gained   not visible
seccomp         not visible
new privileges  not visible

cgroup          not visible
limits          memory: not visible; processors: not visible; processes: not visible
network         no interface

Next: `isolazi run -it IMAGE COMMAND` does the same with an image of your choice.
";
    assert_eq!(report::text(&facts::Facts::default()), expected);
}

#[test]
fn this_machine_fits_into_the_columns() {
    let text = report(&host_namespaces());
    for line in text.lines() {
        let is_one_word = line.split_whitespace().count() <= 2;
        assert!(line.chars().count() <= 100 || is_one_word || line.contains(" rw "), "{line}");
    }
    assert!(text.contains("shared with the host") && !text.contains("own (host has"), "{text}");
}
