//! Pulls from Debian's docker-registry: plain, TLS, Basic auth, Bearer tokens, several platforms, broken images.

mod common;

use common::{Collect, Remember, Scratch, options, password, reference};
use error::Kind;
use image::{Credentials, PullOptions, Quiet};
use oci::{Platform, Reference};
use std::path::PathBuf;
use testkit::registries;

fn ca(path: &std::path::Path) -> PullOptions<'static> {
    PullOptions { ca_files: vec![path.to_owned()], ..options() }
}

#[test]
fn a_pulled_image_is_whole_is_found_and_is_not_fetched_twice() {
    let scratch = Scratch::new();
    let name = reference(&format!("{}/layers", registries().plain.addr));
    let (sink, progress) = (Collect::default(), Remember::default());
    let pulled = scratch.store.pull(&name, &options(), &progress, Some(&sink)).unwrap();
    assert!(pulled.is_new && pulled.other_platform.is_none());
    let found = scratch.store.find(&name, None).unwrap().unwrap();
    assert_eq!(found, pulled.image);
    // Every layer reached the sink, byte for byte.
    let unique: std::collections::BTreeSet<_> = found.layers().map(|(_, diff_id)| diff_id).collect();
    let seen = sink.layers.into_inner().unwrap();
    assert_eq!(seen.len(), unique.len());
    for (index, (digest, size)) in seen {
        let layer = &found.manifest.layers[index];
        assert_eq!((digest, size), (layer.digest, layer.size), "layer {index}");
    }
    let lines = progress.lines();
    assert_eq!(lines[0], format!("pulling {}", name.familiar()));
    assert_eq!(lines.iter().filter(|line| line.ends_with(" downloaded")).count(), {
        let blobs: std::collections::BTreeSet<_> = found.manifest.layers.iter().map(|layer| layer.digest).collect();
        blobs.len()
    });

    let again = scratch.store.pull(&name, &options(), &progress, None).unwrap();
    assert!(!again.is_new);
    assert_eq!(again.image, found);
    assert!(progress.lines()[1..].iter().all(|line| line.ends_with(" exists")));
    assert!(scratch.files().iter().all(|file| !file.starts_with("tmp/") && !file.starts_with("leases/")));
}

#[test]
fn the_store_is_a_layout_that_skopeo_reads() {
    let scratch = Scratch::new();
    let name = reference(&format!("{}/busybox", registries().plain.addr));
    let image = scratch.store.pull(&name, &options(), &Quiet, None).unwrap().image;
    let source = format!("oci:{}:{name}", scratch.dir.join("images").display());
    let output = std::process::Command::new("skopeo").args(["inspect", "--raw", &source]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(oci::Digest::of(&output.stdout), image.manifest_digest);
}

#[test]
fn every_compression_and_dialect_is_one_image() {
    let scratch = Scratch::new();
    let mut diff_ids = Vec::new();
    for tag in ["latest", "zstd", "plain", "docker"] {
        let name = reference(&format!("{}/busybox:{tag}", registries().plain.addr));
        diff_ids.push(scratch.store.pull(&name, &options(), &Quiet, None).unwrap().image.config.rootfs.diff_ids);
    }
    assert!(diff_ids.iter().all(|other| *other == diff_ids[0]));
}

#[test]
fn tls_needs_an_authority_by_file_or_by_host_folder() {
    let tls = registries().tls;
    let name = reference(&format!("{}/busybox", tls.addr));
    let refused = Scratch::new().store.pull(&name, &options(), &Quiet, None).unwrap_err();
    assert_eq!(
        refused.to_string(),
        format!("can't reach registry `{}`: certificate signed by unknown authority", tls.addr)
    );
    assert_eq!(refused.hints.len(), 1);

    Scratch::new().store.pull(&name, &ca(&tls.ca), &Quiet, None).unwrap();

    let scratch = Scratch::new();
    let certs = scratch.dir.join("certs.d");
    std::fs::create_dir_all(certs.join(&tls.addr)).unwrap();
    std::fs::copy(&tls.ca, certs.join(&tls.addr).join("ca.crt")).unwrap();
    let by_folder = PullOptions { certs_dirs: vec![PathBuf::from("/nonexistent"), certs], ..options() };
    scratch.store.pull(&name, &by_folder, &Quiet, None).unwrap();

    let unverified = PullOptions { insecure: vec![tls.addr.clone()], ..options() };
    Scratch::new().store.pull(&name, &unverified, &Quiet, None).unwrap();

    let absent = Scratch::new().store.pull(&name, &ca("/nonexistent/ca.pem".as_ref()), &Quiet, None).unwrap_err();
    let text = absent.to_string();
    assert_eq!(text, "can't read certificates in `/nonexistent/ca.pem`: no such file or directory");
}

#[test]
fn a_client_certificate_fits_its_key_or_is_refused_by_name() {
    let tls = registries().tls;
    let name = reference(&format!("{}/busybox", tls.addr));
    let serve = tls.ca.parent().unwrap();
    for (certificate, fits) in [("server.pem", true), ("ca.pem", false)] {
        let scratch = Scratch::new();
        let folder = scratch.dir.join("certs.d").join(&tls.addr);
        std::fs::create_dir_all(&folder).unwrap();
        for (from, to) in [("ca.pem", "ca.crt"), (certificate, "client.cert"), ("server.key", "client.key")] {
            std::fs::copy(serve.join(from), folder.join(to)).unwrap();
        }
        let options = PullOptions { certs_dirs: vec![scratch.dir.join("certs.d")], ..options() };
        match scratch.store.pull(&name, &options, &Quiet, None) {
            Ok(_) => assert!(fits),
            Err(error) => {
                let words = format!(
                    "can't read the key in `{}`: it does not fit `{}`: ",
                    folder.join("client.key").display(),
                    folder.join("client.cert").display()
                );
                assert!(!fits && error.to_string().starts_with(&words), "{error}");
            }
        }
    }
}

#[test]
fn basic_auth_takes_the_right_password_only() {
    let basic = registries().basic;
    let name = reference(&format!("{}/busybox", basic.addr));
    let pull = |credentials: Option<Credentials>| {
        let lookup = |_: &Reference| credentials.clone();
        let options = PullOptions { credentials: Some(&lookup), ..ca(&basic.ca) };
        Scratch::new().store.pull(&name, &options, &Quiet, None).map(|pulled| pulled.is_new)
    };
    assert_eq!(pull(password(&basic.user, &basic.password)), Ok(true));
    for (wrong, words) in [
        (password(&basic.user, "wrong"), "unauthorized: incorrect username or password"),
        (None, "unauthorized: authentication required"),
    ] {
        let error = pull(wrong).unwrap_err();
        assert_eq!((error.kind, error.to_string().as_str()), (Kind::Unauthorized, words));
        assert_eq!(error.hints, [format!("log in with `isolazi login {}`", basic.addr)]);
    }
}

#[test]
fn bearer_tokens_are_fetched_with_and_without_credentials() {
    let token = registries().token;
    let pull = |image: &str, credentials: Option<Credentials>| {
        let lookup = |_: &Reference| credentials.clone();
        let options = PullOptions { credentials: Some(&lookup), ..ca(&token.ca) };
        let name = reference(&format!("{}/{image}", token.addr));
        Scratch::new().store.pull(&name, &options, &Quiet, None).map(|pulled| pulled.is_new)
    };
    assert_eq!(pull(&token.anonymous, None), Ok(true));
    assert_eq!(pull("redis", password(&token.user, &token.password)), Ok(true));

    let anonymous = pull("redis", None).unwrap_err();
    assert_eq!(
        (anonymous.kind, anonymous.to_string()),
        (
            Kind::Unauthorized,
            format!(
                "pull access denied for {}/redis, repository does not exist or may require 'isolazi login'",
                token.addr
            )
        )
    );
    let wrong = pull("redis", password(&token.user, "wrong")).unwrap_err();
    assert_eq!(
        (wrong.kind, wrong.to_string().as_str()),
        (Kind::Unauthorized, "unauthorized: incorrect username or password")
    );
    let late = pull("redis", password(&token.late_user, &token.password)).unwrap_err();
    assert_eq!(late.kind, Kind::Unauthorized, "{late}");
}

#[test]
fn an_index_gives_the_platform_that_was_meant() {
    let scratch = Scratch::new();
    let name = reference(&format!("{}/multiarch", registries().plain.addr));
    let pull = |platform: &str| {
        let options = PullOptions { platform: Some(platform.parse().unwrap()), ..options() };
        scratch.store.pull(&name, &options, &Quiet, None)
    };
    let (amd64, arm64) = (pull("linux/amd64").unwrap().image, pull("linux/arm64/v8").unwrap().image);
    assert_eq!((amd64.config.architecture.as_str(), arm64.config.architecture.as_str()), ("amd64", "arm64"));
    assert_eq!(amd64.descriptor, arm64.descriptor);
    // Both are here, and each is found.
    let find = |platform: &str| scratch.store.find(&name, Some(&platform.parse().unwrap())).unwrap();
    assert_eq!((find("amd64"), find("arm64"), find("linux/s390x")), (Some(amd64), Some(arm64), None));
    let here = scratch.store.find(&name, None).unwrap().unwrap();
    assert!(here.config.platform().serves(&Platform::of_this_machine()));

    let error = pull("linux/s390x").unwrap_err();
    assert_eq!(error.to_string(), "no matching manifest for linux/s390x in the manifest list entries");
    assert_eq!(error.hints.len(), 1);
    assert_eq!(scratch.store.list().unwrap().len(), 1);
}

#[test]
fn a_single_manifest_for_another_platform_is_pulled_and_told() {
    let scratch = Scratch::new();
    let name = reference(&format!("{}/badarch:manifest", registries().plain.addr));
    let pulled = scratch.store.pull(&name, &options(), &Quiet, None).unwrap();
    assert_eq!(pulled.other_platform, Some(pulled.image.config.platform()));
    assert!(scratch.store.find(&name, None).unwrap().is_some());
    assert!(scratch.store.find(&name, Some(&Platform::of_this_machine())).unwrap().is_none());
}

#[test]
fn unknown_names_get_dockers_words() {
    let addr = registries().plain.addr;
    for image in ["busybox:nope", "nope", "no/such/repository:1"] {
        let name = reference(&format!("{addr}/{image}"));
        let error = Scratch::new().store.pull(&name, &options(), &Quiet, None).unwrap_err();
        assert_eq!(
            (error.kind, error.to_string()),
            (Kind::NotFound, format!("manifest for {} not found: manifest unknown: manifest unknown", name.familiar()))
        );
    }
    for (name, words) in [
        ("127.0.0.1:1/x", "can't reach registry `127.0.0.1:1`: connection refused"),
        ("no-such-host.invalid/x", "can't reach registry `no-such-host.invalid`: no such host"),
    ] {
        let error = Scratch::new().store.pull(&reference(name), &options(), &Quiet, None).unwrap_err();
        assert_eq!((error.kind, error.to_string().as_str()), (Kind::Unavailable, words));
    }
}

#[test]
fn localhost_is_resolved() {
    let plain = registries().plain.addr;
    let port = plain.rsplit_once(':').unwrap().1;
    let name = reference(&format!("localhost:{port}/busybox"));
    Scratch::new().store.pull(&name, &options(), &Quiet, None).unwrap();
}

#[test]
fn broken_images_are_refused_in_one_line_and_leave_no_name() {
    let addr = registries().plain.addr;
    let scratch = Scratch::new();
    for (tag, words) in [
        ("noconfig", "is not on registry"),
        ("badconfig", "is no image config: expected"),
        ("emptyconfig", "is no image config: missing field `rootfs`"),
        ("nolayer", "is not on registry"),
        ("baddigest", "filesystem layer verification failed for digest sha256:"),
        ("badsize", "has a wrong size: the registry sends"),
        ("fewdiffids", "it has 1 layers but 0 diff IDs"),
        ("notjson", "answers with status 500"),
    ] {
        let name = reference(&format!("{addr}/broken:{tag}"));
        let error = scratch.store.pull(&name, &options(), &Quiet, None).unwrap_err();
        let text = error.to_string();
        assert!(text.contains(words) && !text.contains('\n'), "{tag}: {text}");
        assert_eq!(scratch.store.find(&name, None), Ok(None), "{tag}");
    }
    assert_eq!(scratch.store.list(), Ok(Vec::new()));
    // What was broken there breaks nothing here.
    scratch.store.pull(&reference(&format!("{addr}/busybox")), &options(), &Quiet, None).unwrap();
}
