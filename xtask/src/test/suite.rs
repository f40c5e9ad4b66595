//! The runners, one after the other: a failing one does not keep the next from running.

use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use super::postgres;
use super::redis;
use super::tally::Tally;
use super::venv;
use crate::command::{self, cargo, program, root, target};
use crate::debian::{self, Need};
use crate::tools::{cargo_tool, with_tools};
use crate::trouble::{Outcome, Trouble};

/// What compiling the crates and their dependencies needs beyond Rust itself.
const COMPILER: Need =
    Need { purpose: "linking", probe: &["cc", "--version"], packages: &["build-essential"] };

/// Runs everything and prints the totals.
///
/// # Errors
/// A test failed, a runner did not finish, or something needed could not be had.
pub(crate) fn run() -> Outcome {
    debian::provide(&[COMPILER])?;
    let servers = Servers { store: postgres::start()?, counting: redis::start()? };
    let rust = judge("Rust tests", servers.told_to(rust_tests()?))?;
    let mut results = vec![rust, judge("documentation tests", doc_tests())?];
    if end_to_end().exists() {
        let python = venv::provide()?;
        let binary = build_binary()?;
        results.push(judge("official SDKs", servers.told_to(sdk_tests(&python, &binary)))?);
    }
    drop(servers);
    let mut total = Tally::default();
    println!();
    for result in &results {
        result.closing.iter().for_each(|line| println!("{}: {}", result.name, line.trim()));
        total += result.tally;
    }
    let broken: Vec<_> = results.iter().filter(|result| !result.success).map(|result| result.name).collect();
    println!("{total}");
    if broken.is_empty() && total.failed == 0 {
        return Ok(());
    }
    Err(Trouble::new(format!("tests failed: {}", broken.join(", "))))
}

/// Servers that tests share; they end with the tests.
struct Servers {
    store: postgres::Postgres,
    counting: redis::Redis,
}

impl Servers {
    /// The same runner, told where they are.
    fn told_to(&self, mut runner: Command) -> Command {
        runner.env("APLOMB_TEST_POSTGRES", &self.store.url).env("APLOMB_TEST_REDIS", &self.counting.url);
        runner
    }
}

/// What one runner came to.
struct Result {
    name: &'static str,
    closing: Vec<String>,
    tally: Tally,
    success: bool,
}

fn judge(name: &'static str, runner: Command) -> Outcome<Result> {
    println!("xtask: {name}: `{}`", command::told(&runner));
    let started = Instant::now();
    let said = command::overhear(runner)?;
    println!("xtask: {name} took {} s", started.elapsed().as_secs());
    let closing: Vec<String> = said.lines.into_iter().filter(|line| Tally::of(line).is_some()).collect();
    let mut tally = Tally::default();
    closing.iter().filter_map(|line| Tally::of(line)).for_each(|one| tally += one);
    // Without a closing line nothing was tested: a build that broke, or a runner that died.
    let success = said.success && !closing.is_empty();
    Ok(Result { name, closing, tally, success })
}

/// The tests of every crate, each in a process of its own.
fn rust_tests() -> Outcome<Command> {
    match cargo_tool("nextest") {
        Ok(()) => Ok(with_tools(cargo(&["nextest", "run", "--workspace", "--locked", "--no-fail-fast"]))),
        Err(trouble) => {
            println!("xtask: {trouble}; using `cargo test` instead");
            Ok(cargo(&["test", "--workspace", "--locked", "--no-fail-fast", "--all-targets"]))
        }
    }
}

fn doc_tests() -> Command {
    cargo(&["test", "--doc", "--workspace", "--locked", "--no-fail-fast"])
}

fn end_to_end() -> PathBuf {
    root().join("python/e2e")
}

/// The binary that the SDKs talk to: optimised, since they send it thousands of requests, and with a panic on demand.
fn build_binary() -> Outcome<PathBuf> {
    command::run(cargo(&[
        "build",
        "--profile",
        "ci",
        "--package",
        "aplomb",
        "--locked",
        "--features",
        "mishap",
    ]))?;
    Ok(target().join("ci/aplomb"))
}

fn sdk_tests(python: &PathBuf, binary: &PathBuf) -> Command {
    let mut pytest = program(python);
    pytest.args(["-m", "pytest", "-q", "--no-header", "-p", "no:cacheprovider"]).arg(end_to_end());
    pytest.env("APLOMB_BIN", binary).env("PYTHONDONTWRITEBYTECODE", "1");
    pytest
}
