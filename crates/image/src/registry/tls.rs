//! TLS: whom to trust for a registry, and what its failures mean.

use crate::pull::PullOptions;
use crate::pull::retry::Failure;
use error::{Error, Kind, Result, ResultExt};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, parse_pem};

/// What a plain http server's answer to a TLS greeting is called, by Docker too.
const PLAIN_HTTP: &str = "server gave HTTP response to HTTPS client";

/// The system's authorities, and for the registry itself (`own`) also those that the user gave for it, and its client
/// certificate. Reading the system's list costs milliseconds, so this is called when TLS is really used.
pub(crate) fn config(registry: &str, options: &PullOptions<'_>, own: bool, verify: bool) -> Result<TlsConfig, Failure> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut builder = TlsConfig::builder().unversioned_rustls_crypto_provider(provider);
    if own && !verify {
        return Ok(builder.disable_verification(true).build());
    }
    // It honours `SSL_CERT_FILE` and `SSL_CERT_DIR`, as every program on the machine does. Files that can't be read
    // are passed over: what they lack shows when a certificate is not trusted.
    let system = rustls_native_certs::load_native_certs().certs;
    let mut roots: Vec<Certificate<'static>> = system.iter().map(|der| Certificate::from_der(der).to_owned()).collect();
    for path in &options.ca_files {
        roots.extend(certificates(path)?);
    }
    if own {
        for dir in options.certs_dirs.iter().map(|dir| dir.join(registry)) {
            let found = host_folder(&dir)?;
            for path in &found.authorities {
                roots.extend(certificates(path)?);
            }
            if let Some((certificate, key)) = &found.client {
                builder = builder.client_cert(Some(client_certificate(certificate, key)?));
            }
        }
    }
    Ok(builder.root_certs(RootCerts::new_with_certs(&roots)).build())
}

/// `certs.d/<host>/`: `*.crt` are authorities, `<name>.cert` with `<name>.key` is a client certificate
/// (docker-certs.d; containers-certs.d(5)).
#[derive(Debug, Default, PartialEq)]
struct HostFolder {
    authorities: Vec<PathBuf>,
    client: Option<(PathBuf, PathBuf)>,
}

fn host_folder(dir: &Path) -> Result<HostFolder> {
    let mut found = HostFolder::default();
    for name in crate::files::names(dir)? {
        let path = dir.join(&name);
        if name.ends_with(".crt") {
            found.authorities.push(path);
        } else if name.ends_with(".cert") {
            let key = path.with_extension("key");
            found.client = Some((path, key));
        }
    }
    Ok(found)
}

fn certificates(path: &Path) -> Result<Vec<Certificate<'static>>> {
    let shown = || format!("can't read certificates in `{}`", path.display());
    let pem = fs::read(path).context(shown)?;
    let mut found = Vec::new();
    for item in parse_pem(&pem) {
        match item {
            Ok(PemItem::Certificate(certificate)) => found.push(certificate),
            Ok(_) => {}
            Err(_) => return Err(Error::invalid("not PEM").context(shown())),
        }
    }
    if found.is_empty() {
        return Err(Error::invalid("there are none").context(shown()));
    }
    Ok(found)
}

fn client_certificate(certificate: &Path, key: &Path) -> Result<ClientCert> {
    let chain = certificates(certificate)?;
    let shown = || format!("can't read the key in `{}`", key.display());
    let pem = fs::read(key).context(shown)?;
    let not_pem = || Error::invalid("not PEM of a private key").context(shown());
    check_pair(&chain, PrivateKeyDer::from_pem_slice(&pem).map_err(|_| not_pem())?).map_err(|cause| {
        Error::invalid(format!("it does not fit `{}`: {cause}", certificate.display())).context(shown())
    })?;
    Ok(ClientCert::new_with_certs(&chain, PrivateKey::from_pem(&pem).map_err(|_| not_pem())?))
}

/// The HTTP library takes a pair that does not fit for our mistake, and panics: so it is checked before.
fn check_pair(chain: &[Certificate<'static>], key: PrivateKeyDer<'static>) -> Result<(), rustls::Error> {
    let chain = chain.iter().map(|certificate| CertificateDer::from(certificate.der().to_vec())).collect();
    rustls::sign::CertifiedKey::from_der(chain, key, &rustls::crypto::ring::default_provider()).map(|_| ())
}

/// The TLS failure inside an io failure, if it is one.
pub(crate) fn cause_of(cause: &io::Error) -> Option<&rustls::Error> {
    cause.get_ref()?.downcast_ref()
}

/// A TLS failure in words.
pub(crate) fn worded(host: &str, cause: &rustls::Error) -> Error {
    use rustls::{CertificateError as Bad, Error as Tls, InvalidMessage};
    let name = host.split(':').next().unwrap_or(host);
    let (words, hint) = match cause {
        Tls::InvalidMessage(InvalidMessage::InvalidContentType | InvalidMessage::UnknownProtocolVersion) => {
            (PLAIN_HTTP.to_owned(), Some(format!("allow it as an insecure registry if you trust the way to `{host}`")))
        }
        Tls::InvalidCertificate(Bad::UnknownIssuer) => (
            "certificate signed by unknown authority".to_owned(),
            Some(format!("put the authority's certificate into `/etc/containers/certs.d/{host}/ca.crt`")),
        ),
        Tls::InvalidCertificate(Bad::NotValidForName | Bad::NotValidForNameContext { .. }) => {
            (format!("its certificate is not for `{name}`"), None)
        }
        Tls::InvalidCertificate(Bad::Expired | Bad::ExpiredContext { .. }) => {
            ("its certificate has expired".to_owned(), Some("check this machine's clock as well".to_owned()))
        }
        Tls::InvalidCertificate(Bad::NotValidYet | Bad::NotValidYetContext { .. }) => {
            ("its certificate is not valid yet".to_owned(), Some("check this machine's clock".to_owned()))
        }
        other => (other.to_string(), None),
    };
    let error = Error::new(Kind::Unavailable, words).context(format!("can't reach registry `{host}`"));
    match hint {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

/// Did an https attempt meet a server that speaks plain http?
pub(crate) fn is_plain_http(failure: &Failure) -> bool {
    let Failure::Final(error) = failure else { return false };
    error.messages.iter().any(|message| message == PLAIN_HTTP)
}
