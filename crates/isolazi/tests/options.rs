//! What a run's flags and an image's config make of a container, as the payload sees it.

mod common;

use common::{Archive, Busybox, Made, reference};
use serde_json::json;
use std::os::unix::fs::MetadataExt;
use testkit::{Isolazi, Output};

#[test]
fn variables_come_from_image_files_flags_and_the_caller() {
    for mut busybox in Busybox::both() {
        busybox.isolazi.env("TAKEN", "from caller").env("UNTAKEN", "no");
        let file = busybox.isolazi.work().join("vars");
        std::fs::write(&file, "# comment\n\nA=file\nB=file with \"quotes\" $X\nTAKEN\nABSENT\n").unwrap();
        let flags = ["--env-file", file.to_str().unwrap(), "-e", "A=flag", "-e", "C=1,D=2", "-e", "E=a,b", "-h", "box"];
        let mut lines: Vec<String> = busybox.run(&flags, &["env"]).ok().lines().map(str::to_owned).collect();
        lines.sort();
        let expected = [
            "A=flag",
            "B=file with \"quotes\" $X",
            "C=1",
            "D=2",
            "E=a,b",
            "HOME=/root",
            "HOSTNAME=box",
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "TAKEN=from caller",
        ];
        assert_eq!(lines, expected);
    }
}

#[test]
fn one_flag_changes_one_thing() {
    for busybox in Busybox::both() {
        for (flags, script, expected) in [
            (&["-w", "/new/deep"][..], "pwd; stat -c %a /new/deep", "/new/deep\n755\n"),
            (&["--cwd", "/tmp"], "pwd", "/tmp\n"),
            (&["-u", "app"], "id -u; id -g; id -G; echo $HOME", "1000\n1000\n1000 10 50\n/home/app\n"),
            (&["-u", "12:34"], "id -u; id -g; id -G; echo $HOME", "12\n34\n34\n/\n"),
            (&["-u", "app:staff"], "id -u; id -g; id -G", "1000\n50\n50\n"),
            (&["--hostname", "web.example"], "hostname; cat /etc/hostname", "web.example\nweb.example\n"),
            (&["--hostname", "web"], "grep -c web /etc/hosts", "1\n"),
            (&["--entrypoint", "echo"], "-n", ""), // `sh -c` stands after the entrypoint, see below
            (
                &["--read-only"],
                "touch /x 2>&1; touch /dev/shm/x && echo shm",
                "touch: /x: Read-only file system\nshm\n",
            ),
            (&["--read-only", "--tmpfs", "/t"], "touch /t/x && echo made", "made\n"),
            (
                &["--tmpfs", "/t:size=64k,mode=700"],
                "stat -c %a /t; grep ' /t ' /proc/mounts | cut -d' ' -f3",
                "700\ntmpfs\n",
            ),
            (
                &["--tmpfs", "/t"],
                "grep ' /t ' /proc/mounts | cut -d' ' -f4 | cut -d, -f1-4",
                "rw,nosuid,nodev,noexec\n",
            ),
            (&[], "ls /sys/class/net", "lo\n"),
            (&[], "cat /sys/class/net/lo/operstate; cat /proc/net/route | wc -l", "unknown\n1\n"),
        ] {
            let expected = if flags[0..].first() == Some(&"--entrypoint") { "sh -c -n\n" } else { expected };
            assert_eq!(busybox.sh(flags, script).ok(), expected, "{flags:?} {script}");
        }
        busybox.holds_nothing();
    }
}

#[test]
fn the_hosts_network_is_the_hosts() {
    let names = |folder: &str| -> Vec<String> {
        let mut names: Vec<String> =
            std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    for busybox in Busybox::both() {
        let inside =
            busybox.isolazi.run(&busybox.words(&["--rm", "--network", "host"], &["ls", "/sys/class/net"])).ok();
        assert_eq!(inside.lines().collect::<Vec<_>>(), names("/sys/class/net"));
    }
}

#[test]
fn a_name_belongs_to_one_container() {
    let busybox = Busybox::new();
    let id = busybox.isolazi.run(&busybox.words(&["-d", "--name", "web"], &["sleep", "1000"])).ok();
    busybox.run(&["--name", "web"], &["true"]).fails(
        125,
        &format!(
            "Error: Conflict. The container name \"/web\" is already in use by container \"{}\". You have to remove \
             (or rename) that container to be able to reuse that name.\n",
            id.trim()
        ),
    );
    assert_eq!(busybox.isolazi.run(&["rm", "-f", "web"]).ok(), "web\n");
    busybox.holds_nothing();
}

#[test]
fn a_folder_of_the_host_is_shown_writable_or_not_and_made_when_missing() {
    for busybox in Busybox::both() {
        let work = busybox.isolazi.work();
        let show = |options: &str| format!("{}/new/folder:/data{options}", work.display());
        let made = busybox.sh(&["-v", &show("")], "echo text >/data/file; stat -c %u /data");
        assert_eq!((made.code, made.stdout.as_str()), (0, "0\n"));
        assert_eq!(made.stderr, format!("created missing directory {}/new/folder\n", work.display()));
        let facts = std::fs::metadata(work.join("new/folder/file")).unwrap();
        // Who is root inside is the caller outside: nobody finds files of a stranger.
        assert_eq!(facts.uid(), std::fs::metadata(&work).unwrap().uid());
        let denied = busybox.sh(&["-v", &show(":ro")], "cat /data/file; echo x >>/data/file");
        assert_eq!((denied.code, denied.stdout.as_str()), (1, "text\n"));
        assert_eq!(denied.stderr, "sh: can't create /data/file: Read-only file system\n");
        // A single file, over one of the image's.
        let one = format!("{}/new/folder/file:/etc/passwd:ro", work.display());
        assert_eq!(busybox.sh(&["-v", &one], "cat /etc/passwd").ok(), "text\n");
        // A relative path is one of the caller's.
        assert_eq!(busybox.sh(&["-v", "./new:/data"], "ls /data").ok(), "folder\n");
    }
}

#[test]
fn a_named_volume_takes_the_images_files_and_keeps_its_own() {
    for busybox in Busybox::both() {
        let first = "stat -c '%u %g %a' /home/app /home; cat /etc/group >/home/app/mine";
        assert_eq!(busybox.sh(&["-v", "homes:/home"], first).ok(), "1000 1000 755\n0 0 755\n");
        assert_eq!(busybox.sh(&["-v", "homes:/other:ro"], "ls /other/app").ok(), "mine\n");
        assert_eq!(busybox.sh(&["-v", "empty:/home:nocopy"], "ls /home").ok(), "");
    }
}

#[test]
fn an_images_volumes_are_filled_from_it_and_go_with_rm() {
    let archive = Archive::busybox().folder("data").file("data/file", 0o640, b"of the image");
    let made = Made::new(archive, json!({"Cmd": ["cat", "/data/file"], "Volumes": {"/data": {}}}));
    for isolazi in [Isolazi::new(), Isolazi::ordinary()] {
        isolazi.run(&["pull", "-q", &made.name]).succeeds();
        assert_eq!(isolazi.run(&["run", "--network", "none", "--name", "one", &made.name]).ok(), "of the image");
        let volumes = || std::fs::read_dir(isolazi.root().join("volumes")).map_or(0, Iterator::count);
        assert_eq!(volumes(), 1);
        let touch =
            ["run", "--rm", "-v", "own:/data", &made.name, "sh", "-c", "ls /data; grep -c ' /data ' /proc/mounts"];
        assert_eq!(isolazi.run(&touch).ok(), "file\n1\n");
        assert_eq!(volumes(), 2);
        assert_eq!(isolazi.run(&["rm", "-v", "one"]).ok(), "one\n");
        assert_eq!(volumes(), 1);
    }
}

#[test]
fn an_image_says_what_is_run_and_how() {
    let of = |tag: &str| format!("{}:{tag}", reference("derived"));
    for isolazi in [Isolazi::new(), Isolazi::ordinary()] {
        let run = |tag: &str, flags: &[&str], command: &[&str]| {
            isolazi.run(&[&["pull", "-q", &of(tag)][..]].concat()).succeeds();
            let name = of(tag);
            isolazi.run(&[&["run", "--rm", "--network", "none"], flags, &[name.as_str()], command].concat())
        };
        assert_eq!(run("script", &[], &[]).ok(), "entrypoint: one two words\n");
        assert_eq!(run("script", &[], &["other", ""]).ok(), "entrypoint: other \n");
        assert_eq!(run("script", &["--entrypoint", "echo"], &[]).ok(), "\n", "a new entrypoint drops the image's Cmd");
        assert_eq!(run("script", &["--entrypoint", ""], &["echo", "x"]).ok(), "x\n");
        assert_eq!(
            run("appuser", &[], &["sh", "-c", "id -un; pwd; touch x 2>&1; id -G"]),
            Output {
                code: 0,
                stdout: "app\n/does/not/exist/yet\ntouch: x: Permission denied\n1000 10 50\n".into(),
                stderr: String::new(),
            }
        );
        assert_eq!(run("appuser", &["-u", "0", "-w", "/"], &["sh", "-c", "id -un; pwd"]).ok(), "root\n/\n");
        run("noshebang", &[], &[]).fails(
            126,
            "Error: exec: \"noshebang\": exec format error\nHint: `/usr/local/bin/noshebang` is text without a first line \
             that names its interpreter, as `#!/bin/sh`\n",
        );
        run("nouser", &[], &["true"])
            .fails(125, "Error: unable to find user ghost: no matching entries in passwd file\n");
        run("nocommand", &[], &[])
            .fails(125, "Error: no command specified\nHint: the image names none: give one after the image\n");
    }
}

#[test]
fn pulling_is_asked_for_forbidden_or_as_needed() {
    let isolazi = Isolazi::new();
    let image = reference("busybox");
    let run = |policy: &[&str]| isolazi.run(&[&["run", "--rm"], policy, &[image.as_str(), "echo", "ran"]].concat());
    run(&["--pull", "never"])
        .fails(125, &format!("Error: No such image: {image}:latest\nHint: `isolazi pull {image}:latest` fetches it\n"));
    let first = run(&[]);
    assert_eq!((first.code, first.stdout.as_str()), (0, "ran\n"));
    let mut lines = first.stderr.lines();
    assert_eq!(lines.next(), Some(format!("Unable to find image '{image}:latest' locally").as_str()));
    assert_eq!(lines.next(), Some("latest: Pulling from busybox"));
    assert_eq!(lines.last(), Some(format!("Status: Downloaded newer image for {image}:latest").as_str()));
    assert_eq!(run(&[]).ok(), "ran\n");
    assert_eq!(run(&["--pull", "never"]).ok(), "ran\n");
    let always = run(&["--pull", "always"]);
    assert!(always.stderr.ends_with(&format!("Status: Image is up to date for {image}:latest\n")), "{always:?}");
    assert_eq!(run(&["--pull", "always", "-q"]).ok(), "ran\n");
    run(&["--pull", "often"])
        .fails(125, "Error: invalid pull option: 'often': must be one of \"always\", \"missing\" or \"never\"\n");
}

#[test]
fn a_platform_is_chosen_by_flag_and_by_variable() {
    let foreign = if cfg!(target_arch = "aarch64") { "linux/amd64" } else { "linux/arm64" };
    let own = if cfg!(target_arch = "aarch64") { "linux/arm64" } else { "linux/amd64" };
    let image = reference("multiarch");
    let mut isolazi = Isolazi::new();
    let run = |isolazi: &Isolazi, platform: &[&str]| {
        isolazi.run(&[&["run", "--rm", "-q"], platform, &[image.as_str(), "echo", "ran"]].concat())
    };
    assert_eq!(run(&isolazi, &[]).ok(), "ran\n");
    assert_eq!(run(&isolazi, &["--platform", own]).ok(), "ran\n");
    let (theirs, ours) = (foreign.trim_start_matches("linux/"), own.trim_start_matches("linux/"));
    let refused = format!(
        "Error: exec: \"echo\": exec format error\nHint: `/bin/echo` is for {theirs}, and this machine is {ours}: \
         `--platform {own}` takes an image for it\n"
    );
    run(&isolazi, &["--platform", foreign]).fails(126, &refused);
    isolazi.env("DOCKER_DEFAULT_PLATFORM", foreign);
    run(&isolazi, &[]).fails(126, &refused);
    assert_eq!(run(&isolazi, &["--platform", own]).ok(), "ran\n");
}
