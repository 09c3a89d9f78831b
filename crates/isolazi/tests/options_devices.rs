//! Devices of the host: shown where they are asked for, opened as far as the rules say.

mod common;

use common::Busybox;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

/// One that root may open whatever its capabilities, that ordinary containers have not.
const DEVICE: &str = "/dev/loop-control";
/// Its number.
const NUMBER: (u32, u32) = (10, 237);

#[test]
fn a_device_is_there_with_its_number_and_can_be_opened() {
    assert!(std::fs::metadata(DEVICE).is_ok_and(|facts| facts.file_type().is_char_device()), "no {DEVICE}");
    let busybox = Busybox::new();
    let ask = |path: &str| {
        format!(
            "stat -c '%F %t:%T' {path}; for m in '<' '>' '<>'; do (eval \": $m{path}\") 2>/dev/null && echo $m; done; true"
        )
    };
    let head = format!("character special file {:x}:{:x}\n", NUMBER.0, NUMBER.1);
    for (option, path, modes) in [
        (DEVICE.to_owned(), DEVICE, "<\n>\n<>\n"),
        (format!("{DEVICE}:/dev/other"), "/dev/other", "<\n>\n<>\n"),
        (format!("{DEVICE}:/deep/er/other:rwm"), "/deep/er/other", "<\n>\n<>\n"),
        (format!("{DEVICE}:r"), DEVICE, "<\n"),
        (format!("{DEVICE}:/dev/other:w"), "/dev/other", ">\n"),
        (format!("{DEVICE}:m"), DEVICE, ""),
    ] {
        assert_eq!(busybox.sh(&["--device", &option], &ask(path)).ok(), format!("{head}{modes}"), "{option}");
    }
    assert_eq!(
        busybox.sh(&[], &format!("ls {DEVICE} 2>&1; true")).ok(),
        format!("ls: {DEVICE}: No such file or directory\n")
    );
    busybox.holds_nothing();
}

#[test]
fn a_folder_of_devices_shows_all_of_them_and_nothing_else() {
    let busybox = Busybox::new();
    let folder = busybox.isolazi.work().join("nodes");
    std::fs::create_dir_all(folder.join("deep")).unwrap();
    std::fs::write(folder.join("file"), "").unwrap();
    for name in ["one", "deep/two"] {
        let (kind, mode) = (rustix::fs::FileType::CharacterDevice, rustix::fs::Mode::from_raw_mode(0o666));
        rustix::fs::mknodat(rustix::fs::CWD, folder.join(name), kind, mode, rustix::fs::makedev(1, 3)).unwrap();
    }
    let option = format!("{}:/dev/nodes", folder.display());
    assert_eq!(busybox.sh(&["--device", &option], "cd /dev/nodes; find * | sort").ok(), "deep\ndeep/two\none\n");
}

#[test]
fn an_ordinary_user_shows_what_is_his_to_open() {
    let busybox = Busybox::ordinary();
    assert_eq!(busybox.sh(&["--device", "/dev/zero:/dev/nought"], "head -c 3 /dev/nought | wc -c").ok(), "3\n");
    let denied = busybox.sh(&["--device", DEVICE], &format!("(: <{DEVICE}) 2>&1"));
    assert_eq!((denied.code, denied.stdout), (1, format!("sh: can't open {DEVICE}: Permission denied\n")));
    // Rules are a cgroup's, and he has none.
    for flags in [&["--device", "/dev/zero:/dev/nought:r"][..], &["--device-cgroup-rule", "c 1:5 r"]] {
        let output = busybox.run(flags, &["true"]);
        assert!(output.code == 125 && output.stderr.starts_with("Error: "), "{output:?}");
        assert!(output.stderr.contains("devices"), "{output:?}");
    }
    busybox.holds_nothing();
}

#[test]
fn a_rule_lets_a_payload_make_and_open_devices() {
    let busybox = Busybox::new();
    let (major, minor) = NUMBER;
    let script = format!(
        "mknod /made c {major} {minor} && (: <>/made) && echo opened; mknod /other c 10 229; (: </other) 2>&1; true"
    );
    for (rule, opened) in [
        (format!("c {major}:{minor} rwm"), "opened\n"),
        (format!("c {major}:* rw"), "opened\n"),
        ("c 1:11 r".to_owned(), "sh: can't create /made: Operation not permitted\n"),
    ] {
        let output = busybox.sh(&["--device-cgroup-rule", &rule], &script);
        let other = "sh: can't open /other: Operation not permitted\n";
        // A rule for the whole major number opens the other, too.
        let other = if rule.contains('*') { "" } else { other };
        let (stdout, stderr) =
            if opened == "opened\n" { (format!("{opened}{other}"), "") } else { (other.to_owned(), opened) };
        assert_eq!((output.stdout, output.stderr.as_str()), (stdout, stderr), "{rule}");
        // What every container has is there all the same.
        assert_eq!(
            busybox.sh(&["--device-cgroup-rule", &rule], "echo x >/dev/null; head -c 2 /dev/zero | wc -c").ok(),
            "2\n"
        );
    }
    // Without a rule no device that is made can be opened.
    let alone = busybox.sh(&[], &format!("mknod /made c {major} {minor}; (: </made) 2>&1; true")).ok();
    assert_eq!(alone, "sh: can't open /made: Permission denied\n");
    busybox.holds_nothing();
}

#[test]
fn what_is_no_device_is_refused() {
    for busybox in Busybox::both() {
        let gathering = "Error: error gathering device information while adding custom device";
        for (flag, option, complaint) in [
            ("--device", "/dev/nosuch", format!("{gathering} \"/dev/nosuch\": no such file or directory\n")),
            ("--device", "/etc/passwd", format!("{gathering} \"/etc/passwd\": not a device node\n")),
            ("--device", "/etc/apt", format!("{gathering} \"/etc/apt\": not a device node\n")),
            (
                "--device",
                "/dev/null:/dev/x:q",
                "Error: invalid argument \"/dev/null:/dev/x:q\" for \"--device\" flag: bad mode specified: q\n".to_owned(),
            ),
            (
                "--device",
                "null",
                "Error: invalid argument \"null\" for \"--device\" flag: null is not an absolute path\n".to_owned(),
            ),
            ("--device-cgroup-rule", "c 1 r", "Error: invalid device cgroup format 'c 1 r'\n".to_owned()),
            (
                "--gpus",
                "all",
                "Error: could not select device driver \"\" with capabilities: [[gpu]]\nHint: name the nodes: `--device \
                 /dev/…`\n"
                    .to_owned(),
            ),
        ] {
            busybox.run(&[flag, option], &["true"]).fails(125, &complaint);
        }
        busybox.holds_nothing();
    }
    assert!(Path::new("/etc/apt").is_dir());
}
