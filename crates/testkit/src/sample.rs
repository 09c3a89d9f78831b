//! A small, right image for [`crate::FaultyRegistry`]: a test bends one answer and leaves the others as they are.

use crate::http::{Answer, Request};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// An image of one layer with one file, as a registry holds it.
#[derive(Debug, Clone)]
pub struct Sample {
    /// The manifest's bytes.
    pub manifest: Vec<u8>,
    /// The config's digest.
    pub config: String,
    /// The layer's digest; the layer is an uncompressed tar archive.
    pub layer: String,
    /// Digest to bytes, of both.
    pub blobs: BTreeMap<String, Vec<u8>>,
}

/// `sha256:<hex>` of some bytes.
pub fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold("sha256:".to_owned(), |text, byte| format!("{text}{byte:02x}"))
}

impl Sample {
    /// An image for this machine whose layer holds the file `content` of so many bytes.
    pub fn new(content_bytes: usize) -> Self {
        let layer = archive("content", &vec![b'x'; content_bytes]);
        let architecture = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
        let config = serde_json::json!({
            "architecture": architecture, "os": "linux", "config": {"Cmd": ["/content"]},
            "rootfs": {"type": "layers", "diff_ids": [digest(&layer)]},
        });
        Self::of(config.to_string().into_bytes(), layer)
    }

    /// A manifest for these two blobs, whatever they hold.
    pub fn of(config: Vec<u8>, layer: Vec<u8>) -> Self {
        let manifest = serde_json::json!({
            "schemaVersion": 2, "mediaType": MANIFEST,
            "config": {
                "mediaType": "application/vnd.oci.image.config.v1+json",
                "digest": digest(&config), "size": config.len(),
            },
            "layers": [{
                "mediaType": "application/vnd.oci.image.layer.v1.tar",
                "digest": digest(&layer), "size": layer.len(),
            }],
        });
        let (config_digest, layer_digest) = (digest(&config), digest(&layer));
        let blobs = BTreeMap::from([(config_digest.clone(), config), (layer_digest.clone(), layer)]);
        Self { manifest: manifest.to_string().into_bytes(), config: config_digest, layer: layer_digest, blobs }
    }

    /// What a good registry answers: ping, the manifest under any tag or its digest, blobs also by range.
    pub fn answer(&self, request: &Request) -> Answer {
        let path = request.path();
        if path == "/v2/" {
            return Answer::new(200);
        }
        if path.contains("/manifests/") {
            let wanted = path.rsplit('/').next().expect("a split has a last part");
            if wanted.starts_with("sha256:") && wanted != digest(&self.manifest) {
                return Answer::new(404);
            }
            return Answer::new(200)
                .header("Content-Type", MANIFEST)
                .header("Docker-Content-Digest", digest(&self.manifest))
                .body(self.manifest.clone());
        }
        match path.rsplit_once("/blobs/").and_then(|(_, digest)| self.blobs.get(digest)) {
            Some(blob) => ranged(request, blob),
            None => Answer::new(404),
        }
    }
}

/// The blob, or `206` with the part from where the client left off.
fn ranged(request: &Request, blob: &[u8]) -> Answer {
    match request.range_start() {
        None => Answer::new(200).body(blob.to_vec()),
        Some(start) if start < blob.len() => Answer::new(206)
            .header("Content-Range", format!("bytes {start}-{}/{}", blob.len() - 1, blob.len()))
            .body(blob[start..].to_vec()),
        Some(_) => Answer::new(416).header("Content-Range", format!("bytes */{}", blob.len())),
    }
}

/// A tar archive of one executable file: a ustar header, the content, padding, two empty blocks.
fn archive(name: &str, content: &[u8]) -> Vec<u8> {
    let mut header = [0_u8; 512];
    let mut put = |at: usize, text: &str| header[at..at + text.len()].copy_from_slice(text.as_bytes());
    put(0, name);
    put(100, "0000755\0");
    put(108, "0000000\0");
    put(116, "0000000\0");
    put(124, &format!("{:011o}\0", content.len()));
    put(136, "00000000000\0");
    put(148, "        ");
    put(156, "0");
    put(257, "ustar\x0000");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let mut archive = header.to_vec();
    archive.extend(content);
    archive.resize(archive.len().next_multiple_of(512) + 1024, 0);
    archive
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::process::{Command, Stdio};

    #[test]
    fn the_layer_is_an_archive_that_tar_reads() {
        let sample = Sample::new(700);
        let mut tar =
            Command::new("tar").args(["-tvf", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        tar.stdin.take().unwrap().write_all(&sample.blobs[&sample.layer]).unwrap();
        let output = tar.wait_with_output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && text.contains("-rwxr-xr-x 0/0") && text.contains(" 700 "), "{text}");
    }
}
