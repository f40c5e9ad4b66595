//! A rate as people write it: `40/s`, `30000/min`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::config::units;

/// So many of something in a window of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many; at least one.
    pub count: u64,
    /// In how long; never zero.
    pub window: Duration,
}

/// A text that is no rate.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no rate; write `40/s`, `600/min`, `1000/h` or `5/10s`")]
pub struct RateError(String);

impl Rate {
    /// So many per second.
    pub fn per_second(count: u64) -> Self {
        Self { count: count.max(1), window: Duration::from_secs(1) }
    }
}

impl FromStr for Rate {
    type Err = RateError;

    fn from_str(text: &str) -> Result<Self, RateError> {
        let wrong = || RateError(text.to_owned());
        let (count, window) = text.split_once('/').ok_or_else(wrong)?;
        let count = count.trim().parse().ok().filter(|count| *count > 0).ok_or_else(wrong)?;
        let window = match window.trim() {
            "s" | "sec" | "second" => Duration::from_secs(1),
            "m" | "min" | "minute" => Duration::from_secs(60),
            "h" | "hour" => Duration::from_secs(3_600),
            "d" | "day" => Duration::from_secs(86_400),
            other => units::duration(other).ok().filter(|window| !window.is_zero()).ok_or_else(wrong)?,
        };
        Ok(Self { count, window })
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.window.as_secs() {
            1 => write!(f, "{}/s", self.count),
            60 => write!(f, "{}/min", self.count),
            3_600 => write!(f, "{}/h", self.count),
            86_400 => write!(f, "{}/d", self.count),
            _ => write!(f, "{}/{:?}", self.count, self.window),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read_and_written_as_people_write_them() {
        for text in ["40/s", "600/min", "1000/h", "14400/d", "5/10s"] {
            assert_eq!(text.parse::<Rate>().unwrap().to_string(), text);
        }
        assert_eq!("30 / m".parse(), Ok(Rate { count: 30, window: Duration::from_secs(60) }));
    }

    #[test]
    fn what_is_no_rate_is_told_what_one_looks_like() {
        for text in ["", "40", "0/s", "-1/s", "40/", "40/fortnight", "40/0s", "x/s"] {
            assert!(text.parse::<Rate>().unwrap_err().to_string().contains("`40/s`"), "{text}");
        }
    }
}
