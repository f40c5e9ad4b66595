//! A lane as it stands, for people.

use std::time::Duration;

use super::State;
use super::pacer::LimitState;

/// What may be the matter with a lane.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trouble {
    /// Whether requests flow.
    pub breaker: State,
    /// Until when the upstream asked to wait; it may be over.
    pub paused_until: Option<Duration>,
    /// What the upstream was last found to give, in calls a second.
    pub ceiling: Option<f64>,
}

/// A lane as it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct LaneState {
    /// Whether requests flow.
    pub breaker: State,
    /// How long it has been broken.
    pub broken_for: Option<Duration>,
    /// How much longer the upstream asked to wait.
    pub paused_for: Option<Duration>,
    /// Calls under way.
    pub in_flight: u32,
    /// Calls that wait.
    pub waiting: usize,
    /// Whose they are: how many callers.
    pub callers: usize,
    /// Limits that are known.
    pub limits: Vec<LimitState>,
    /// Calls under way that slow start allows; absent once something was refused.
    pub window: Option<f64>,
    /// Calls a second that it paces at, where the limit had to be found.
    pub calls_per_second: Option<f64>,
    /// What the upstream was last found to give.
    pub ceiling: Option<f64>,
    /// Calls under way that the guard against overload allows.
    pub concurrency: Option<u32>,
    /// The share of calls that throttling holds back.
    pub throttled: f64,
    /// What is left for retries.
    pub budget: u32,
    /// How long ago the upstream last asked for patience, and for how much.
    pub last_hint: Option<(Duration, Duration)>,
    /// How often what happened.
    pub counts: Counts,
}

/// How often what happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Calls sent.
    pub sent: u64,
    /// Calls refused by the upstream for a limit.
    pub limited: u64,
    /// Hard failures.
    pub failed: u64,
    /// Calls that had to wait.
    pub waited: u64,
    /// Calls that were refused without being sent.
    pub refused: u64,
}
