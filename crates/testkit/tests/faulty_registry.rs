//! What curl, a client that is not ours, sees of a registry that misbehaves.

#![allow(clippy::unwrap_used, reason = "a test that can't go on should panic")]

use std::process::Command;
use std::time::{Duration, Instant};
use testkit::{Answer, Ending, FaultyRegistry, Sample, digest};

/// curl's exit code and what it wrote.
fn curl(arguments: &[&str]) -> (i32, Vec<u8>) {
    let output = Command::new("curl").args(["-sS", "--noproxy", "*"]).args(arguments).output().unwrap();
    (output.status.code().unwrap(), output.stdout)
}

#[test]
fn a_good_registry_serves_the_sample() {
    let sample = Sample::new(10_000);
    let good = sample.clone();
    let registry = FaultyRegistry::start(move |request, _| good.answer(request));
    let url = |path: &str| format!("http://{}/v2/{path}", registry.addr());

    assert_eq!(curl(&["-f", &url("")]), (0, Vec::new()));
    let (code, manifest) = curl(&["-f", "-H", "X-Test: a: b", &url("a/b/manifests/latest?x=1")]);
    assert_eq!((code, &manifest), (0, &sample.manifest));
    let (code, layer) = curl(&["-f", &url(&format!("a/b/blobs/{}", sample.layer))]);
    assert_eq!((code, digest(&layer)), (0, sample.layer.clone()));
    // 22: an HTTP status of 400 or more.
    assert_eq!(curl(&["-f", &url("a/b/blobs/sha256:none")]).0, 22);
    assert_eq!(curl(&["-f", "-I", &url("a/b/manifests/latest")]).0, 0);

    let requests = registry.requests();
    assert_eq!(requests.len(), 5);
    assert_eq!((requests[1].path(), requests[1].header("x-test")), ("/v2/a/b/manifests/latest", Some("a: b")));
    assert_eq!(requests[4].method, "HEAD");
}

#[test]
fn connections_stay_open_between_whole_answers() {
    let registry = FaultyRegistry::start(|_, count| Answer::new(200).body(format!("{count};")));
    let url = format!("http://{}/", registry.addr());
    let (code, text) = curl(&["-w", "%{num_connects};", &url, &url]);
    assert_eq!((code, String::from_utf8(text).unwrap().as_str()), (0, "0;1;1;0;"));
}

#[test]
fn a_reset_in_the_middle_is_resumed_by_range() {
    let sample = Sample::new(300_000);
    let (good, half) = (sample.clone(), 100_000);
    let registry = FaultyRegistry::start(move |request, count| match count {
        0 => good.answer(request).ending(Ending::ResetAfter(half)),
        _ => good.answer(request),
    });
    let url = format!("http://{}/v2/x/blobs/{}", registry.addr(), sample.layer);
    let file = std::env::temp_dir().join(format!("testkit-resume-{}", std::process::id()));
    let name = file.to_str().unwrap();
    // 56: failure when receiving.
    assert_eq!(curl(&["-o", name, &url]).0, 56);
    assert_eq!(std::fs::metadata(&file).unwrap().len(), half);
    assert_eq!(curl(&["-C", "-", "-o", name, &url]).0, 0);
    let whole = std::fs::read(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    assert_eq!(digest(&whole), sample.layer);
    assert_eq!(registry.requests()[1].header("Range"), Some("bytes=100000-"));
}

#[test]
fn bodies_break_off_stall_and_grow() {
    let registry = FaultyRegistry::start(|request, _| match request.path() {
        "/short" => Answer::new(200).body("0123456789").ending(Ending::CloseAfter(5)),
        "/slow" => Answer::new(200).body("0123456789").ending(Ending::StallAfter(5, Duration::from_millis(300))),
        "/lie" => Answer::new(200).header("Content-Length", "20").body("0123456789").ending(Ending::CloseAfter(10)),
        _ => Answer::new(200).repeated(b' ', 100 << 20),
    });
    let url = |path: &str| format!("http://{}/{path}", registry.addr());
    // 18: partial file.
    assert_eq!(curl(&[&url("short")]), (18, b"01234".to_vec()));
    assert_eq!(curl(&[&url("lie")]), (18, b"0123456789".to_vec()));
    let started = Instant::now();
    assert_eq!(curl(&[&url("slow")]), (0, b"0123456789".to_vec()));
    assert!(started.elapsed() >= Duration::from_millis(300));
    let (code, size) = curl(&["-o", "/dev/null", "-w", "%{size_download}", &url("huge")]);
    assert_eq!((code, size), (0, b"104857600".to_vec()));
}

#[test]
fn a_redirect_shows_which_headers_travel() {
    let other = FaultyRegistry::start(|_, _| Answer::new(200).body("blob"));
    let target = format!("http://localhost:{}/blob", other.addr().rsplit(':').next().unwrap());
    let registry = FaultyRegistry::start(move |_, _| Answer::new(307).header("Location", &target));
    let (code, body) = curl(&["-L", "-u", "user:secret", &format!("http://{}/v2/x", registry.addr())]);
    assert_eq!((code, body), (0, b"blob".to_vec()));
    assert!(registry.requests()[0].header("Authorization").is_some());
    assert_eq!(other.requests()[0].header("Authorization"), None);
}
