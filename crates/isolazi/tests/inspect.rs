//! `inspect`, `container inspect`, `image inspect`: Docker's documents, templates over them, and what is not there.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking, in their helpers too")]

mod common;

use common::{Busybox, LIMIT, payload};
use serde_json::Value;
use testkit::Isolazi;

fn inspected(isolazi: &Isolazi, arguments: &[&str]) -> Vec<Value> {
    serde_json::from_str(&isolazi.run(&[&["inspect"], arguments].concat()).ok()).unwrap()
}

/// The keys of an object, in the order in which they are written.
fn keys(text: &str) -> Vec<&str> {
    let lines = text.lines().filter_map(|line| line.strip_prefix("        \""));
    lines.filter_map(|line| line.split_once('"').map(|(key, _)| key)).collect()
}

const CONTAINER_KEYS: &str = "Id Created Path Args State Image ResolvConfPath HostnamePath HostsPath LogPath Name \
    RestartCount Driver Platform MountLabel ProcessLabel AppArmorProfile ExecIDs HostConfig GraphDriver Mounts Config \
    NetworkSettings";
const IMAGE_KEYS: &str = "Id RepoTags RepoDigests Comment Created Author Config Architecture Os Size GraphDriver RootFS \
    Metadata Descriptor";

#[test]
fn a_container_is_told_with_all_that_was_asked() {
    for busybox in Busybox::both() {
        let isolazi = &busybox.isolazi;
        let image = busybox.image.as_str();
        let create = ["create", "--name", "web", "-e", "A=1", "-v", "data:/data", "-w", "/w", "--label", "x.y=z"];
        let id = isolazi.run(&[&create[..], &[image, "sh", "-c", "exit 3"]].concat()).ok();
        let id = id.trim_end();

        let text = isolazi.run(&["inspect", "web"]).ok();
        assert!(text.starts_with("[\n    {\n        \"Id\": \"") && text.ends_with("    }\n]\n"), "{text}");
        assert_eq!(keys(&text).join(" "), CONTAINER_KEYS);
        let [web] = &inspected(isolazi, &["web"])[..] else { panic!("{text}") };
        assert_eq!(web["Id"], id);
        assert_eq!(web["Name"], "/web");
        assert_eq!((&web["Path"], &web["Args"]), (&"sh".into(), &serde_json::json!(["-c", "exit 3"])));
        assert_eq!(web["State"]["Status"], "created");
        assert_eq!(web["State"]["StartedAt"], "0001-01-01T00:00:00Z");
        assert_eq!(web["Config"]["Env"][0], "A=1");
        assert_eq!(web["Config"]["Image"], image);
        assert_eq!(web["Config"]["WorkingDir"], "/w");
        assert_eq!(web["HostConfig"]["Binds"], serde_json::json!(["data:/data"]));
        let data = isolazi.root().join("volumes/data/_data");
        assert_eq!(
            web["Mounts"],
            serde_json::json!([{
                "Type": "volume", "Name": "data", "Source": data, "Destination": "/data", "Driver": "local", "Mode": "",
                "RW": true, "Propagation": "",
            }])
        );

        // The same by every name, and by the long spelling.
        for name in [id, &id[..12], "web"] {
            assert_eq!(isolazi.run(&["container", "inspect", name]).ok(), text);
        }
        let format =
            r#"{{.Name}} {{.State.Status}} {{index .Config.Labels "x.y"}} {{.Config.Labels.none}}|{{json .Args}}"#;
        assert_eq!(
            isolazi.run(&["inspect", "-f", format, "web"]).ok(),
            "/web created z <no value>|[\"-c\",\"exit 3\"]\n"
        );
        let compact = isolazi.run(&["inspect", "-f", "json", "web"]).ok();
        assert_eq!(serde_json::from_str::<Vec<Value>>(&compact).unwrap()[0], *web);
        assert!(compact.starts_with("[{\"Id\":") && compact.lines().count() == 1);
        isolazi.run(&["rm", "web"]).succeeds();
    }
}

#[test]
fn the_state_is_the_containers() {
    for busybox in Busybox::both() {
        let isolazi = &busybox.isolazi;
        let running = busybox.spawn(&["--name", "up"], &["sleep", "1000"]);
        let pid = payload(isolazi);
        let state = "{{.State.Status}} {{.State.Running}} {{.State.Pid}} {{.State.ExitCode}}";
        let line = isolazi.run(&["inspect", "-f", state, "up"]).ok();
        assert_eq!(line, format!("running true {} 0\n", pid.as_raw_nonzero()));
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
        running.finish(b"", LIMIT).fails(137, "");
        assert_eq!(isolazi.run(&["inspect", "-f", state, "up"]).ok(), "exited false 0 137\n");
        let health = "{{if .State.Health}}{{.State.Health.Status}}{{else}}none{{end}}";
        assert_eq!(isolazi.run(&["inspect", "-f", health, "up"]).ok(), "none\n");
        isolazi.run(&["rm", "up"]).succeeds();
    }
}

#[test]
fn sizes_are_measured_when_asked() {
    for busybox in Busybox::both() {
        let isolazi = &busybox.isolazi;
        isolazi
            .run(&busybox.words(&["--name", "full"], &["sh", "-c", "echo 12345678 >/new; echo x >>/etc/passwd"]))
            .ok();
        // A file that was changed counts as a whole.
        let passwd = isolazi.run(&busybox.words(&["--rm"], &["wc", "-c", "/etc/passwd"])).ok();
        let own = 9 + 2 + passwd.split(' ').next().unwrap().parse::<u64>().unwrap();
        let sizes = isolazi.run(&["inspect", "-s", "-f", "{{.SizeRw}} {{.SizeRootFs}}", "full"]).ok();
        let image = isolazi.run(&["inspect", "-f", "{{.Size}}", &busybox.image]).ok();
        let image: u64 = image.trim_end().parse().unwrap();
        assert_eq!(sizes, format!("{own} {}\n", own + image));
        assert_eq!(isolazi.run(&["inspect", "-f", "{{.SizeRw}}", "full"]).ok(), "<nil>\n");
        isolazi.run(&["rm", "full"]).succeeds();
    }
}

#[test]
fn an_image_is_told() {
    let busybox = Busybox::new();
    let isolazi = &busybox.isolazi;
    let text = isolazi.run(&["image", "inspect", &busybox.image]).ok();
    assert_eq!(keys(&text).join(" "), IMAGE_KEYS);
    let [image] = &inspected(isolazi, &["--type", "image", &busybox.image])[..] else { panic!("{text}") };
    let id = isolazi.run(&["images", "-q", "--no-trunc"]).ok();
    assert_eq!(image["Id"], id.trim_end());
    assert_eq!(image["RepoTags"], serde_json::json!([format!("{}:latest", busybox.image)]));
    let digest = isolazi.run(&["images", "--format", "{{.Repository}}@{{.Digest}}"]).ok();
    assert_eq!(image["RepoDigests"], serde_json::json!([digest.trim_end()]));
    assert_eq!(image["RootFS"]["Type"], "layers");
    let format = "{{.Os}}/{{.Architecture}} {{len .RootFS.Layers}} {{.Config.User}}|";
    let line = isolazi.run(&["inspect", "-f", format, &id["sha256:".len()..][..12]]).ok();
    assert_eq!(line, format!("linux/{} 1 |\n", image["Architecture"].as_str().unwrap()));
    // A container of the same name comes first.
    isolazi.run(&["create", "--name", "both", &busybox.image]).ok();
    assert_eq!(isolazi.run(&["inspect", "-f", "{{.Name}}", "both"]).ok(), "/both\n");
}

#[test]
fn what_is_not_there_is_said_after_what_is() {
    let busybox = Busybox::new();
    let isolazi = &busybox.isolazi;
    isolazi.run(&["create", "--name", "one", &busybox.image]).ok();
    let run = |arguments: &[&str]| {
        let output = isolazi.run(arguments);
        (output.code, output.stdout, output.stderr)
    };
    let said = |code: u8, stdout: &str, stderr: &str| (i32::from(code), stdout.to_owned(), stderr.to_owned());
    assert_eq!(run(&["inspect", "nope"]), said(1, "[]\n", "error: no such object: nope\n"));
    assert_eq!(run(&["inspect", "-f", "json", "nope"]), said(1, "[]\n", "error: no such object: nope\n"));
    assert_eq!(
        run(&["inspect", "-f", "{{.Name}}", "no", "one", "nope"]),
        said(1, "/one\n", "error: no such object: no\nerror: no such object: nope\n")
    );
    assert_eq!(run(&["inspect", "-f", "{{.Name}}", "nope"]), said(1, "\n", "error: no such object: nope\n"));
    assert_eq!(run(&["container", "inspect", "nope"]), said(1, "[]\n", "Error: No such container: nope\n"));
    assert_eq!(run(&["image", "inspect", "nope"]), said(1, "[]\n", "Error: No such image: nope\n"));
    assert_eq!(run(&["inspect", "--type", "image", "one"]), said(1, "[]\n", "Error: No such image: one\n"));
    assert_eq!(
        run(&["inspect", "--type", "thing", "one"]),
        said(
            1,
            "",
            "Error: unknown type: \"thing\": must be one of \"container\", \"image\", \"network\", \"volume\"\n"
        )
    );
    assert_eq!(
        run(&["inspect", "-f", "{{.Name", "one"]),
        said(64, "", "Error: template parsing error: template: :1: unclosed action\n")
    );
    assert_eq!(
        run(&["inspect", "-f", "{{.State.Health.Status}}", "one"]),
        said(
            1,
            "\n",
            "Error: template parsing error: template: :1:8: executing \"\" at <.State.Health.Status>: map has no entry \
             for key \"Health\"\n"
        )
    );
    let usage = "Error: 'isolazi inspect' requires at least 1 argument\n\nUsage:  isolazi inspect [OPTIONS] NAME|ID \
                 [NAME|ID...]\n\nSee 'isolazi inspect --help' for more information\n";
    assert_eq!(run(&["inspect"]), said(1, "", usage));
    isolazi
        .run(&["container", "inspect", "--type", "image", "one"])
        .fails(125, "Error: unknown flag: --type\n\nSee 'isolazi container inspect --help'.\n");
}

#[test]
fn what_is_said_is_as_recorded() {
    for scene in common::Scene::both() {
        scene.records(
            "inspect",
            &[
                "",
                "nope",
                "AMBIGUOUS",
                "--type colour made",
                "--type image made",
                "--type container IMAGE",
                "--type volume made",
                "-f {{.Nope}} made",
                "-f {{.Name made",
                "-f {{.Name|nope}} made",
                "-f {{.Id}} made nope runs",
            ],
        );
    }
}
