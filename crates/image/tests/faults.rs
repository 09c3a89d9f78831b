//! Pulls from a registry that misbehaves: every fault is survived, or told in one clear line.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking, in their helpers too")]

mod common;

use common::{Collect, Remember, Scratch, options, password, reference};
use error::{Error, Kind};
use image::{Credentials, Proxies, PullOptions, Quiet};
use oci::Reference;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use testkit::{Answer, Ending, FaultyRegistry, Request, Sample};

const LAYER_BYTES: usize = 600_000;

fn is_layer(request: &Request, sample: &Sample) -> bool {
    request.path().ends_with(&sample.layer)
}

fn is_manifest(request: &Request) -> bool {
    request.path().contains("/manifests/")
}

fn named(registry: &FaultyRegistry) -> Reference {
    reference(&format!("{}/some/image:tag", registry.addr()))
}

/// The error of a pull of which `bend` changes the answers.
fn error_of(bend: impl Fn(&Request, &Sample) -> Option<Answer> + Send + Sync + 'static) -> Error {
    let sample = Sample::new(LAYER_BYTES);
    let registry = FaultyRegistry::start(move |request, _| match bend(request, &sample) {
        Some(answer) => answer,
        None => sample.answer(request),
    });
    let scratch = Scratch::new();
    let error = scratch.store.pull(&named(&registry), &options(), &Quiet, Some(&Collect::default())).unwrap_err();
    assert_eq!(scratch.store.list(), Ok(Vec::new()), "a failed pull names nothing");
    error
}

#[test]
fn a_broken_connection_is_resumed_where_it_broke() {
    for ending in [Ending::CloseAfter(150_000), Ending::ResetAfter(150_000)] {
        let sample = Sample::new(LAYER_BYTES);
        let served = sample.clone();
        let registry = FaultyRegistry::start(move |request, _| match is_layer(request, &served) {
            true => served.answer(request).ending(ending),
            false => served.answer(request),
        });
        let scratch = Scratch::new();
        let (sink, progress) = (Collect::default(), Remember::default());
        scratch.store.pull(&named(&registry), &options(), &progress, Some(&sink)).unwrap();
        let whole = sample.blobs[&sample.layer].len();
        assert_eq!(sink.layers.lock().unwrap()[&0], (sample.layer.parse().unwrap(), whole as u64), "{ending:?}");
        let starts: Vec<_> = registry
            .requests()
            .iter()
            .filter(|request| is_layer(request, &sample))
            .map(|request| request.range_start().unwrap_or(0))
            .collect();
        // More breaks than attempts: each brought bytes, so none counts.
        assert_eq!(starts, [0, 150_000, 300_000, 450_000, 600_000], "{ending:?}");
    }
}

#[test]
fn a_registry_without_ranges_is_read_from_the_beginning() {
    let sample = Sample::new(LAYER_BYTES);
    let served = sample.clone();
    let registry = FaultyRegistry::start(move |request, _| match is_layer(request, &served) {
        true => {
            let answer = Answer::new(200).body(served.blobs[&served.layer].clone());
            if request.range_start().is_some() { answer } else { answer.ending(Ending::CloseAfter(100_000)) }
        }
        false => served.answer(request),
    });
    let sink = Collect::default();
    Scratch::new().store.pull(&named(&registry), &options(), &Quiet, Some(&sink)).unwrap();
    assert_eq!(sink.layers.lock().unwrap()[&0].0, sample.layer.parse().unwrap());
}

#[test]
fn a_later_pull_goes_on_where_an_earlier_one_ended() {
    let sample = Sample::new(LAYER_BYTES);
    let (served, works) = (sample.clone(), Arc::new(AtomicBool::new(false)));
    let flag = Arc::clone(&works);
    let registry = FaultyRegistry::start(move |request, _| {
        if is_layer(request, &served) && !flag.load(Ordering::SeqCst) {
            return match request.range_start() {
                None => served.answer(request).ending(Ending::CloseAfter(200_000)),
                Some(_) => Answer::new(503),
            };
        }
        served.answer(request)
    });
    let scratch = Scratch::new();
    let error = scratch.store.pull(&named(&registry), &options(), &Quiet, None).unwrap_err();
    assert_eq!(error.to_string(), format!("`{}` answers with status 503", registry.addr()));
    let partial = format!("tmp/{}.partial", sample.layer.trim_start_matches("sha256:"));
    assert!(scratch.files().contains(&partial));

    works.store(true, Ordering::SeqCst);
    scratch.store.pull(&named(&registry), &options(), &Quiet, None).unwrap();
    let last = registry.requests().into_iter().rfind(|request| is_layer(request, &sample)).unwrap();
    assert_eq!(last.range_start(), Some(200_000));
    assert!(!scratch.files().contains(&partial));
}

#[test]
fn a_damaged_partial_file_is_thrown_away_and_the_sink_begins_again() {
    let sample = Sample::new(LAYER_BYTES);
    let served = sample.clone();
    let registry = FaultyRegistry::start(move |request, _| served.answer(request));
    let scratch = Scratch::new();
    let tmp = scratch.dir.join("images/tmp");
    std::fs::create_dir_all(&tmp).unwrap();
    let partial = tmp.join(format!("{}.partial", sample.layer.trim_start_matches("sha256:")));
    std::fs::write(partial, vec![0; 1000]).unwrap();
    let sink = Collect::default();
    scratch.store.pull(&named(&registry), &options(), &Quiet, Some(&sink)).unwrap();
    assert_eq!(sink.layers.lock().unwrap()[&0].0, sample.layer.parse().unwrap());
}

#[test]
fn a_busy_registry_is_waited_for_as_it_asks() {
    let sample = Sample::new(1000);
    let registry = FaultyRegistry::start(move |request, count| match count {
        0 => Answer::new(503),
        2 => Answer::new(429).header("Retry-After", "1"),
        _ => sample.answer(request),
    });
    let (progress, begin) = (Remember::default(), Instant::now());
    Scratch::new().store.pull(&named(&registry), &options(), &progress, None).unwrap();
    assert!(begin.elapsed() >= Duration::from_secs(1));
    let lines = progress.lines();
    assert_eq!(
        lines[..2],
        [
            format!("waiting: `{}` answers with status 503", registry.addr()),
            "waiting: toomanyrequests: too many requests".to_owned()
        ]
    );
}

#[test]
fn a_limit_that_lasts_for_hours_is_told_at_once() {
    let begin = Instant::now();
    let error = error_of(|request, _| {
        let body = r#"{"errors":[{"code":"TOOMANYREQUESTS","message":"You have reached your pull rate limit."}]}"#;
        is_manifest(request).then(|| Answer::new(429).header("Retry-After", "21600").body(body))
    });
    assert_eq!(error.to_string(), "toomanyrequests: You have reached your pull rate limit.");
    assert!(error.hints.contains(&"the registry asks to wait 360 minutes".to_owned()), "{:?}", error.hints);
    assert!(begin.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_silent_registry_is_given_up() {
    let error = error_of(|request, sample| {
        let stall = Ending::StallAfter(0, Duration::from_secs(4));
        is_layer(request, sample).then(|| sample.answer(request).ending(stall))
    });
    assert_eq!(error.kind, Kind::Unavailable);
    assert!(error.to_string().ends_with("broke: no bytes came for too long"), "{error}");
}

#[test]
fn wrong_bytes_are_never_kept() {
    let error = error_of(|request, sample| {
        is_layer(request, sample).then(|| Answer::new(200).repeated(b'x', sample.blobs[&sample.layer].len() as u64))
    });
    assert!(error.to_string().starts_with("filesystem layer verification failed for digest sha256:"), "{error}");
    for extra in [-1_i64, 1] {
        let error = error_of(move |request, sample| {
            let length = (sample.blobs[&sample.layer].len() as i64 + extra) as u64;
            is_layer(request, sample).then(|| Answer::new(200).repeated(b'x', length))
        });
        assert!(error.to_string().contains("has a wrong size: the registry sends"), "{error}");
    }
    let error = error_of(|request, sample| {
        let other = || Answer::new(200).body(b"{}".to_vec());
        request.path().ends_with(&sample.config).then(other)
    });
    assert!(error.to_string().contains("has a wrong size"), "{error}");
}

#[test]
fn huge_documents_are_not_read() {
    let begin = Instant::now();
    for content_length in [true, false] {
        let error = error_of(move |request, _| {
            let huge = Answer::new(200).repeated(b' ', 100 << 20);
            let huge = if content_length { huge } else { huge.header("Transfer-Encoding", "identity") };
            is_manifest(request).then_some(huge)
        });
        assert!(error.to_string().ends_with("is larger than 4096 KiB"), "{error}");
    }
    let error = error_of(|request, _| match request.path() {
        "/token" => Some(Answer::new(200).repeated(b' ', 10 << 20)),
        "/v2/" => {
            let realm = format!("Bearer realm=\"http://{}/token\"", request.header("host").unwrap());
            Some(Answer::new(401).header("WWW-Authenticate", realm))
        }
        _ => None,
    });
    assert!(error.to_string().ends_with("is larger than 64 KiB"), "{error}");
    assert!(begin.elapsed() < Duration::from_secs(10));
}

#[test]
fn obsolete_and_contradictory_manifests_are_refused_by_name() {
    for (content_type, body, words) in [
        (
            "application/vnd.docker.distribution.manifest.v1+prettyjws",
            r#"{"schemaVersion":1,"fsLayers":[]}"#,
            "is in the obsolete format",
        ),
        ("application/json", r#"{"schemaVersion":1,"fsLayers":[]}"#, "is in the obsolete format"),
        ("text/html", "<html></html>", "its manifest is malformed: expected value"),
        ("application/json", "{}", "`application/json` is no image manifest"),
        ("application/json", r#"{"mediaType":"application/x"}"#, "`application/x` is no image manifest"),
        (
            "application/vnd.oci.image.index.v1+json",
            r#"{"schemaVersion":2,"manifests":[],"layers":[]}"#,
            "its manifest is not what its media type says",
        ),
        (
            "application/vnd.oci.image.index.v1+json",
            r#"{"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{},"layers":[]}"#,
            "but calls itself",
        ),
        (
            "application/vnd.oci.image.index.v1+json",
            r#"{"schemaVersion":2,"manifests":[]}"#,
            "no matching manifest for linux/",
        ),
    ] {
        let error = error_of(move |request, _| {
            is_manifest(request).then(|| Answer::new(200).header("Content-Type", content_type).body(body))
        });
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[test]
fn too_many_layers_are_refused() {
    let error = error_of(|request, sample| {
        let mut manifest: serde_json::Value = serde_json::from_slice(&sample.manifest).unwrap();
        let layer = manifest["layers"][0].clone();
        manifest["layers"] = vec![layer; 129].into();
        let answer = Answer::new(200).header("Content-Type", manifest["mediaType"].as_str().unwrap());
        is_manifest(request).then(|| answer.body(manifest.to_string()))
    });
    assert!(error.to_string().ends_with("it has 129 layers, more than 128"), "{error}");
}

#[test]
fn a_digest_is_verified_against_what_was_asked_for_and_what_was_promised() {
    let sample = Sample::new(10);
    let served = sample.clone();
    let registry = FaultyRegistry::start(move |request, _| served.answer(request));
    let right = format!("{}/some/image@{}", registry.addr(), testkit::digest(&sample.manifest));
    let scratch = Scratch::new();
    scratch.store.pull(&reference(&right), &options(), &Quiet, None).unwrap();
    let entries = scratch.store.list().unwrap();
    assert_eq!((entries.len(), entries[0].reference.tag()), (1, None));
    // Content needs no question: the registry is pinged, and that is all.
    let before = registry.requests().len();
    scratch.store.pull(&reference(&right), &options(), &Quiet, None).unwrap();
    assert_eq!(registry.requests().len(), before + 1);

    let error = error_of(|request, sample| {
        let wrong = format!("sha256:{}", "0".repeat(64));
        let answer = Answer::new(200).header("Docker-Content-Digest", wrong).body(sample.manifest.clone());
        is_manifest(request).then_some(answer)
    });
    assert!(error.to_string().contains("has a wrong digest: got sha256:"), "{error}");
}

#[test]
fn credentials_stay_with_their_registry() {
    let sample = Sample::new(1000);
    let (blobs, registry_sample) = (sample.clone(), sample.clone());
    let elsewhere = FaultyRegistry::start(move |request, _| blobs.answer(request));
    let target = format!("http://{}", elsewhere.addr());
    let registry = FaultyRegistry::start(move |request, _| {
        if request.header("authorization").is_none() {
            return Answer::new(401).header("WWW-Authenticate", "Basic realm=\"x\"");
        }
        if request.path().contains("/blobs/") {
            return Answer::new(307).header("Location", format!("{target}{}", request.target));
        }
        registry_sample.answer(request)
    });
    let lookup = |_: &Reference| password("user", "secret");
    let options = PullOptions { credentials: Some(&lookup), ..options() };
    Scratch::new().store.pull(&named(&registry), &options, &Quiet, None).unwrap();
    let there = elsewhere.requests();
    assert_eq!(there.len(), 2);
    assert!(there.iter().all(|request| request.header("authorization").is_none()));
    // `user:secret`
    let here = registry.requests();
    assert!(here[1..].iter().all(|request| request.header("authorization") == Some("Basic dXNlcjpzZWNyZXQ=")));
}

#[test]
fn a_redirect_loop_ends() {
    let error = error_of(|request, _| {
        let again = Answer::new(302).header("Location", request.target.clone());
        is_manifest(request).then_some(again)
    });
    assert!(error.to_string().ends_with("redirects more than 5 times"), "{error}");
}

#[test]
fn a_token_server_elsewhere_needs_encryption() {
    for realm in ["http://192.0.2.1/token", "http://token.example/", "ftp://x/", "https://user:pw@x/"] {
        let error = error_of(move |request, _| {
            let challenge = format!("Bearer realm=\"{realm}\",service=\"x\"");
            (request.path() == "/v2/").then(|| Answer::new(401).header("WWW-Authenticate", challenge))
        });
        let text = error.to_string();
        assert!(text.contains("token server without encryption") || text.contains("is not an http address"), "{text}");
    }
}

#[test]
fn an_expired_token_is_renewed_once_and_identity_tokens_are_posted() {
    let sample = Sample::new(1000);
    let layer = sample.layer.clone();
    let count = std::sync::atomic::AtomicUsize::new(0);
    let registry = FaultyRegistry::start(move |request, _| {
        if request.path() == "/token" {
            let form = String::from_utf8(request.body.clone()).unwrap();
            let right = "grant_type=refresh_token&service=reg%20istry&client_id=isolazi\
                         &scope=repository%3Asome%2Fimage%3Apull&refresh_token=re%2Ffresh";
            if request.method != "POST" || form != right {
                return Answer::new(400).body(format!(r#"{{"error_description":"bad form {form}"}}"#));
            }
            let number = count.fetch_add(1, Ordering::SeqCst);
            return Answer::new(200).body(format!(r#"{{"access_token":"t{number}"}}"#));
        }
        let realm = format!("http://{}/token", request.header("host").unwrap());
        let challenge = format!("Bearer realm=\"{realm}\",service=\"reg istry\"");
        // The first token is good for the manifest, and has expired when the layer is asked for.
        let needed = if request.path().ends_with(&layer) { "Bearer t1" } else { "Bearer t" };
        match request.header("authorization") {
            Some(token) if token.starts_with(needed) => sample.answer(request),
            _ => Answer::new(401).header("WWW-Authenticate", challenge),
        }
    });
    let lookup = |_: &Reference| Some(Credentials::IdentityToken("re/fresh".to_owned()));
    let options = PullOptions { credentials: Some(&lookup), ..options() };
    Scratch::new().store.pull(&named(&registry), &options, &Quiet, None).unwrap();
    assert_eq!(registry.requests().iter().filter(|request| request.path() == "/token").count(), 2);
}

#[test]
fn a_token_that_stays_refused_is_not_fetched_for_ever() {
    let error = error_of(|request, _| {
        if request.path() == "/token" {
            return Some(Answer::new(200).body(r#"{"token":"always"}"#));
        }
        let realm = format!("http://{}/token", request.header("host").unwrap());
        Some(Answer::new(401).header("WWW-Authenticate", format!("Bearer realm=\"{realm}\"")))
    });
    assert_eq!(error.kind, Kind::Unauthorized);
    assert!(error.to_string().starts_with("pull access denied for 127.0.0.1:"), "{error}");
}

#[test]
fn a_failing_sink_ends_the_pull_with_its_own_words() {
    struct Full;
    impl image::LayerSink for Full {
        fn wanted(&self, _: &oci::Digest) -> bool {
            true
        }
        fn layer(
            &self,
            _: usize,
            _: &oci::Descriptor,
            _: &oci::Digest,
            _: &mut dyn std::io::Read,
        ) -> error::Result<()> {
            Err(Error::new(Kind::Unavailable, "can't unpack: no space left on device"))
        }
    }
    let sample = Sample::new(LAYER_BYTES);
    let registry = FaultyRegistry::start(move |request, _| sample.answer(request));
    let scratch = Scratch::new();
    let error = scratch.store.pull(&named(&registry), &options(), &Quiet, Some(&Full)).unwrap_err();
    assert_eq!(error.to_string(), "can't unpack: no space left on device");
    assert_eq!(scratch.store.list(), Ok(Vec::new()));
}

#[test]
fn ctrl_c_ends_a_stalled_pull_at_once_and_keeps_what_came() {
    let sample = Sample::new(LAYER_BYTES);
    let served = sample.clone();
    let registry = FaultyRegistry::start(move |request, _| match is_layer(request, &served) {
        true => served.answer(request).ending(Ending::StallAfter(300_000, Duration::from_secs(5))),
        false => served.answer(request),
    });
    let scratch = Scratch::new();
    let cancel = AtomicBool::new(false);
    let mut options = PullOptions { cancel: Some(&cancel), ..options() };
    options.retries.silence = Duration::from_secs(60);
    let (error, waited) = std::thread::scope(|scope| {
        let pull = scope.spawn(|| {
            let result = scratch.store.pull(&named(&registry), &options, &Quiet, Some(&Collect::default()));
            (result.unwrap_err(), Instant::now())
        });
        std::thread::sleep(Duration::from_millis(300));
        cancel.store(true, Ordering::SeqCst);
        let begin = Instant::now();
        let (error, end) = pull.join().unwrap();
        (error, end - begin)
    });
    assert_eq!(
        (error.kind, error.to_string()),
        (Kind::Interrupted, format!("the pull of {} was interrupted", named(&registry).familiar()))
    );
    assert!(waited < Duration::from_millis(500), "{waited:?}");
    let partial = scratch.dir.join("images/tmp").join(format!("{}.partial", &sample.layer["sha256:".len()..]));
    assert_eq!(std::fs::metadata(partial).unwrap().len(), 300_000);
}

#[test]
fn a_proxy_carries_the_pull_unless_the_host_is_excepted() {
    let sample = Sample::new(1000);
    // It answers CONNECT as a proxy, and is the registry behind it too.
    let proxy = FaultyRegistry::start(move |request, _| match request.method.as_str() {
        "CONNECT" => Answer::new(200),
        _ => sample.answer(request),
    });
    let env = |name: &str| (name == "http_proxy").then(|| format!("http://{}", proxy.addr()));
    let mut options = PullOptions { proxies: Proxies::from_env(env), ..options() };
    options.insecure = vec!["registry.invalid:5000".to_owned()];
    let name = reference("registry.invalid:5000/some/image");
    Scratch::new().store.pull(&name, &options, &Quiet, None).unwrap();
    assert!(proxy.requests().iter().any(|request| request.method == "CONNECT"));

    options.proxies.exceptions = vec!["registry.invalid".to_owned()];
    let error = Scratch::new().store.pull(&name, &options, &Quiet, None).unwrap_err();
    assert_eq!(error.to_string(), "can't reach registry `registry.invalid:5000`: no such host");
}

#[test]
fn ctrl_c_ends_a_pull_whose_registry_never_answers_at_all() {
    // Nobody accepts on it: the kernel takes the connection and the request, and nothing comes back.
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = reference(&format!("{}/x", socket.local_addr().unwrap()));
    let cancel = AtomicBool::new(false);
    let mut options = PullOptions { cancel: Some(&cancel), ..options() };
    options.retries.silence = Duration::from_secs(60);
    let scratch = Scratch::new();
    let begin = Instant::now();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(200));
            cancel.store(true, Ordering::SeqCst);
        });
        let error = scratch.store.pull(&silent, &options, &Quiet, None).unwrap_err();
        assert_eq!(error.kind, Kind::Interrupted);
    });
    assert!(begin.elapsed() < Duration::from_secs(2), "{:?}", begin.elapsed());
}
