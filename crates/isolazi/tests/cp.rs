//! `isolazi cp`: where things go, whose they are, what is refused; through volumes, into streams, against ill will.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking, in their helpers too")]

mod common;

use common::{Busybox, LIMIT, read_until};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use testkit::Isolazi;

/// Says `up` when it is where the test wants it, and stays.
fn start(busybox: &Busybox, flags: &[&str], script: &str) -> testkit::Running {
    let flags = [&["-i", "--network", "none", "--name", "box"], flags].concat();
    let script = format!("{script}; echo up; cat");
    let mut running = busybox.spawn(&flags, &["sh", "-c", &script]);
    read_until(&mut running, "up\n");
    running
}

/// Its input ends, and so does it.
fn end(mut running: testkit::Running) {
    drop(running.child().stdin.take());
    running.finish(b"", LIMIT);
}

/// The files of a folder: path, mode, content or target.
fn files(dir: &Path) -> Vec<String> {
    fn walk(dir: &Path, prefix: &str, all: &mut Vec<String>) {
        let mut entries: Vec<PathBuf> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
        entries.sort();
        for path in entries {
            let name = format!("{prefix}{}", path.file_name().unwrap().to_str().unwrap());
            let meta = fs::symlink_metadata(&path).unwrap();
            let mode = meta.permissions().mode() & 0o7777;
            if meta.is_dir() {
                all.push(format!("{name}/ {mode:o}"));
                walk(&path, &format!("{name}/"), all);
            } else if meta.is_symlink() {
                all.push(format!("{name} -> {}", fs::read_link(&path).unwrap().display()));
            } else if meta.is_file() {
                all.push(format!("{name} {mode:o} {}", fs::read_to_string(&path).unwrap().trim_end()));
            } else {
                all.push(format!("{name} {mode:o} special"));
            }
        }
    }
    let mut all = Vec::new();
    walk(dir, "", &mut all);
    all
}

/// A file that the caller owns.
fn write(isolazi: &Isolazi, name: &str, content: &str) -> String {
    let path = isolazi.work().join(name);
    if let Some((folder, _)) = name.rsplit_once('/') {
        make_folder(isolazi, folder);
    }
    fs::write(&path, content).unwrap();
    give(isolazi, &path);
    path.display().to_string()
}

/// A folder that the caller owns, and its parents.
fn make_folder(isolazi: &Isolazi, name: &str) {
    let mut path = isolazi.work();
    for name in name.split('/') {
        path.push(name);
        fs::create_dir_all(&path).unwrap();
        give(isolazi, &path);
    }
}

fn give(isolazi: &Isolazi, path: &Path) {
    let owner = fs::metadata(isolazi.root()).unwrap();
    std::os::unix::fs::chown(path, Some(owner.uid()), Some(owner.gid())).unwrap();
}

const TREE: &str = "mkdir -p /tree/deep; echo one >/tree/one; chmod 4750 /tree/one; ln /tree/one /tree/deep/again; \
    ln -s one /tree/link; ln -s /tree /to-tree; mkfifo /tree/fifo; touch -d @1000000000 /tree/deep";

#[test]
fn what_comes_out_goes_where_docker_puts_it() {
    for busybox in Busybox::both() {
        let isolazi = &busybox.isolazi;
        let running = start(&busybox, &[], TREE);
        let work = isolazi.work();
        let copy = |arguments: &[&str]| assert_eq!(isolazi.run(&[&["cp"], arguments].concat()).ok(), "");
        // No rights of others come along: the file was set-user-ID.
        let tree = ["deep/ 755", "deep/again 750 one", "fifo 644 special", "link -> one", "one 750 one"];
        // A folder becomes the target, goes into it, or only what is in it does.
        copy(&["box:/tree", "new"]);
        assert_eq!(files(&work.join("new")), tree);
        copy(&["box:/tree", "new"]);
        assert_eq!(files(&work.join("new/tree")), tree);
        make_folder(isolazi, "content");
        copy(&["box:/tree/.", "content"]);
        assert_eq!(files(&work.join("content")), tree);
        let [one, again] = ["one", "deep/again"].map(|name| fs::metadata(work.join("content").join(name)).unwrap());
        assert_eq!(one.ino(), again.ino(), "they were one file");
        let deep = fs::metadata(work.join("content/deep")).unwrap();
        assert_eq!(deep.mtime(), 1_000_000_000);
        let inside = fs::metadata(common::container(isolazi).join("upper/tree/one")).unwrap();
        assert_eq!((one.mtime(), one.mtime_nsec()), (inside.mtime(), inside.mtime_nsec()));
        let owner = fs::metadata(isolazi.root()).unwrap().uid();
        assert_eq!((one.uid(), deep.uid()), (owner, owner), "they belong to who copies");
        // Files: by name, into a folder, over another, over what a link names.
        copy(&["box:/tree/one", "file"]);
        copy(&["box:tree/one", "content/deep/"]);
        symlink("file", work.join("to-file")).unwrap();
        fs::write(work.join("file"), "another").unwrap();
        copy(&["box:/tree/one", "to-file"]);
        assert_eq!(fs::read_link(work.join("to-file")).unwrap(), Path::new("file"));
        assert_eq!(fs::read_to_string(work.join("file")).unwrap(), "one\n");
        assert_eq!(fs::read_to_string(work.join("content/deep/one")).unwrap(), "one\n");
        // A link is a link unless what it names is asked for, by a flag or by its end.
        copy(&["box:/to-tree", "link"]);
        assert_eq!(fs::read_link(work.join("link")).unwrap(), Path::new("/tree"));
        copy(&["-L", "box:/to-tree", "followed"]);
        copy(&["box:/to-tree/", "by-slash"]);
        assert_eq!(
            (files(&work.join("followed")), files(&work.join("by-slash"))),
            (tree.map(str::to_owned).to_vec(), tree.map(str::to_owned).to_vec())
        );
        // Owners and all.
        copy(&["-a", "box:/tree/one", "archived"]);
        assert_eq!(fs::metadata(work.join("archived")).unwrap().permissions().mode() & 0o7777, 0o4750);
        // What is no folder stays none, and the other way round.
        let wrong = |arguments: &[&str], text: &str| isolazi.run(&[&["cp"], arguments].concat()).fails(1, text);
        wrong(&["box:/tree", "file"], "Error: cannot copy directory\n");
        wrong(&["box:/tree/one", "absent/"], "Error: no such directory\n");
        let inside = |name: &str| work.join(name).display().to_string();
        wrong(
            &["box:/tree/one", "absent/file"],
            &format!("Error: invalid output path: directory \"{}\" does not exist\n", inside("absent")),
        );
        make_folder(isolazi, "clash/one");
        wrong(
            &["box:/tree/one", "clash"],
            "Error: can't unpack `one`: cannot overwrite directory \"/one\" with non-directory\n",
        );
        wrong(
            &["box:/tree/one", "content/fifo"],
            &format!(
                "Error: invalid output path: \"{}\" must be a directory or a regular file: got an irregular file\n",
                inside("content/fifo")
            ),
        );
        end(running);
        isolazi.run(&["rm", "box"]).ok();
        busybox.holds_nothing();
    }
}

#[test]
fn what_goes_in_is_roots_or_keeps_its_owners() {
    for busybox in Busybox::both() {
        let isolazi = &busybox.isolazi;
        let running =
            start(&busybox, &[], "mkdir -p /dir/sub; ln -s dir /to-dir; echo old >/file; ln -s file /to-file");
        write(isolazi, "tree/one", "one\n");
        write(isolazi, "tree/deep/two", "two\n");
        symlink("one", isolazi.work().join("tree/link")).unwrap();
        let copy = |arguments: &[&str]| assert_eq!(isolazi.run(&[&["cp"], arguments].concat()).ok(), "");
        copy(&["tree", "box:/new"]);
        copy(&["tree", "box:/dir"]);
        copy(&["tree/.", "box:/to-dir/sub"]);
        copy(&["tree/one", "box:/to-file"]);
        copy(&["tree/one", "box:renamed"]);
        copy(&["-L", "tree/link", "box:/followed"]);
        let script = "cd /; find new dir followed renamed -type f -exec stat -c '%A %u %n' {} + | sort -k3; cat file";
        let listed = isolazi.run(&["exec", "box", "sh", "-c", script]).ok();
        let names =
            ["dir/sub/deep/two", "dir/sub/one", "dir/tree/deep/two", "dir/tree/one", "followed", "new/deep/two"];
        let names = names.iter().chain(&["new/one", "renamed"]).map(|name| format!("-rw-r--r-- 0 {name}\n"));
        assert_eq!(listed, names.chain(["one\n".to_owned()]).collect::<String>());
        assert_eq!(isolazi.run(&["exec", "box", "readlink", "/to-file"]).ok(), "file\n");
        assert_eq!(isolazi.run(&["exec", "box", "readlink", "/new/link"]).ok(), "one\n");
        // Whose it was, by a flag; what an archive says, in any case.
        let archive = tar(isolazi, &["--owner=12", "--group=34", "-C", "tree", "one"]);
        let output = isolazi.run_with(&["cp", "-", "box:/dir"], &archive, LIMIT);
        assert_eq!(output.ok(), "");
        assert_eq!(isolazi.run(&["exec", "box", "stat", "-c", "%u:%g", "/dir/one"]).ok(), "12:34\n");
        let compressed = tar(isolazi, &["-z", "-C", "tree", "deep"]);
        isolazi.run_with(&["cp", "-", "box:/dir"], &compressed, LIMIT).ok();
        assert_eq!(isolazi.run(&["exec", "box", "cat", "/dir/deep/two"]).ok(), "two\n");
        copy(&["-a", "tree/one", "box:/owned"]);
        let owner = isolazi.run(&["exec", "box", "stat", "-c", "%u", "/owned"]).ok();
        assert_eq!(owner, "0\n", "in his namespace the caller is root");
        let wrong = |arguments: &[&str], text: &str| isolazi.run(&[&["cp"], arguments].concat()).fails(1, text);
        wrong(&["tree", "box:/file"], "Error: cannot copy directory\n");
        wrong(&["tree/one", "box:/absent/x"], "Error: Could not find the file /absent in container box\n");
        wrong(&["tree/one", "box:/absent/"], "Error: no such directory\n");
        wrong(
            &["tree/one", "box:/dev/null"],
            "Error: destination \"box:/dev/null\" must be a directory or a regular file: got a device\n",
        );
        isolazi
            .run_with(&["cp", "-", "box:/file"], &archive, LIMIT)
            .fails(1, "Error: destination \"box:/file\" must be a directory\n");
        let absent = isolazi.work().join("nope").display().to_string();
        wrong(&["nope", "box:/"], &format!("Error: lstat {absent}: no such file or directory\n"));
        isolazi.run_with(&["cp", "-", "box:/dir"], &[b'x'; 1024], LIMIT).fails(
            1,
            "Error: the archive is not a valid tar archive: header error: invalid octal field: [120, 120, 120, 120, 120, 120, \
             120, 120]\n",
        );
        end(running);
        isolazi.run(&["rm", "box"]).ok();
        busybox.holds_nothing();
    }
}

/// A tar archive of files in the caller's folder.
fn tar(isolazi: &Isolazi, arguments: &[&str]) -> Vec<u8> {
    let made = Command::new("tar").arg("-c").args(arguments).current_dir(isolazi.work()).output().unwrap();
    assert!(made.status.success(), "{made:?}");
    made.stdout
}

#[test]
fn volumes_and_binds_are_seen_whether_it_runs_or_not() {
    for busybox in Busybox::both() {
        let isolazi = &busybox.isolazi;
        write(isolazi, "shown/kept", "kept\n");
        let shown = format!("{}/shown:/shown", isolazi.work().display());
        let read_only = format!("{}/shown:/look:ro", isolazi.work().display());
        let file = write(isolazi, "in", "in\n");
        let flags =
            ["create", "-i", "--name", "box", "--network", "none", "-v", "kept:/data", "-v", &shown, "-v", &read_only];
        isolazi.run(&[&flags[..], &[&busybox.image, "sh", "-c", "echo up; cat"]].concat()).succeeds();
        let copies = |round: &str| {
            let (volume, bind, plain) =
                (format!("box:/data/{round}"), format!("box:/shown/{round}"), format!("box:/{round}"));
            for target in [&volume, &bind, &plain] {
                assert_eq!(isolazi.run(&["cp", &file, target]).ok(), "", "{target}");
                assert!(isolazi.run(&["cp", target, "-"]).succeeds().stdout.contains("in\n"), "{target}");
            }
            assert_eq!(isolazi.run(&["cp", "box:/shown/kept", "out"]).ok(), "");
            assert_eq!(fs::read_to_string(isolazi.work().join("out")).unwrap(), "kept\n");
            assert_eq!(fs::read_to_string(isolazi.work().join("shown").join(round)).unwrap(), "in\n");
            isolazi.run(&["cp", &file, "box:/look/x"]).fails(1, "Error: mounted volume is marked read-only\n");
        };
        copies("created");
        let mut running = isolazi.spawn(&["start", "-a", "-i", "box"]);
        read_until(&mut running, "up\n");
        copies("running");
        // What is mounted as a file is written to, not taken from under the container.
        assert_eq!(isolazi.run(&["cp", &file, "box:/etc/hosts"]).ok(), "");
        assert_eq!(isolazi.run(&["exec", "box", "cat", "/etc/hosts"]).ok(), "in\n");
        assert_eq!(isolazi.run(&["exec", "box", "grep", "-c", " /etc/hosts ", "/proc/mounts"]).ok(), "1\n");
        end(running);
        copies("stopped");
        assert_eq!(isolazi.run(&["start", "box"]).ok(), "box\n");
        isolazi.run(&["rm", "-f", "box"]).ok();
        let volume = isolazi.root().join("volumes/kept/_data");
        assert_eq!(files(&volume), ["created 644 in", "running 644 in", "stopped 644 in"]);
        fs::remove_dir_all(isolazi.root().join("volumes/kept")).unwrap();
        busybox.holds_nothing();
    }
}

#[test]
fn one_that_is_paused_gives_and_takes_and_all_of_a_tree_comes_out() {
    let busybox = Busybox::new();
    let isolazi = &busybox.isolazi;
    let file = write(isolazi, "in", "in\n");
    let running = start(&busybox, &["--tmpfs", "/tmp"], "echo kept >/tmp/kept");
    isolazi.run(&["pause", "box"]).ok();
    assert_eq!(isolazi.run(&["cp", &file, "box:/tmp"]).ok(), "");
    // Its `/proc` and `/sys` without content, and no devices of the host.
    let output = isolazi.run(&["cp", "box:/", "whole"]).succeeds();
    assert!(
        output.stdout.is_empty() && output.stderr.starts_with("Warning: device nodes were left out: "),
        "{output:?}"
    );
    let whole = isolazi.work().join("whole");
    assert_eq!(files(&whole.join("tmp")), ["in 644 in", "kept 644 kept"]);
    assert!(files(&whole.join("proc")).is_empty() && files(&whole.join("sys")).is_empty());
    assert!(fs::metadata(whole.join("bin/busybox")).is_ok() && fs::metadata(whole.join("dev/null")).is_err());
    isolazi.run(&["unpause", "box"]).ok();
    end(running);
    isolazi.run(&["rm", "box"]).ok();
    busybox.holds_nothing();
}

#[test]
fn a_copy_into_one_that_does_not_run_keeps_it_from_starting_and_a_killed_one_does_not() {
    for busybox in Busybox::both() {
        let isolazi = &busybox.isolazi;
        isolazi.run(&["create", "--name", "box", "--network", "none", &busybox.image, "true"]).succeeds();
        // It waits for its input, with the container's lock in its hand.
        let mut copy = isolazi.spawn(&["cp", "-", "box:/"]);
        let lock = fs::File::open(common::container(isolazi).join("lock")).unwrap();
        let held = || match lock.try_lock_shared() {
            Ok(()) => lock.unlock().map(|()| false).unwrap(),
            Err(_) => true,
        };
        common::eventually("the lock", || held().then_some(()));
        assert_eq!(common::state(isolazi, "{{.State}}"), "created");
        copy.signal(rustix::process::Signal::KILL);
        drop(copy.child().stdin.take());
        assert_eq!(copy.finish(b"", LIMIT).code, 137);
        assert_eq!(isolazi.run(&["start", "-a", "box"]).ok(), "");
        isolazi.run(&["rm", "box"]).ok();
        busybox.holds_nothing();
    }
}

#[test]
fn a_read_only_root_takes_nothing_but_its_volumes_do() {
    let busybox = Busybox::new();
    let isolazi = &busybox.isolazi;
    let file = write(isolazi, "in", "in\n");
    let running = start(&busybox, &["--read-only", "-v", "/data", "--tmpfs", "/tmp"], "true");
    let refused = "Error: container rootfs is marked read-only\n";
    isolazi.run(&["cp", &file, "box:/x"]).fails(1, refused);
    isolazi.run(&["cp", &file, "box:/data/x"]).ok();
    isolazi.run(&["cp", &file, "box:/tmp/x"]).ok();
    assert_eq!(isolazi.run(&["exec", "box", "cat", "/tmp/x", "/data/x"]).ok(), "in\nin\n");
    end(running);
    isolazi.run(&["cp", &file, "box:/x"]).fails(1, refused);
    isolazi.run(&["cp", &file, "box:/data/x"]).ok();
    isolazi.run(&["rm", "-v", "box"]).ok();
    busybox.holds_nothing();
}

#[test]
fn a_stream_out_is_an_archive_with_the_names_of_docker() {
    let busybox = Busybox::new();
    let isolazi = &busybox.isolazi;
    let long = "x".repeat(150);
    let script = format!("{TREE}; echo long >/tree/{long}; chown 12:34 /tree/{long}; rm /tree/fifo");
    let running = start(&busybox, &[], &script);
    let listed = |path: &str| {
        let archive = isolazi.work().join("archive");
        let mut command = isolazi.command(&["cp", path, "-"]);
        let status =
            command.stdin(std::process::Stdio::null()).stdout(fs::File::create_new(&archive).unwrap()).status();
        assert!(status.unwrap().success());
        let list = Command::new("tar").args(["--numeric-owner", "-tvf"]).arg(&archive).output().unwrap();
        assert!(list.status.success() && list.stderr.is_empty(), "{list:?}");
        fs::remove_file(archive).unwrap();
        let text = String::from_utf8(list.stdout).unwrap();
        let short = |line: &str| {
            let words: Vec<&str> = line.split_whitespace().collect();
            [&words[..3], &words[5..]].concat().join(" ").replace(&long, "LONG")
        };
        text.lines().map(short).collect::<Vec<_>>()
    };
    let names = |prefix: &str| {
        [
            ("drwxr-xr-x 0/0 0 ", "", ""),
            ("drwxr-xr-x 0/0 0 ", "deep/", ""),
            ("-rwsr-x--- 0/0 4 ", "deep/again", ""),
            ("lrwxrwxrwx 0/0 0 ", "link", " -> one"),
            ("hrwsr-x--- 0/0 0 ", "one", &*format!(" link to {prefix}deep/again")),
            ("-rw-r--r-- 12/34 5 ", "LONG", ""),
        ]
        .map(|(facts, name, rest)| format!("{facts}{prefix}{name}{rest}"))
        .to_vec()
    };
    assert_eq!(listed("box:/tree"), names("tree/"));
    assert_eq!(listed("box:/tree/."), names("./"));
    assert_eq!(listed("box:/tree/one"), ["-rwsr-x--- 0/0 4 one"]);
    assert_eq!(listed("box:/to-tree"), ["lrwxrwxrwx 0/0 0 to-tree -> /tree"]);
    // The kernel's views have no content; reading them could do anything.
    let proc = listed("box:/proc");
    assert!(proc.len() == 1 && proc[0].ends_with(" proc/"), "{proc:?}");
    end(running);
    isolazi.run(&["rm", "box"]).ok();
    busybox.holds_nothing();
}

#[test]
fn a_path_that_changes_meanwhile_never_leads_to_the_host() {
    let busybox = Busybox::new();
    let isolazi = &busybox.isolazi;
    // As root it would be allowed to read and write both.
    write(isolazi, "host/secret", "of the host\n");
    let host = isolazi.work().join("host");
    let file = write(isolazi, "in", "in\n");
    let script = format!(
        "mkdir -p /d{host}; echo inside >/d/secret; \
         (while :; do mv /d /e; ln -s {host} /d; rm /d; mv /e /d; done) & \
         (while :; do mkfifo /f; rm -f /f; ln -s {host}/secret /f; rm -f /f; done)",
        host = host.display()
    );
    let words = busybox.words(&["-d", "--network", "none", "--name", "box"], &["sh", "-c", &script]);
    isolazi.run(&words).ok();
    let pipe = "mkfifo -m 666 f && tar -c f; rm f";
    let archive = Command::new("sh").args(["-c", pipe]).current_dir(isolazi.work()).output().unwrap().stdout;
    let (mut read, mut written) = (0, 0);
    for _ in 0..60 {
        let output = isolazi.run(&["cp", "box:/d/secret", "-"]);
        assert!(!output.stdout.contains("of the host"), "{output:?}");
        read += usize::from(output.code == 0 && output.stdout.contains("inside"));
        isolazi.run(&["cp", "box:/d/.", "copy"]);
        if let Ok(copied) = fs::read_to_string(isolazi.work().join("copy/secret")) {
            assert_eq!(copied, "inside\n");
        }
        written += usize::from(isolazi.run(&["cp", &file, "box:/d/new"]).code == 0);
        isolazi.run(&["cp", &file, "box:/d/secret2"]);
        isolazi.run_with(&["cp", "-", "box:/"], &archive, LIMIT);
        assert_eq!(files(&host), ["secret 644 of the host"]);
    }
    assert!(read > 0 && written > 0, "nothing was copied: {read} and {written}");
    isolazi.run(&["rm", "-f", "box"]).ok();
    busybox.holds_nothing();
}

#[test]
fn nothing_of_a_container_is_loaded() {
    let busybox = Busybox::new();
    let isolazi = &busybox.isolazi;
    // A library that a program would load if it looked up a user's name with the container's root as its own.
    let marker = isolazi.work().join("loaded");
    let source = write(
        isolazi,
        "evil.c",
        &format!(
            "#include <fcntl.h>\n__attribute__((constructor)) void evil(void) {{ creat(\"{}\", 0600); }}",
            marker.display()
        ),
    );
    let library = isolazi.work().join("evil.so");
    let cc = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source).status().unwrap();
    assert!(cc.success());
    let library = library.display().to_string();
    let names = ["libnss_files.so.2", "libnss_compat.so.2", "libc.so.6", "libnss_systemd.so.2"];
    let places = ["/lib/x86_64-linux-gnu", "/lib64", "/lib", "/usr/lib"];
    let folders = places.map(|place| format!("mkdir -p {place}")).join("; ");
    let running = start(&busybox, &[], &format!("{folders}; echo /lib/libc.so.6 >/etc/ld.so.preload"));
    for place in places {
        for name in names {
            assert_eq!(isolazi.run(&["cp", &library, &format!("box:{place}/{name}")]).ok(), "");
        }
    }
    for arguments in [["-a", "box:/etc", "etc"], ["-a", &library, "box:/x"], ["-L", "box:/lib", "lib"]] {
        assert_eq!(isolazi.run(&[&["cp"], &arguments[..]].concat()).ok(), "");
    }
    assert!(fs::metadata(&marker).is_err(), "the container's library ran");
    end(running);
    isolazi.run(&["rm", "box"]).ok();
    busybox.holds_nothing();
}

#[test]
fn what_is_wrong_is_said_in_dockers_words() {
    let isolazi = Isolazi::new();
    assert_eq!(isolazi.run(&["container", "cp", "--help"]).ok(), isolazi.run(&["cp", "--help"]).ok());
    for (arguments, text) in [
        (["a", "b"], "must specify at least one container source"),
        (["./a:b", "/c:d"], "must specify at least one container source"),
        (["a:/x", "b:/y"], "copying between containers is not supported"),
        (["", "b:/y"], "source can not be empty"),
        (["a:/x", ""], "destination can not be empty"),
        (["nosuch:/x", "y"], "No such container: nosuch"),
        (["nosuch:/x", "-"], "No such container: nosuch"),
        (["/etc/passwd", "nosuch:/x"], "No such container: nosuch"),
    ] {
        isolazi.run(&[&["cp"], &arguments[..]].concat()).fails(1, &format!("Error: {text}\n"));
    }
    let usage = "Usage:  isolazi cp [OPTIONS] CONTAINER:SRC_PATH DEST_PATH|-\n        isolazi cp [OPTIONS] SRC_PATH|- \
                 CONTAINER:DEST_PATH\n\nSee 'isolazi cp --help' for more information\n";
    isolazi.run(&["cp", "a:b"]).fails(1, &format!("Error: 'isolazi cp' requires 2 arguments\n\n{usage}"));
    isolazi.run(&["cp", "--nope"]).fails(125, "Error: unknown flag: --nope\n\nSee 'isolazi cp --help'.\n");
}

#[test]
fn a_terminal_is_told_what_was_copied_and_gets_no_archive() {
    let busybox = Busybox::new();
    let isolazi = &busybox.isolazi;
    let running = start(&busybox, &[], "echo four >/five");
    let (code, text) = isolazi.pty(&["cp", "box:/five", "five"]).wait();
    assert_eq!((code, text.replace('\r', "")), (0, "Successfully copied 5B to five\n".to_owned()));
    let (code, text) = isolazi.pty(&["cp", "-q", "box:/five", "five"]).wait();
    assert_eq!((code, text.as_str()), (0, ""));
    let (code, text) = isolazi.pty(&["cp", "box:/five", "-"]).wait();
    let refused = "Error: cowardly refusing to write an archive to a terminal\n".to_owned();
    assert_eq!((code, text.replace('\r', "")), (1, refused));
    isolazi.run(&["cp", "box:nope", "."]).fails(1, "Error: Could not find the file nope in container box\n");
    isolazi.run(&["cp", "box:/five/", "."]).fails(1, "Error: Could not find the file /five/ in container box\n");
    end(running);
    isolazi.run(&["rm", "box"]).ok();
    busybox.holds_nothing();
}

#[test]
fn what_is_said_is_as_recorded() {
    for scene in common::Scene::both() {
        scene.records(
            "cp",
            &[
                "",
                "made:/etc",
                "made:/etc a b",
                "a b",
                "made:/a ended:/b",
                "nope:/etc .",
                "made:/nosuch .",
                "/nosuch made:/",
                "AMBIGUOUS:/etc/passwd .",
                ":/etc .",
                "made:/etc /nosuch/x",
                "- made:/etc/passwd",
                "- -",
                "- nope:/",
            ],
        );
    }
}
