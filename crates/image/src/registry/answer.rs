//! Answers that are refusals: a status and perhaps an error document become Docker's words.

use super::transport::Response;
use crate::pull::retry::Failure;
use error::{Error, Kind, Result};
use oci::{Digest, Reference};
use serde::Deserialize;
use std::io::Read;
use std::time::Duration;

/// An error document; what is longer is not read.
const MAX_ERROR_BYTES: u64 = 64 << 10;
/// What of a server's text is shown.
const MAX_SHOWN_CHARS: usize = 300;

/// Reads a whole body that must not be larger than `limit`.
pub(crate) fn read_limited(response: Response, limit: u64, what: &str) -> Result<Vec<u8>, Failure> {
    let too_large = || {
        let text = format!("{what} is larger than {} KiB", limit >> 10);
        Failure::Final(Error::invalid(text))
    };
    let length = response.header("content-length").and_then(|text| text.parse::<u64>().ok());
    if length.is_some_and(|length| length > limit) {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    let host = response.host.clone();
    response.into_reader().take(limit + 1).read_to_end(&mut bytes).map_err(|cause| broken(&host, &cause))?;
    if bytes.len() as u64 > limit {
        return Err(too_large());
    }
    Ok(bytes)
}

/// A connection that broke while it was read.
pub(crate) fn broken(host: &str, cause: &std::io::Error) -> Failure {
    let words = match cause.kind() {
        std::io::ErrorKind::UnexpectedEof => "it ended too early".to_owned(),
        std::io::ErrorKind::TimedOut => "no bytes came for too long".to_owned(),
        _ if cause.to_string().contains("timeout") => "no bytes came for too long".to_owned(),
        _ => cause.to_string().split(" (os error").next().unwrap_or_default().to_ascii_lowercase(),
    };
    let error = Error::new(Kind::Unavailable, format!("the connection to `{host}` broke: {words}"));
    Failure::Passing { error, after: None }
}

/// Statuses by which a server asks to come later; all others go through.
pub(crate) fn passing_status(response: Response, host: &str) -> Result<Response, Failure> {
    let status = response.status;
    if !matches!(status, 408 | 429 | 500..=599) {
        return Ok(response);
    }
    let after = response.header("retry-after").and_then(|text| text.trim().parse().ok()).map(Duration::from_secs);
    let said = body_message(response);
    let error = match (status, said) {
        (429, said) => {
            let said = said.unwrap_or_else(|| "too many requests".to_owned());
            Error::new(Kind::Unavailable, format!("toomanyrequests: {said}"))
                .hint("a registry limits anonymous pulls more than those of a user: `isolazi login`")
        }
        (_, Some(said)) => Error::new(Kind::Unavailable, format!("`{host}` answers with status {status}: {said}")),
        (_, None) => Error::new(Kind::Unavailable, format!("`{host}` answers with status {status}")),
    };
    // 501 and 505 are answers to what was asked, not to when.
    if matches!(status, 501 | 505) { Err(Failure::Final(error)) } else { Err(Failure::Passing { error, after }) }
}

/// Why there is no manifest.
pub(crate) fn manifest_refusal(response: Response, reference: &Reference) -> Failure {
    let status = response.status;
    let problem = problem_of(response);
    let name = reference.familiar_name();
    Failure::Final(match (status, problem.code.as_str()) {
        (401 | 403, _) | (404, "NAME_UNKNOWN" | "UNAUTHORIZED" | "DENIED") => Error::new(
            if status == 404 { Kind::NotFound } else { Kind::Unauthorized },
            format!("pull access denied for {name}, repository does not exist or may require 'isolazi login'"),
        ),
        (404, _) => {
            let text = format!("manifest for {} not found", reference.familiar());
            Error::not_found(match problem.words() {
                Some(words) => format!("{text}: {words}"),
                None => format!("{text}: manifest unknown: manifest unknown"),
            })
        }
        _ => refused(status, &problem, reference),
    })
}

/// Why there is no blob that the manifest promised.
pub(crate) fn blob_refusal(response: Response, reference: &Reference, digest: &Digest) -> Failure {
    let status = response.status;
    let problem = problem_of(response);
    Failure::Final(match status {
        404 => {
            let registry = reference.registry();
            Error::not_found(format!("blob {digest} of {} is not on registry `{registry}`", reference.familiar()))
        }
        401 | 403 => Error::new(
            Kind::Unauthorized,
            format!("unauthorized: {}", problem.words().unwrap_or_else(|| "authentication required".to_owned())),
        ),
        _ => refused(status, &problem, reference),
    })
}

fn refused(status: u16, problem: &Problem, reference: &Reference) -> Error {
    let text = format!("registry `{}` answers with status {status}", reference.registry());
    Error::new(
        Kind::Unavailable,
        match problem.words() {
            Some(words) => format!("{text}: {words}"),
            None => text,
        },
    )
}

/// An answer that no registry gives.
pub(crate) fn unexpected(response: Response, what: &str) -> Failure {
    Failure::Final(Error::new(Kind::Unavailable, format!("{what}: status {}", response.status)))
}

fn body_message(response: Response) -> Option<String> {
    let mut bytes = Vec::new();
    // A body that breaks off tells what it has told.
    let _ = response.into_reader().take(MAX_ERROR_BYTES).read_to_end(&mut bytes);
    message_of(&bytes)
}

/// The first error of an error document (distribution-spec, "Error Codes").
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Problem {
    code: String,
    message: String,
}

impl Problem {
    /// `manifest unknown: manifest unknown`, as Docker joins code and message.
    fn words(&self) -> Option<String> {
        let code = self.code.to_ascii_lowercase().replace('_', " ");
        match (code.is_empty(), self.message.is_empty()) {
            (true, true) => None,
            (false, true) => Some(code),
            (true, false) => Some(shown(&self.message)),
            (false, false) => Some(format!("{code}: {}", shown(&self.message))),
        }
    }
}

fn problem_of(response: Response) -> Problem {
    let mut bytes = Vec::new();
    let _ = response.into_reader().take(MAX_ERROR_BYTES).read_to_end(&mut bytes);
    parse_problem(&bytes).unwrap_or_default()
}

fn parse_problem(bytes: &[u8]) -> Option<Problem> {
    #[derive(Deserialize)]
    struct Document {
        errors: Vec<Problem>,
    }
    serde_json::from_slice::<Document>(bytes).ok()?.errors.into_iter().next()
}

/// What a server says in words, wherever it says it.
pub(crate) fn message_of(bytes: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Loose {
        details: Option<String>,
        message: Option<String>,
        error_description: Option<String>,
    }
    if let Some(problem) = parse_problem(bytes) {
        return Some(problem.message).filter(|text| !text.is_empty()).map(|text| shown(&text));
    }
    let loose: Loose = serde_json::from_slice(bytes).ok()?;
    loose.details.or(loose.message).or(loose.error_description).map(|text| shown(&text))
}

fn shown(text: &str) -> String {
    text.trim().chars().take(MAX_SHOWN_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_found_where_servers_put_them() {
        for (body, message) in [
            (r#"{"errors":[{"code":"TOOMANYREQUESTS","message":"slow down"}]}"#, Some("slow down")),
            (r#"{"details":"incorrect username or password"}"#, Some("incorrect username or password")),
            (r#"{"error":"invalid_grant","error_description":"expired"}"#, Some("expired")),
            (r#"{"errors":[]}"#, None),
            ("<html>", None),
        ] {
            assert_eq!(message_of(body.as_bytes()).as_deref(), message, "{body}");
        }
    }
}
