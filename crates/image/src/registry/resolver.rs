//! Host names, looked up once a pull: the HTTP library would ask again for each request, in a new thread each time.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use ureq::Error;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

/// Addresses by host and port.
#[derive(Debug, Default)]
pub(crate) struct Remembered {
    system: DefaultResolver,
    known: Mutex<HashMap<(bool, String), ResolvedSocketAddrs>>,
}

impl Resolver for Remembered {
    fn resolve(&self, uri: &Uri, config: &Config, timeout: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        let host = uri.authority().map(ToString::to_string).unwrap_or_default();
        let key = (uri.scheme_str() == Some("https"), host);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        // Held during the look-up: requests that begin together ask once.
        if let Some(found) = known.get(&key) {
            return Ok(found.clone());
        }
        let found = self.system.resolve(uri, config, timeout)?;
        known.insert(key, found.clone());
        Ok(found)
    }
}
