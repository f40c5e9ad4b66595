//! What came of it, in numbers.

use std::time::Duration;

use aplomb_core::lane::{Cost, Heard, Unit};

/// A call that is over.
#[derive(Clone, Copy, Debug)]
struct Over {
    client: usize,
    arrived: f64,
    at: f64,
    done: bool,
    tokens: f64,
}

/// Everything that was seen of one run.
#[derive(Clone, Debug)]
pub(super) struct Tally {
    clients: usize,
    over: Vec<Over>,
    sent: Vec<(f64, Heard)>,
}

impl Tally {
    pub(super) fn new(clients: usize) -> Self {
        Self { clients, over: Vec::new(), sent: Vec::new() }
    }

    /// A call was sent, and will be answered so.
    pub(super) fn sent(&mut self, _client: usize, now: Duration, heard: Heard) {
        self.sent.push((now.as_secs_f64(), heard));
    }

    /// A call is over.
    pub(super) fn over(&mut self, client: usize, arrived: Duration, now: Duration, done: bool, cost: Cost) {
        let (arrived, at, tokens) = (arrived.as_secs_f64(), now.as_secs_f64(), cost.of(Unit::Tokens));
        self.over.push(Over { client, arrived, at, done, tokens });
    }

    pub(super) fn done(&self) -> usize {
        self.over.iter().filter(|over| over.done).count()
    }

    pub(super) fn lost(&self) -> usize {
        self.over.len() - self.done()
    }

    /// Calls done up to a moment.
    pub(super) fn done_by(&self, until: f64) -> usize {
        self.over.iter().filter(|over| over.done && over.at <= until).count()
    }

    /// Tokens of the calls that were done.
    pub(super) fn tokens(&self) -> f64 {
        self.over.iter().filter(|over| over.done).map(|over| over.tokens).sum()
    }

    /// When the last call was done.
    pub(super) fn end(&self) -> f64 {
        self.over.iter().filter(|over| over.done).map(|over| over.at).fold(0.0, f64::max)
    }

    /// Calls to the provider.
    pub(super) fn sends(&self) -> usize {
        self.sent.len()
    }

    /// Calls to the provider between two moments.
    pub(super) fn sends_between(&self, from: f64, to: f64) -> usize {
        self.sent.iter().filter(|(at, _)| *at >= from && *at < to).count()
    }

    /// Calls that were refused for a limit.
    pub(super) fn refused(&self) -> usize {
        self.sent.iter().filter(|(_, heard)| matches!(heard, Heard::Limited { .. })).count()
    }

    /// How long the call took that took longer than 99 of 100; of those that were done.
    pub(super) fn p99(&self) -> f64 {
        let mut took: Vec<f64> =
            self.over.iter().filter(|over| over.done).map(|over| over.at - over.arrived).collect();
        took.sort_by(f64::total_cmp);
        took.get((took.len() * 99).div_ceil(100).saturating_sub(1)).copied().unwrap_or(f64::NAN)
    }

    /// Jain's fairness of what each client got done up to a moment: 1 if all got the same, 1/n if one got all.
    pub(super) fn jain(&self, until: f64) -> f64 {
        let mut each = vec![0.0; self.clients];
        for over in self.over.iter().filter(|over| over.done && over.at <= until) {
            each[over.client] += 1.0;
        }
        let (sum, squares) = each.iter().fold((0.0, 0.0), |(sum, squares), x| (sum + x, squares + x * x));
        sum * sum / (each.len() as f64 * squares).max(1.0)
    }

    /// The moment after which nobody had to wait so long any more, of those who came after another moment.
    pub(super) fn calm(&self, after: f64, wait: f64) -> f64 {
        let late = self.over.iter().filter(|over| over.arrived >= after);
        let late = late.filter(|over| !over.done || over.at - over.arrived > wait);
        late.map(|over| over.at).fold(after, f64::max)
    }

    /// Calls done in each of so many equal parts of a time, a second.
    pub(super) fn curve(&self, until: f64, parts: usize) -> Vec<f64> {
        let width = until / parts as f64;
        let mut curve = vec![0.0; parts];
        for over in self.over.iter().filter(|over| over.done && over.at < until) {
            curve[((over.at / width) as usize).min(parts - 1)] += 1.0 / width;
        }
        curve
    }
}
