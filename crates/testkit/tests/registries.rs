//! The registries of the test material answer, each in its own way.

#![allow(clippy::unwrap_used, reason = "a test that can't go on should panic")]

use std::process::Command;
use testkit::{material, registries};

/// The status code that curl sees; with the certificate authority, if one is given.
fn status(url: &str, ca: &std::path::Path, more: &[&str]) -> String {
    let mut curl = Command::new("curl");
    curl.args(["-s", "-o", "/dev/null", "--noproxy", "*", "-w", "%{http_code}"]).args(more);
    if !ca.as_os_str().is_empty() {
        curl.arg("--cacert").arg(ca);
    }
    String::from_utf8(curl.arg(url).output().unwrap().stdout).unwrap()
}

#[test]
fn each_asks_for_what_it_should() {
    let found = registries();
    let (basic, token) = (&found.basic, &found.token);
    let account = format!("{}:{}", basic.user, basic.password);
    let scheme = |registry: &testkit::Registry| if registry.ca.as_os_str().is_empty() { "http" } else { "https" };
    let ping = |registry: &testkit::Registry, more: &[&str]| {
        status(&format!("{}://{}/v2/", scheme(registry), registry.addr), &registry.ca, more)
    };
    assert_eq!(ping(&found.plain, &[]), "200");
    assert_eq!(ping(&found.tls, &[]), "200");
    // Without our authority the certificate is not trusted: curl gets no answer.
    assert_eq!(status(&format!("https://{}/v2/", found.tls.addr), std::path::Path::new(""), &[]), "000");
    assert_eq!(ping(basic, &[]), "401");
    assert_eq!(ping(basic, &["-u", "tester:wrong"]), "401");
    assert_eq!(ping(basic, &["-u", &account]), "200");
    assert_eq!(status(&format!("https://{}/v2/", token.addr), &token.ca, &[]), "401");
    assert_eq!(status(&format!("{}?service=material%20registry", token.realm), &token.ca, &["-u", &account]), "200");
    assert_eq!(status(&format!("{}?service=material%20registry", token.realm), &token.ca, &["-u", "x:y"]), "401");
}

#[test]
fn every_image_is_served_under_all_its_tags() {
    let addr = registries().plain.addr;
    let mut count = 0;
    for layout in std::fs::read_dir(material().join("layouts")).unwrap() {
        let layout = layout.unwrap().path();
        let name = layout.file_name().unwrap().to_str().unwrap().to_owned();
        let index: serde_json::Value =
            serde_json::from_slice(&std::fs::read(layout.join("index.json")).unwrap()).unwrap();
        for entry in index["manifests"].as_array().unwrap() {
            let tag = entry["annotations"]["org.opencontainers.image.ref.name"].as_str().unwrap();
            let accept = format!("Accept: {}", entry["mediaType"].as_str().unwrap());
            let url = format!("http://{addr}/v2/{name}/manifests/{tag}");
            // The one manifest that is not JSON is too much for the registry itself.
            let expected = if tag == "notjson" { "500" } else { "200" };
            assert_eq!(status(&url, std::path::Path::new(""), &["-H", &accept]), expected, "{name}:{tag}");
            count += 1;
        }
    }
    assert!(count >= 40, "only {count} tags");
}
