//! Limits of processes, kernel parameters, names and addresses, and what is written down of a container.

mod common;

use common::Busybox;
use std::path::PathBuf;

#[test]
fn limits_of_processes_are_what_was_said() {
    for busybox in Busybox::both() {
        let ask = |flags: &[&str], script: &str| busybox.sh(flags, script).ok();
        assert_eq!(ask(&["--ulimit", "nofile=64:128"], "ulimit -n; ulimit -Hn"), "64\n128\n");
        assert_eq!(
            ask(&["--ulimit", "core=0", "--ulimit", "nproc=50"], "ulimit -c; grep processes /proc/self/limits"),
            format!("0\n{:<26}{:<21}{:<21}processes \n", "Max processes", 50, 50)
        );
        assert_eq!(ask(&["--ulimit", "memlock=65536"], "ulimit -l"), "64\n");
        assert_eq!(ask(&["--shm-size", "1m"], "df -k /dev/shm | tail -1 | awk '{print $2}'"), "1024\n");
        assert_eq!(ask(&["--oom-score-adj", "500"], "cat /proc/self/oom_score_adj"), "500\n");
        let see = "\n\nSee 'isolazi run --help'.\n";
        for (flag, value, complaint) in [
            ("--ulimit", "files=1", "invalid ulimit type: files"),
            ("--ulimit", "nofile=2:1", "ulimit soft limit must be less than or equal to hard limit: 2 > 1"),
            ("--shm-size", "x", "invalid size: 'x'"),
            ("--oom-score-adj", "x", "strconv.ParseInt: parsing \"x\": invalid syntax"),
        ] {
            let words = format!("Error: invalid argument \"{value}\" for \"{flag}\" flag: {complaint}{see}");
            busybox.run(&[flag, value], &["true"]).fails(125, &words);
        }
        let range = "Error: Invalid value 1001, range for oom score adj is [-1000, 1000]\n";
        busybox.run(&["--oom-score-adj", "1001"], &["true"]).fails(125, range);
        busybox.holds_nothing();
    }
}

#[test]
fn kernel_parameters_are_the_containers_own() {
    for busybox in Busybox::both() {
        let somaxconn = || std::fs::read_to_string("/proc/sys/net/core/somaxconn").unwrap();
        let before = somaxconn();
        let flags = ["--sysctl", "net.core.somaxconn=77", "--sysctl", "kernel.msgmax=8190"];
        let seen = busybox.sh(&flags, "cat /proc/sys/net/core/somaxconn /proc/sys/kernel/msgmax").ok();
        assert_eq!((seen.as_str(), somaxconn()), ("77\n8190\n", before));
        let words = "Error: invalid argument \"vm.swappiness=1\" for \"--sysctl\" flag: sysctl 'vm.swappiness=1' is not \
                     allowed\n\nSee 'isolazi run --help'.\n";
        busybox.run(&["--sysctl", "vm.swappiness=1"], &["true"]).fails(125, words);
        let shared = busybox.words(&["--rm", "--network", "host", "--sysctl", "net.core.somaxconn=77"], &["true"]);
        busybox.isolazi.run(&shared).fails(
            125,
            "Error: sysctl \"net.core.somaxconn\" not allowed in host network namespace\nHint: `--network none` gives the \
             container a network namespace of its own\n",
        );
        busybox.holds_nothing();
    }
}

#[test]
fn names_and_servers_are_in_the_files_of_etc() {
    for busybox in Busybox::both() {
        let flags =
            ["--add-host", "db:10.0.0.7", "--add-host", "six=[::1]", "--domainname", "example.org", "-h", "web"];
        let hosts = busybox.sh(&flags, "grep -v ip6 /etc/hosts; cat /proc/sys/kernel/domainname; hostname -f").ok();
        assert_eq!(
            hosts,
            "127.0.0.1\tlocalhost\n127.0.1.1\tweb.example.org web\n10.0.0.7\tdb\n::1\tsix\nexample.org\nweb.example.org\n"
        );
        let flags = ["--dns", "9.9.9.9", "--dns", "::1", "--dns-search", "a.b", "--dns-opt", "ndots:2"];
        let text = busybox.sh(&flags, "cat /etc/resolv.conf").ok();
        assert_eq!(text, "nameserver 9.9.9.9\nnameserver ::1\nsearch a.b\noptions ndots:2\n");
        // On the host's network the host's own lines of another kind stay.
        let hosts = std::fs::read_to_string("/etc/resolv.conf").unwrap();
        let kept: Vec<&str> = hosts.lines().filter(|line| !line.starts_with("nameserver")).collect();
        let words = busybox.words(&["--rm", "--network", "host", "--dns", "9.9.9.9"], &["cat", "/etc/resolv.conf"]);
        let text = busybox.isolazi.run(&words).ok();
        assert_eq!(text.lines().collect::<Vec<_>>(), [kept, vec!["nameserver 9.9.9.9"]].concat());
        let gate = ["--rm", "--network", "host", "--add-host", "gate:host-gateway"];
        let text = busybox.isolazi.run(&busybox.words(&gate, &["grep", "gate", "/etc/hosts"])).ok();
        assert_eq!(text, "127.0.0.1\tgate\n");
        busybox
            .run(&["--add-host", "gate:host-gateway"], &["true"])
            .fails(125, "Error: unable to derive the IP value for host-gateway: the container has no network\n");
        let see = "\n\nSee 'isolazi run --help'.\n";
        for (flag, value, complaint) in [
            ("--add-host", "db", "bad format for add-host: \"db\""),
            ("--add-host", "db:x", "invalid IP address in add-host: \"x\""),
            ("--dns", "x", "IP address is not correctly formatted: x"),
            ("--dns-search", "-x", "-x is not a valid domain"),
        ] {
            let words = format!("Error: invalid argument \"{value}\" for \"{flag}\" flag: {complaint}{see}");
            busybox.run(&[flag, value], &["true"]).fails(125, &words);
        }
        busybox.holds_nothing();
    }
}

#[test]
fn the_callers_variables_come_in_whole_when_asked_for() {
    for mut busybox in Busybox::both() {
        busybox.isolazi.env("FROM_CALLER", "yes").env("BOTH", "caller");
        let script = "echo $FROM_CALLER $BOTH $HOSTNAME";
        assert_eq!(busybox.sh(&["-h", "box"], script).ok(), "box\n");
        assert_eq!(busybox.sh(&["-h", "box", "--env-host", "-e", "BOTH=flag"], script).ok(), "yes flag box\n");
    }
}

#[test]
fn an_id_is_written_down_once_and_only_for_a_container_that_is() {
    for busybox in Busybox::both() {
        let file = busybox.isolazi.work().join("id");
        let path = file.to_str().unwrap();
        let create = |extra: &[&str]| {
            let flags = [&["create", "--cidfile", path, "--name", "written"], extra].concat();
            busybox.isolazi.run(&[&flags[..], &[busybox.image.as_str(), "true"]].concat())
        };
        let id = create(&[]).ok();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), id.trim());
        let exists =
            format!("Error: container ID file found, make sure the other container isn't running or delete {path}\n");
        create(&[]).fails(1, &exists);
        busybox.run(&["--cidfile", path], &["true"]).fails(125, &exists);
        std::fs::remove_file(&file).unwrap();
        // The name is taken: no container, no file.
        assert_eq!(create(&[]).code, 1);
        assert!(!file.try_exists().unwrap());
        busybox
            .run(&["--cidfile", "/no/such/id"], &["true"])
            .fails(125, "Error: failed to create the container ID file: no such file or directory\n");
        assert_eq!(busybox.isolazi.run(&["rm", "written"]).ok(), "written\n");
        busybox.holds_nothing();
    }
}

#[test]
fn a_container_takes_the_place_of_one_of_its_name() {
    for busybox in Busybox::both() {
        let run = |flags: &[&str], command: &[&str]| {
            busybox.isolazi.run(&busybox.words(&[&["--replace", "--name", "only"], flags].concat(), command))
        };
        assert_eq!(run(&["-d"], &["sleep", "1000"]).code, 0);
        assert_eq!(run(&[], &["echo", "second"]).ok(), "second\n");
        assert_eq!(busybox.isolazi.run(&["ps", "-a", "--format", "{{.Names}} {{.State}}"]).ok(), "only exited\n");
        let words = "Error: cannot replace container without --name being set\n";
        busybox.run(&["--replace"], &["true"]).fails(125, words);
        assert_eq!(busybox.isolazi.run(&["rm", "only"]).ok(), "only\n");
        busybox.holds_nothing();
    }
}

#[test]
fn a_time_that_is_over_ends_the_payload() {
    for busybox in Busybox::both() {
        let begin = std::time::Instant::now();
        busybox.run(&["--timeout", "1"], &["sleep", "1000"]).fails(137, "");
        assert!((1..20).contains(&begin.elapsed().as_secs()));
        assert_eq!(busybox.run(&["--timeout", "1000"], &["echo", "in time"]).ok(), "in time\n");
        let words = "Error: invalid timeout -1: it is a number of seconds\n";
        busybox.run(&["--timeout", "-1"], &["true"]).fails(125, words);
        busybox.holds_nothing();
    }
}

#[test]
fn notes_are_kept_and_what_means_nothing_here_does_no_harm() {
    let busybox = Busybox::new();
    let file = busybox.isolazi.work().join("labels");
    std::fs::write(&file, "# comment\n\na=file\nb\n").unwrap();
    let flags = [
        "--label-file",
        file.to_str().unwrap(),
        "-l",
        "a=flag",
        "--annotation",
        "org.example=1",
        "--expose",
        "80-81",
        "--stop-timeout",
        "3",
        "--disable-content-trust",
        "--kernel-memory=1g",
        "--isolation=default",
        "--volume-driver",
        "local",
        "--name",
        "noted",
    ];
    assert_eq!(busybox.isolazi.run(&busybox.words(&flags, &["true"])).ok(), "");
    assert_eq!(busybox.isolazi.run(&["ps", "-a", "--format", "{{.Labels}}"]).ok(), "a=flag,b=\n");
    let read = |name: &str| -> serde_json::Value {
        let path: PathBuf = common::container(&busybox.isolazi).join(name);
        serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
    };
    assert_eq!(read("config.json")["annotations"]["org.example"], "1");
    let request = &read("container.json")["request"];
    assert_eq!(request["exposed_ports"], serde_json::json!(["80/tcp", "81/tcp"]));
    assert_eq!(request["stop_timeout_s"], 3);
    for (flags, complaint) in [
        (&["--label-file", "missing"][..], "can't read label file `missing`: no such file or directory\n"),
        (&["--annotation", "a"], "invalid annotation 'a': it is KEY=VALUE\n"),
        (&["--expose", "80:80"], "invalid port format for --expose: 80:80\n"),
        (
            &["--storage-opt", "size=1G"],
            "--storage-opt is supported only for overlay over xfs with 'pquota' mount option\nHint: the root grows as far \
             as the disk has room\n",
        ),
    ] {
        busybox.run(flags, &["true"]).fails(125, &format!("Error: {complaint}"));
    }
    assert_eq!(busybox.isolazi.run(&["rm", "noted"]).ok(), "noted\n");
    busybox.holds_nothing();
}
