//! Whom the gateway asks, with which credential and how patiently.

use std::path::PathBuf;
use std::time::Duration;

use http::{HeaderName, HeaderValue};

use crate::config::{Base, Limits, ModelLimits, Secret};

/// A row of `[[upstream]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    /// The name that routes and logs call it by.
    pub name: String,
    /// Where it is.
    pub url: Base,
    /// The name of its dialect; absent: told from its answers.
    pub dialect: Option<String>,
    /// Whose credential it is asked with.
    pub credential: Credential,
    /// Further credentials of ours for the same upstream: the load is spread, and one that is exhausted rests alone.
    pub more_keys: Vec<Key>,
    /// What each credential is given over all models.
    pub limits: Limits,
    /// What some models are given on top, the first that fits.
    pub model_limits: Vec<ModelLimits>,
    /// How patient to be.
    pub timeouts: Timeouts,
    /// The largest answer that is held until it is whole, in bytes.
    pub hold_bytes: usize,
    /// A file of certificates that are trusted besides the system's, PEM.
    pub ca: Option<PathBuf>,
    /// How many tokens fit, if told.
    pub context: Option<u64>,
}

impl Upstream {
    /// How much of an answer is held by default: most answers whole, and little beside what a request costs anyway.
    pub const HOLD_BYTES: usize = 1 << 20;
}

/// Whose credential an upstream is asked with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credential {
    /// The caller's own passes through.
    Caller,
    /// Ours; every credential of the caller's is removed first.
    Ours(Key),
    /// None: the caller's is removed and nothing takes its place.
    Nothing,
}

impl Credential {
    /// Our key, if it is ours.
    pub fn ours(&self) -> Option<&Key> {
        match self {
            Self::Ours(key) => Some(key),
            Self::Caller | Self::Nothing => None,
        }
    }

    /// Whether the caller's own passes through.
    pub fn is_callers(&self) -> bool {
        *self == Self::Caller
    }
}

/// A key of ours and the header that carries it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// The header.
    pub header: HeaderName,
    /// Its whole value, prefix included; marked as sensitive.
    pub value: HeaderValue,
    /// The key alone: what must be redacted wherever it appears.
    pub secret: Secret,
}

impl Key {
    /// A key as it travels in a header.
    ///
    /// # Errors
    /// What can't stand in a header, said without repeating the key.
    pub fn new(header: &str, prefix: &str, key: &str) -> Result<Self, String> {
        let name = HeaderName::try_from(header).map_err(|_| format!("`{header}` is no header name"))?;
        let mut value = HeaderValue::try_from(format!("{prefix}{key}"))
            .map_err(|_| "the key has characters that can't stand in a header".to_owned())?;
        value.set_sensitive(true);
        Ok(Self { header: name, value, secret: Secret::new(key) })
    }
}

/// How long to wait for an upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Until a connection stands, name lookup and TLS included.
    pub connect: Duration,
    /// Until the headers of an unstreamed answer: models think for minutes before they say anything.
    pub headers: Duration,
    /// Until the first event of a stream.
    pub first_event: Duration,
    /// Between two pieces of an answer.
    pub idle: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            headers: Duration::from_secs(600),
            first_event: Duration::from_secs(120),
            idle: Duration::from_secs(120),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_shows_itself_nowhere() {
        let key = Key::new("authorization", "Bearer ", "sk-live-1234").unwrap();
        assert_eq!(key.value.as_bytes(), b"Bearer sk-live-1234");
        assert!(!format!("{:?}", Credential::Ours(key)).contains("1234"));
    }

    #[test]
    fn a_key_that_would_split_a_header_is_refused_without_repeating_it() {
        let told = Key::new("authorization", "Bearer ", "sk-live-1234\r\nx: y").unwrap_err();
        assert!(!told.contains("1234"), "{told}");
    }
}
