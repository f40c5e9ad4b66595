//! Whom the gateway asks, with which credential and how patiently.

use std::path::PathBuf;
use std::time::Duration;

use crate::config::{Base, Key, Limits, ModelLimits};

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
