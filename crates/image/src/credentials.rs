//! Credentials: what Docker's `config.json` and podman's `auth.json` know of a registry, and the credential helpers.
//!
//! The caller finds and reads the files; this room parses them, looks names up, and speaks with helpers. Facts: the
//! Docker CLI's documentation ("Credential stores", "Configuration files") and containers-auth.json(5).

use crate::base64;
use error::{Error, Kind, Result, ResultExt};
use oci::Reference;
use oci::reference::DEFAULT_REGISTRY;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt;
use std::io::{Read, Write};
use std::process::{Command, Stdio};

/// A helper's answer: a name, a password, an address.
const MAX_ANSWER_BYTES: u64 = 64 << 10;
/// How Docker's own registry is called in these files, newest spelling first.
const HUB_KEYS: [&str; 4] = ["index.docker.io", DEFAULT_REGISTRY, "registry-1.docker.io", "auth.docker.io"];
/// The key that helpers know Docker's own registry by.
const HUB_SERVER: &str = "https://index.docker.io/v1/";

/// What proves who asks.
#[derive(Clone, PartialEq, Eq)]
pub enum Credentials {
    /// For Basic authentication, at the registry or at its token server.
    Password {
        /// Name of the account.
        user: String,
        /// Password or access token.
        password: String,
    },
    /// A refresh token of an OAuth2 token server.
    IdentityToken(String),
    /// A bearer token, ready for the registry.
    RegistryToken(String),
}

/// Secrets stay out of logs and panics.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Password { .. } => "Password",
            Self::IdentityToken(_) => "IdentityToken",
            Self::RegistryToken(_) => "RegistryToken",
        })
    }
}

/// How the caller looks credentials up, when a registry asks who we are.
pub type Lookup<'a> = &'a (dyn Fn(&Reference) -> Option<Credentials> + Sync);

/// What a config file says about a registry.
#[derive(Debug, Clone, PartialEq)]
pub enum Found {
    /// The credentials stand in the file.
    Here(Credentials),
    /// Ask `docker-credential-<name>`.
    Helper(String),
}

/// The parts of `config.json` or `auth.json` that are about credentials.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConfigFile {
    auths: BTreeMap<String, Auth>,
    creds_store: String,
    cred_helpers: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Auth {
    auth: String,
    username: String,
    password: String,
    identitytoken: String,
    registrytoken: String,
}

impl ConfigFile {
    /// Parses the file's text; other settings in it are passed over.
    pub fn parse(text: &[u8]) -> Result<Self> {
        serde_json::from_slice(text).map_err(|cause| Error::invalid(format!("not a Docker config: {cause}")))
    }

    /// What applies to this image: the helper of its registry, else the common store, else what the file holds. In
    /// `auths`, a key may be as long as a whole repository (podman); the longest that fits wins.
    pub fn find(&self, reference: &Reference) -> Result<Option<Found>> {
        let names = names_of(reference.registry());
        let helper = self.cred_helpers.iter().find(|(key, _)| names.contains(&host_of(key)));
        if let Some((_, helper)) = helper.filter(|(_, helper)| !helper.is_empty()) {
            return Ok(Some(Found::Helper(helper.clone())));
        }
        if !self.creds_store.is_empty() {
            return Ok(Some(Found::Helper(self.creds_store.clone())));
        }
        let fits = |key: &str| {
            let key = key.trim_start_matches("https://").trim_start_matches("http://").trim_end_matches('/');
            let (host, path) = key.split_once('/').unwrap_or((key, ""));
            // Docker's keys end with the version of the old protocol.
            let path = if matches!(path, "v1" | "v2") { "" } else { path };
            let repository = reference.repository();
            let below = repository.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
            (names.contains(&host) && (path.is_empty() || below)).then_some(path.len())
        };
        let best = self.auths.iter().filter_map(|(key, auth)| Some((fits(key)?, key, auth))).max_by_key(|(n, ..)| *n);
        match best {
            Some((_, key, auth)) => Ok(auth.credentials(key)?.map(Found::Here)),
            None => Ok(None),
        }
    }
}

impl Auth {
    fn credentials(&self, key: &str) -> Result<Option<Credentials>> {
        if !self.identitytoken.is_empty() {
            return Ok(Some(Credentials::IdentityToken(self.identitytoken.clone())));
        }
        if !self.registrytoken.is_empty() {
            return Ok(Some(Credentials::RegistryToken(self.registrytoken.clone())));
        }
        if !self.auth.is_empty() {
            let plain = base64::decode(&self.auth).and_then(|bytes| String::from_utf8(bytes).ok());
            let pair = plain.as_deref().and_then(|plain| plain.trim_end_matches('\0').split_once(':'));
            let Some((user, password)) = pair else {
                return Err(Error::invalid(format!("`auths` entry `{key}`: `auth` is not base64 of `user:password`")));
            };
            return Ok(Some(Credentials::Password { user: user.into(), password: password.into() }));
        }
        let given = !self.username.is_empty();
        let (user, password) = (self.username.clone(), self.password.clone());
        Ok(given.then_some(Credentials::Password { user, password }))
    }
}

fn names_of(registry: &str) -> Vec<&str> {
    if registry == DEFAULT_REGISTRY { HUB_KEYS.to_vec() } else { vec![registry] }
}

fn host_of(key: &str) -> &str {
    let key = key.trim_start_matches("https://").trim_start_matches("http://");
    key.split_once('/').map_or(key, |(host, _)| host)
}

/// Runs `docker-credential-<helper> get`. `None` if it knows nothing of this registry.
pub fn ask_helper(helper: &str, registry: &str) -> Result<Option<Credentials>> {
    let program = format!("docker-credential-{helper}");
    let server = if registry == DEFAULT_REGISTRY { HUB_SERVER } else { registry };
    let shown = || format!("can't ask credential helper `{program}`");
    if helper.contains(['/', '\\']) {
        return Err(Error::invalid("its name is a path").context(shown()));
    }
    let mut child = Command::new(&program)
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .context(shown)?;
    let mut answer = Vec::new();
    // A helper that answers without reading is as good.
    let _ = child.stdin.take().expect("stdin is piped").write_all(server.as_bytes());
    let stdout = child.stdout.take().expect("stdout is piped");
    let read = stdout.take(MAX_ANSWER_BYTES).read_to_end(&mut answer);
    let status = child.wait().context(shown)?;
    read.context(shown)?;
    let text = String::from_utf8_lossy(&answer);
    if !status.success() {
        // The protocol's words for "none", on standard output.
        if text.contains("credentials not found") {
            return Ok(None);
        }
        let said = text.lines().next().unwrap_or_default().trim();
        let said = if said.is_empty() { status.to_string() } else { said.to_owned() };
        return Err(Error::new(Kind::Unavailable, said).context(shown()));
    }
    parse_answer(&text).map_err(|cause| cause.context(shown()))
}

fn parse_answer(text: &str) -> Result<Option<Credentials>> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Answer {
        #[serde(default)]
        username: String,
        secret: String,
    }
    // The cause would quote the answer, and the answer is a secret.
    let answer: Answer =
        serde_json::from_str(text).map_err(|_| Error::invalid("its answer is not what the protocol says"))?;
    Ok(Some(match answer.username.as_str() {
        "<token>" => Credentials::IdentityToken(answer.secret),
        _ => Credentials::Password { user: answer.username, password: answer.secret },
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password(user: &str, password: &str) -> Option<Found> {
        Some(Found::Here(Credentials::Password { user: user.into(), password: password.into() }))
    }

    #[test]
    fn the_nearest_entry_of_a_file_applies() {
        let file = ConfigFile::parse(
            br#"{"auths":{
                "https://index.docker.io/v1/":{"auth":"aHViOnB3"},
                "localhost:5000":{"auth":"bG9jYWw6cGE6c3M="},
                "x.io":{"username":"u","password":"p"},
                "x.io/team":{"identitytoken":"refresh"},
                "y.io":{"registrytoken":"bearer"},
                "empty.io":{}},
              "credHelpers":{"gcr.io":"gcloud"},"psFormat":"x"}"#,
        )
        .unwrap();
        for (image, found) in [
            ("alpine", password("hub", "pw")),
            ("localhost:5000/x", password("local", "pa:ss")),
            ("x.io/a", password("u", "p")),
            ("x.io/teams/a", password("u", "p")),
            ("x.io/team/a", Some(Found::Here(Credentials::IdentityToken("refresh".into())))),
            ("y.io/a", Some(Found::Here(Credentials::RegistryToken("bearer".into())))),
            ("gcr.io/a", Some(Found::Helper("gcloud".into()))),
            ("empty.io/a", None),
            ("localhost:5001/x", None),
        ] {
            assert_eq!(file.find(&image.parse().unwrap()).unwrap(), found, "{image}");
        }
    }

    #[test]
    fn a_store_serves_every_registry_but_those_with_a_helper() {
        let file = ConfigFile::parse(br#"{"credsStore":"pass","credHelpers":{"a.io":"own"}}"#).unwrap();
        let helper = |image: &str| file.find(&image.parse().unwrap()).unwrap();
        assert_eq!(helper("a.io/x"), Some(Found::Helper("own".into())));
        assert_eq!(helper("b.io/x"), Some(Found::Helper("pass".into())));
    }

    #[test]
    fn a_broken_file_or_entry_is_named_without_its_secret() {
        assert!(ConfigFile::parse(b"{").unwrap_err().to_string().starts_with("not a Docker config: "));
        let file = ConfigFile::parse(br#"{"auths":{"a.io":{"auth":"c2VjcmV0"}}}"#).unwrap();
        assert_eq!(
            file.find(&"a.io/x".parse().unwrap()).unwrap_err().to_string(),
            "`auths` entry `a.io`: `auth` is not base64 of `user:password`"
        );
    }

    #[test]
    fn a_helpers_token_is_an_identity_token() {
        assert_eq!(
            parse_answer(r#"{"ServerURL":"s","Username":"<token>","Secret":"t"}"#).unwrap(),
            Some(Credentials::IdentityToken("t".into()))
        );
        assert_eq!(
            parse_answer(r#"{"Username":"u","Secret":5}"#).unwrap_err().to_string(),
            "its answer is not what the protocol says"
        );
    }

    #[test]
    fn a_missing_helper_is_an_error_that_names_it() {
        let error = ask_helper("isolazi-none-such", "x.io").unwrap_err();
        assert_eq!(
            error.to_string(),
            "can't ask credential helper `docker-credential-isolazi-none-such`: no such file or directory"
        );
    }
}
