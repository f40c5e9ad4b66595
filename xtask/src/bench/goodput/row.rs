//! One line of the report: who did a job, and the numbers that came of it.

use serde_json::{Map, Value};

/// How callers reach the provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Through {
    /// They call it themselves.
    Nothing,
    /// They call Aplomb.
    Aplomb,
}

/// Who does a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Way {
    /// How callers reach the provider.
    pub(super) through: Through,
    /// The SDK's `max_retries`.
    pub(super) retries: u32,
    /// What sets it apart otherwise, as the report says it; empty if nothing does.
    pub(super) label: &'static str,
    /// Words of the caller's script for this way alone.
    pub(super) words: Vec<String>,
}

impl Way {
    /// This one and no other.
    pub(super) fn new(through: Through, retries: u32) -> Self {
        Self { through, retries, label: "", words: Vec::new() }
    }

    /// As the report names it.
    pub(super) fn name(&self) -> String {
        let through = match self.through {
            Through::Nothing => "direct",
            Through::Aplomb => "Aplomb",
        };
        let retries = match self.retries {
            2 => String::new(),
            retries => format!(", SDK retries {retries}"),
        };
        let label = if self.label.is_empty() { String::new() } else { format!(", {}", self.label) };
        format!("{through}{retries}{label}")
    }
}

/// What came of it.
#[derive(Clone, Debug)]
pub(super) struct Row {
    /// Who did it.
    pub(super) way: Way,
    /// The numbers, by name.
    pub(super) numbers: Map<String, Value>,
}

impl Row {
    /// One of its numbers; `NaN` if it has no such.
    pub(super) fn number(&self, name: &str) -> f64 {
        self.numbers.get(name).and_then(Value::as_f64).unwrap_or(f64::NAN)
    }

    /// Counts by name, as `3 × InternalServerError 503`.
    pub(super) fn counts(&self, name: &str) -> String {
        let counts = self.numbers.get(name).and_then(Value::as_object);
        let told = counts.into_iter().flatten().map(|(what, count)| format!("{count} × {what}"));
        told.collect::<Vec<_>>().join(", ")
    }
}
