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

    /// One of so many equal shares of it: as much in all, for gateways of which each counts alone.
    ///
    /// A share lets in one request at least, however small it is.
    pub(crate) fn share(&self, of: u64) -> Self {
        let of = of.max(1);
        let part = |whole: u64| (whole / of).max(1);
        let slower = |all: &[Allowance]| -> Vec<Allowance> {
            let one = |one: &Allowance| {
                let mut share = *one;
                share.rate.window = one.rate.window.saturating_mul(u32::try_from(of).unwrap_or(u32::MAX));
                share.burst = Some(part(one.burst.unwrap_or(one.rate.count)));
                share
            };
            all.iter().map(one).collect()
        };
        Self {
            requests: slower(&self.requests),
            tokens: slower(&self.tokens),
            input_tokens: slower(&self.input_tokens),
            output_tokens: slower(&self.output_tokens),
            concurrency: self.concurrency.map(|most| u32::try_from(part(u64::from(most))).unwrap_or(most)),
            daily: self.daily.map(part),
            ..self.clone()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_no_more_in_all_and_one_at_least() {
        let tier = Tier {
            requests: vec!["100/h".parse().unwrap(), "2/s burst 9".parse().unwrap()],
            concurrency: Some(2),
            daily: Some(10),
            ..Tier::named("t")
        };
        assert_eq!(tier.share(0).share(1).requests[0].rate, tier.requests[0].rate);
        let share = tier.share(4);
        let told = |one: &Allowance| (one.rate.count, one.rate.window.as_secs(), one.burst);
        assert_eq!(
            share.requests.iter().map(told).collect::<Vec<_>>(),
            [(100, 14_400, Some(25)), (2, 4, Some(2))]
        );
        assert_eq!((share.concurrency, share.daily), (Some(1), Some(2)));
    }
}
