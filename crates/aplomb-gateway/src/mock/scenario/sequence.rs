//! A sequence of acts, one for each time.

use std::str::FromStr;

use super::{Act, ScenarioError};

/// The longest text that is read.
const LONGEST: usize = 1_000;

/// The most times that one act is repeated.
const REPEATED: u32 = 1_000;

/// What happens the first time, the second time, and so on; the last act stays.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    acts: Vec<(u32, Act)>,
}

impl Scenario {
    /// What happens the `turn`th time, from 1.
    pub fn act(&self, turn: u32) -> &Act {
        let mut left = turn.max(1);
        for (times, act) in &self.acts {
            if left <= *times {
                return act;
            }
            left -= times;
        }
        &self.acts[self.acts.len() - 1].1
    }
}

impl FromStr for Scenario {
    type Err = ScenarioError;

    fn from_str(text: &str) -> Result<Self, ScenarioError> {
        if text.len() > LONGEST {
            return Err(ScenarioError::TooLong);
        }
        let acts = text.split(',').map(repeated).collect::<Result<_, _>>()?;
        Ok(Self { acts })
    }
}

/// `503*2` is the act `503`, twice.
fn repeated(text: &str) -> Result<(u32, Act), ScenarioError> {
    let split = text.rsplit_once('*').map(|(act, times)| (act, times.trim().parse::<u32>()));
    match split {
        Some((_, Ok(times))) if times > REPEATED => Err(ScenarioError::TooLong),
        Some((act, Ok(times))) => Ok((times.max(1), act.parse()?)),
        Some((_, Err(_))) | None => Ok((1, text.parse()?)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Vec<String> {
        let scenario: Scenario = text.parse().unwrap();
        (1..=5).map(|turn| scenario.act(turn).to_string()).collect()
    }

    #[test]
    fn acts_come_in_their_order_and_the_last_one_stays() {
        assert_eq!(told("503"), ["503"; 5]);
        assert_eq!(told("503*2, rate_limit;wait=1s ,ok"), ["503", "503", "rate_limit;wait=1s", "ok", "ok"]);
    }

    #[test]
    fn a_comma_within_a_message_is_written_in_percent() {
        let scenario: Scenario = "internal;message=a%2C%20b%3B%2a2".parse().unwrap();
        assert_eq!(scenario.act(1).said.message.as_deref(), Some("a, b;*2"));
    }

    #[test]
    fn what_is_too_long_is_not_taken() {
        assert_eq!("ok,".repeat(400).parse::<Scenario>(), Err(ScenarioError::TooLong));
        assert_eq!("ok*1001".parse::<Scenario>(), Err(ScenarioError::TooLong));
    }
}
