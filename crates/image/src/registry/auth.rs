//! Authentication: a challenge and the caller's credentials become an `Authorization` header.
//!
//! Bearer tokens come from the registry's token server (distribution: "Token Authentication" and "OAuth2"). The
//! address of that server comes from the registry, so it is checked before any secret goes there.

use super::answer::{message_of, read_limited};
use super::challenge::{self, Challenge};
use super::transport::{Response, Transport};
use super::url::{Url, percent_encode};
use crate::base64;
use crate::credentials::{Credentials, Lookup};
use crate::proxies::is_loopback;
use crate::pull::retry::Failure;
use error::{Error, Kind};
use oci::Reference;
use serde::Deserialize;
use std::fmt;
use std::sync::{Mutex, PoisonError};

/// A token server's answer; tokens with many claims are some KiB.
const MAX_TOKEN_BYTES: u64 = 64 << 10;
/// How we call ourselves to an OAuth2 server.
const CLIENT_ID: &str = "isolazi";

pub(crate) struct Auth<'a> {
    reference: &'a Reference,
    base: Url,
    lookup: Option<Lookup<'a>>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    challenges: Vec<Challenge>,
    header: Option<String>,
    /// Asked for once: a helper may be slow, or show a window.
    credentials: Option<Option<Credentials>>,
}

impl fmt::Debug for Auth<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Auth")
    }
}

impl<'a> Auth<'a> {
    pub(crate) fn new(
        reference: &'a Reference,
        base: &Url,
        lookup: Option<Lookup<'a>>,
        challenges: Vec<Challenge>,
    ) -> Self {
        let state = Mutex::new(State { challenges, ..State::default() });
        Self { reference, base: base.clone(), lookup, state }
    }

    /// The header for the next request, if the registry wants any.
    pub(crate) fn header(&self, transport: &Transport<'_>) -> Result<Option<String>, Failure> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.header.is_none() && !state.challenges.is_empty() {
            state.header = Some(self.obtain(transport, &mut state)?);
        }
        Ok(state.header.clone())
    }

    /// The header to try after `refused` was answered with 401; `None` if there is no better one. Threads that were
    /// refused together renew once.
    pub(crate) fn renew(
        &self,
        transport: &Transport<'_>,
        refused: Option<&str>,
        response: &Response,
    ) -> Result<Option<String>, Failure> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.header.is_some() && state.header.as_deref() != refused {
            return Ok(state.header.clone());
        }
        let challenges = challenge::parse_all(response.headers("www-authenticate"));
        if !challenges.is_empty() {
            state.challenges = challenges;
        }
        state.header = None;
        if state.challenges.is_empty() {
            return Ok(None);
        }
        let header = self.obtain(transport, &mut state)?;
        state.header = Some(header.clone());
        // The same again would be refused again: a fixed token does not allow this, a password is wrong.
        match refused {
            Some(refused) if refused == header && header.starts_with("Basic ") => {
                Err(Failure::Final(self.unauthorized("incorrect username or password")))
            }
            Some(refused) if refused == header => Ok(None),
            _ => Ok(Some(header)),
        }
    }

    fn obtain(&self, transport: &Transport<'_>, state: &mut State) -> Result<String, Failure> {
        let lookup = || self.lookup.and_then(|lookup| lookup(self.reference));
        let credentials = state.credentials.get_or_insert_with(lookup).clone();
        if let Some(Credentials::RegistryToken(token)) = &credentials {
            return Ok(format!("Bearer {token}"));
        }
        let bearer = state.challenges.iter().find_map(|challenge| match challenge {
            Challenge::Bearer { realm, service, scope } => Some((realm, service.as_deref(), scope.as_deref())),
            Challenge::Basic => None,
        });
        match (bearer, &credentials) {
            (Some((realm, service, scope)), credentials) => {
                let realm = self.checked_realm(realm)?;
                let ours = format!("repository:{}:pull", self.reference.repository());
                // A refused request names the scope that it needs; a ping does not.
                let scope = scope.filter(|scope| scope.starts_with("repository:")).unwrap_or(&ours);
                let token = self.token(transport, &realm, service, scope, credentials.as_ref())?;
                Ok(format!("Bearer {token}"))
            }
            (None, Some(Credentials::Password { user, password })) => {
                Ok(format!("Basic {}", base64::encode(format!("{user}:{password}").as_bytes())))
            }
            (None, _) => Err(Failure::Final(self.unauthorized("authentication required"))),
        }
    }

    /// Secrets travel encrypted, unless the registry itself is a plain one of this machine (or was allowed to be) and
    /// its token server lies there too.
    fn checked_realm(&self, realm: &str) -> Result<Url, Failure> {
        let url = Url::parse(realm)?;
        let plain_allowed =
            !self.base.is_https() && (is_loopback(url.host()) || url.host().eq_ignore_ascii_case(self.base.host()));
        if url.is_https() || plain_allowed {
            return Ok(url);
        }
        Err(Failure::Final(Error::new(
            Kind::Denied,
            format!(
                "registry `{}` sends us to a token server without encryption: `{realm}`",
                self.reference.registry()
            ),
        )))
    }

    fn token(
        &self,
        transport: &Transport<'_>,
        realm: &Url,
        service: Option<&str>,
        scope: &str,
        credentials: Option<&Credentials>,
    ) -> Result<String, Failure> {
        let response = match credentials {
            Some(Credentials::IdentityToken(token)) => {
                let service = percent_encode(service.unwrap_or_default());
                let form = format!(
                    "grant_type=refresh_token&service={service}&client_id={CLIENT_ID}&scope={}&refresh_token={}",
                    percent_encode(scope),
                    percent_encode(token)
                );
                transport.post_form(realm, &form)?
            }
            _ => {
                let url = match service {
                    Some(service) => realm.with_query("service", service),
                    None => realm.clone(),
                };
                let basic = match credentials {
                    Some(Credentials::Password { user, password }) => {
                        Some(format!("Basic {}", base64::encode(format!("{user}:{password}").as_bytes())))
                    }
                    _ => None,
                };
                transport.send("GET", &url.with_query("scope", scope), &[], basic.as_deref())?
            }
        };
        let response = super::answer::passing_status(response, realm.authority())?;
        let status = response.status;
        let bytes = read_limited(response, MAX_TOKEN_BYTES, &format!("the token of `{}`", realm.authority()))?;
        match status {
            200..300 => self.parse_token(realm, &bytes),
            400 | 401 | 403 => {
                let said = message_of(&bytes);
                let said = said.as_deref().unwrap_or("authentication required");
                Err(Failure::Final(self.unauthorized(said)))
            }
            _ => {
                let text = format!("token server `{}` answers with status {status}", realm.authority());
                Err(Failure::Final(Error::new(Kind::Unavailable, text)))
            }
        }
    }

    fn parse_token(&self, realm: &Url, bytes: &[u8]) -> Result<String, Failure> {
        #[derive(Deserialize)]
        struct Answer {
            token: Option<String>,
            access_token: Option<String>,
        }
        let answer: Option<Answer> = serde_json::from_slice(bytes).ok();
        let token = answer.and_then(|a| a.token.filter(|t| !t.is_empty()).or(a.access_token));
        // What goes into a header must not be able to end it.
        match token.filter(|token| !token.is_empty() && token.bytes().all(|b| b.is_ascii_graphic())) {
            Some(token) => Ok(token),
            None => Err(Failure::Final(Error::new(
                Kind::Unavailable,
                format!("token server `{}` sends no token", realm.authority()),
            ))),
        }
    }

    fn unauthorized(&self, said: &str) -> Error {
        let registry = self.reference.registry();
        Error::new(Kind::Unauthorized, format!("unauthorized: {said}"))
            .hint(format!("log in with `isolazi login {registry}`"))
    }
}
