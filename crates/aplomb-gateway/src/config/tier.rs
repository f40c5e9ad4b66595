//! What callers of a tier may use.

use std::time::Duration;

use crate::config::Allowance;

/// A `[tier.NAME]`: what each of its callers may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tier {
    /// Its name.
    pub name: String,
    /// Whose use is counted together; each of them has the whole allowance.
    pub per: Vec<CountedBy>,
    /// Requests.
    pub requests: Vec<Allowance>,
    /// Tokens, in and out together.
    pub tokens: Vec<Allowance>,
    /// Tokens of requests.
    pub input_tokens: Vec<Allowance>,
    /// Tokens of answers.
    pub output_tokens: Vec<Allowance>,
    /// Requests under way at once.
    pub concurrency: Option<u32>,
    /// Requests in a day, from midnight to midnight UTC.
    pub daily: Option<u64>,
    /// Up to how much is added to the wait that a refused caller is told, so that not all come back at once.
    pub jitter: Duration,
    /// Which headers tell how limits stand.
    pub fields: LimitFields,
}

impl Tier {
    /// A tier without limits.
    pub fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            per: vec![CountedBy::default()],
            requests: Vec::new(),
            tokens: Vec::new(),
            input_tokens: Vec::new(),
            output_tokens: Vec::new(),
            concurrency: None,
            daily: None,
            jitter: Duration::ZERO,
            fields: LimitFields::default(),
        }
    }

    /// Whether any of its limits counts tokens.
    pub fn counts_tokens(&self) -> bool {
        !(self.tokens.is_empty() && self.input_tokens.is_empty() && self.output_tokens.is_empty())
    }
}

/// Which headers tell how limits stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LimitFields {
    /// Those of the dialect in which callers hear of failures.
    #[default]
    Dialect,
    /// `RateLimit` and `RateLimit-Policy`, as the IETF's draft has them.
    Ietf,
    /// Both.
    Both,
}

/// Whose use is counted together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum CountedBy {
    /// A key of ours; a caller without one is counted by its own credential, or else by its address.
    #[default]
    Key,
    /// An account, with all its keys; a caller without one as above.
    Account,
    /// An address; of IPv6 the network of 64 bits, which is one household.
    Address,
    /// Everybody on the route.
    Route,
}

impl CountedBy {
    /// Its name in configurations.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Account => "account",
            Self::Address => "address",
            Self::Route => "route",
        }
    }
}
