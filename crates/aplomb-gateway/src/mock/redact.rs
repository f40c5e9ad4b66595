//! Credentials in what the mock remembers and echoes: recognisable as the same one, and never readable.

use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;

use aplomb_core::Dialect;
use http::{HeaderMap, HeaderName};

/// New in every process, so that nothing learned from one log helps with another.
static SALT: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// Headers that carry a credential whatever the dialect.
const SECRET: [&str; 8] = [
    "authorization",
    "proxy-authorization",
    "cookie",
    "x-api-key",
    "api-key",
    "x-goog-api-key",
    "xi-api-key",
    "x-amz-security-token",
];

/// How many headers of a request are kept.
const HEADERS: usize = 48;

/// How many bytes of a header's value are kept.
const VALUE: usize = 256;

/// The headers with every credential replaced, bounded in number and length.
pub(super) fn headers(dialect: &Dialect, headers: &HeaderMap) -> Vec<(String, String)> {
    let kept = headers.iter().take(HEADERS).map(|(name, value)| {
        let mut text = String::from_utf8_lossy(value.as_bytes()).into_owned();
        if is_secret(dialect, name) {
            text = stand_in(&text);
        }
        text.truncate(text.floor_char_boundary(VALUE));
        (name.as_str().to_owned(), text)
    });
    kept.collect()
}

/// The path with its query, in which a credential is replaced.
pub(super) fn path(dialect: &Dialect, path: &str, query: Option<&str>) -> String {
    let Some(query) = query else { return path.to_owned() };
    let own = dialect.auth.as_ref().and_then(|auth| auth.query.as_deref());
    let parts: Vec<_> = query
        .split('&')
        .map(|part| match part.split_once('=') {
            Some((name, value)) if Some(name) == own || ["key", "api_key", "token"].contains(&name) => {
                format!("{name}={}", stand_in(value))
            }
            _ => part.to_owned(),
        })
        .collect();
    format!("{path}?{}", parts.join("&"))
}

fn is_secret(dialect: &Dialect, name: &HeaderName) -> bool {
    let own = dialect
        .auth
        .iter()
        .any(|auth| auth.header == name.as_str() || auth.also.iter().any(|one| one == name.as_str()));
    own || SECRET.contains(&name.as_str())
}

fn stand_in(secret: &str) -> String {
    format!("redacted-{:08x}", SALT.hash_one(secret) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_leaves_only_a_mark_by_which_it_can_be_compared() {
        let dialect = aplomb_core::catalog().get("agenthuman").unwrap();
        let mut given = HeaderMap::new();
        given.insert("x-api-key", "very-secret".parse().unwrap());
        given.insert("authorization", "very-secret".parse().unwrap());
        given.insert("accept", "a".repeat(1000).parse().unwrap());
        let kept = headers(dialect, &given);
        assert!(!format!("{kept:?}").contains("very-secret"));
        assert_eq!(kept[0].1, kept[1].1);
        assert_eq!(kept[2].1.len(), VALUE);
        let kept = path(dialect, "/v1/x", Some("alt=sse&key=very-secret"));
        assert!(kept.starts_with("/v1/x?alt=sse&key=redacted-"), "{kept}");
    }
}
