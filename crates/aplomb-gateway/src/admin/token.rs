//! The token of the admin port: known by its hash alone, compared without telling how much of a guess was right.

use http::{HeaderMap, header};
use ring::rand::{SecureRandom as _, SystemRandom};
use subtle::ConstantTimeEq as _;

use crate::digest::{hex, sha256};

/// The least that a token of somebody's own may have: guessing it must take longer than anybody has.
const LEAST: usize = 16;

/// Whom the admin port lets in.
///
/// Only the token's SHA-256 is kept. A plain hash is enough: what was made here has 256 random bits, so that there is
/// no list of likely ones to try.
#[derive(Clone, PartialEq, Eq)]
pub struct AdminToken {
    hash: [u8; 32],
}

/// A token that is too easily guessed, or can't stand in a header.
#[derive(Debug, thiserror::Error)]
#[error("a token needs at least 16 characters, letters, digits and signs without spaces")]
pub struct WeakToken;

impl AdminToken {
    /// A new one, and its text, which is nowhere else.
    pub fn make() -> (Self, String) {
        let mut bits = [0; 32];
        SystemRandom::new().fill(&mut bits).expect("the system gives random bytes to a process that runs");
        let text = format!("aplomb_admin_{}", hex(&bits));
        (Self::of(&text), text)
    }

    /// A token of somebody's own.
    ///
    /// # Errors
    /// It is short, or has characters that a header can't carry.
    pub fn named(text: &str) -> Result<Self, WeakToken> {
        let fits = text.len() >= LEAST && text.bytes().all(|byte| byte.is_ascii_graphic());
        if fits { Ok(Self::of(text)) } else { Err(WeakToken) }
    }

    fn of(text: &str) -> Self {
        Self { hash: sha256(text.as_bytes()) }
    }

    /// The line that is kept of it.
    pub(super) fn line(&self) -> String {
        format!("sha256:{}\n", hex(&self.hash))
    }

    /// Reads that line.
    pub(super) fn of_line(line: &str) -> Option<Self> {
        let digits = line.trim_end().strip_prefix("sha256:")?;
        let mut hash = [0; 32];
        if digits.len() != 64 || !digits.is_ascii() {
            return None;
        }
        for (byte, at) in hash.iter_mut().zip((0..).step_by(2)) {
            *byte = u8::from_str_radix(&digits[at..at + 2], 16).ok()?;
        }
        Some(Self { hash })
    }

    /// Whether these headers carry it: `None` if they carry no token at all.
    pub(super) fn is_in(&self, headers: &HeaderMap) -> Option<bool> {
        let value = headers.get(header::AUTHORIZATION)?.as_bytes();
        let (scheme, given) = value.split_at_checked(7)?;
        scheme.eq_ignore_ascii_case(b"bearer ").then(|| self.hash.ct_eq(&sha256(given.trim_ascii())).into())
    }
}

/// A hash tells nothing that must be hidden, and nothing that anybody needs.
impl std::fmt::Debug for AdminToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AdminToken")
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn asked(value: &str) -> HeaderMap {
        [(header::AUTHORIZATION, HeaderValue::from_str(value).unwrap())].into_iter().collect()
    }

    #[test]
    fn only_the_token_itself_opens() {
        let (token, text) = AdminToken::make();
        assert_eq!(text.len(), 77);
        for (value, opens) in [
            (format!("Bearer {text}"), Some(true)),
            (format!("bearer  {text} "), Some(true)),
            (format!("Bearer {}", &text[..76]), Some(false)),
            (format!("Bearer {text}0"), Some(false)),
            (format!("Bearer {}", token.line().trim()), Some(false)),
            ("Bearer ".to_owned(), Some(false)),
            (format!("Basic {text}"), None),
            (text.clone(), None),
            (String::new(), None),
        ] {
            assert_eq!(token.is_in(&asked(&value)), opens, "{value}");
        }
        assert_eq!(token.is_in(&HeaderMap::new()), None);
        assert_ne!(AdminToken::make().1, text);
    }

    #[test]
    fn what_is_kept_is_the_hash_and_reads_back() {
        let (token, text) = AdminToken::make();
        assert!(!token.line().contains(&text[13..]));
        assert_eq!(AdminToken::of_line(&token.line()), Some(token));
        let known = AdminToken::named("0123456789abcdef").unwrap().line();
        assert_eq!(known, "sha256:9f9f5111f7b27a781f1f1ddde5ebc2dd2b796bfc7365c9c28b548e564176929f\n");
        for line in ["", "sha256:", "sha256:zz", &known[1..], &known[..70], &known.replace("9f", "é")] {
            assert_eq!(AdminToken::of_line(line), None, "{line}");
        }
    }

    #[test]
    fn a_token_of_somebodys_own_is_long_and_plain() {
        for text in
            ["", "short", "0123456789abcde", "0123456789 abcdef", "0123456789abcdef\n", "0123456789abcdeé"]
        {
            assert!(AdminToken::named(text).is_err(), "{text:?}");
        }
        let (token, text) = (AdminToken::named("0123456789abcdef").unwrap(), "Bearer 0123456789abcdef");
        assert_eq!(token.is_in(&asked(text)), Some(true));
        assert_eq!(format!("{token:?}"), "AdminToken");
    }
}
