//! Challenges: what a registry's `WWW-Authenticate` headers ask for (RFC 9110, section 11; distribution-spec tokens).

/// Headers that are longer are none of a registry's.
const MAX_HEADER_BYTES: usize = 8 << 10;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Challenge {
    /// A name and password with each request.
    Basic,
    /// A token from the server at `realm`.
    Bearer { realm: String, service: Option<String>, scope: Option<String> },
}

/// All challenges of all headers that we can answer, in their order.
pub(crate) fn parse_all<'a>(headers: impl Iterator<Item = &'a str>) -> Vec<Challenge> {
    headers.filter(|header| header.len() <= MAX_HEADER_BYTES).flat_map(parse).collect()
}

/// One header may hold several: `Basic realm="x", Bearer realm="y",service="z"`.
fn parse(header: &str) -> Vec<Challenge> {
    let mut challenges = Vec::new();
    let mut rest = header.trim_start_matches([' ', ',']);
    while !rest.is_empty() {
        let Some((scheme, after)) = word(rest) else { break };
        let (parameters, after) = parameters(after);
        rest = after.trim_start_matches([' ', ',']);
        let get = |name: &str| {
            parameters.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.clone())
        };
        if scheme.eq_ignore_ascii_case("basic") {
            challenges.push(Challenge::Basic);
        } else if scheme.eq_ignore_ascii_case("bearer")
            && let Some(realm) = get("realm")
        {
            challenges.push(Challenge::Bearer { realm, service: get("service"), scope: get("scope") });
        }
    }
    challenges
}

/// `key=value` pairs up to the next word that no `=` follows, which is the next scheme.
fn parameters(mut rest: &str) -> (Vec<(String, String)>, &str) {
    let mut found = Vec::new();
    loop {
        let here = rest.trim_start_matches([' ', ',']);
        let Some((key, after)) = word(here) else { return (found, "") };
        let Some(after) = after.trim_start().strip_prefix('=') else { return (found, here) };
        let after = after.trim_start();
        let (value, after) = match after.strip_prefix('"') {
            Some(quoted) => quoted_string(quoted),
            None => word(after).map_or((String::new(), ""), |(value, after)| (value.to_owned(), after)),
        };
        found.push((key.to_owned(), value));
        rest = after;
    }
}

/// A token, and what follows; `None` where no token stands.
fn word(text: &str) -> Option<(&str, &str)> {
    let end =
        text.find(|c: char| !(c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~:/".contains(c))).unwrap_or(text.len());
    (end > 0).then(|| text.split_at(end))
}

fn quoted_string(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (value, &text[at + 1..]),
            '\\' => value.extend(chars.next().map(|(_, escaped)| escaped)),
            _ => value.push(c),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bearer(realm: &str, service: Option<&str>, scope: Option<&str>) -> Challenge {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        Challenge::Bearer { realm: realm.into(), service: owned(service), scope: owned(scope) }
    }

    #[test]
    fn headers_are_read_as_registries_write_them() {
        for (header, expected) in [
            (r#"Basic realm="Registry Realm""#, vec![Challenge::Basic]),
            (
                r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push""#,
                vec![bearer(
                    "https://auth.docker.io/token",
                    Some("registry.docker.io"),
                    Some("repository:a/b:pull,push"),
                )],
            ),
            (
                r#"bearer service = reg , realm="https://x/\"q\"",error="invalid_token""#,
                vec![bearer("https://x/\"q\"", Some("reg"), None)],
            ),
            (
                r#"Negotiate, Basic realm="a, b", Bearer realm=https://t/"#,
                vec![Challenge::Basic, bearer("https://t/", None, None)],
            ),
            ("Bearer", vec![]),
            (r#"Bearer realm="unfinished"#, vec![bearer("unfinished", None, None)]),
            ("", vec![]),
            ("\u{1}\u{2}", vec![]),
            ("=,=", vec![]),
        ] {
            assert_eq!(parse_all([header].into_iter()), expected, "{header}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_header_is_read_without_a_panic(header in "[ ,=\"\\\\a-zA-Zé:/]{0,60}") {
            parse(&header);
        }
    }
}
