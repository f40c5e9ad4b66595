//! The tables of the report: a column per target, a row per number.

use super::numbers::{median, range};
use super::phases::Run;
use super::report::Phase;

/// CPU per request, as a multiple of nginx's.
const CPU_GOAL: f64 = 1.15;
/// The p99 of an answer at a steady rate may be above nginx's by this, in microseconds.
const ADDED_P99_GOAL: f64 = 200.0;
/// Memory before any load, in MiB.
const IDLE_GOAL: f64 = 12.0;

/// With more of the machine than this busy elsewhere, a number says nothing about its goal.
const BUSY: f64 = 0.2;

/// The largest share of the machine that was busy with something else just before a measurement.
pub(super) fn busiest(phases: &[(Phase, Vec<Run>)]) -> f64 {
    phases.iter().flat_map(|(_, runs)| runs).map(|run| run.number("busy_before")).fold(0.0, f64::max)
}

/// What the numbers should be, and whether they are; nothing without Aplomb.
pub(super) fn goals(idle: &[(&'static str, f64)], phases: &[(Phase, Vec<Run>)]) -> Vec<String> {
    let mut lines = vec!["| goal | measured | |".to_owned(), "|---|---|---|".to_owned()];
    let busy = busiest(phases) > BUSY;
    let mut goal = |goal: String, value: f64, unit: &str, limit: f64| {
        if !value.is_nan() {
            let judged = match (busy, value <= limit) {
                (true, _) => "not judged: the machine was busy",
                (false, true) => "reached",
                (false, false) => "**missed**",
            };
            lines.push(format!("| {goal} | {value:.2}{unit} | {judged} |"));
        }
    };
    for (phase, runs) in phases {
        match phase {
            Phase::Saturated(name) if name.starts_with("HTTP/1.1") && name.ends_with("one core") => {
                let name = format!("CPU per request at most {CPU_GOAL} × nginx's ({name})");
                goal(name, median(&ratios(runs, "aplomb", "cpu_us")), " ×", CPU_GOAL);
            }
            Phase::Steady => {
                let added = middle(runs, "aplomb", "p99_us") - middle(runs, "nginx", "p99_us");
                goal(
                    "p99 at 500 requests/s at most nginx's + 200 µs".to_owned(),
                    added,
                    " µs",
                    ADDED_P99_GOAL,
                );
            }
            Phase::Saturated(_) | Phase::Streams => {}
        }
    }
    let aplomb = idle.iter().find(|(name, _)| *name == "aplomb").map_or(f64::NAN, |(_, mib)| *mib);
    goal(format!("idle memory under {IDLE_GOAL} MiB"), aplomb, " MiB", IDLE_GOAL);
    // The head alone: there was no Aplomb to judge.
    if lines.len() == 2 { Vec::new() } else { lines }
}

/// The table of a phase.
pub(super) fn of(phase: Phase, runs: &[Run]) -> Vec<String> {
    let targets = targets(runs);
    let mut table = head(&targets);
    let mut row = |label: &str, cell: &dyn Fn(&str) -> String| {
        let cells: Vec<String> = targets.iter().map(|target| cell(target)).collect();
        table.push(format!("| {label} | {} |", cells.join(" | ")));
    };
    match phase {
        Phase::Saturated(_) => {
            row("requests/s", &|target| spread(runs, target, "rate", 0));
            row("CPU µs/request", &|target| spread(runs, target, "cpu_us", 1));
            row("of it in the program", &|target| spread(runs, target, "user_us", 1));
            row("of it in the kernel", &|target| spread(runs, target, "system_us", 1));
            row("CPU × nginx's, round by round", &|target| shown(&ratios(runs, target, "cpu_us"), 2));
            row("p50 µs, saturated", &|target| spread(runs, target, "p50_us", 0));
            row("p99 µs, saturated", &|target| spread(runs, target, "p99_us", 0));
            row("memory MiB", &|target| spread(runs, target, "rss_mib", 1));
        }
        Phase::Steady => {
            row("p50 µs", &|target| spread(runs, target, "p50_us", 0));
            row("p99 µs", &|target| spread(runs, target, "p99_us", 0));
            row("added p50 µs", &|target| added(runs, target, "p50_us"));
            row("added p99 µs", &|target| added(runs, target, "p99_us"));
            row("CPU µs/request", &|target| spread(runs, target, "cpu_us", 1));
        }
        Phase::Streams => {
            row("memory of a stream, KiB", &|target| first_round(runs, target, "kib_per_stream"));
            row("memory at the peak, MiB", &|target| first_round(runs, target, "rss_peak_mib"));
            row("first event µs, median", &|target| spread(runs, target, "first_event_us", 0));
            row("added to the first event, µs", &|target| added(runs, target, "first_event_us"));
            row("first event µs, p99", &|target| spread(runs, target, "first_event_p99_us", 0));
            row("delay of an event µs, median", &|target| spread(runs, target, "event_delay_us", 0));
            row("added to every event, µs", &|target| added(runs, target, "event_delay_us"));
            row("delay of an event µs, p99", &|target| spread(runs, target, "event_delay_p99_us", 0));
            row("CPU ms of a round", &|target| spread(runs, target, "cpu_ms", 0));
        }
    }
    table
}

/// Memory of each target.
pub(super) fn memory(idle: &[(&'static str, f64)]) -> Vec<String> {
    let names: Vec<&str> = idle.iter().map(|(name, _)| *name).collect();
    let mut table = head(&names);
    let cells: Vec<String> = idle.iter().map(|(_, mib)| format!("{mib:.1}")).collect();
    table.push(format!("| MiB | {} |", cells.join(" | ")));
    table
}

fn head(targets: &[&str]) -> Vec<String> {
    vec![format!("| | {} |", targets.join(" | ")), format!("|---{}|", "|---".repeat(targets.len()))]
}

/// Every target, once, in the order of the first round.
fn targets(runs: &[Run]) -> Vec<&'static str> {
    let mut targets = Vec::new();
    for run in runs {
        if !targets.contains(&run.target) {
            targets.push(run.target);
        }
    }
    targets
}

fn values(runs: &[Run], target: &str, name: &str) -> Vec<f64> {
    runs.iter().filter(|run| run.target == target).map(|run| run.number(name)).collect()
}

fn middle(runs: &[Run], target: &str, name: &str) -> f64 {
    median(&values(runs, target, name))
}

/// This target's number over nginx's of the same round.
fn ratios(runs: &[Run], target: &str, name: &str) -> Vec<f64> {
    let of = |round, target: &str| runs.iter().find(|run| run.round == round && run.target == target);
    let mine = runs.iter().filter(|run| run.target == target);
    mine.filter_map(|run| Some(run.number(name) / of(run.round, "nginx")?.number(name))).collect()
}

fn added(runs: &[Run], target: &str, name: &str) -> String {
    let added = middle(runs, target, name) - middle(runs, "direct", name);
    format!("{added:.0}")
}

fn first_round(runs: &[Run], target: &str, name: &str) -> String {
    let first = runs.iter().find(|run| run.target == target && run.round == 0);
    first.map_or_else(String::new, |run| format!("{:.1}", run.number(name)))
}

fn spread(runs: &[Run], target: &str, name: &str, digits: usize) -> String {
    shown(&values(runs, target, name), digits)
}

fn shown(values: &[f64], digits: usize) -> String {
    let (middle, (low, high)) = (median(values), range(values));
    if middle.is_nan() {
        "–".to_owned()
    } else {
        format!("{middle:.digits$} ({low:.digits$}–{high:.digits$})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(target: &'static str, round: usize, cpu: f64) -> Run {
        Run { target, round, numbers: vec![("cpu_us", cpu)] }
    }

    #[test]
    fn a_ratio_compares_the_runs_of_one_round() {
        let runs =
            [run("nginx", 0, 20.0), run("aplomb", 0, 22.0), run("aplomb", 1, 11.0), run("nginx", 1, 10.0)];
        assert_eq!(ratios(&runs, "aplomb", "cpu_us"), [1.1, 1.1]);
        let name = "HTTP/1.1, 32 connections, one core";
        let goals = goals(&[("aplomb", 13.0)], &[(Phase::Saturated(name), runs.to_vec())]);
        assert!(goals[2].ends_with("| 1.10 × | reached |"), "{}", goals[2]);
        assert!(goals[3].ends_with("| 13.00 MiB | **missed** |"), "{}", goals[3]);
    }

    #[test]
    fn nothing_is_judged_on_a_busy_machine() {
        let numbers = vec![("p99_us", 100.0), ("busy_before", 0.9)];
        let runs = ["nginx", "aplomb"].map(|target| Run { target, round: 0, numbers: numbers.clone() });
        let goals = goals(&[], &[(Phase::Steady, runs.to_vec())]);
        assert!(goals[2].ends_with("not judged: the machine was busy |"), "{}", goals[2]);
    }

    #[test]
    fn what_a_generator_does_not_tell_is_left_open() {
        assert_eq!(spread(&[run("nginx", 0, 1.0)], "nginx", "p99_us", 0), "–");
    }
}
