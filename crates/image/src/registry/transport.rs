//! One request over the wire: connections, proxies, redirects. Statuses are for the caller to read.
//!
//! Redirects are followed here, not by the HTTP library, so that it is plain to see where credentials go: to the host
//! that they are for and nowhere else.

use super::resolver::Remembered;
use super::tls;
use super::url::Url;
use crate::pull::PullOptions;
use crate::pull::retry::Failure;
use error::{Error, Kind, Result};
use oci::Reference;
use std::collections::HashMap;
use std::io::Read;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use ureq::http;
use ureq::unversioned::transport::DefaultConnector;
use ureq::{Agent, Body};

/// Registries redirect once, to where they keep their blobs.
const MAX_REDIRECTS: u32 = 5;
/// Until a connection stands, TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// Of a whole response header.
const MAX_HEADER_BYTES: usize = 64 << 10;
const USER_AGENT: &str = concat!("isolazi/", env!("CARGO_PKG_VERSION"));

/// Connections to a registry and to where it redirects.
#[derive(Debug)]
pub(crate) struct Transport<'a> {
    registry: &'a str,
    options: &'a PullOptions<'a>,
    agents: Mutex<HashMap<Route, Agent>>,
}

/// Connections that share settings share an agent.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Route {
    security: Security,
    proxy: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Security {
    Plain,
    /// To the registry: its own authorities and client certificate apply.
    Registry,
    /// To another host: they do not.
    Foreign,
}

/// A status, headers, and a body still to be read.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    /// Who answered in the end.
    pub(crate) host: String,
    headers: http::HeaderMap,
    body: Body,
}

impl Response {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    pub(crate) fn headers(&self, name: &str) -> impl Iterator<Item = &str> {
        self.headers.get_all(name).iter().filter_map(|value| value.to_str().ok())
    }

    pub(crate) fn into_reader(self) -> Box<dyn Read + Send> {
        Box::new(self.body.into_reader())
    }
}

impl<'a> Transport<'a> {
    pub(crate) fn new(reference: &'a Reference, options: &'a PullOptions<'a>) -> Self {
        Self { registry: reference.registry(), options, agents: Mutex::default() }
    }

    /// May the registry speak plain http, or have a certificate that nobody vouches for?
    pub(crate) fn is_told_insecure(&self) -> bool {
        self.options.insecure.iter().any(|name| name == self.registry)
    }

    /// Ends every connection, also those that other threads wait on.
    pub(crate) fn cut(&self) {
        for (_, agent) in self.agents.lock().unwrap_or_else(PoisonError::into_inner).drain() {
            agent.shutdown();
        }
    }

    /// GET or HEAD. `authorization` is for the host of `url` only.
    pub(crate) fn send(
        &self,
        method: &str,
        url: &Url,
        headers: &[(&str, &str)],
        authorization: Option<&str>,
    ) -> Result<Response, Failure> {
        let mut target = url.clone();
        for _ in 0..=MAX_REDIRECTS {
            let mut request = http::Request::builder().method(method).uri(target.to_string());
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            if let Some(authorization) = authorization.filter(|_| target.same_origin(url)) {
                request = request.header("authorization", authorization);
            }
            let request = request.body(()).map_err(|_| malformed(&target))?;
            let response = self.agent(&target, url)?.run(request).map_err(|cause| failed(&target, cause))?;
            let response = taken(&target, response);
            let location = match response.status {
                301 | 302 | 303 | 307 | 308 => response.header("location"),
                _ => None,
            };
            let Some(location) = location else { return Ok(response) };
            let next = target.join(location)?;
            if target.is_https() && !next.is_https() {
                let text = format!("`{}` redirects to an address without encryption: `{next}`", target.authority());
                return Err(Failure::Final(Error::new(Kind::Denied, text)));
            }
            target = next;
        }
        let text = format!("`{}` redirects more than {MAX_REDIRECTS} times", url.authority());
        Err(Failure::Final(Error::new(Kind::Unavailable, text)))
    }

    /// POST of a form to a token server; redirects are not followed, they would carry the form away.
    pub(crate) fn post_form(&self, url: &Url, form: &str) -> Result<Response, Failure> {
        let request = http::Request::builder()
            .method("POST")
            .uri(url.to_string())
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form)
            .map_err(|_| malformed(url))?;
        let response = self.agent(url, url)?.run(request).map_err(|cause| failed(url, cause))?;
        Ok(taken(url, response))
    }

    fn agent(&self, target: &Url, first: &Url) -> Result<Agent, Failure> {
        let proxy = self.options.proxies.for_host(target.is_https(), target.host(), target.port());
        let security = match (target.is_https(), target.same_origin(first)) {
            (false, _) => Security::Plain,
            (true, true) => Security::Registry,
            (true, false) => Security::Foreign,
        };
        let route = Route { security, proxy: proxy.map(str::to_owned) };
        let mut agents = self.agents.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(agent) = agents.get(&route) {
            return Ok(agent.clone());
        }
        let agent = self.new_agent(&route)?;
        agents.insert(route, agent.clone());
        Ok(agent)
    }

    fn new_agent(&self, route: &Route) -> Result<Agent, Failure> {
        let silence = self.options.retries.silence;
        let mut config = Agent::config_builder()
            // Never from the environment: the caller has read it.
            .proxy(None)
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .max_response_header_size(MAX_HEADER_BYTES)
            .input_buffer_size(128 << 10)
            .max_idle_connections_per_host(self.options.parallel)
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_resolve(Some(CONNECT_TIMEOUT))
            .timeout_per_read(Some(silence))
            .timeout_per_write(Some(silence))
            .user_agent(USER_AGENT);
        if let Some(proxy) = &route.proxy {
            let proxy = ureq::Proxy::new(proxy)
                .map_err(|_| Failure::Final(Error::invalid("the proxy's address is not valid")))?;
            config = config.proxy(Some(proxy));
        }
        let through_tls = route.proxy.as_deref().is_some_and(|proxy| proxy.starts_with("https"));
        if route.security != Security::Plain || through_tls {
            let own = route.security == Security::Registry;
            config = config.tls_config(tls::config(self.registry, self.options, own, !self.is_told_insecure())?);
        }
        Ok(Agent::with_parts(config.build(), DefaultConnector::default(), Remembered::default()))
    }
}

fn taken(target: &Url, response: http::Response<Body>) -> Response {
    let (parts, body) = response.into_parts();
    Response { status: parts.status.as_u16(), host: target.authority().to_owned(), headers: parts.headers, body }
}

fn malformed(url: &Url) -> Failure {
    Failure::Final(Error::invalid(format!("`{url}` is not an http address")))
}

/// Why there is no response, in words.
fn failed(target: &Url, cause: ureq::Error) -> Failure {
    let host = target.authority();
    let error = |kind, words: String| Error::new(kind, words).context(format!("can't reach registry `{host}`"));
    let unreachable = |words: String| Failure::Unreachable(error(Kind::Unavailable, words));
    let passing = |words: String| Failure::Passing { error: error(Kind::Unavailable, words), after: None };
    match cause {
        ureq::Error::HostNotFound => unreachable("no such host".to_owned()),
        ureq::Error::Timeout(ureq::Timeout::Resolve | ureq::Timeout::Connect) => {
            unreachable("it does not answer".to_owned())
        }
        ureq::Error::Timeout(_) => passing("no answer came for too long".to_owned()),
        ureq::Error::ConnectProxyFailed(said) => unreachable(format!("the proxy refuses: {said}")),
        ureq::Error::ConnectionFailed => unreachable("connection failed".to_owned()),
        ureq::Error::Rustls(cause) => Failure::Final(tls::worded(host, &cause)),
        ureq::Error::Io(cause) => match tls::cause_of(&cause) {
            Some(cause) => Failure::Final(tls::worded(host, cause)),
            None if is_broken(&cause) => passing(Error::from(cause).to_string()),
            None => unreachable(lookup_failure(&cause).unwrap_or_else(|| Error::from(cause).to_string())),
        },
        ureq::Error::LargeResponseHeader(..) => {
            Failure::Final(error(Kind::Invalid, format!("its header is larger than {} KiB", MAX_HEADER_BYTES >> 10)))
        }
        other => passing(other.to_string()),
    }
}

/// A failed name look-up has no kind of its own; std words it `failed to lookup address information: <gai_strerror>`.
fn lookup_failure(cause: &std::io::Error) -> Option<String> {
    let text = cause.to_string();
    let said = text.strip_prefix("failed to lookup address information: ")?;
    Some(match said {
        "Name or service not known" | "No address associated with hostname" => "no such host".to_owned(),
        other => format!("its name can't be resolved: {}", other.to_ascii_lowercase()),
    })
}

/// A connection that stood and then broke.
fn is_broken(cause: &std::io::Error) -> bool {
    use std::io::ErrorKind as Io;
    matches!(
        cause.kind(),
        Io::ConnectionReset
            | Io::ConnectionAborted
            | Io::BrokenPipe
            | Io::UnexpectedEof
            | Io::TimedOut
            | Io::WouldBlock
    )
}
