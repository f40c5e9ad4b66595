//! `cargo xtask check`: every step runs, each is timed, and all failures are told at the end.

use std::time::{Duration, Instant};

use crate::command::{self, cargo};
use crate::trouble::{Outcome, Trouble};
use crate::{deny, fuzz, sync, tidy};

struct Step {
    name: &'static str,
    act: fn() -> Outcome,
}

/// In the order of cost, so that the cheap answers come first.
const STEPS: &[Step] = &[
    Step { name: "format", act: format },
    Step { name: "tidy", act: tidy::run },
    Step { name: "lints", act: lints },
    Step { name: "docs", act: docs },
    Step { name: "doc tests", act: doc_tests },
    Step { name: "fuzz targets", act: fuzz::build },
    Step { name: "generated files", act: || sync::run(true) },
    Step { name: "dependencies", act: deny::run },
];

/// Runs every step.
///
/// # Errors
/// Names the steps that failed.
pub(crate) fn run() -> Outcome {
    let mut results = Vec::new();
    for step in STEPS {
        println!("── {} ──", step.name);
        let started = Instant::now();
        let outcome = (step.act)();
        results.push((step.name, started.elapsed(), outcome));
    }
    println!("── check ──");
    for (name, took, outcome) in &results {
        println!("{}", line(name, *took, outcome));
    }
    let failed: Vec<_> =
        results.iter().filter(|(_, _, outcome)| outcome.is_err()).map(|(name, ..)| *name).collect();
    if failed.is_empty() {
        return Ok(());
    }
    Err(Trouble::new(format!("check failed: {}", failed.join(", "))))
}

fn line(name: &str, took: Duration, outcome: &Outcome) -> String {
    let seconds = took.as_secs_f64();
    match outcome {
        Ok(()) => format!("ok      {seconds:6.1} s  {name}"),
        Err(trouble) => format!("FAILED  {seconds:6.1} s  {name}: {trouble}"),
    }
}

fn format() -> Outcome {
    command::run(cargo(&["fmt", "--all", "--check"]))
        .map_err(|trouble| Trouble::new(format!("{trouble}; `cargo fmt --all` mends it")))
}

fn lints() -> Outcome {
    command::run(cargo(&["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"]))
}

fn docs() -> Outcome {
    let mut doc = cargo(&["doc", "--workspace", "--no-deps", "--locked"]);
    doc.env("RUSTDOCFLAGS", "-D warnings");
    command::run(doc)
}

fn doc_tests() -> Outcome {
    command::run(cargo(&["test", "--doc", "--workspace", "--locked"]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_step_tells_why_in_its_line() {
        let outcome = Err(Trouble::new("two files differ"));
        assert_eq!(
            line("format", Duration::from_millis(1250), &outcome),
            "FAILED     1.2 s  format: two files differ"
        );
    }
}
