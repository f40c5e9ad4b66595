//! What a mock is told before it starts, as values and as the texts in which people write them.

use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

use aplomb_core::Dialect;

use super::Rate;
use super::scenario::{Act, ScenarioError};
use crate::config::units;

/// How the mock behaves where a request names no scenario.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct MockSettings {
    /// The API that it plays.
    pub dialect: &'static Dialect,
    /// Where it listens; default a free port of 127.0.0.1, because it asks for no key.
    pub listen: SocketAddr,
    /// Decides every chance, so that a run can be repeated; default 1.
    pub seed: u64,
    /// The time before the first byte of whatever is not refused at the door; default none.
    pub latency: Duration,
    /// The time between two events of a stream; default none.
    pub pace: Duration,
    /// How many requests it takes; default any number.
    pub limit: Option<Rate>,
    /// How many requests may come at once; default what the limit allows in one window.
    pub burst: Option<u64>,
    /// How many tokens it takes, counted as a quarter of the prompt's characters and the answer's words.
    pub tokens_limit: Option<Rate>,
    /// What happens at random.
    pub fail: Vec<FailRate>,
    /// A time in which nothing is answered as it should be, since the start or since the log was cleared.
    pub outage: Option<Outage>,
    /// What answers say of waits and limits; default all that the API says.
    pub hints: Hints,
}

impl MockSettings {
    /// A mock of this API that always answers.
    pub fn new(dialect: &'static Dialect) -> Self {
        Self {
            dialect,
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            seed: 1,
            latency: Duration::ZERO,
            pace: Duration::ZERO,
            limit: None,
            burst: None,
            tokens_limit: None,
            fail: Vec::new(),
            outage: None,
            hints: Hints::Full,
        }
    }
}

/// How much an API tells its callers about its limits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Hints {
    /// Waits, and the state of every limit, in all the headers that the dialect has for them.
    #[default]
    Full,
    /// Refusals say how long to wait, in the whole seconds of `retry-after`; nothing tells of limits.
    RetryAfter,
    /// Nothing.
    None,
}

/// A scenario that a share of the requests meets: `503:5%`, `cut:3:2%`.
#[derive(Clone, Debug, PartialEq)]
pub struct FailRate {
    /// What happens.
    pub act: Act,
    /// To which share of the requests, from 0 to 1.
    pub share: f64,
}

/// A time since the start, or since the log was cleared, in which every request fails: `5s..15s`, or `5s..15s:reset` to say how.
#[derive(Clone, Debug, PartialEq)]
pub struct Outage {
    /// When it begins.
    pub from: Duration,
    /// When it is over.
    pub until: Duration,
    /// What happens to requests meanwhile; default `unavailable`.
    pub act: Act,
}

/// A text that says no such thing.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SettingError {
    /// No share, or one that is no part of a whole.
    #[error("`{0}` has no share; write `503:5%` or `cut:3:0.02`")]
    Share(String),
    /// No beginning and end.
    #[error("`{0}` is no outage; write `5s..15s`, or `5s..15s:reset`")]
    Outage(String),
    /// No amount of hints.
    #[error("`{0}` says nothing about hints; write `full`, `retry-after` or `none`")]
    Hints(String),
    /// A scenario that isn't known.
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
}

impl FromStr for Hints {
    type Err = SettingError;

    fn from_str(text: &str) -> Result<Self, SettingError> {
        match text {
            "full" => Ok(Self::Full),
            "retry-after" => Ok(Self::RetryAfter),
            "none" => Ok(Self::None),
            other => Err(SettingError::Hints(other.to_owned())),
        }
    }
}

impl FromStr for FailRate {
    type Err = SettingError;

    fn from_str(text: &str) -> Result<Self, SettingError> {
        let wrong = || SettingError::Share(text.to_owned());
        let (act, share) = text.rsplit_once(':').ok_or_else(wrong)?;
        let share = match share.trim().strip_suffix('%') {
            Some(percent) => percent.trim().parse::<f64>().map(|percent| percent / 100.0),
            None => share.trim().parse(),
        };
        let share = share.ok().filter(|share| (0.0..=1.0).contains(share)).ok_or_else(wrong)?;
        Ok(Self { act: act.parse()?, share })
    }
}

impl FromStr for Outage {
    type Err = SettingError;

    fn from_str(text: &str) -> Result<Self, SettingError> {
        let wrong = || SettingError::Outage(text.to_owned());
        let (from, rest) = text.split_once("..").ok_or_else(wrong)?;
        let (until, act) = rest.split_once(':').unwrap_or((rest, "unavailable"));
        let from = units::duration(from).map_err(|_| wrong())?;
        let until = units::duration(until).map_err(|_| wrong())?;
        if from < until { Ok(Self { from, until, act: act.parse()? }) } else { Err(wrong()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_stands_after_the_last_colon() {
        let rate: FailRate = "cut:3:2%".parse().unwrap();
        assert_eq!(rate.act, "cut:3".parse().unwrap());
        assert!((rate.share - 0.02).abs() < 1e-9);
        for text in ["503", "503:101%", "503:-1%", "503:x", "503:NaN"] {
            assert!(matches!(text.parse::<FailRate>(), Err(SettingError::Share(_))), "{text}");
        }
        assert!(matches!("rate_limt:5%".parse::<FailRate>(), Err(SettingError::Scenario(_))));
    }

    #[test]
    fn hints_are_one_of_three() {
        assert_eq!("retry-after".parse(), Ok(Hints::RetryAfter));
        let told = "some".parse::<Hints>().unwrap_err().to_string();
        assert!(told.contains("`full`, `retry-after` or `none`"), "{told}");
    }

    #[test]
    fn an_outage_ends_after_it_began() {
        let outage: Outage = "5s..15s".parse().unwrap();
        assert_eq!((outage.from, outage.until), (Duration::from_secs(5), Duration::from_secs(15)));
        assert_eq!("0s..1s:reset".parse::<Outage>().unwrap().act, "reset".parse().unwrap());
        for text in ["5s", "15s..5s", "5..15", "a..b"] {
            assert!(matches!(text.parse::<Outage>(), Err(SettingError::Outage(_))), "{text}");
        }
    }
}
