//! `run --mount`, and what `-v` makes by itself.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking, in their helpers too")]

mod common;

use common::Busybox;

#[test]
fn binds_are_as_they_are_asked_for() {
    for busybox in Busybox::both() {
        let work = busybox.isolazi.work();
        std::fs::create_dir(work.join("data")).unwrap();
        std::fs::write(work.join("data/file"), "content").unwrap();
        let source = work.join("data").display().to_string();
        let run = |options: &str, script: &str| {
            busybox.sh(&["--mount", &format!("type=bind,source={source},target=/x{options}")], script)
        };
        assert_eq!(run("", "cat /x/file").ok(), "content");
        assert_eq!(busybox.sh(&["--mount", "type=bind,src=./data,dst=/x"], "cat /x/file").ok(), "content");
        run(",readonly", "echo >/x/new").fails(1, "sh: can't create /x/new: Read-only file system\n");
        for recursive in [",bind-nonrecursive", ",bind-recursive=disabled", ",bind-recursive=enabled"] {
            assert_eq!(run(recursive, "cat /x/file").ok(), "content", "{recursive}");
        }
        let shows = |options: &str| run(options, "grep ' /x ' /proc/self/mountinfo").ok();
        assert!(!shows("").contains("master:") && !shows("").contains("shared:"));
        assert!(shows(",bind-propagation=rshared").contains(" shared:"));
        // `--mount` makes nothing.
        let missing = format!("type=bind,source={source}x,target=/x");
        busybox.sh(&["--mount", &missing], "true").fails(
            125,
            &format!(
                "Error: invalid mount config for type \"bind\": bind source path does not exist: {source}x\n\
                 Hint: there is `{source}`\n"
            ),
        );
        assert!(!work.join("datax").try_exists().unwrap());
        busybox.holds_nothing();
    }
}

#[test]
fn what_is_mounted_below_a_bind_is_there_or_not_and_writable_or_not() {
    let busybox = Busybox::new();
    let work = busybox.isolazi.work();
    let below = work.join("data/below");
    std::fs::create_dir_all(&below).unwrap();
    let words = |verb: &str| -> String {
        let mount = format!("mount -t tmpfs none {0} && touch {0}/inner", below.display());
        if verb == "mount" { mount } else { format!("umount {}", below.display()) }
    };
    let on_host =
        |script: String| assert!(std::process::Command::new("sh").args(["-c", &script]).status().unwrap().success());
    on_host(words("mount"));
    let source = work.join("data").display().to_string();
    let run = |options: &str| {
        let mount = format!("type=bind,source={source},target=/x{options}");
        let output = busybox.sh(&["--mount", &mount], "ls /x/below; touch /x/below/new 2>/dev/null && echo written");
        let _ = std::fs::remove_file(below.join("new"));
        output.stdout
    };
    let seen = [
        "",
        ",bind-recursive=disabled",
        ",ro",
        ",ro,bind-recursive=writable",
        ",ro,bind-recursive=readonly,bind-propagation=rprivate",
    ]
    .map(run);
    on_host(words("umount"));
    assert_eq!(seen, ["inner\nwritten\n", "written\n", "inner\n", "inner\nwritten\n", "inner\n"]);
}

#[test]
fn volumes_are_found_or_made_and_shown_in_part() {
    for busybox in Busybox::both() {
        let isolazi = &busybox.isolazi;
        let labelled = "src=made,dst=/x,volume-label=a=1,volume-label=b";
        assert_eq!(busybox.sh(&["--mount", labelled], "mkdir /x/sub; echo deep >/x/sub/file").ok(), "");
        assert_eq!(
            isolazi.run(&["volume", "inspect", "-f", "{{json .Labels}}", "made"]).ok(),
            "{\"a\":\"1\",\"b\":\"\"}\n"
        );
        let sub = |path: &str| format!("type=volume,source=made,target=/x,volume-subpath={path}");
        assert_eq!(busybox.sh(&["--mount", &sub("sub")], "cat /x/file").ok(), "deep\n");
        assert_eq!(busybox.sh(&["--mount", &sub("sub/file")], "cat /x").ok(), "deep\n");
        busybox.sh(&["--mount", &sub("none")], "true").fails(
            125,
            &format!(
                "Error: cannot access path {}: no such file or directory\n",
                isolazi.root().join("volumes/made/_data/none").display()
            ),
        );
        // The image's folder is copied, unless that is not wanted; a part is not the image's folder.
        assert_eq!(busybox.sh(&["--mount", "src=etc,dst=/etc"], "test -s /etc/passwd && echo full").ok(), "full\n");
        assert_eq!(busybox.sh(&["--mount", "src=no,dst=/bin2,volume-nocopy"], "ls /bin2").ok(), "");
        // Without a source it is a volume of its own, which goes with its container.
        assert_eq!(busybox.sh(&["--mount", "dst=/own"], "echo x >/own/x; cat /own/x").ok(), "x\n");
        // The end is told before all is tidied up.
        let named = || isolazi.run(&["volume", "ls", "-q"]).ok() == "etc\nmade\nno\n";
        common::eventually("the end of the unnamed volume", || named().then_some(()));
        assert_eq!(isolazi.run(&["volume", "rm", "etc", "made", "no"]).ok(), "etc\nmade\nno\n");
        busybox.holds_nothing();
    }
}

#[test]
fn a_part_of_a_volume_never_leads_out_of_it() {
    for busybox in Busybox::both() {
        let isolazi = &busybox.isolazi;
        let secret = isolazi.work().join("secret");
        std::fs::create_dir(&secret).unwrap();
        std::fs::write(secret.join("key"), "secret").unwrap();
        busybox.sh(&["-v", "vol:/x"], "mkdir /x/sub").ok();
        let words = busybox.words(
            &["--name", "later", "--network", "none", "--mount", "src=vol,dst=/x,volume-subpath=sub"],
            &["ls", "/x"],
        );
        isolazi.run(&[&["create"], &words[1..]].concat()).ok();
        // Between its making and its start, another user of the volume turns the folder into a link out of it.
        let link = format!("rmdir /x/sub; ln -s {} /x/sub", secret.display());
        busybox.sh(&["-v", "vol:/x"], &link).ok();
        let output = isolazi.run(&["start", "-a", "later"]);
        assert!(output.code != 0 && output.stdout.is_empty(), "{output:?}");
        assert!(output.stderr.contains("cannot access path "), "{output:?}");
        isolazi.run(&["rm", "later"]).ok();
    }
}

#[test]
fn memory_is_as_large_as_asked() {
    for busybox in Busybox::both() {
        let mount = "type=tmpfs,destination=/x,tmpfs-size=1m,tmpfs-mode=710";
        let script = "stat -c %a /x; df -k /x | tail -n 1 | awk '{print $2}'";
        assert_eq!(busybox.sh(&["--mount", mount], script).ok(), "710\n1024\n");
        let words = busybox.words(&["--name", "shown", "--network", "none", "--mount", mount], &["true"]);
        busybox.isolazi.run(&words).ok();
        assert_eq!(
            busybox.isolazi.run(&["inspect", "-f", "{{json .Mounts}} {{json .HostConfig.Mounts}}", "shown"]).ok(),
            "[{\"Type\":\"tmpfs\",\"Source\":\"\",\"Destination\":\"/x\",\"Mode\":\"\",\"RW\":true,\"Propagation\":\"\"}] \
             [{\"Type\":\"tmpfs\",\"Target\":\"/x\"}]\n"
        );
        busybox.isolazi.run(&["rm", "shown"]).ok();
        // As options of a volume: each container has its own.
        let volume = "dst=/x,src=mem,volume-opt=type=tmpfs,volume-opt=o=size=2m";
        assert_eq!(
            busybox.sh(&["--mount", volume], "echo a >/x/a; ls /x; df -k /x | tail -n 1 | awk '{print $2}'").ok(),
            "a\n2048\n"
        );
        assert_eq!(busybox.sh(&["-v", "mem:/x"], "ls /x").ok(), "");
        busybox.isolazi.run(&["volume", "rm", "mem"]).ok();
        busybox.holds_nothing();
    }
}

#[test]
fn bad_mounts_are_refused_before_anything_is_made() {
    let busybox = Busybox::new();
    let see = "\n\nSee 'isolazi run --help'.\n";
    for (mount, complaint) in [
        (
            "type=bind,src=/a",
            format!("invalid argument \"type=bind,src=/a\" for \"--mount\" flag: target is required{see}"),
        ),
        (
            "dst=/x,foo",
            format!(
                "invalid argument \"dst=/x,foo\" for \"--mount\" flag: invalid field 'foo' must be a key=value pair{see}"
            ),
        ),
        ("type=what,dst=/x", "invalid mount config for type \"what\": mount type unknown\n".to_owned()),
        (
            "src=a/b,dst=/x",
            "create a/b: \"a/b\" includes invalid characters for a local volume name, only \
             \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed. If you intended to pass a host directory, use absolute path\n"
                .to_owned(),
        ),
        (
            "src=vol,dst=/x,volume-opt=type=nfs",
            "volumes of type `nfs` are not supported\nHint: mount it on this machine, and show it by `-v \
             /where/it/is:/target`; `tmpfs` and binds can be had\n"
                .to_owned(),
        ),
        (
            "src=vol,dst=/x,volume-driver=far",
            "error looking up volume plugin far: plugin \"far\" not found\nHint: volumes are folders on this machine \
             (`local`)\n"
                .to_owned(),
        ),
    ] {
        busybox.sh(&["--mount", mount], "true").fails(125, &format!("Error: {complaint}"));
    }
    busybox.sh(&["-v", "/a:/x", "--mount", "dst=/x"], "true").fails(125, "Error: Duplicate mount point: /x\n");
    busybox.holds_nothing();
}

#[test]
fn v_says_what_it_makes() {
    for busybox in Busybox::both() {
        let work = busybox.isolazi.work();
        let path = work.join("one/two").display().to_string();
        let run = || busybox.sh(&["-v", &format!("{path}:/x")], "touch /x/file");
        assert_eq!(run().succeeds().stderr, format!("created missing directory {path}\n"));
        assert!(std::fs::metadata(work.join("one/two/file")).unwrap().is_file());
        assert_eq!(run().ok(), "");
        let slip = work.join("one/tow").display().to_string();
        assert_eq!(
            busybox.sh(&["-v", &format!("{slip}:/x")], "true").succeeds().stderr,
            format!("created missing directory {slip} (there is also {path})\n")
        );
    }
}
