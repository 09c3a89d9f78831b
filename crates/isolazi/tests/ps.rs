//! `ps` and `port`: which containers are there, told in columns and by templates, chosen by filters.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking, in their helpers too")]

mod common;

use common::{Busybox, LIMIT, payload, payload_of};

const HEADINGS: &str = "CONTAINER ID   IMAGE     COMMAND   CREATED   STATUS    PORTS     NAMES\n";

#[test]
fn every_field_is_told() {
    for busybox in Busybox::both() {
        let isolazi = &busybox.isolazi;
        assert_eq!(isolazi.run(&["ps"]).ok(), HEADINGS);
        assert_eq!(isolazi.run(&["ps", "-s"]).ok(), HEADINGS.replace('\n', "     SIZE\n"));
        let create =
            ["create", "--name", "one", "-l", "a=1", "-v", "data:/data", "-v", "/:/host:ro", "--network", "none"];
        let id = isolazi.run(&[&create[..], &[&busybox.image, "sh", "-c", "echo a long enough command"]].concat()).ok();
        let told = |format: &str| isolazi.run(&["ps", "-a", "--format", format]).ok();
        for (format, text) in [
            ("{{.ID}}", &id[..12]),
            ("{{.Names}} {{.State}} {{.Status}}", "one created Created"),
            ("{{.Image}}", &busybox.image),
            ("{{.Command}}", "\"sh -c 'echo a long …\""),
            ("{{.RunningFor}}", "Less than a second ago"),
            ("{{.Mounts}} {{.LocalVolumes}}", "data,/ 1"),
            ("{{.Networks}} {{.Ports}}|{{.HealthStatus}}|", "none ||"),
            ("{{.Labels}} {{.Label \"a\"}} {{.Label \"b\"}}|", "a=1 1 |"),
            ("{{.Platform}}", "linux/amd64"),
        ] {
            let told = told(format);
            let told = told.trim_end_matches('\n');
            // These two depend on the machine.
            match format {
                "{{.RunningFor}}" => assert!(told.ends_with(" ago"), "{told}"),
                "{{.Platform}}" => assert!(told.starts_with("linux/"), "{told}"),
                "{{.Command}}" => assert!(told.starts_with("\"sh -c echo a long") && told.ends_with("…\""), "{told}"),
                _ => assert_eq!(told, text, "{format}"),
            }
        }
        let table = isolazi.run(&["ps", "-a", "--no-trunc", "--format", "table {{.ID}}\\t{{upper .Names}}"]).ok();
        assert_eq!(table, format!("{:67}NAMES\n{}   ONE\n", "CONTAINER ID", id.trim_end()));
        let json = isolazi.run(&["container", "ls", "-a", "--format", "json"]).ok();
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!((&json["Names"], &json["Size"], &json["LocalVolumes"]), (&"one".into(), &"0B".into(), &"1".into()));
        isolazi.run(&["rm", "one"]).succeeds();
    }
}

#[test]
fn what_a_container_wrote_is_measured() {
    for busybox in Busybox::both() {
        let isolazi = &busybox.isolazi;
        isolazi.run(&busybox.words(&["--name", "full"], &["sh", "-c", "echo 12345678 >/new; chmod 0 /new"])).ok();
        let image = isolazi.run(&["images", "--format", "{{.Size}}"]).ok();
        let size = format!("9B (virtual {})\n", image.trim_end());
        assert_eq!(isolazi.run(&["ps", "-a", "--format", "{{.Size}}"]).ok(), size);
        let table = isolazi.run(&["ps", "-as"]).ok();
        assert!(table.ends_with(&format!("full      {size}")), "{table}");
        assert_eq!(isolazi.run(&["ps", "-a", "--size=false", "--format", "{{.Size}}"]).ok(), "0B\n");
        isolazi.run(&["rm", "full"]).succeeds();
    }
}

#[test]
fn filters_choose() {
    let busybox = Busybox::new();
    let isolazi = &busybox.isolazi;
    let create = |name: &str, flags: &[&str]| {
        isolazi.run(&[&["create", "--name", name], flags, &[&busybox.image, "sleep", "1000"]].concat()).ok()
    };
    let first = create("first", &["--label", "a=1", "-v", "data:/data", "--network", "none"]);
    create("second", &["--label", "a=2", "--expose", "80", "--expose", "5000-5010/udp"]);
    let running = busybox.spawn(&["--name", "third"], &["sleep", "1000"]);
    let pid = payload_of(isolazi, "third");
    for (filters, names) in [
        (&[][..], "third second first"),
        (&["name=ir"], "third first"),
        (&["name=^/?first$"], "first"),
        (&["name=first", "name=second"], "second first"),
        (&[&format!("id={}", &first[..10])], "first"),
        (&["label=a"], "second first"),
        (&["label=a=2"], "second"),
        (&["label=a=2", "label=b"], ""),
        (&["status=running"], "third"),
        (&["status=created"], "second first"),
        (&["status=running", "status=created"], "third second first"),
        (&["status=paused"], ""),
        (&["exited=0"], ""),
        (&["before=second"], "first"),
        (&["since=first"], "third second"),
        (&["since=first", "before=third"], "second"),
        (&["volume=data"], "first"),
        (&["volume=/data"], "first"),
        (&["network=none"], "first"),
        (&["network=host"], "third second"),
        (&["expose=80"], "second"),
        (&["expose=5005/udp"], "second"),
        (&["expose=80/udp"], ""),
        (&["publish=80"], ""),
        (&["health=none"], "third second first"),
        (&["health=healthy"], ""),
        (&[&format!("ancestor={}", busybox.image)], "third second first"),
        (&["ancestor=other"], ""),
    ] {
        let filters: Vec<&str> = filters.iter().flat_map(|&filter| ["-f", filter]).collect();
        let told = isolazi.run(&[&["ps", "-a", "--format", "{{.Names}}"], &filters[..]].concat()).ok();
        assert_eq!(told.lines().collect::<Vec<_>>().join(" "), names, "{filters:?}");
    }
    let names = |flags: &[&str]| isolazi.run(&[&["ps", "--format", "{{.Names}}"], flags].concat()).ok();
    assert_eq!(names(&[]), "third\n");
    assert_eq!(names(&["-l"]), "third\n");
    assert_eq!(names(&["-n", "2"]), "third\nsecond\n");
    assert_eq!(names(&["-n", "-1", "-f", "name=first"]), "");
    assert_eq!(isolazi.run(&["ps", "-aq", "-f", "name=first"]).ok(), format!("{}\n", &first[..12]));
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    running.finish(b"", LIMIT).fails(137, "");
    assert_eq!(names(&["-f", "exited=137"]), "third\n");
}

#[test]
fn what_cannot_be_meant_is_refused() {
    let busybox = Busybox::new();
    for (arguments, code, complaint) in [
        (
            &["ps", "-f", "colour=red"][..],
            1,
            "Error: invalid filter 'colour'\nHint: known filters are ancestor, before, exited, expose, health, id, label, name, network, publish, since, status and volume\n",
        ),
        (&["ps", "-f", "name"], 1, "Error: invalid filter 'name': expected key=value\n"),
        (&["ps", "-f", "status=up"], 1, "Error: invalid filter 'status=up'\n"),
        (&["ps", "-f", "exited=x"], 1, "Error: invalid filter 'exited=x'\n"),
        (&["ps", "-f", "before=nobody"], 1, "Error: No such container: nobody\n"),
        (
            &["ps", "-n", "x"],
            125,
            "Error: invalid argument \"x\" for \"-n, --last\" flag: strconv.ParseInt: parsing \"x\": invalid syntax\n\nSee \
             'isolazi ps --help'.\n",
        ),
        (&["ps", "--format", "{{.ID"], 1, "Error: template parsing error: template: :1: unclosed action\n"),
        (&["ps", "--nope"], 125, "Error: unknown flag: --nope\n\nSee 'isolazi ps --help'.\n"),
        (&["port", "nobody"], 1, "Error: No such container: nobody\n"),
        (&["port", "nobody", "x"], 1, "Error: invalid port 'x'\n"),
        (
            &["port"],
            1,
            "Error: 'isolazi port' requires at least 1 and at most 2 arguments\n\nUsage:  isolazi port CONTAINER \
             [PRIVATE_PORT[/PROTO]]\n\nSee 'isolazi port --help' for more information\n",
        ),
    ] {
        busybox.isolazi.run(arguments).fails(code, complaint);
    }
}

#[test]
fn a_container_without_published_ports_has_none_to_tell() {
    for busybox in Busybox::both() {
        let running = busybox.spawn(&["--name", "web", "--expose", "80"], &["sleep", "1000"]);
        let pid = payload(&busybox.isolazi);
        assert_eq!(busybox.isolazi.run(&["port", "web"]).ok(), "");
        for port in ["80", "80/tcp"] {
            let complaint = "Error: No public port '80/tcp' published for web\n";
            busybox.isolazi.run(&["container", "port", "web", port]).fails(1, complaint);
        }
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
        running.finish(b"", LIMIT).fails(137, "");
        busybox.isolazi.run(&["rm", "web"]).succeeds();
    }
}

#[test]
fn what_is_said_is_as_recorded() {
    for scene in common::Scene::both() {
        scene.records(
            "ps",
            &[
                "x",
                "-f x",
                "-f colour=red",
                "-f status=colour",
                "-f exited=x",
                "-f before=nope",
                "-f since=nope",
                "-f health=colour",
                "-f name=(",
                "-f publish=x",
                "--format {{.Nope}}",
                "--format {{.ID",
                "-n x",
                "-n 1.5",
                "--format {{.Names}}",
                "-a --format {{.Names}}:{{.State}} -f name=ended",
                "-f network=nosuch -q",
            ],
        );
    }
}
