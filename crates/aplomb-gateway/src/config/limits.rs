//! What an upstream gives: so much in a window, so many calls at once.

use std::fmt;
use std::str::FromStr;

use crate::config::{Rate, RateError};

/// A rate and how much of it may be taken at once: `1000/min`, `1000/min burst 50`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// So many in a window.
    pub rate: Rate,
    /// How many at once after a rest; absent: what a second gives.
    pub burst: Option<u64>,
}

/// A text that is no allowance.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum AllowanceError {
    /// The rate.
    #[error(transparent)]
    Rate(#[from] RateError),
    /// What follows it.
    #[error("`{0}` after the rate; write `burst 10`, or nothing")]
    Burst(String),
}

impl FromStr for Allowance {
    type Err = AllowanceError;

    fn from_str(text: &str) -> Result<Self, AllowanceError> {
        let (rate, burst) = match text.split_once("burst") {
            None => (text, None),
            Some((rate, burst)) => {
                let count = burst.trim().parse().ok().filter(|count| *count > 0);
                (rate, Some(count.ok_or_else(|| AllowanceError::Burst(format!("burst{burst}")))?))
            }
        };
        Ok(Self { rate: rate.trim().parse()?, burst })
    }
}

impl fmt::Display for Allowance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.burst {
            None => write!(f, "{}", self.rate),
            Some(burst) => write!(f, "{} burst {burst}", self.rate),
        }
    }
}

/// What is known of a quota before anybody is asked; what isn't told is learned from answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Calls.
    pub requests: Vec<Allowance>,
    /// Tokens, in and out together.
    pub tokens: Vec<Allowance>,
    /// Tokens of requests.
    pub input_tokens: Vec<Allowance>,
    /// Tokens of answers.
    pub output_tokens: Vec<Allowance>,
    /// Calls under way at once.
    pub concurrency: Option<u32>,
}

impl Limits {
    /// Whether nothing is told.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Limits of some models alone, on top of those of the credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelLimits {
    /// Which: a name, in which `*` stands for anything.
    pub model: String,
    /// What they are given, each of them.
    pub limits: Limits,
}

impl ModelLimits {
    /// Whether they are for this model.
    pub fn are_for(&self, model: &str) -> bool {
        fits(&self.model, model)
    }
}

/// Whether a name fits a pattern, in which `*` stands for anything.
pub(crate) fn fits(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    let mut open = false;
    let mut last = "";
    for part in parts {
        (open, last) = (true, part);
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.is_empty() || (open && (last.is_empty() || name.ends_with(last)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_allowance_is_a_rate_with_or_without_a_burst() {
        for text in ["1000/min", "60/min burst 10", "5/10s burst 1"] {
            assert_eq!(text.parse::<Allowance>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_allowance_is_told_what_one_looks_like() {
        for (text, told) in [("60", "`40/s`"), ("60/min burst", "burst 10"), ("60/min burst 0", "burst 10")] {
            let error = text.parse::<Allowance>().unwrap_err().to_string();
            assert!(error.contains(told), "{error}");
        }
    }

    #[test]
    fn a_star_stands_for_anything() {
        let are_for = |pattern: &str, model: &str| {
            ModelLimits { model: pattern.to_owned(), limits: Limits::default() }.are_for(model)
        };
        assert!(are_for("llama-*", "llama-3.3-70b") && are_for("*", "x") && are_for("a", "a"));
        assert!(are_for("*-mini", "gpt-4-mini-mini") && are_for("a*c*e", "abcde"));
        assert!(!are_for("llama-*", "lama") && !are_for("a", "ab") && !are_for("*-mini", "gpt-mini-x"));
    }
}
