//! What a call takes from a quota, in each unit that quotas are counted in.

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Unit {
    /// Calls.
    Requests,
    /// Tokens, in and out together.
    Tokens,
    /// Tokens of the request.
    InputTokens,
    /// Tokens of the answer.
    OutputTokens,
}

impl Unit {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 4] = [Self::Requests, Self::Tokens, Self::InputTokens, Self::OutputTokens];

    /// The unit by the name that dialect files and configurations use; others are not paced by.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|unit| unit.as_str() == name)
    }

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Tokens => "tokens",
            Self::InputTokens => "input_tokens",
            Self::OutputTokens => "output_tokens",
        }
    }

    pub(super) fn index(self) -> usize {
        self as usize
    }
}

/// The tokens of one call; as a request every call counts as one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Tokens of the request.
    pub input: u64,
    /// Tokens of the answer.
    pub output: u64,
}

impl Cost {
    /// How much of a unit it takes.
    pub fn of(self, unit: Unit) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "no call has 2^53 tokens")]
        let count = |tokens: u64| tokens as f64;
        match unit {
            Unit::Requests => 1.0,
            Unit::Tokens => count(self.input.saturating_add(self.output)),
            Unit::InputTokens => count(self.input),
            Unit::OutputTokens => count(self.output),
        }
    }
}

/// Amounts in every unit, added up.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Amounts([f64; 4]);

impl Amounts {
    pub(super) fn add(&mut self, cost: Cost) {
        for unit in Unit::ALL {
            self.0[unit.index()] += cost.of(unit);
        }
    }

    pub(super) fn of(&self, unit: Unit) -> f64 {
        self.0[unit.index()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_costs_one_request_and_its_tokens() {
        let cost = Cost { input: 100, output: 20 };
        assert_eq!(Unit::ALL.map(|unit| cost.of(unit)), [1.0, 120.0, 100.0, 20.0]);
    }

    #[test]
    fn units_are_known_by_their_names() {
        for unit in Unit::ALL {
            assert_eq!(Unit::named(unit.as_str()), Some(unit));
        }
        assert_eq!(Unit::named("audio_seconds"), None);
    }
}
