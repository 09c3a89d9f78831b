//! Bad input, from the user, from registries and from the machine: one clear line, the right exit code, nothing broken.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking, in their helpers too")]

mod common;

use common::{Archive, Busybox, LIMIT, Made, contents, reference};
use serde_json::json;
use std::process::{Command, Stdio};
use testkit::{Answer, Ending, FaultyRegistry, Isolazi, Request, Sample, finish, registries};

/// After whatever went wrong: the same store takes an image and runs it, and holds no container.
#[track_caller]
fn still_works(isolazi: &Isolazi) {
    let image = reference("busybox");
    assert_eq!(isolazi.run(&["pull", "-q", &image]).ok(), format!("{image}:latest\n"));
    assert_eq!(isolazi.run(&["run", "--rm", "--network", "none", &image, "echo", "fine"]).ok(), "fine\n");
    common::eventually("the end of all removals", || contents(isolazi).is_empty().then_some(()));
}

/// The error of a quiet pull, without its first word.
#[track_caller]
fn refusal(isolazi: &Isolazi, name: &str) -> String {
    let output = isolazi.run(&["pull", "-q", name]);
    assert_eq!((output.code, output.stdout.as_str()), (1, ""), "{name}: {output:?}");
    output.stderr.strip_prefix("Error: ").unwrap_or_else(|| panic!("{name}: {output:?}")).to_owned()
}

/// A registry with one bent answer, and the error of a pull from it.
#[track_caller]
fn refusal_of(bend: impl Fn(&Request, &Sample) -> Option<Answer> + Send + Sync + 'static) -> String {
    let isolazi = Isolazi::new();
    let sample = Sample::new(100_000);
    let served = sample.clone();
    let registry =
        FaultyRegistry::start(move |request, _| bend(request, &served).unwrap_or_else(|| served.answer(request)));
    let told = refusal(&isolazi, &format!("{}/bent", registry.addr()));
    still_works(&isolazi);
    told.replace(&registry.addr(), "REGISTRY").replace(&sample.layer, "LAYER").replace(&sample.config, "CONFIG")
}

#[test]
fn words_that_are_no_reference() {
    let isolazi = Isolazi::new();
    let long = format!("x/{}", "y".repeat(300));
    for (name, told) in [
        ("", "invalid reference format"),
        (":", "invalid reference format"),
        ("a//b", "invalid reference format"),
        ("x:tag:tag", "invalid reference format"),
        ("x@sha256:123", "invalid reference format"),
        ("x:", "invalid reference format"),
        ("../x", "invalid reference format"),
        ("with space", "invalid reference format"),
        ("line\nbreak", "invalid reference format"),
        ("UPPER", "invalid reference format: repository name (UPPER) must be lowercase"),
    ] {
        isolazi.run(&["pull", name]).fails(1, &format!("Error: {told}\n"));
        isolazi.run(&["run", "--rm", name, "true"]).fails(125, &format!("Error: {told}\n"));
    }
    assert_eq!(refusal(&isolazi, &long), "repository name must not be more than 255 characters\n");
    still_works(&isolazi);
}

#[test]
fn flags_and_arguments_that_are_wrong() {
    let busybox = Busybox::new();
    let long = "x".repeat(100_000);
    for (flags, told) in [
        (&["--nosuch"][..], "unknown flag: --nosuch\n\nSee 'isolazi run --help'."),
        (
            &["-v", "relative"],
            "invalid volume specification: 'relative': invalid mount path: 'relative' mount path must be absolute",
        ),
        (&["-v", "/a:b"], "invalid volume specification: '/a:b': invalid mount path: 'b' mount path must be absolute"),
        (&["-v", "/a:/b:nosuch"], "invalid mode: nosuch"),
        (&["-v", "/a:/"], "invalid volume specification: '/a:/': invalid specification: destination can't be '/'"),
        (&["-v", "/a:/b", "-v", "/c:/b/"], "Duplicate mount point: /b/"),
        (&["-v", "/etc/passwd/x:/y"], "can't mount `/etc/passwd/x`: not a directory"),
        (&["-v", "/etc:/etc/passwd"], "can't mount `/etc` on `/etc/passwd`: not a directory"),
        (&["-e", "=x"], "invalid environment variable: =x"),
        (&["--env-file", "/no/such"], "can't read env file `/no/such`: no such file or directory"),
        (&["-u", "nosuch"], "unable to find user nosuch: no matching entries in passwd file"),
        (&["-u", ":nosuch"], "unable to find group nosuch: no matching entries in group file"),
        (&["-u", "99999999999"], "invalid user or group `99999999999`: uids and gids must be in range 0-2147483647"),
        (&["-w", "relative"], "the working directory 'relative' is invalid, it needs to be an absolute path"),
        (&["-w", "/etc/passwd"], "can't enter the working directory `/etc/passwd`: not a directory"),
        (&["--name", "-x"], "Invalid container name (-x), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed"),
        (&["--hostname", &long[..100]], "can't set the host name: invalid argument"),
        (&["--platform", "x/y/z/w"], "invalid platform `x/y/z/w`: expected os/architecture[/variant]"),
        (&["--stop-signal", "NOSUCH"], "invalid signal: NOSUCH"),
        (&["--tmpfs", "/t:size=q"], "invalid tmpfs option `size=q`"),
        (&["--tmpfs", "relative"], "invalid mount path: 'relative' mount path must be absolute"),
        (&["--network", "nosuch"], "network nosuch not found\nHint: `isolazi network ls` shows which there are"),
    ] {
        busybox
            .isolazi
            .run(&busybox.words(&[&["--rm"], flags].concat(), &["true"]))
            .fails(125, &format!("Error: {told}\n"));
    }
    busybox.run(&[], &[&long]).fails(126, &format!("Error: exec: \"{}…\": file name too long\n", &long[..512]));
    busybox.holds_nothing();
}

#[test]
fn registries_that_are_not_there_or_have_no_such_image() {
    let isolazi = Isolazi::new();
    let plain = registries().plain.addr;
    for (name, told) in [
        ("127.0.0.1:1/x".to_owned(), "can't reach registry `127.0.0.1:1`: connection refused\n".to_owned()),
        ("nosuch.invalid/x".to_owned(), "can't reach registry `nosuch.invalid`: no such host\n".to_owned()),
        (
            format!("{plain}/nosuch"),
            format!("manifest for {plain}/nosuch:latest not found: manifest unknown: manifest unknown\n"),
        ),
        (
            format!("{plain}/busybox:nosuch"),
            format!("manifest for {plain}/busybox:nosuch not found: manifest unknown: manifest unknown\n"),
        ),
    ] {
        assert_eq!(refusal(&isolazi, &name), told, "{name}");
        isolazi.run(&["run", "--rm", &name, "true"]).fails(125, &format!("Error: {told}"));
    }
    still_works(&isolazi);
}

#[test]
fn wrong_passwords_expired_tokens_and_unknown_authorities() {
    let registries = registries();
    let with = |user: &str, password: &str, addr: &str| {
        let mut isolazi = Isolazi::new();
        let auth = base64(&format!("{user}:{password}"));
        std::fs::create_dir(isolazi.home().join("docker")).unwrap();
        let config = json!({"auths": {addr: {"auth": auth}}});
        std::fs::write(isolazi.home().join("docker/config.json"), config.to_string()).unwrap();
        let (folder, ca) = (isolazi.home().join("docker"), &registries.basic.ca);
        isolazi.env("DOCKER_CONFIG", folder.to_str().unwrap()).env("SSL_CERT_FILE", ca.to_str().unwrap());
        isolazi
    };
    let (basic, token) = (&registries.basic, &registries.token);
    let name = format!("{}/busybox", basic.addr);
    let wrong = with(&basic.user, "wrong", &basic.addr);
    let hint = |addr: &str| format!("\nHint: log in with `isolazi login {addr}`\n");
    assert_eq!(refusal(&wrong, &name), format!("unauthorized: incorrect username or password{}", hint(&basic.addr)));
    still_works(&wrong);
    let right = with(&basic.user, &basic.password, &basic.addr);
    assert_eq!(right.run(&["run", "--rm", "-q", &name, "echo", "in"]).ok(), "in\n");

    let name = format!("{}/redis", token.addr);
    let late = with(&token.late_user, &token.password, &token.addr);
    let told = refusal(&late, &name);
    assert!(told.lines().count() <= 2 && told.contains("denied") || told.contains("unauthorized"), "{told}");
    still_works(&late);

    let stranger = Isolazi::new();
    let told = refusal(&stranger, &format!("{}/busybox", registries.tls.addr));
    let line = format!("can't reach registry `{}`: certificate signed by unknown authority\n", registries.tls.addr);
    assert!(told.starts_with(&line) && told.lines().count() == 2 && told.contains("\nHint: "), "{told}");
}

/// RFC 4648, section 4; a test's own, since the product's is what is tested.
fn base64(text: &str) -> String {
    let mut base64 = Command::new("base64").args(["-w0"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut base64.stdin.take().unwrap(), text.as_bytes()).unwrap();
    String::from_utf8(base64.wait_with_output().unwrap().stdout).unwrap()
}

#[test]
fn images_that_break_a_promise() {
    // Each in a store of its own: what one left must not help the next.
    for (tag, told) in [
        ("noconfig", "blob sha256:… of REFERENCE is not on registry `REGISTRY`"),
        (
            "badconfig",
            "can't pull REFERENCE: `application/vnd.oci.image.config.v1+json` is no image config: expected ident at line 1 column 2",
        ),
        (
            "emptyconfig",
            "can't pull REFERENCE: `application/vnd.oci.image.config.v1+json` is no image config: missing field `rootfs` at line 1 column 2",
        ),
        ("nolayer", "blob sha256:… of REFERENCE is not on registry `REGISTRY`"),
        ("baddigest", "filesystem layer verification failed for digest sha256:…: got sha256:…"),
        ("badsize", "blob sha256:… has a wrong size: the registry sends SIZE bytes, the manifest says SIZE + 1"),
        (
            "baddiffid",
            "can't unpack layer `…`: its content is `sha256:…`, not `sha256:…`\nHint: the image's layer and configuration do not belong together; ask who published it",
        ),
        ("fewdiffids", "can't pull REFERENCE: it has 1 layers but 0 diff IDs"),
        ("notgzip", "can't unpack layer `…`: the archive is not a valid tar archive: "),
        ("truncated", "can't unpack layer `…`: "),
        ("nottar", "can't unpack layer `…`: the archive is not a valid tar archive: "),
        ("escape", "can't unpack layer `…`: invalid name `../escaped` in the archive: it leads out of the archive"),
    ] {
        let isolazi = Isolazi::new();
        let name = reference(&format!("broken:{tag}"));
        let found = refusal(&isolazi, &name);
        let shown = without_digests(&found.replace(&name, "REFERENCE").replace(&registries().plain.addr, "REGISTRY"));
        let shown = without_sizes(&shown);
        let is_beginning = told.ends_with(' ');
        let lines = told.lines().count();
        assert!(
            if is_beginning { shown.starts_with(told) } else { shown == format!("{told}\n") }
                && shown.lines().count() == lines,
            "{tag}: {shown:?}"
        );
        still_works(&isolazi);
    }
}

#[test]
fn a_layer_of_an_unknown_type_is_what_its_diff_id_says() {
    let output = Isolazi::new().run(&["run", "--rm", "-q", &reference("broken:badtype"), "echo", "ran"]);
    assert_eq!(output.ok(), "ran\n");
}

/// A size depends on the packages of the day; one more than it does not.
fn without_sizes(text: &str) -> String {
    let Some((_, rest)) = text.split_once(" sends ") else { return text.to_owned() };
    let Some(size) = rest.split_once(" bytes").and_then(|(digits, _)| digits.parse::<u64>().ok()) else {
        return text.to_owned();
    };
    let shown = text.replace(&format!("sends {size} bytes"), "sends SIZE bytes");
    shown.replace(&format!("says {}", size + 1), "says SIZE + 1")
}

/// Digests, and short ones between backticks, as `…`.
fn without_digests(text: &str) -> String {
    let mut shown = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("sha256:") {
        let digits = rest[at + 7..].chars().take_while(char::is_ascii_hexdigit).count();
        shown += &format!("{}sha256:…", &rest[..at]);
        rest = &rest[at + 7 + digits..];
    }
    shown += rest;
    let words = shown.split('`').map(|part| {
        let is_short = part.len() == 12 && part.bytes().all(|byte| byte.is_ascii_hexdigit());
        if is_short { "…" } else { part }
    });
    words.collect::<Vec<_>>().join("`")
}

#[test]
fn registries_that_send_something_else() {
    let manifest = "application/vnd.oci.image.manifest.v1+json";
    let is_manifest = |request: &Request| request.path().contains("/manifests/");
    let is_layer = |request: &Request, sample: &Sample| request.path().ends_with(&sample.layer);
    // 100 MB of manifest, with its length said and not.
    let huge = refusal_of(move |request, _| {
        is_manifest(request).then(|| Answer::new(200).header("Content-Type", manifest).repeated(b' ', 100 << 20))
    });
    assert_eq!(huge, "the manifest of REGISTRY/bent:latest is larger than 4096 KiB\n");
    let page = refusal_of(move |request, _| {
        is_manifest(request).then(|| Answer::new(200).header("Content-Type", "text/html").body("<html>log in</html>"))
    });
    assert!(page.lines().count() == 1 && page.starts_with("can't pull REGISTRY/bent:latest: "), "{page}");
    let short =
        refusal_of(move |request, sample| is_layer(request, sample).then(|| Answer::new(200).body("too short")));
    assert!(short.starts_with("blob LAYER has a wrong size: the registry sends 9 bytes, "), "{short}");
    let other = refusal_of(move |request, sample| {
        is_layer(request, sample).then(|| Answer::new(200).body(vec![b'y'; sample.blobs[&sample.layer].len()]))
    });
    assert!(other.starts_with("filesystem layer verification failed for digest LAYER: got sha256:"), "{other}");
}

/// More than a config has, less than the layer.
const BREAKS_BYTES: u64 = 2_000_000;

#[test]
fn a_blob_that_breaks_off_is_resumed_and_the_image_is_whole() {
    let archive = Archive::busybox().file("large", 0o644, &vec![b'z'; 3 << 20]);
    let whole = Made::new(archive, json!({}));
    // The layer breaks off after each two million bytes; the next request goes on there.
    let inner = whole.registry.addr();
    let passed = FaultyRegistry::start(move |request, _| {
        let url = format!("http://{inner}{}", request.target);
        let mut curl = Command::new("curl");
        curl.args(["-sS", "-i", &url]);
        curl.args(request.range_start().map(|start| format!("-HRange: bytes={start}-")));
        let answer = curl.output().unwrap().stdout;
        let end = answer.windows(4).position(|part| part == b"\r\n\r\n").unwrap();
        let head = String::from_utf8(answer[..end].to_vec()).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let headers = head.lines().skip(1).filter_map(|line| line.split_once(": "));
        let kept = headers.filter(|(name, _)| *name != "Content-Length");
        let answer =
            kept.fold(Answer::new(status), |made, (name, value)| made.header(name, value)).body(&answer[end + 4..]);
        if request.path().contains("/blobs/") { answer.ending(Ending::CloseAfter(BREAKS_BYTES)) } else { answer }
    });
    let isolazi = Isolazi::new();
    let name = format!("{}/made", passed.addr());
    let output = isolazi.run(&["pull", &name]);
    assert_eq!((output.code, output.stderr.as_str()), (0, ""));
    assert!(output.stdout.contains(": Retrying in "), "{output:?}");
    assert_eq!(isolazi.run(&["run", "--rm", &name, "stat", "-c", "%s", "/large"]).ok(), "3145728\n");
}

/// Runs a script in a mount namespace of its own with a small tmpfs as the store; `$1` is the program.
fn on_tmpfs(isolazi: &Isolazi, size: &str, script: &str) -> testkit::Output {
    let mount = format!("mount -t tmpfs -o size={size} none \"$ISOLAZI_ROOT\" || exit 99; {script}");
    let ours = isolazi.command::<&str>(&[]);
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", &mount, "sh"]).arg(ours.get_program()).env_clear();
    command.envs(ours.get_envs().filter_map(|(key, value)| Some((key, value?))));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    finish(command.spawn().unwrap(), b"", LIMIT)
}

#[test]
fn a_disk_that_fills_up_at_any_point_is_told_and_harms_nothing() {
    let image = reference("busybox");
    // 1.1 MB of blob and 2 MB unpacked: the download, the unpacking or neither finds the disk full.
    let mut failures = 0;
    for size in ["64k", "600k", "1200k", "2000k", "3000k", "8m"] {
        let isolazi = Isolazi::new();
        let pull = format!("\"$1\" pull -q {image}; echo code=$?");
        let larger = "mount -o remount,size=64m \"$ISOLAZI_ROOT\"";
        let run = format!("\"$1\" run --rm --network none {image} echo fine");
        let output = on_tmpfs(&isolazi, size, &format!("{pull}; {larger}; {pull}; {run}"));
        let after = format!("{image}:latest\ncode=0\nfine\n");
        if output.stdout == format!("{image}:latest\ncode=0\n{after}") {
            assert_eq!(output.stderr, "");
            continue;
        }
        failures += 1;
        assert_eq!(output.stdout, format!("code=1\n{after}"), "{size}: {output:?}");
        let hint = "\nHint: free some disk space: unused images can be removed with `rmi`\n";
        let told = output.stderr.strip_suffix(hint).unwrap_or(output.stderr.trim_end());
        let line = told.strip_suffix(": no space left on device");
        assert!(
            line.is_some_and(|line| line.starts_with("Error: can't ") && !line.contains('\n')),
            "{size}: {output:?}"
        );
    }
    assert!((3..6).contains(&failures), "the sizes are badly chosen: {failures} failures");
}

#[test]
fn a_container_that_fills_the_disk_gets_its_own_error() {
    let image = reference("busybox");
    let isolazi = Isolazi::new();
    let fill = "dd if=/dev/zero of=/large bs=1M count=100 2>/dev/null || echo full";
    let script =
        format!("\"$1\" pull -q {image}; \"$1\" run --rm {image} sh -c '{fill}'; \"$1\" run --rm {image} echo fine");
    assert_eq!(on_tmpfs(&isolazi, "8m", &script).ok(), format!("{image}:latest\nfull\nfine\n"));
}

#[test]
fn homes_and_folders_that_cannot_be_written() {
    let image = reference("busybox");
    let isolazi = Isolazi::new();
    let root = isolazi.root();
    let script = format!("mount -o remount,ro \"$ISOLAZI_ROOT\"; \"$1\" pull -q {image}; \"$1\" run --rm {image} true");
    let output = on_tmpfs(&isolazi, "8m", &script);
    let line = format!("Error: can't create `{}/images/blobs/sha256`: read-only file system\n", root.display());
    assert_eq!((output.code, output.stderr), (125, line.repeat(2)));

    // An ordinary user whose home is not writable, and who says nowhere else.
    let mut ordinary = Isolazi::ordinary();
    ordinary.env("ISOLAZI_ROOT", "");
    std::os::unix::fs::chown(ordinary.home(), Some(0), Some(0)).unwrap();
    let output = ordinary.run(&["pull", "-q", &image]);
    let line = format!(
        "Error: can't create `{}/.isolazi/images/blobs/sha256`: permission denied\n",
        ordinary.home().display()
    );
    output.fails(1, &line);

    // Layers cannot be unpacked where they belong.
    let ordinary = Isolazi::ordinary();
    std::fs::create_dir(ordinary.root().join("snapshots")).unwrap();
    let output = ordinary.run(&["pull", "-q", &image]);
    assert_eq!((output.code, output.stdout.as_str(), output.stderr.lines().count()), (1, "", 1), "{output:?}");
    assert!(
        output.stderr.starts_with("Error: can't ") && output.stderr.ends_with(": permission denied\n"),
        "{output:?}"
    );
    std::fs::remove_dir(ordinary.root().join("snapshots")).unwrap();
    still_works(&ordinary);
}

#[test]
fn one_image_pulled_twice_and_run_at_once() {
    for (isolazi, image) in [(Isolazi::new(), "layers"), (Isolazi::ordinary(), "nginx")] {
        let image = reference(image);
        let pulls = [0, 1].map(|_| isolazi.spawn(&["pull", "-q", &image]));
        let runs = [0, 1].map(|_| isolazi.spawn(&["run", "--rm", "-q", "--entrypoint", "echo", &image, "ran"]));
        for pull in pulls {
            assert_eq!(pull.finish(b"", LIMIT).ok(), format!("{image}:latest\n"));
        }
        for run in runs {
            assert_eq!(run.finish(b"", LIMIT).ok(), "ran\n");
        }
        still_works(&isolazi);
    }
}
