//! Redaction: whatever looks like a secret becomes `[redacted]` before it reaches a log or a caller.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::Regex;

/// Key-like words: known prefixes, bearer tokens, key parameters, and long runs of random-looking letters.
///
/// Words end where ASCII's do: looking for the ends of Unicode's takes the engine's slowest way through a text.
static SECRETS: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(concat!(
        r"(?i)(?-u:\b)(?:bearer|token|basic)\s+[a-z0-9._~+/=-]{8,}",
        r"|(?-u:\b)(?:apl|sk|pk|rk|gsk|xai|key|pplx|csk|hf|r8|ghp|gho|ghs|github_pat|mxb|AIza|ya29|whsec)[-_][a-z0-9._-]{6,}",
        r"|(?-u:\b)AIza[a-z0-9_-]{20,}|(?-u:\b)AKIA[A-Z0-9]{12,}|(?-u:\b)eyJ[a-z0-9_-]{6,}\.[a-z0-9_-]{6,}(?:\.[a-z0-9_-]*)?",
        r"|(?-u:\b)(?:api[-_]?key|key|token|secret|password|access_token|signature)=[^&\s]{4,}",
        r#"|(?-u:\b)[a-z-]*(?:api[-_]?key|authorization|cookie|password|secret|(?:access|security|auth)[-_]token)[\\"']*\s*[:=]"#,
        r#"[\s\\"']*(?:(?:bearer|basic|token)\s+)?[^\s"'\\,]{4,}"#,
        r"|(?-u:\b)[a-f0-9]{32,}(?-u:\b)|(?-u:\b)[a-z0-9]{40,}(?-u:\b)",
    ))
    .expect("the pattern is tested")
});

/// The same text without secrets. Text without any is not copied.
pub(crate) fn redact(text: &str) -> Cow<'_, str> {
    if text.len() < 8 {
        return Cow::Borrowed(text);
    }
    SECRETS.replace_all(text, "[redacted]")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_a_secret_goes() {
        for secret in [
            "Bearer abcdefgh12345678",
            "sk-proj-abcdef123456",
            "apl_0bPELAU4eqF_10AOhycyamkKyENaw2sLSsN3q0V4f7x1q",
            "gsk_abcdef123456",
            "AIzaSyA1234567890abcdefghij",
            "eyJhbGciOi.eyJzdWIiOiIx.sig",
            "key=abcd1234",
            "x-api-key: hunter2hunter2",
            "api_key\": \"hunter2hunter2",
            "authorization: Basic aHVudGVyMg",
            "cookie: session=hunter2",
            "0123456789abcdef0123456789abcdef",
        ] {
            let text = format!("before {secret} after");
            assert_eq!(redact(&text), "before [redacted] after", "{secret}");
        }
    }

    #[test]
    fn what_does_not_stays() {
        for text in [
            "Rate limit reached for model llama-3.3-70b-versatile",
            "req_019dd6a1-1111-7222-8333-444455556666",
            "short",
        ] {
            assert_eq!(redact(text), text);
        }
    }
}
