//! The registries that `tests/material/serve.sh` started: where they are and who may pull.

use serde::Deserialize;
use std::net::TcpStream;
use std::path::{Path, PathBuf};

/// Debian's docker-registry, four times over the same images.
#[derive(Debug, Clone, Deserialize)]
pub struct Registries {
    /// Plain http, no credentials.
    pub plain: Registry,
    /// TLS by our own authority, no credentials.
    pub tls: Registry,
    /// TLS and Basic auth.
    pub basic: Registry,
    /// TLS and Bearer tokens.
    pub token: TokenRegistry,
}

/// One registry; what it does not need is empty.
#[derive(Debug, Clone, Deserialize)]
pub struct Registry {
    /// `127.0.0.1:port`, the host part of references.
    pub addr: String,
    /// The authority's certificate, PEM.
    #[serde(default)]
    pub ca: PathBuf,
    /// Who may pull.
    #[serde(default)]
    pub user: String,
    /// With what password.
    #[serde(default)]
    pub password: String,
}

/// The registry behind a token server.
#[derive(Debug, Clone, Deserialize)]
pub struct TokenRegistry {
    /// `127.0.0.1:port`, the host part of references.
    pub addr: String,
    /// The authority's certificate, PEM; the token server has a certificate of the same.
    pub ca: PathBuf,
    /// Who may pull everything.
    pub user: String,
    /// The password of `user` and of `late_user`.
    pub password: String,
    /// The token server's address, as the registry's challenge names it.
    pub realm: String,
    /// The one repository that needs no credentials.
    pub anonymous: String,
    /// An account whose tokens are expired when they are issued.
    pub late_user: String,
}

/// The folder of the built images: `$MATERIAL`, by default `target/material`.
pub fn material() -> PathBuf {
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/material");
    std::env::var_os("MATERIAL").map_or(default, PathBuf::from)
}

/// The running registries.
///
/// # Panics
/// If they do not run: says the command that builds the images and starts them.
pub fn registries() -> Registries {
    let command = "run `tests/material/install.sh && tests/material/build.sh && tests/material/serve.sh start`";
    let path = material().join("registries.json");
    let text =
        std::fs::read(&path).unwrap_or_else(|cause| panic!("no registries ({}: {cause}): {command}", path.display()));
    let found: Registries = serde_json::from_slice(&text).unwrap_or_else(|cause| panic!("{}: {cause}", path.display()));
    for addr in [&found.plain.addr, &found.tls.addr, &found.basic.addr, &found.token.addr] {
        TcpStream::connect(addr).unwrap_or_else(|cause| panic!("registry {addr} is gone ({cause}): {command}"));
    }
    found
}
