//! `cargo xtask bench core`: the time of decoding and rendering one failure, without a network, and then what one decision
//! of a lane costs.

use std::fs;
use std::path::Path;

use super::{decision, place};
use crate::command::{self, cargo, root};
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
    write(&said.lines, &decision::run()?)
}

fn write(lines: &[String], decisions: &[String]) -> Outcome {
    let mut page =
        vec![format!("# What a failure and a decision cost, {}\n", place::today()), "```text".to_owned()];
    // Cargo's own words are not part of the result.
    let told =
        |line: &&String| line.starts_with("one error of") || line.trim_start().starts_with(char::is_numeric);
    page.extend(lines.iter().filter(told).cloned());
    page.push(String::new());
    page.extend(decisions.iter().cloned());
    page.push("```\n\n| what | version |\n|---|---|".to_owned());
    page.extend(place::machine_and_code().iter().map(|(what, version)| format!("| {what} | {version} |")));
    let folder = root().join("bench/results");
    let file = folder.join(format!("{}-core.md", place::today()));
    fs::create_dir_all(&folder)
        .and_then(|()| fs::write(&file, page.join("\n") + "\n"))
        .map_err(|cause| Trouble::file(&file, &cause))?;
    println!("bench: wrote {}", file.display());
    Ok(())
}
