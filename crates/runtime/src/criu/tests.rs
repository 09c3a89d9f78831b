//! What is said to CRIU, read back field by field.

use super::wire::{Answer, Features, Fields, Kind, Value};
use super::*;
use serde_json::json;

/// The fields of a message as text: `number=value`, and messages of two parts in braces.
fn shown(message: &Message) -> Vec<String> {
    let show = |(field, value): (u32, Option<Value<'_>>)| match value.unwrap() {
        Value::Number(number) => format!("{field}={number}"),
        Value::Bytes(bytes) if bytes.first() == Some(&0x0a) => {
            let parts = Fields(bytes).map(|(_, part)| match part.unwrap() {
                Value::Number(number) => number.to_string(),
                Value::Bytes(text) => String::from_utf8_lossy(text).into_owned(),
            });
            format!("{field}={{{}}}", parts.collect::<Vec<_>>().join(" "))
        }
        Value::Bytes(bytes) => format!("{field}={}", String::from_utf8_lossy(bytes)),
    };
    Fields(message.encoded()).map(show).collect()
}

fn spec(document: serde_json::Value) -> Spec {
    serde_json::from_value(document).unwrap()
}

#[test]
fn numbers_texts_and_messages_are_read_as_they_were_written() {
    let mut message = Message::request(Kind::Version);
    for number in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX] {
        message.number(63, number);
    }
    message.flag(5, false);
    message.numbered(27, "pipe:[7]", 300);
    message.pair(23, "/a", "/b");
    let max = format!("63={}", u64::MAX);
    let wanted = [
        "1=10",
        "63=0",
        "63=1",
        "63=127",
        "63=128",
        "63=300",
        "63=4294967295",
        &max,
        "27={pipe:[7] 300}",
        "23={/a /b}",
    ];
    assert_eq!(shown(&message), wanted);
    // protobuf's own example: field 1 is 150.
    let mut example = Message::default();
    example.number(1, 150);
    assert_eq!(example.encoded(), [0x08, 0x96, 0x01]);
}

#[test]
fn answers_are_understood_and_nonsense_does_no_harm() {
    let mut features = Message::default();
    features.number(2, 1);
    features.number(3, 1);
    let mut version = Message::default();
    version.number(1, 3);
    version.number(2, 17);
    let mut notice = Message::default();
    notice.text(1, "post-restore");
    notice.number(2, 4711);
    let mut message = Message::request(Kind::Notify);
    message.number(2, 1);
    message.message(5, &notice);
    message.number(7, 2);
    message.message(8, &features);
    message.text(9, "no");
    message.message(10, &version);
    message.text(99, "of the future");
    let wanted = Answer {
        kind: Kind::Notify as u64,
        success: true,
        pid: Some(4711),
        notice: "post-restore".into(),
        errno: Some(2),
        words: "no".into(),
        features: Features { memory_tracking: false, lazy_pages: true },
        version: (3, 17),
    };
    assert_eq!(Answer::parse(message.encoded()), wanted);
    for bytes in [&[][..], &[0xff; 40], &[0x12, 0xff, 0xff, 0xff, 0xff, 0x0f], &[0x0b], &[0x09, 1, 2]] {
        assert_eq!(Answer::parse(bytes), Answer::default(), "{bytes:?}");
    }
}

proptest::proptest! {
    #[test]
    fn no_answer_ends_us(bytes: Vec<u8>) {
        Answer::parse(&bytes);
    }
}

#[test]
fn options_become_fields() {
    let all = Common {
        image_path: "/i".into(),
        work_path: Some("/w".into()),
        tcp_established: true,
        ext_unix_sk: true,
        shell_job: true,
        file_locks: true,
        manage_cgroups_mode: CgroupsMode::Strict,
        network_lock: Some(NetworkLock::Skip),
        empty_ns: vec!["network".into()],
        auto_dedup: true,
        lazy_pages: true,
    };
    let plain = spec(json!({"ociVersion": "1.2.1", "linux": {"namespaces": [{"type": "network", "path": "/n"}]}}));
    let wanted = [
        "9=4",
        "10=x.log",
        "12=1",
        "50=1",
        "4=1",
        "5=1",
        "7=1",
        "8=1",
        "16=1",
        "48=1",
        "24=1",
        "34=5",
        "64=3",
        "38=1073741824",
        "51=/etc/criu/runc.conf",
    ];
    assert_eq!(shown(&common(&plain, &all, "x.log", true)), wanted);
    let least = ["9=4", "10=x.log", "12=1", "50=1", "24=1", "34=3", "51=/etc/criu/runc.conf"];
    assert_eq!(shown(&common(&plain, &Common::default(), "x.log", true)), least);
    let own = spec(json!({
        "ociVersion": "1.2.1", "annotations": {"org.criu.config": ""}, "linux": {"namespaces": [{"type": "network"}]}
    }));
    let wanted = ["9=4", "10=x.log", "12=1", "50=1", "24=1", "34=0", "38=1073741824"];
    assert_eq!(shown(&common(&own, &Common::default(), "x.log", false)), wanted);
}

#[test]
fn mounts_from_outside_have_a_source_again() {
    let document = spec(json!({
        "ociVersion": "1.2.1",
        "mounts": [
            {"destination": "/proc", "type": "proc"},
            {"destination": "/a/../b", "type": "bind", "source": "data"},
            {"destination": "/c", "type": "none", "source": "/d", "options": ["rbind", "ro"]},
            {"destination": "/sys/fs/cgroup", "type": "cgroup"}
        ],
        "linux": {"devices": [{"type": "c", "path": "/dev/fuse", "major": 10, "minor": 229}]}
    }));
    let place = |version, mount: &str| crate::cgroup::Place {
        version,
        controllers: Vec::new(),
        mount: mount.into(),
        dir: "c1".into(),
    };
    use crate::cgroup::Version;
    let v1 = [place(Version::V1, "/sys/fs/cgroup/memory"), place(Version::V2, "/sys/fs/cgroup/unified")];
    let mut message = Message::default();
    mounts::provide(&document, "/bundle".as_ref(), &v1, &mut message).unwrap();
    let all = shown(&message);
    let wanted = [
        "23={/b /bundle/data}",
        "23={/c /d}",
        "23={/sys/fs/cgroup/memory /sys/fs/cgroup/memory/c1}",
        "23={/sys/fs/cgroup/unified /sys/fs/cgroup/unified/c1}",
        "23={/dev/fuse /dev/fuse}",
        "23={/dev/null /dev/null}",
    ];
    assert_eq!(all[..6], wanted);
    assert_eq!(all.len(), 11);
    let mut message = Message::default();
    mounts::provide(&document, "/bundle".as_ref(), &[place(Version::V2, "/sys/fs/cgroup")], &mut message).unwrap();
    assert_eq!(shown(&message)[2], "23={/sys/fs/cgroup /sys/fs/cgroup/c1}");
}

#[test]
fn shared_namespaces_are_left_out_and_joined_again() {
    let shared = |kind: &str, file: &str| json!({"type": kind, "path": format!("/proc/self/ns/{file}")});
    let document =
        |namespaces: Vec<serde_json::Value>| spec(json!({"ociVersion": "1.2.1", "linux": {"namespaces": namespaces}}));
    let several = document(vec![
        shared("network", "net"),
        shared("pid", "pid"),
        shared("ipc", "ipc"),
        shared("uts", "uts"),
        json!({"type": "mount"}),
    ]);
    let mut message = Message::default();
    namespaces::leave_out(&several, &mut message).unwrap();
    let inode = |file: &str| {
        use std::os::unix::fs::MetadataExt;
        std::fs::metadata(format!("/proc/self/ns/{file}")).unwrap().ino()
    };
    let wanted = [format!("37=net[{}]:extRootNetNS", inode("net")), format!("37=pid[{}]:extRootPidNS", inode("pid"))];
    assert_eq!(shown(&message), wanted);
    let mut message = Message::default();
    let given = namespaces::join(&several, &mut message).unwrap();
    assert_eq!(given.iter().map(|(key, _)| *key).collect::<Vec<_>>(), ["extRootNetNS", "extRootPidNS"]);
    assert_eq!(shown(&message), ["39={ipc /proc/self/ns/ipc}", "39={uts /proc/self/ns/uts}"]);
    let error = namespaces::join(&document(vec![shared("cgroup", "cgroup")]), &mut message).unwrap_err();
    assert_eq!(error.to_string(), "config.json: `linux.namespaces[0]`: criu can't join a cgroup namespace");
}
