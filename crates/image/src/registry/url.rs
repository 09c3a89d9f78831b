//! Addresses: a scheme, a host with its port, a path; and where a redirect leads.

use crate::pull::retry::Failure;
use error::Error;
use std::fmt;

/// `http://` or `https://` and what follows. Fragments are cut off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Url {
    scheme: &'static str,
    authority: String,
    /// With the query; begins with `/`.
    path: String,
}

impl Url {
    /// The root of a host. Other schemes than `http` are `https`.
    pub(crate) fn new(scheme: &str, authority: &str) -> Self {
        let scheme = if scheme == "http" { "http" } else { "https" };
        Self { scheme, authority: authority.to_owned(), path: "/".to_owned() }
    }

    /// A whole address from a header of a registry.
    pub(crate) fn parse(text: &str) -> Result<Self, Failure> {
        let bad = || Failure::Final(Error::invalid(format!("`{text}` is not an http address")));
        let (scheme, rest) = text.split_once("://").ok_or_else(bad)?;
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "http" => "http",
            "https" => "https",
            _ => return Err(bad()),
        };
        let rest = rest.split('#').next().unwrap_or_default();
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        // `user:password@host` would send somebody's credentials where we did not decide to.
        let plain = !authority.is_empty() && !authority.contains(['@', '\\']);
        if !plain || text.bytes().any(|b| b <= b' ' || b == 0x7f) {
            return Err(bad());
        }
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        let url = Self { scheme, authority: authority.to_ascii_lowercase(), path };
        if url.host().is_empty() || url.written_port().is_some_and(|port| port.parse::<u16>().is_err()) {
            return Err(bad());
        }
        Ok(url)
    }

    pub(crate) fn with_path(&self, path: &str) -> Self {
        Self { path: path.to_owned(), ..self.clone() }
    }

    /// Adds `name=value` to the query.
    pub(crate) fn with_query(&self, name: &str, value: &str) -> Self {
        let mark = if self.path.contains('?') { '&' } else { '?' };
        Self { path: format!("{}{mark}{name}={}", self.path, percent_encode(value)), ..self.clone() }
    }

    /// Where a `Location` header leads from here.
    pub(crate) fn join(&self, location: &str) -> Result<Self, Failure> {
        let scheme_end = location.find("://").unwrap_or(usize::MAX);
        if scheme_end < location.find(['/', '?']).map_or(0, |slash| slash) + 1 && scheme_end != usize::MAX {
            return Self::parse(location);
        }
        if location.starts_with("//") {
            return Self::parse(&format!("{}:{location}", self.scheme));
        }
        let path = self.path.split('?').next().unwrap_or("/");
        let folder = &path[..=path.rfind('/').unwrap_or(0)];
        let target = if location.starts_with('/') { location.to_owned() } else { format!("{folder}{location}") };
        Self::parse(&format!("{}://{}{target}", self.scheme, self.authority))
    }

    pub(crate) fn is_https(&self) -> bool {
        self.scheme == "https"
    }

    /// Host and port as they were written.
    pub(crate) fn authority(&self) -> &str {
        &self.authority
    }

    /// Without the port, without brackets.
    pub(crate) fn host(&self) -> &str {
        match self.authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((v6, _)) => v6,
            None => self.authority.split(':').next().unwrap_or_default(),
        }
    }

    pub(crate) fn port(&self) -> u16 {
        let written = self.written_port().and_then(|port| port.parse().ok());
        written.unwrap_or(if self.is_https() { 443 } else { 80 })
    }

    fn written_port(&self) -> Option<&str> {
        let after_host = self.authority.rsplit_once(']').map_or(self.authority.as_str(), |(_, rest)| rest);
        after_host.rsplit_once(':').map(|(_, port)| port)
    }

    /// The same scheme, host and port: what may see the same credentials.
    pub(crate) fn same_origin(&self, other: &Self) -> bool {
        self.scheme == other.scheme && self.host().eq_ignore_ascii_case(other.host()) && self.port() == other.port()
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme, self.authority, self.path)
    }
}

/// For a value in a query or a form (RFC 3986, "unreserved").
pub(crate) fn percent_encode(value: &str) -> String {
    use fmt::Write;
    value.bytes().fold(String::with_capacity(value.len()), |mut text, byte| {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => text.push(char::from(byte)),
            _ => write!(text, "%{byte:02X}").expect("writing to a String can't fail"),
        }
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_is_whole_or_relative() {
        let here = Url::parse("https://x.io:5000/v2/a/blobs/b?q=1").unwrap();
        for (location, there) in [
            ("https://cdn.io/b?sig=%2F#f", "https://cdn.io/b?sig=%2F"),
            ("//cdn.io/b", "https://cdn.io/b"),
            ("/b", "https://x.io:5000/b"),
            ("c?u=http://y.io/", "https://x.io:5000/v2/a/blobs/c?u=http://y.io/"),
        ] {
            let found = here.join(location).map(|url| url.to_string()).ok();
            assert_eq!(found.as_deref(), Some(there), "{location}");
        }
        for bad in ["ftp://x.io/", "https://user:pw@x.io/", "https:///a", "https://x.io/a b", "http://x.io/\r\nA: b"] {
            assert!(here.join(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn origins_differ_by_scheme_host_or_port() {
        let url = |text: &str| Url::parse(text).unwrap();
        assert!(url("https://x.io/a").same_origin(&url("https://X.io:443/b")));
        for other in ["http://x.io/", "https://y.io/", "https://x.io:444/", "https://[::1]/"] {
            assert!(!url("https://x.io/").same_origin(&url(other)), "{other}");
        }
        assert_eq!((url("http://[::1]:5000/").host(), url("http://[::1]:5000/").port()), ("::1", 5000));
    }

    proptest::proptest! {
        #[test]
        fn any_location_is_followed_or_refused_without_a_panic(location in "[a-zé:/?#@.\\[\\]%0-9 ]{0,40}") {
            let here = Url::parse("https://x.io/v2/a?b").unwrap();
            if let Ok(there) = here.join(&location) {
                // What is followed can be sent: it has a host, and nothing that would end a line.
                proptest::prop_assert!(!there.host().is_empty());
                proptest::prop_assert!(there.to_string().bytes().all(|b| b > b' '));
                let _ = there.port();
            }
        }
    }
}
