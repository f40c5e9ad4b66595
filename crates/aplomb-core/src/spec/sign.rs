//! Signs: evidence that means the same in every dialect, for what a dialect's own rows don't decide.

use serde::Deserialize;

use crate::kind::{Advice, Kind};
use crate::spec::pattern::Pattern;

/// A row of `[[sign]]` in `kinds.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WrittenSign {
    kind: Kind,
    #[serde(default)]
    status: Vec<u16>,
    #[serde(default)]
    not_status: Vec<u16>,
    #[serde(default)]
    token: Vec<String>,
    text: Option<String>,
    #[serde(default)]
    unless_wait: bool,
    retryable: Option<bool>,
    advice: Option<Advice>,
}

/// A token or a phrase by which a kind is recognised.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "kinds.toml explains the members where they are written")]
pub struct Sign {
    pub kind: Kind,
    pub status: Vec<u16>,
    pub not_status: Vec<u16>,
    /// Lower case, with `_` between words; a leading `*` means any beginning.
    pub tokens: Vec<String>,
    pub text: Option<Pattern>,
    pub unless_wait: bool,
    pub retryable: Option<bool>,
    pub advice: Option<Advice>,
}

impl WrittenSign {
    pub(crate) fn resolve(self, check: bool) -> Result<Sign, String> {
        let text = match self.text {
            Some(text) if check => Some(Pattern::checked(&text)?),
            Some(text) => Some(Pattern::unchecked(&text)),
            None => None,
        };
        if text.is_none() && self.token.is_empty() {
            return Err(format!("a sign of `{}` has neither `token` nor `text`", self.kind));
        }
        Ok(Sign {
            kind: self.kind,
            status: self.status,
            not_status: self.not_status,
            tokens: self.token,
            text,
            unless_wait: self.unless_wait,
            retryable: self.retryable,
            advice: self.advice,
        })
    }
}

impl Sign {
    /// Whether the sign may speak at this status; where none is known, every sign may.
    pub fn admits(&self, status: Option<u16>) -> bool {
        match status {
            Some(status) => {
                (self.status.is_empty() || self.status.contains(&status))
                    && !self.not_status.contains(&status)
            }
            None => true,
        }
    }

    /// Whether one of its tokens is this one, written like [`Sign::normal`] writes it.
    pub fn has_token(&self, token: &str) -> bool {
        self.tokens.iter().any(|own| match own.strip_prefix('*') {
            Some(end) => token.ends_with(end),
            None => own == token,
        })
    }

    /// A code or type in the form in which tokens are compared: lower case, `_` between words.
    pub fn normal(token: &str) -> String {
        let mut out = String::with_capacity(token.len() + 4);
        let mut last_lower = false;
        for c in token.chars().take(200) {
            if c.is_uppercase() && last_lower {
                out.push('_');
            }
            last_lower = c.is_lowercase() || c.is_ascii_digit();
            match c {
                '-' | ' ' | '.' | ':' | '/' => out.push('_'),
                c if c.is_ascii() => out.push(c.to_ascii_lowercase()),
                c => out.extend(c.to_lowercase()),
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_compared_in_one_spelling() {
        assert_eq!(Sign::normal("ThrottlingException"), "throttling_exception");
        assert_eq!(Sign::normal("permission-denied"), "permission_denied");
        assert_eq!(Sign::normal("RESOURCE_EXHAUSTED"), "resource_exhausted");
        assert_eq!(Sign::normal("Service Unavailable"), "service_unavailable");
    }
}
