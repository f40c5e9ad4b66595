//! What was measured, as a page for people and as JSON for whoever wants to compute on it.

use serde_json::{Map, Value, json};

use super::phases::{Effort, Run};
use super::tables;

/// What a group of runs measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// As many requests as go.
    Saturated(&'static str),
    /// Five hundred requests a second.
    Steady,
    /// Many slow streams.
    Streams,
}

impl Phase {
    fn title(self) -> &'static str {
        match self {
            Self::Saturated(name) => name,
            Self::Steady => "500 requests a second over 16 connections, one core",
            Self::Streams => "Slow streams at once, one core",
        }
    }
}

/// Everything that one run of the bench found.
pub(super) struct Report {
    versions: Vec<(String, String)>,
    effort: Effort,
    streams: u32,
    idle: Vec<(&'static str, f64)>,
    phases: Vec<(Phase, Vec<Run>)>,
}

impl Report {
    /// An empty one.
    pub(super) fn new(versions: Vec<(String, String)>, effort: Effort, streams: u32) -> Self {
        Self { versions, effort, streams, idle: Vec::new(), phases: Vec::new() }
    }

    /// Memory of each target before any load, in MiB.
    pub(super) fn idle(&mut self, memory: impl Iterator<Item = (&'static str, f64)>) {
        self.idle.extend(memory);
    }

    /// A phase's runs.
    pub(super) fn add(&mut self, phase: Phase, runs: Vec<Run>) {
        self.phases.push((phase, runs));
    }

    /// The page.
    pub(super) fn markdown(&self) -> String {
        let mut page = vec![format!("# What a request costs, {}\n", super::place::today())];
        page.extend(tables::goals(&self.idle, &self.phases));
        page.push(String::new());
        page.push(self.method());
        for (phase, runs) in &self.phases {
            page.push(format!("\n## {}\n", phase.title()));
            page.extend(tables::of(*phase, runs));
        }
        page.push("\n## Memory before any load\n".to_owned());
        page.extend(tables::memory(&self.idle));
        page.push("\n## Versions\n".to_owned());
        page.push("| what | version |\n|---|---|".to_owned());
        page.extend(self.versions.iter().map(|(what, version)| format!("| {what} | {version} |")));
        page.join("\n") + "\n"
    }

    fn method(&self) -> String {
        let Effort { rounds, time, .. } = self.effort;
        let busiest = tables::busiest(&self.phases) * 100.0;
        let (seconds, streams) = (time.as_secs(), self.streams);
        format!(
            "Method: nginx and Aplomb stand before the same nginx that gives one answer of 408 bytes to a question of 603; \
             keep-alive on both sides, loopback, no TLS, no access log (Aplomb logs warnings).\n\
             One core: the proxy is pinned to cpu 0, load and upstream together to cpu 1. Two cores: on a machine with two in all, load and proxy share them.\n\
             {rounds} rounds of {seconds} s after a warm-up; in each round every target is measured once, in alternating order, so that a ratio compares neighbours in time.\n\
             Values are medians over rounds, with the smallest and the largest; CPU is the scheduler's own time of all the proxy's threads, divided by its answers.\n\
             The fixed rate comes from blocking sockets; a time is counted from the actual send, or from the due moment when the answer before came late.\n\
             {streams} streams send 20 events each, one every 250 ms, the first 20 ms after the head; memory of a stream is what the proxy grew by in the first round, divided by {streams}.\n\
             At worst {busiest:.0} % of the machine was busy with something else just before a measurement."
        )
    }

    /// The same with every single run.
    pub(super) fn json(&self) -> Value {
        let pairs = |pairs: &[(&'static str, f64)]| -> Map<String, Value> {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect()
        };
        let run =
            |run: &Run| json!({ "target": run.target, "round": run.round, "numbers": pairs(&run.numbers) });
        let phases: Vec<Value> = self
            .phases
            .iter()
            .map(|(phase, runs)| json!({ "phase": phase.title(), "runs": runs.iter().map(run).collect::<Vec<_>>() }))
            .collect();
        let versions: Map<String, Value> =
            self.versions.iter().map(|(what, version)| (what.clone(), json!(version))).collect();
        json!({ "versions": versions, "idle_rss_mib": pairs(&self.idle), "phases": phases })
    }
}
