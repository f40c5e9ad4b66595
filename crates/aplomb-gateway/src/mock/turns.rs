//! How often something was met: the position in a sequence, the number of an attempt, the start of an outage.

use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

/// How many names are remembered; the oldest is forgotten first.
const REMEMBERED: usize = 50_000;

/// Counts by name.
#[derive(Debug, Default)]
pub(super) struct Turns {
    met: HashMap<u64, Turn>,
    order: VecDeque<u64>,
}

/// One more time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Turn {
    /// From 1.
    pub(super) number: u32,
    /// When the first was.
    pub(super) first: Duration,
}

impl Turns {
    /// Counts once more.
    pub(super) fn take(&mut self, name: impl Hash, now: Duration) -> Turn {
        let mut hasher = DefaultHasher::new();
        name.hash(&mut hasher);
        let name = hasher.finish();
        if let Some(turn) = self.met.get_mut(&name) {
            turn.number = turn.number.saturating_add(1);
            return *turn;
        }
        if self.order.len() >= REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.met.remove(&oldest);
        }
        let turn = Turn { number: 1, first: now };
        self.order.push_back(name);
        self.met.insert(name, turn);
        turn
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.met.clear();
        self.order.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_counted_for_itself_and_the_oldest_is_forgotten() {
        let mut turns = Turns::default();
        let second = Duration::from_secs(1);
        assert_eq!(turns.take("a", Duration::ZERO).number, 1);
        assert_eq!(turns.take("a", second), Turn { number: 2, first: Duration::ZERO });
        assert_eq!(turns.take("b", second), Turn { number: 1, first: second });
        for n in 0..REMEMBERED {
            turns.take(n, second);
        }
        assert_eq!(turns.met.len(), REMEMBERED);
        assert_eq!(turns.take("a", second).number, 1);
    }
}
