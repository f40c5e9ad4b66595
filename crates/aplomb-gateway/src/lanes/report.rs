//! Lanes as JSON, for the admin port.

use aplomb_core::lane::{LaneState, State, Unit};
use serde_json::{Value, json};

use super::cell::Cell;
use super::registry::Lanes;

impl Lanes {
    /// Every lane as it stands.
    pub(crate) fn report(&self) -> Value {
        let lanes: Vec<Value> = self.all().iter().map(|cell| one(cell, &cell.state())).collect();
        json!({ "lanes": lanes, "retry_budget": self.budget() })
    }
}

fn one(cell: &Cell, state: &LaneState) -> Value {
    let seconds = |time: std::time::Duration| (time.as_secs_f64() * 1e3).round() / 1e3;
    let limits: Vec<Value> = state
        .limits
        .iter()
        .map(|limit| {
            json!({
                "unit": limit.unit.as_str(),
                "learned": limit.learned,
                "capacity": limit.capacity,
                "left": limit.level.floor(),
                "per_second": limit.per_second,
            })
        })
        .collect();
    json!({
        "upstream": &*cell.upstream,
        "model": cell.model.as_deref(),
        "breaker": word(state.breaker),
        "broken_for_s": state.broken_for.map(seconds),
        "paused_for_s": state.paused_for.map(seconds),
        "in_flight": state.in_flight,
        "waiting": state.waiting,
        "callers": state.callers,
        "limits": limits,
        "pace_per_second": pace(state),
        "ceiling_per_second": state.ceiling,
        "window": state.window,
        "concurrency": state.concurrency,
        "throttled": state.throttled,
        "retry_budget": state.budget,
        "last_hint": state.last_hint.map(|(ago, hint)| json!({ "ago_s": seconds(ago), "wait_s": seconds(hint) })),
        "sent": state.counts.sent,
        "limited": state.counts.limited,
        "failed": state.counts.failed,
        "waited": state.counts.waited,
        "refused": state.counts.refused,
    })
}

/// Calls a second that are sent at most: the least of what is told, learned and found.
pub(super) fn pace(state: &LaneState) -> Option<f64> {
    let calls = state.limits.iter().filter(|limit| limit.unit == Unit::Requests);
    calls.filter_map(|limit| limit.per_second).chain(state.calls_per_second).reduce(f64::min)
}

/// The state of a breaker in one word.
pub(super) fn word(state: State) -> &'static str {
    match state {
        State::Closed => "closed",
        State::Open => "open",
        State::HalfOpen => "half-open",
    }
}
