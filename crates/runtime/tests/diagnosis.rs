//! What cannot be executed says why, by what lies in the container.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "tests fail by panicking, in their helpers too")]

mod common;

use common::bundle::Bundle;
use common::{add_mounts, bind, with};
use error::{Error, Kind};
use oci::Platform;
use serde_json::{Value, json};
use std::os::unix::fs::{PermissionsExt, chown, symlink};

/// The error of a container whose process has this patch; it is deleted.
fn failing(bundle: &Bundle, patch: &Value) -> Error {
    bundle.configure(&with(bundle.document("true"), patch));
    let error = bundle.create().and_then(|_| bundle.start()).unwrap_err();
    // Of a failed create nothing is left.
    if bundle.runtime.state(&bundle.id).is_ok() {
        bundle.runtime.delete(&bundle.id, true).unwrap();
    }
    error
}

fn file(bundle: &Bundle, path: &str, content: impl AsRef<[u8]>, mode: u32) {
    let path = bundle.room.inside(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    // By another name first: what somebody may write nobody executes, and an init of another test could hold it.
    let aside = bundle.room.dir.join("aside");
    std::fs::write(&aside, content).unwrap();
    std::fs::set_permissions(&aside, PermissionsExt::from_mode(mode)).unwrap();
    common::copy(&aside, &path);
    std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
}

fn args(path: &str) -> Value {
    json!({"process": {"args": [path]}})
}

/// `#!`, and a copy of BusyBox with a byte pattern replaced.
fn changed(at: usize, with: &[u8]) -> Vec<u8> {
    let mut program = std::fs::read("/bin/busybox").unwrap();
    program[at..at + with.len()].copy_from_slice(with);
    program
}

/// A program that wants a loader, as small as can be: a header and two segments.
fn wanting(loader: &str) -> Vec<u8> {
    let own = std::fs::read("/bin/busybox").unwrap();
    let mut bytes = own[..64].to_vec();
    let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
    put(16, &2u16.to_le_bytes()); // ET_EXEC
    put(24, &0x40_0078u64.to_le_bytes()); // entry
    put(32, &64u64.to_le_bytes()); // program headers
    put(54, &56u16.to_le_bytes());
    put(56, &2u16.to_le_bytes());
    let segment = |kind: u32, offset: u64, length: u64| {
        let mut bytes = Vec::new();
        bytes.extend(kind.to_le_bytes());
        bytes.extend(5u32.to_le_bytes());
        for word in [offset, 0x40_0000 + offset, 0x40_0000 + offset, length, length, 0x1000] {
            bytes.extend(word.to_le_bytes());
        }
        bytes
    };
    let end = 64 + 2 * 56;
    bytes.extend(segment(3, end, loader.len() as u64 + 1)); // PT_INTERP
    bytes.extend(segment(1, 0, end + loader.len() as u64 + 1)); // PT_LOAD
    bytes.extend(loader.as_bytes());
    bytes.push(0);
    bytes
}

#[test]
fn a_command_that_is_not_found_is_compared_with_what_is_there() {
    let bundle = Bundle::saying("true");
    for name in ["python3", "python3.11"] {
        file(&bundle, &format!("bin/{name}"), "#!/bin/sh\n", 0o755);
    }
    file(&bundle, "app/serve", "#!/bin/sh\n", 0o755);
    file(&bundle, "bin/dull", "#!/bin/sh\n", 0o644);
    file(&bundle, "srv/data", "", 0o644);
    symlink("/no/where", bundle.room.inside("srv/link")).unwrap();
    std::fs::create_dir(bundle.room.inside("empty")).unwrap();
    let not_found = |name: &str| format!("exec: \"{name}\": executable file not found in $PATH");
    let no_file = |name: &str| format!("exec: \"{name}\": stat {name}: no such file or directory");
    for (name, text, hint) in [
        ("python", not_found("python"), Some("the image has `python3` and `python3.11`")),
        ("bash", not_found("bash"), Some("the image has `sh`")),
        ("serve", not_found("serve"), Some("`/app/serve` is there: name it so, or put `/app` into PATH")),
        ("dull", not_found("dull"), Some("`/bin/dull` is there, but its mode is 0644: `chmod +x` makes it executable")),
        ("zzzzzz", not_found("zzzzzz"), None),
        ("/app/serv", no_file("/app/serv"), Some("`/app` has no `serv`; there is `/app/serve`")),
        ("/apps/serve", no_file("/apps/serve"), Some("`/` has no `apps`; there is `/app`")),
        ("/empty/x", no_file("/empty/x"), Some("`/empty` is empty")),
        ("/srv/link", no_file("/srv/link"), Some("`/srv/link` is a link to `/no/where`, which is not there")),
        (
            "/srv/data/x",
            "exec: \"/srv/data/x\": stat /srv/data/x: not a directory".into(),
            Some("`/srv/data` is no folder"),
        ),
    ] {
        let error = failing(&bundle, &args(name));
        assert_eq!((error.to_string(), error.kind), (text, Kind::CommandNotFound), "{name}");
        assert_eq!(error.hints, hint.into_iter().collect::<Vec<_>>(), "{name}");
    }
    let error = failing(&bundle, &json!({"process": {"args": ["sh"], "env": ["PATH=/nowhere:/empty"]}}));
    assert_eq!(error.hints, ["`/bin/sh` is there: name it so, or put `/bin` into PATH"]);
    // What a mount hides is seen only where the container has it.
    let covered = add_mounts(bundle.document("true"), &[bind(&bundle.room.dir.join("shared"), "/app")]);
    let error = failing(&bundle, &json!({"mounts": covered["mounts"], "process": {"args": ["/app/serve"]}}));
    assert_eq!(error.hints, ["`/app` is empty: something is mounted there, which hides what the image has"]);
}

#[test]
fn a_file_that_cannot_be_executed_says_what_it_lacks() {
    let bundle = Bundle::saying("true");
    let machine = Platform::of_this_machine().architecture;
    let (foreign, number): (_, u16) = if machine == "amd64" { ("arm64", 183) } else { ("amd64", 62) };
    file(&bundle, "windows", "#!/bin/sh\r\necho\r\n", 0o755);
    file(&bundle, "snake", "#!/bin/python\n", 0o755);
    file(&bundle, "bin/python3", "#!/bin/sh\n", 0o755);
    file(&bundle, "chained", "#!/snake\n", 0o755);
    file(&bundle, "marked", "\u{feff}#!/bin/sh\n", 0o755);
    file(&bundle, "plain", "echo hi\n", 0o755);
    file(&bundle, "hollow", "", 0o755);
    file(&bundle, "noise", b"\xff\xfe\0\x01", 0o755);
    file(&bundle, "foreign", changed(18, &number.to_le_bytes()), 0o755);
    file(&bundle, "cut", &changed(0, b"")[..40], 0o755);
    file(&bundle, "glibc", wanting("/lib64/ld-linux-any.so.2"), 0o755);
    file(&bundle, "musl", wanting("/lib/ld-musl-any.so.1"), 0o755);
    let missing = |name: &str| format!("exec: \"{name}\": no such file or directory");
    let format = |name: &str| format!("exec: \"{name}\": exec format error");
    for (name, text, kind, hint) in [
        (
            "/windows",
            missing("/windows"),
            Kind::CommandNotFound,
            "the lines of `/windows` end as on Windows (CR LF): `sed -i 's/\\r$//'` makes it a script for Linux".to_owned(),
        ),
        (
            "/snake",
            missing("/snake"),
            Kind::CommandNotFound,
            "`/snake` is a script for `/bin/python`, which is not in the image; there is `/bin/python3`".into(),
        ),
        (
            "/chained",
            missing("/chained"),
            Kind::CommandNotFound,
            "`/snake` is a script for `/bin/python`, which is not in the image; there is `/bin/python3`".into(),
        ),
        (
            "/glibc",
            missing("/glibc"),
            Kind::CommandNotFound,
            "`/glibc` wants the loader `/lib64/ld-linux-any.so.2`, which is not in the image: it is made for glibc, the C \
             library of most images"
                .into(),
        ),
        (
            "/musl",
            missing("/musl"),
            Kind::CommandNotFound,
            "`/musl` wants the loader `/lib/ld-musl-any.so.1`, which is not in the image: it is made for musl, the C library \
             of Alpine"
                .into(),
        ),
        (
            "/foreign",
            format("/foreign"),
            Kind::NotExecutable,
            format!(
                "`/foreign` is for {foreign}, and this machine is {machine}: `--platform linux/{machine}` takes an image for it"
            ),
        ),
        ("/cut", format("/cut"), Kind::NotExecutable, "`/cut` is a program that is damaged or cut off".into()),
        ("/hollow", format("/hollow"), Kind::NotExecutable, "`/hollow` is empty".into()),
        (
            "/plain",
            format("/plain"),
            Kind::NotExecutable,
            "`/plain` is text without a first line that names its interpreter, as `#!/bin/sh`".into(),
        ),
        (
            "/marked",
            format("/marked"),
            Kind::NotExecutable,
            "`/marked` begins with a byte order mark: a script must begin with `#!`".into(),
        ),
        ("/noise", format("/noise"), Kind::NotExecutable, "`/noise` is neither a program nor a script".into()),
    ] {
        let error = failing(&bundle, &args(name));
        assert_eq!((error.to_string(), error.kind), (text, kind), "{name}");
        assert_eq!(error.hints, [hint], "{name}");
    }
}

#[test]
fn what_may_not_be_done_says_by_whom_and_where() {
    let bundle = Bundle::saying("true");
    file(&bundle, "app/run", "#!/bin/sh\n", 0o644);
    file(&bundle, "app/mine", "#!/bin/sh\n", 0o700);
    file(&bundle, "shut/run", "#!/bin/sh\n", 0o755);
    file(&bundle, "bin/shut", "#!/bin/sh\n", 0o700);
    file(&bundle, "app/through", "#!/bin/shut\n", 0o755);
    file(&bundle, "app/fine", "#!/bin/sh\n", 0o755);
    std::fs::set_permissions(bundle.room.inside("shut"), PermissionsExt::from_mode(0o750)).unwrap();
    chown(bundle.room.inside("shut"), Some(0), Some(8)).unwrap();
    chown(bundle.room.inside("app/mine"), Some(9), Some(9)).unwrap();
    let user = |path: &str| json!({"process": {"args": [path], "user": {"uid": 7, "gid": 7}, "capabilities": {"effective": []}}});
    let noexec = json!({"destination": "/app", "type": "bind", "source": bundle.room.inside("app"),
        "options": ["rbind", "noexec"]});
    let on_noexec = add_mounts(bundle.document("true"), &[noexec])["mounts"].clone();
    for (name, patch, hint) in [
        (
            "/app/run",
            args("/app/run"),
            "`/app/run` belongs to 0, group 0, with mode 0644, and the command runs as 0: `chmod +x` makes it executable",
        ),
        (
            "/app/mine",
            user("/app/mine"),
            "`/app/mine` belongs to 9, group 9, with mode 0700, and the command runs as 7",
        ),
        ("/shut/run", user("/shut/run"), "`/shut` belongs to 0, group 8, with mode 0750: 7 may not enter it"),
        ("/app/through", user("/app/through"), "its interpreter: `/bin/shut` belongs to 0, group 0, with mode 0700"),
        (
            "/app/fine",
            json!({"process": {"args": ["/app/fine"]}, "mounts": on_noexec}),
            "`/app/fine` lies on a mount with `noexec`",
        ),
    ] {
        let error = failing(&bundle, &patch);
        let text = format!("exec: \"{name}\": permission denied");
        assert_eq!((error.to_string(), error.kind), (text, Kind::NotExecutable), "{name}");
        assert_eq!(error.hints, [hint], "{name}");
    }
}

#[test]
fn ids_are_said_as_both_sides_know_them() {
    let bundle = Bundle::saying("true");
    file(&bundle, "app/run", "#!/bin/sh\n", 0o700);
    chown(bundle.room.inside("app/run"), Some(100_007), Some(7)).unwrap();
    for path in ["", "bin", "etc", "tmp"] {
        chown(bundle.room.inside(path), Some(100_000), Some(100_000)).unwrap();
    }
    let maps = json!([{"containerID": 0, "hostID": 100_000, "size": 1000}]);
    let document = bundle.document("true");
    let mut namespaces = document["linux"]["namespaces"].as_array().unwrap().clone();
    namespaces.push(json!({"type": "user"}));
    let error = failing(
        &bundle,
        &json!({
            "process": {"args": ["/app/run"]},
            "linux": {"namespaces": namespaces, "uidMappings": maps, "gidMappings": maps}
        }),
    );
    let hint = "`/app/run` belongs to 7 (on the host 100007), group nobody of the container (on the host 7), with mode 0700, \
                and the command runs as 0";
    assert_eq!(error.hints, [hint], "{error:?}");
}

/// The rights of a user who is not root come after the program was looked for.
#[test]
fn who_gets_the_right_later_may_execute() {
    let bundle = Bundle::saying("true");
    file(&bundle, "app/run", "#!/bin/sh\necho ran >/shared/said", 0o700);
    std::fs::set_permissions(bundle.room.dir.join("shared"), PermissionsExt::from_mode(0o777)).unwrap();
    let names = ["CAP_DAC_OVERRIDE"];
    let process = json!({"args": ["/app/run"], "user": {"uid": 7, "gid": 7}, "capabilities": {"bounding": names,
        "permitted": names, "effective": names, "inheritable": names, "ambient": names}});
    bundle.configure(&with(bundle.document("true"), &json!({"process": process})));
    assert_eq!(bundle.live(), "ran\n");
}

/// Neither a pipe nor a link to one holds whoever looks, and what they lead to outside is not read.
#[test]
fn hostile_files_are_not_read() {
    let bundle = Bundle::saying("true");
    let fifo = bundle.room.inside("fifo");
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, 0o777.into(), 0).unwrap();
    std::fs::set_permissions(&fifo, PermissionsExt::from_mode(0o777)).unwrap();
    file(&bundle, "script", "#!/fifo\n", 0o755);
    file(&bundle, "loop", "#!/loop\n", 0o755);
    symlink("../../../../proc/1/root/etc", bundle.room.inside("out")).unwrap();
    for name in ["/fifo", "/script", "/loop", "/out/shadow"] {
        let error = failing(&bundle, &args(name));
        assert!(error.to_string().starts_with(&format!("exec: \"{name}\": ")), "{error:?}");
    }
}
