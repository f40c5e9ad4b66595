//! What was found, as tables for people and as JSON.

use serde_json::{Value, json};

use super::scenario::{Row, Scenario};
use super::tally::Tally;

/// One row with its numbers.
pub(super) struct Found {
    pub(super) name: String,
    done: usize,
    lost: usize,
    calls_per_success: f64,
    refusals_per_success: f64,
    of_optimum: f64,
    p99: f64,
    jain: f64,
    clients: usize,
    in_trouble: Option<usize>,
    recovery: Option<f64>,
}

impl Found {
    pub(super) fn new(scenario: &Scenario, row: &Row, tally: &Tally) -> Self {
        let done = tally.done();
        let success = done.max(1) as f64;
        let trouble = scenario.trouble;
        Self {
            name: row.name.clone(),
            done,
            lost: tally.lost(),
            calls_per_success: tally.sends() as f64 / success,
            refusals_per_success: tally.refused() as f64 / success,
            of_optimum: scenario.optimum.reached(tally),
            p99: tally.p99(),
            jain: tally.jain(tally.end()),
            clients: row.setup.clients,
            in_trouble: trouble.map(|(from, to)| tally.sends_between(from, to)),
            recovery: trouble.map(|(_, to)| tally.calm(to, scenario.calm) - to),
        }
    }

    pub(super) fn json(&self) -> Value {
        let round = |number: f64| (number * 10_000.0).round() / 10_000.0;
        json!({
            "name": self.name,
            "done": self.done,
            "lost": self.lost,
            "calls_per_success": round(self.calls_per_success),
            "refusals_per_success": round(self.refusals_per_success),
            "of_optimum": round(self.of_optimum),
            "p99_s": round(self.p99),
            "jain": (self.clients > 1).then(|| round(self.jain)),
            "calls_in_trouble": self.in_trouble,
            "recovery_s": self.recovery.map(round),
        })
    }

    fn cells(&self) -> [String; 10] {
        let none = || "–".to_owned();
        [
            self.name.clone(),
            self.done.to_string(),
            self.lost.to_string(),
            format!("{:.3}", self.calls_per_success),
            format!("{:.3}", self.refusals_per_success),
            format!("{:.3}", self.of_optimum),
            format!("{:.1}", self.p99),
            if self.clients > 1 { format!("{:.3}", self.jain) } else { none() },
            self.in_trouble.map_or_else(none, |calls| calls.to_string()),
            self.recovery.map_or_else(none, |seconds| format!("{seconds:.1}")),
        ]
    }
}

const COLUMNS: [&str; 10] = [
    "client",
    "done",
    "lost",
    "calls/success",
    "refused/success",
    "of the optimum",
    "p99 s",
    "Jain",
    "calls in trouble",
    "recovery s",
];

/// The table of one scenario.
pub(super) fn table(found: &[Found]) -> String {
    let mut lines =
        vec![format!("| {} |", COLUMNS.join(" | ")), format!("|---{}|", "|--:".repeat(COLUMNS.len() - 1))];
    lines.extend(found.iter().map(|row| format!("| {} |", row.cells().join(" | "))));
    lines.join("\n")
}

/// What others have published, beside what was found here: a measure, who says what, and the rows here that compare.
const PUBLISHED: &[(&str, &str, &str, &[&str])] = &[
    (
        "a job against a known limit: refusals",
        "a client-side bucket makes 97.3 % fewer than exponential backoff (arXiv 2510.04516)",
        "bucket",
        &["endless backoff, told headers", "Aplomb, told headers"],
    ),
    (
        "many clients on one hidden quota",
        "a client-side bucket comes near a central optimum up to 100 clients (arXiv 2510.04516)",
        "fleet",
        &["20 processes with endless backoff", "20 gateways of Aplomb", "100 gateways of Aplomb"],
    ),
    (
        "everything fails: calls per call that is wanted",
        "3 without a budget, 1.1 with one (Site Reliability Engineering, chapter 21); 1.2 and a floor (Envoy, Linkerd)",
        "failing",
        &["3 tries", "Aplomb"],
    ),
    (
        "a part fails: calls still lost",
        "errors of a burst: about 8,000 without retries, 500 with three (MongoDB, PYTHON-5629)",
        "brownout",
        &["one try, 20 % fail", "Aplomb, 20 % fail"],
    ),
    (
        "a queue that stopped: time until served in time",
        "hours in real cases (Metastable Failures in the Wild, OSDI 2022)",
        "metastable",
        &["3 tries", "Aplomb"],
    ),
];

/// The published numbers beside ours, as far as their scenarios were run.
pub(super) fn published(all: &[(Scenario, Vec<Found>)]) -> String {
    let mut lines = vec!["| measure | published | here |".to_owned(), "|---|---|---|".to_owned()];
    for (measure, theirs, name, rows) in PUBLISHED {
        let Some((scenario, found)) = all.iter().find(|(scenario, _)| scenario.name == *name) else {
            continue;
        };
        let ours: Vec<String> = rows
            .iter()
            .filter_map(|row| found.iter().find(|found| found.name == *row))
            .map(|found| said(scenario, found))
            .collect();
        lines.push(format!("| {measure} (`{name}`) | {theirs} | {} |", ours.join("; ")));
    }
    lines.join("\n")
}

fn said(scenario: &Scenario, found: &Found) -> String {
    let name = &found.name;
    match scenario.name {
        "bucket" => format!("{name}: {:.3} per success, {} lost", found.refusals_per_success, found.lost),
        "fleet" => format!(
            "{name}: {:.3} of the quota, {:.2} refusals per success, Jain {:.3}",
            found.of_optimum, found.refusals_per_success, found.jain
        ),
        "failing" => {
            let (from, to) = scenario.trouble.unwrap_or_default();
            let wanted = (to - from) * 100.0;
            format!("{name}: {:.3}", found.in_trouble.unwrap_or(0) as f64 / wanted)
        }
        "metastable" => format!("{name}: {:.0} s", found.recovery.unwrap_or(f64::NAN)),
        _ => format!("{name}: {} lost of {}", found.lost, found.done + found.lost),
    }
}
