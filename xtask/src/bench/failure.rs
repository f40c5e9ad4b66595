//! `cargo xtask bench core`: the time of decoding and rendering one failure, without a network.

use std::path::Path;

use super::{place, results};
use crate::command::{self, cargo};
use crate::trouble::{Outcome, Trouble};

/// Runs the core's own benchmark in the release profile, pinned to one processor, and keeps what it says.
///
/// # Errors
/// It does not build, does not run, or the result can't be written.
pub(crate) fn run() -> Outcome {
    let words = ["bench", "--package", "aplomb-core", "--bench", "failure", "--locked"];
    command::run(cargo(&[&words[..], &["--no-run"]].concat()))?;
    let plain = cargo(&words);
    // The program that cargo starts inherits its processor.
    let mut bench = place::pinned("0", Path::new(plain.get_program()));
    bench.args(plain.get_args());
    let said = command::overhear(bench)?;
    if !said.success {
        return Err(Trouble::new("the benchmark of the core failed"));
    }
    write(&said.lines)
}

fn write(lines: &[String]) -> Outcome {
    // Cargo's own words are not part of the result.
    let told =
        |line: &&String| line.starts_with("one error of") || line.trim_start().starts_with(char::is_numeric);
    let told: Vec<&str> = lines.iter().filter(told).map(String::as_str).collect();
    let told = format!("```text\n{}\n```", told.join("\n"));
    results::write("core", &results::page("What a failure costs", &told), None)
}
