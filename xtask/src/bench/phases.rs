//! The measurements, one function each: targets take turns, and whoever goes first changes from round to round.

use std::path::Path;
use std::time::Duration;
use std::{process::Command, thread};

use serde_json::Value;

use super::load::{Load, Speech};
use super::meter::{self, Cpu};
use super::place::{self, Cores};
use super::server::Server;
use crate::command;
use crate::trouble::{Outcome, Trouble};

/// How long and how often.
#[derive(Clone, Copy, Debug)]
pub(super) struct Effort {
    /// Rounds; each measures every target once.
    pub(super) rounds: usize,
    /// Of one measurement under load.
    pub(super) time: Duration,
    /// How long to wait for a quiet machine before each.
    pub(super) patience: Duration,
}

/// One measurement of one target.
#[derive(Clone, Debug)]
pub(super) struct Run {
    /// What was measured.
    pub(super) target: &'static str,
    /// Which round.
    pub(super) round: usize,
    /// The numbers, by name.
    pub(super) numbers: Vec<(&'static str, f64)>,
}

impl Run {
    /// One of its numbers; `NaN` if it has no such.
    pub(super) fn number(&self, name: &str) -> f64 {
        self.numbers.iter().find(|(known, _)| *known == name).map_or(f64::NAN, |(_, value)| *value)
    }
}

/// Runs a measurement on every target, round after round.
pub(super) fn in_turns(
    effort: Effort,
    targets: &[&Server],
    mut measure: impl FnMut(&Server) -> Outcome<Vec<(&'static str, f64)>>,
) -> Outcome<Vec<Run>> {
    let mut runs = Vec::new();
    for round in 0..effort.rounds {
        let mut order = targets.to_vec();
        if round % 2 == 1 {
            order.reverse();
        }
        for target in order {
            let busy = place::wait_until_quiet(effort.patience);
            let mut numbers = measure(target)?;
            numbers.push(("busy_before", busy));
            runs.push(Run { target: target.name, round, numbers });
        }
    }
    Ok(runs)
}

/// As many requests as go: rate, and processor time of each.
pub(super) fn saturate(
    load: &Load,
    speech: Speech,
    cores: Cores,
    effort: Effort,
    targets: &[&Server],
) -> Outcome<Vec<Run>> {
    for target in targets {
        load.run(target, speech, cores, Duration::from_secs(1))?;
    }
    in_turns(effort, targets, |target| {
        let before = Cpu::of(target.processes());
        let seen = load.run(target, speech, cores, effort.time)?;
        let spent = Cpu::of(target.processes()).since(before);
        if seen.failed > 0.0 {
            return Err(Trouble::new(format!("{}: {} requests failed under load", target.name, seen.failed)));
        }
        let each = |time: Duration| time.as_secs_f64() * 1e6 / seen.requests;
        Ok(vec![
            ("rate", seen.rate),
            ("cpu_us", each(spent.total)),
            ("user_us", each(spent.user)),
            ("system_us", each(spent.system)),
            ("p50_us", seen.p50),
            ("p99_us", seen.p99),
            ("rss_mib", meter::resident(target.processes())),
        ])
    })
}

/// Five hundred requests a second: what a proxy adds to the time of an answer.
pub(super) fn steady(driver: &Path, effort: Effort, targets: &[&Server]) -> Outcome<Vec<Run>> {
    in_turns(effort, targets, |target| {
        let mut child = place::pinned(Cores::ONE.load, driver);
        child.args(["bench-rate", &target.address.to_string()]);
        child.args(["--seconds", &effort.time.as_secs().max(2).to_string()]);
        let before = Cpu::of(target.processes());
        let told = json_of(child)?;
        let spent = Cpu::of(target.processes()).since(before);
        let requests = field(&told, "requests");
        Ok(vec![
            ("p50_us", field(&told, "p50_us")),
            ("p99_us", field(&told, "p99_us")),
            ("cpu_us", spent.total.as_secs_f64() * 1e6 / requests),
        ])
    })
}

/// Many slow streams at once: memory of each, and what a proxy adds to the first event and to every event.
pub(super) fn streams(driver: &Path, effort: Effort, count: u32, targets: &[&Server]) -> Outcome<Vec<Run>> {
    in_turns(effort, targets, |target| {
        let before = meter::resident(target.processes());
        let cpu = Cpu::of(target.processes());
        let mut child = place::pinned(Cores::ONE.load, driver);
        child.args(["bench-streams", &target.address.to_string(), "--count", &count.to_string()]);
        let reader = thread::spawn(move || json_of(child));
        let mut peak = before;
        while !reader.is_finished() {
            peak = peak.max(meter::resident(target.processes()));
            thread::sleep(Duration::from_millis(100));
        }
        let told = reader.join().map_err(|_| Trouble::new("reading the streams panicked"))??;
        let spent = Cpu::of(target.processes()).since(cpu);
        Ok(vec![
            ("first_event_us", field(&told, "first_event_us")),
            ("first_event_p99_us", field(&told, "first_event_p99_us")),
            ("event_delay_us", field(&told, "event_delay_us")),
            ("event_delay_p99_us", field(&told, "event_delay_p99_us")),
            ("kib_per_stream", (peak - before) * 1024.0 / f64::from(count)),
            ("rss_before_mib", before),
            ("rss_peak_mib", peak),
            ("cpu_ms", spent.total.as_secs_f64() * 1e3),
        ])
    })
}

fn json_of(child: Command) -> Outcome<Value> {
    let said = command::read(child)?;
    serde_json::from_str(&said).map_err(|cause| Trouble::new(format!("a driver said `{said}`: {cause}")))
}

fn field(told: &Value, name: &str) -> f64 {
    told[name].as_f64().unwrap_or(f64::NAN)
}
