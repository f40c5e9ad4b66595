//! `cargo xtask bench core`, second part: what one decision of a lane costs, in instructions and nanoseconds.
//!
//! Instructions are counted by valgrind's callgrind, as the difference between many rounds and few: what begins and ends
//! the program cancels out. Unlike times they hardly depend on what else the machine does.

use std::path::{Path, PathBuf};

use super::place;
use crate::command::{self, cargo, program};
use crate::debian::{self, Need};
use crate::trouble::{Outcome, Trouble};

const NEEDS: &[Need] =
    &[Need { purpose: "counting instructions", probe: &["valgrind", "--version"], packages: &["valgrind"] }];

/// What is counted, and what it says.
const CASES: &[(&str, &str)] = &[
    ("usual", "a call asks, goes, is answered, ends"),
    ("waiting", "the same by a poll, and another call queues, 10,000 callers waiting"),
    ("lanes", "a call in one of 10,000 lanes in a map"),
];

/// Instructions that a decision may take.
const GOAL: u64 = 2_000;

const FEW: u64 = 2_000;
const MANY: u64 = 12_000;

/// Counts and times them; a line for each.
///
/// # Errors
/// It doesn't build or run, or valgrind is missing.
pub(super) fn run() -> Outcome<Vec<String>> {
    debian::provide(NEEDS)?;
    let bench = built()?;
    let mut lines =
        vec![format!("{:>12} {:>6}  one decision of a lane; goal {GOAL} instructions", "instructions", "ns")];
    for (case, says) in CASES {
        let instructions = (counted(&bench, case, MANY)? - counted(&bench, case, FEW)?) / (MANY - FEW);
        let mut timed = place::pinned("0", &bench);
        timed.arg(case);
        let nanoseconds = command::read(timed)?;
        lines.push(format!("{instructions:>12} {:>6}  {says}", nanoseconds.trim()));
    }
    lines.iter().for_each(|line| println!("{line}"));
    Ok(lines)
}

/// Builds the benchmark; gives the program.
fn built() -> Outcome<PathBuf> {
    let mut build = cargo(&["bench", "--package", "aplomb-core", "--bench", "lane", "--locked", "--no-run"]);
    build.args(["--message-format", "json-render-diagnostics"]);
    let told = command::read(build)?;
    let messages = told.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let programs = messages.filter(|message| message["target"]["name"] == "lane");
    let path = programs.filter_map(|message| message["executable"].as_str().map(PathBuf::from)).next_back();
    path.ok_or_else(|| Trouble::new("cargo named no program for the benchmark `lane`"))
}

fn counted(bench: &Path, case: &str, rounds: u64) -> Outcome<u64> {
    let mut valgrind = program("sh");
    // callgrind tells its count on the error output only.
    valgrind.args(["-c", "exec valgrind --tool=callgrind --callgrind-out-file=/dev/null \"$@\" 2>&1", "sh"]);
    valgrind.arg(bench).arg(case).arg(rounds.to_string());
    let told = command::read(valgrind)?;
    let count = told.lines().find_map(|line| line.split_once("Collected :")?.1.trim().parse().ok());
    count.ok_or_else(|| Trouble::new(format!("valgrind told no count: {told}")))
}
