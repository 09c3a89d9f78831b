//! `--restart`: `no`, `always`, `unless-stopped`, `on-failure[:N]`.

use api::RestartPolicy;
use error::{Error, Result};

/// One policy, with Docker's words for what is none.
pub(crate) fn parse(text: &str) -> Result<RestartPolicy> {
    let bad = |why: &str| Err(Error::invalid(format!("invalid restart policy{why}")));
    let (name, count) = text.split_once(':').map_or((text, None), |(name, count)| (name, Some(count)));
    if name.is_empty() && count.is_some() {
        return bad(" format: no policy provided before colon");
    }
    let count = match count.filter(|count| !count.is_empty()).map(str::parse::<i64>) {
        None => 0,
        Some(Ok(count)) => count,
        Some(Err(_)) => return bad(" format: maximum retry count must be an integer"),
    };
    let policy = match name {
        "" | "no" => RestartPolicy::No,
        "always" => RestartPolicy::Always,
        "unless-stopped" => RestartPolicy::UnlessStopped,
        "on-failure" => match u32::try_from(count) {
            Ok(count) => return Ok(RestartPolicy::OnFailure(count)),
            Err(_) => return bad(": maximum retry count cannot be negative"),
        },
        _ => {
            let known = "use one of 'no', 'always', 'on-failure', or 'unless-stopped'";
            return bad(&format!(": unknown policy '{name}'; {known}"));
        }
    };
    if count != 0 {
        return bad(": maximum retry count can only be used with 'on-failure'");
    }
    Ok(policy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_are_dockers() {
        for (text, policy) in [
            ("", RestartPolicy::No),
            ("no", RestartPolicy::No),
            ("always", RestartPolicy::Always),
            ("always:0", RestartPolicy::Always),
            ("unless-stopped", RestartPolicy::UnlessStopped),
            ("on-failure", RestartPolicy::OnFailure(0)),
            ("on-failure:", RestartPolicy::OnFailure(0)),
            ("on-failure:3", RestartPolicy::OnFailure(3)),
        ] {
            assert_eq!(parse(text).unwrap(), policy, "{text}");
        }
        for (text, why) in [
            ("x", ": unknown policy 'x'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'"),
            (":3", " format: no policy provided before colon"),
            ("on-failure:x", " format: maximum retry count must be an integer"),
            ("on-failure:-1", ": maximum retry count cannot be negative"),
            ("always:3", ": maximum retry count can only be used with 'on-failure'"),
        ] {
            assert_eq!(parse(text).unwrap_err().to_string(), format!("invalid restart policy{why}"));
        }
    }
}
