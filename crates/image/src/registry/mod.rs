//! A registry: asked for manifests and blobs by the OCI distribution specification.
//!
//! [`Client::connect`] finds the scheme and learns how to authenticate; afterwards each request carries a token and
//! renews it once when the registry refuses it. Nothing here repeats a failed request: the caller decides.

mod answer;
mod auth;
mod challenge;
mod resolver;
mod tls;
mod transport;
mod url;

use crate::blobs::MAX_DOCUMENT_BYTES;
use crate::proxies::is_loopback;
use crate::pull::PullOptions;
use crate::pull::retry::Failure;
pub(crate) use answer::broken;
use answer::{read_limited, unexpected};
use auth::Auth;
use error::{Error, Kind, Result};
use oci::image::media_type;
use oci::reference::DEFAULT_REGISTRY;
use oci::{Digest, Reference};
use std::io::Read;
use transport::Response;
pub(crate) use transport::Transport;
use url::Url;

/// Where Docker's own registry really answers.
const HUB_HOST: &str = "registry-1.docker.io";
/// A docker manifest of the first kind is asked for too, so that it can be refused by its name.
const SCHEMA_1: &str = "application/vnd.docker.distribution.manifest.v1+prettyjws";

/// A registry that answered, for one repository.
#[derive(Debug)]
pub(crate) struct Client<'a> {
    reference: &'a Reference,
    base: Url,
    transport: &'a Transport<'a>,
    auth: Auth<'a>,
}

/// A manifest or index as the registry sent it.
#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) content_type: String,
    pub(crate) bytes: Vec<u8>,
    pub(crate) digest: Digest,
}

/// A blob's bytes, from `start` on.
pub(crate) struct BlobBody {
    pub(crate) start: u64,
    /// Bytes that follow, if the registry said.
    pub(crate) length: Option<u64>,
    pub(crate) reader: Box<dyn Read + Send>,
}

impl<'a> Client<'a> {
    /// Pings the registry of `reference`.
    pub(crate) fn connect(
        reference: &'a Reference,
        options: &'a PullOptions<'a>,
        transport: &'a Transport<'a>,
    ) -> Result<Self, Failure> {
        sys::nss::use_builtin_only();
        let registry = reference.registry();
        let host = if registry == DEFAULT_REGISTRY { HUB_HOST } else { registry };
        let schemes: &[&str] = match (is_loopback(Url::new("http", host).host()), transport.is_told_insecure()) {
            // Plain http first: it is what a registry on this machine speaks, and trying it gives nothing away.
            (true, _) => &["http", "https"],
            (false, true) => &["https", "http"],
            (false, false) => &["https"],
        };
        let (mut nothing, mut other) = (None, None);
        for scheme in schemes {
            let base = Url::new(scheme, host);
            match ping(transport, &base)? {
                Pong::Registry(challenges) => {
                    let auth = Auth::new(reference, &base, options.credentials, challenges);
                    return Ok(Self { reference, base, transport, auth });
                }
                Pong::Nothing(failure) => nothing = nothing.or(Some(failure)),
                // It tells less than what the other scheme meets, if there is one.
                Pong::OtherScheme(failure) => other = other.or(Some(failure)),
            }
        }
        Err(nothing.or(other).expect("at least one scheme is tried"))
    }

    /// The digest that a tag has now, if the registry says so without sending the manifest. It costs nothing of a
    /// pull limit.
    pub(crate) fn head(&self, name: &str) -> Result<Option<Digest>, Failure> {
        let response = self.send("HEAD", &self.manifest_path(name), &accept(), None)?;
        if !(200..300).contains(&response.status) {
            return Ok(None);
        }
        Ok(response.header("docker-content-digest").and_then(|text| text.parse().ok()))
    }

    /// The manifest or index of a tag or digest, with its size limited. A digest that was asked for is verified.
    pub(crate) fn document(&self, name: &str) -> Result<Document, Failure> {
        let response = self.send("GET", &self.manifest_path(name), &accept(), None)?;
        if response.status != 200 {
            return Err(answer::manifest_refusal(response, self.reference));
        }
        let content_type = response.header("content-type").unwrap_or_default();
        let content_type = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let promised = response.header("docker-content-digest").and_then(|text| text.parse::<Digest>().ok());
        let what = format!("the manifest of {}", self.reference.familiar());
        let bytes = read_limited(response, MAX_DOCUMENT_BYTES, &what)?;
        let digest = Digest::of(&bytes);
        let expected = name.parse::<Digest>().ok().or(promised);
        if let Some(expected) = expected.filter(|expected| *expected != digest) {
            return Err(Failure::Passing {
                error: Error::invalid(format!("{what} has a wrong digest: got {digest}, expected {expected}")),
                after: None,
            });
        }
        Ok(Document { content_type, bytes, digest })
    }

    /// A blob from byte `offset` on; from its beginning if the registry can't do that.
    pub(crate) fn blob(&self, digest: &Digest, offset: u64) -> Result<BlobBody, Failure> {
        let path = format!("/v2/{}/blobs/{digest}", self.reference.repository());
        // No `If-Range`: the name of the content is its digest, so it can't have changed between two requests.
        let range = (offset > 0).then(|| format!("bytes={offset}-"));
        let response = self.send("GET", &path, "*/*", range.as_deref())?;
        let start = match response.status {
            200 => 0,
            206 if content_range_start(&response) == Some(offset) => offset,
            206 => {
                let error = Error::invalid(format!("registry `{}` sends another range", self.base.authority()));
                return Err(Failure::Final(error));
            }
            _ => return Err(answer::blob_refusal(response, self.reference, digest)),
        };
        let length = response.header("content-length").and_then(|text| text.parse().ok());
        Ok(BlobBody { start, length, reader: response.into_reader() })
    }

    fn manifest_path(&self, name: &str) -> String {
        format!("/v2/{}/manifests/{name}", self.reference.repository())
    }

    /// One request with authentication, renewed once if it is refused.
    fn send(&self, method: &str, path: &str, accept: &str, range: Option<&str>) -> Result<Response, Failure> {
        let url = self.base.with_path(path);
        let mut headers = vec![("accept", accept)];
        headers.extend(range.map(|range| ("range", range)));
        let sent = self.auth.header(self.transport)?;
        let response = self.transport.send(method, &url, &headers, sent.as_deref())?;
        if response.status != 401 {
            return answer::passing_status(response, self.base.authority());
        }
        match self.auth.renew(self.transport, sent.as_deref(), &response)? {
            Some(renewed) => {
                let response = self.transport.send(method, &url, &headers, Some(&renewed))?;
                answer::passing_status(response, self.base.authority())
            }
            None => Ok(response),
        }
    }
}

/// What answers at a base address.
enum Pong {
    /// A registry, and what it asks for.
    Registry(Vec<challenge::Challenge>),
    /// No answer that could be read.
    Nothing(Failure),
    /// A server that speaks the other scheme.
    OtherScheme(Failure),
}

fn ping(transport: &Transport<'_>, base: &Url) -> Result<Pong, Failure> {
    let response = match transport.send("GET", &base.with_path("/v2/"), &[], None) {
        Ok(response) => response,
        Err(failure) if tls::is_plain_http(&failure) => return Ok(Pong::OtherScheme(failure)),
        Err(failure) => return Ok(Pong::Nothing(failure)),
    };
    let response = answer::passing_status(response, base.authority())?;
    let status = response.status;
    let failure = |response| unexpected(response, &format!("`{}` is not a registry", base.authority()));
    match status {
        200..300 => Ok(Pong::Registry(Vec::new())),
        401 => Ok(Pong::Registry(challenge::parse_all(response.headers("www-authenticate")))),
        // What TLS servers answer to plain http.
        400 if !base.is_https() => Ok(Pong::OtherScheme(failure(response))),
        _ => Err(failure(response)),
    }
}

fn accept() -> String {
    let types = [media_type::INDEX, media_type::DOCKER_INDEX, media_type::MANIFEST, media_type::DOCKER_MANIFEST];
    format!("{}, {SCHEMA_1};q=0.1, */*;q=0.1", types.join(", "))
}

fn content_range_start(response: &Response) -> Option<u64> {
    // `bytes 100-199/200`
    response.header("content-range")?.strip_prefix("bytes ")?.split('-').next()?.trim().parse().ok()
}

/// What a manifest must not be.
pub(crate) fn schema_1_refusal(reference: &Reference) -> Error {
    Error::new(
        Kind::Unsupported,
        format!("`{}` is in the obsolete format \"Docker image manifest version 2, schema 1\"", reference.familiar()),
    )
    .hint("push it again with a newer tool")
}

pub(crate) fn is_schema_1(content_type: &str) -> bool {
    content_type.starts_with("application/vnd.docker.distribution.manifest.v1+")
}
