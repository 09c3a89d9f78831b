//! `pull`, `images`, `rmi`, `create`, `ps`, `logs`, `rm`: what is here, and what is not any more.

use std::process::Stdio;
use testkit::{Isolazi, registries};

#[test]
fn images_come_are_listed_and_go() {
    let isolazi = Isolazi::new();
    let image = format!("{}/busybox", registries().plain.addr);
    assert_eq!(isolazi.run(&["images"]).ok(), "REPOSITORY   TAG       IMAGE ID   CREATED   SIZE\n");
    let pulled = isolazi.run(&["pull", &image]).ok();
    let lines: Vec<&str> = pulled.lines().collect();
    assert_eq!(lines[..2], ["Using default tag: latest", "latest: Pulling from busybox"]);
    let [.., digest, status, name] = lines[..] else { panic!("{pulled}") };
    let digest = digest.strip_prefix("Digest: ").unwrap();
    assert_eq!(status, format!("Status: Downloaded newer image for {image}:latest"));
    assert_eq!(name, format!("{image}:latest"));
    let again = isolazi.run(&["image", "pull", &image]).ok();
    assert!(again.contains(&format!("Status: Image is up to date for {image}:latest\n")), "{again}");
    assert_eq!(isolazi.run(&["pull", "-q", &image]).ok(), format!("{image}:latest\n"));

    let format = "{{.Repository}}:{{.Tag}}@{{.Digest}}";
    assert_eq!(isolazi.run(&["images", "--format", format]).ok(), format!("{image}:latest@{digest}\n"));
    let id = isolazi.run(&["image", "ls", "-q", "--no-trunc"]).ok();
    assert!(id.starts_with("sha256:") && id.len() == 72, "{id}");
    assert_eq!(isolazi.run(&["images", "-q", "nginx"]).ok(), "");
    for (filter, count) in [
        ("dangling=false", 1),
        ("until=0s", 1),
        ("until=2000-01-01", 0),
        ("label=nope", 0),
        (&format!("reference={image}"), 1),
        (&format!("before={image}"), 0),
        (&format!("since={image}"), 0),
    ] {
        assert_eq!(isolazi.run(&["images", "-q", "-f", filter]).ok().lines().count(), count, "{filter}");
    }
    isolazi.run(&["images", "-f", "before=nope"]).fails(1, "Error: No such image: nope\n");
    isolazi.run(&["images", "--format", "{{.Nope}}"]).fails(
        1,
        "Error: template parsing error: template: :1:2: executing \"\" at <.Nope>: can't evaluate field Nope in type row\n\
         Hint: the fields are CreatedAt, CreatedSince, Digest, ID, Platform, Repository, Size, Tag\n",
    );
    isolazi
        .run(&["images", "--format", "{{.ID"])
        .fails(1, "Error: template parsing error: template: :1: unclosed action\n");

    let removed = isolazi.run(&["rmi", &image]).ok();
    assert!(
        removed.starts_with(&format!("Untagged: {image}:latest\n")) && removed.contains("Deleted: sha256:"),
        "{removed}"
    );
    let gone = isolazi.run(&["rmi", &image]);
    assert!(gone.code == 1 && gone.stderr.starts_with("Error: No such image: "), "{gone:?}");
}

#[test]
fn containers_are_made_listed_and_removed() {
    let isolazi = Isolazi::new();
    let image = format!("{}/busybox", registries().plain.addr);
    isolazi.run(&["pull", "-q", &image]).succeeds();
    let id = isolazi.run(&["create", "--name", "one", "--label", "a=1", &image, "true"]).ok();
    let output = isolazi.run(&["run", "--name", "two", &image, "sh", "-c", "echo out; echo err >&2; exit 3"]);
    assert_eq!((output.code, output.stdout.as_str(), output.stderr.as_str()), (3, "out\n", "err\n"));

    let list =
        |arguments: &[&str]| isolazi.run(&[&["ps", "--format", "{{.Names}} {{.State}}"], arguments].concat()).ok();
    assert_eq!(list(&[]), "");
    assert_eq!(list(&["-a"]), "two exited\none created\n");
    assert_eq!(list(&["-l"]), "two exited\n");
    assert_eq!(list(&["-f", "status=exited"]), "two exited\n");
    assert_eq!(list(&["-a", "-f", "label=a=1"]), "one created\n");
    assert_eq!(list(&["-a", "-f", &format!("ancestor={image}"), "-f", "name=^/one$"]), "one created\n");
    assert!(isolazi.run(&["container", "ls", "-a"]).ok().contains("Exited (3) "));

    let logs = isolazi.run(&["logs", "two"]);
    assert_eq!((logs.code, logs.stdout.as_str(), logs.stderr.as_str()), (0, "out\n", "err\n"));
    let stamped = isolazi.run(&["logs", "-t", "--tail", "2", "two"]).stdout;
    assert!(stamped.starts_with("20") && stamped.ends_with("Z out\n"), "{stamped}");

    isolazi.run(&["create", "--name", "two", &image]).fails(
        1,
        &format!(
            "Error: Conflict. The container name \"/two\" is already in use by container \"{}\". You have to remove (or \
             rename) that container to be able to reuse that name.\n",
            isolazi.run(&["ps", "-a", "-q", "--no-trunc", "-f", "name=two"]).ok().trim()
        ),
    );
    let several = isolazi.run(&["rm", "nope", &id[..12], "two"]);
    assert_eq!(several.code, 1);
    assert_eq!(several.stdout, format!("{}\ntwo\n", &id[..12]));
    assert_eq!(several.stderr, "Error: No such container: nope\n");
    isolazi.run(&["rm", "-f", "nope"]).fails(0, "");
    isolazi.run(&["logs", "nope"]).fails(1, "Error: No such container: nope\n");
    assert_eq!(isolazi.run(&["ps", "-aq"]).ok(), "");
}

#[test]
fn both_spellings_help_and_wrong_words() {
    let isolazi = Isolazi::new();
    let help = isolazi.run(&["help", "run"]).ok();
    assert_eq!(isolazi.run(&["run", "--help"]).ok(), help);
    assert_eq!(isolazi.run(&["container", "run", "--help"]).ok(), help);
    assert_eq!(isolazi.run(&["images", "-h"]).ok(), isolazi.run(&["help", "image", "ls"]).ok());
    assert_eq!(isolazi.run::<&str>(&[]).ok(), isolazi.run(&["--help"]).ok());
    isolazi.run(&["pz"]).fails(
        1,
        "isolazi: unknown command: isolazi pz\nHint: did you mean `isolazi ps`?\n\nRun 'isolazi --help' for more \
         information\n",
    );
    isolazi.run(&["ps", "extra"]).fails(
        1,
        "Error: 'isolazi ps' accepts no arguments\n\nUsage:  isolazi ps [OPTIONS]\n\nSee 'isolazi ps --help' for more \
         information\n",
    );
    isolazi.run(&["--nope", "ps"]).fails(125, "Error: unknown flag: --nope\n\nSee 'isolazi --help'.\n");
    assert!(isolazi.run(&["--version"]).ok().starts_with("isolazi version "));
    assert!(isolazi.run(&["version", "-f", "{{.Client.Os}}/{{.Client.Arch}}"]).ok().starts_with("linux/"));
    let info = "{{.Containers}} {{.ContainersRunning}} {{.Driver}} {{.OSType}} {{range .SecurityOptions}}{{.}}{{end}}";
    assert!(isolazi.run(&["info", "-f", info]).ok().starts_with("0 0 overlay linux "));
    isolazi.run(&["info", "-f", "{{.Nope}}"]).fails(
        1,
        "Error: template parsing error: template: :1:2: executing \"\" at <.Nope>: map has no entry for key \"Nope\"\n",
    );
    isolazi
        .run(&["info", "-f", "{{end}}"])
        .fails(64, "Error: template parsing error: template: :1: unexpected {{end}}\n");
    isolazi
        .run(&["version", "-f", "{{.Client"])
        .fails(64, "Error: template parsing error: template: :1: unclosed action\n");
    let json = isolazi.run(&["version", "--format", "json"]).ok();
    assert!(serde_json::from_str::<serde_json::Value>(&json).unwrap()["Client"]["Version"].is_string());
    assert!(isolazi.run(&["completion", "bash"]).ok().contains("complete -F _isolazi"));
    for shell in ["zsh", "fish", "powershell", "elvish"] {
        isolazi.run(&["completion", shell]).ok();
    }
}

#[test]
fn missing_standard_streams_harm_nothing() {
    let isolazi = Isolazi::new();
    let program = isolazi.command::<&str>(&[]).get_program().to_string_lossy().into_owned();
    for (redirection, code) in [("<&-", 0), (">&-", 0), ("2>&-", 0), ("<&- >&- 2>&-", 0)] {
        let mut command = std::process::Command::new("sh");
        command.args(["-c", &format!("{program} ps {redirection}")]).env("ISOLAZI_ROOT", isolazi.root());
        let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
        assert_eq!(status.code(), Some(code), "{redirection}");
    }
}
