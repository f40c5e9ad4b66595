//! Lanes as whoever runs a gateway in its own process sees them.

use std::time::Duration;

use aplomb_core::lane::State;

use super::cell::Cell;
use super::registry::Lanes;
use super::report::{pace, word};

/// A lane at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct LaneGlance {
    /// The upstream's name.
    pub upstream: String,
    /// The model, where requests name one.
    pub model: Option<String>,
    /// Requests that wait for their turn.
    pub waiting: usize,
    /// Calls under way.
    pub in_flight: u32,
    /// Calls a second that it sends at most, where that is known.
    pub pace: Option<f64>,
    /// `closed`: calls flow; `open`: they don't; `half-open`: one tries.
    pub breaker: &'static str,
    /// How much longer the upstream asked to wait.
    pub paused_for: Option<Duration>,
    /// Calls sent.
    pub sent: u64,
    /// Calls refused by the upstream for a limit.
    pub limited: u64,
    /// Calls that failed hard.
    pub failed: u64,
}

impl LaneGlance {
    /// Whether calls flow.
    pub fn is_broken(&self) -> bool {
        self.breaker != word(State::Closed)
    }
}

impl Lanes {
    /// Every lane as it stands, in the order of upstreams and models.
    pub(crate) fn glance(&self) -> Vec<LaneGlance> {
        let one = |cell: &std::sync::Arc<Cell>| {
            let state = cell.state();
            LaneGlance {
                upstream: cell.upstream.to_string(),
                model: cell.model.as_deref().map(str::to_owned),
                waiting: state.waiting,
                in_flight: state.in_flight,
                pace: pace(&state),
                breaker: word(state.breaker),
                paused_for: state.paused_for,
                sent: state.counts.sent,
                limited: state.counts.limited,
                failed: state.counts.failed,
            }
        };
        self.all().iter().map(one).collect()
    }
}
