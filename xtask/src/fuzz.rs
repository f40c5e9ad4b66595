//! `cargo xtask fuzz`: the targets of `fuzz/`, by libFuzzer where a nightly compiler is, else by proptest.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use clap::Args;

use crate::command::{self, cargo, program, root};
use crate::tools::{cargo_tool, with_tools};
use crate::trouble::{Outcome, Trouble};

/// What proptest tries in one run: some seconds' worth.
const CASES: &str = "5000";

/// Which targets, for how long.
#[derive(Args)]
pub(crate) struct Options {
    /// One target; without it, each in turn
    target: Option<String>,
    /// Seconds for each target
    #[arg(long, default_value_t = 30)]
    seconds: u64,
}

/// Fuzzes.
///
/// # Errors
/// An input broke a promise; what ran says which.
pub(crate) fn run(options: &Options) -> Outcome {
    let known = targets()?;
    let chosen = match &options.target {
        None => known,
        Some(one) if known.contains(one) => vec![one.clone()],
        Some(other) => {
            return Err(Trouble::new(format!("no target `{other}`; there are {}", known.join(", "))));
        }
    };
    if let Err(trouble) = libfuzzer_is_here() {
        println!("xtask: {trouble}; the same targets are driven by proptest instead");
        return chosen.iter().try_for_each(|target| by_proptest(target, options.seconds));
    }
    chosen.iter().try_for_each(|target| by_libfuzzer(target, options.seconds))
}

/// Compiles the targets without running them.
///
/// # Errors
/// They don't compile, or their lock file is stale.
pub(crate) fn build() -> Outcome {
    command::run(cargo(&[
        "check",
        "--manifest-path",
        "fuzz/Cargo.toml",
        "--target-dir",
        "target/fuzz",
        "--locked",
    ]))
    .map_err(|trouble| {
        Trouble::new(format!("{trouble}; if only its lock file is stale, the same without --locked mends it"))
    })
}

fn targets() -> Outcome<Vec<String>> {
    let folder = root().join("fuzz/fuzz_targets");
    let entries = fs::read_dir(&folder).map_err(|cause| Trouble::file(&folder, &cause))?;
    let names = entries.flatten().map(|entry| entry.path());
    let mut names: Vec<String> =
        names.filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned())).collect();
    names.sort();
    Ok(names)
}

fn libfuzzer_is_here() -> Outcome {
    if !command::works(nightly(&["--version"])) {
        return Err(Trouble::new("no nightly toolchain (`rustup toolchain install nightly` brings one)"));
    }
    cargo_tool("fuzz")
}

fn by_libfuzzer(target: &str, seconds: u64) -> Outcome {
    println!("xtask: {target}: libFuzzer, {seconds} s");
    command::run(nightly(&["fuzz", "run", target, "--", &format!("-max_total_time={seconds}")]))
}

/// Runs the target's tests again and again, each time with other input.
fn by_proptest(target: &str, seconds: u64) -> Outcome {
    let (started, patience) = (Instant::now(), Duration::from_secs(seconds));
    println!("xtask: {target}: proptest, {seconds} s");
    loop {
        let filter = format!("fuzzing::no_{target}");
        let mut test =
            cargo(&["test", "--package", "aplomb-core", "--test", "main", "--quiet", "--", &filter]);
        test.env("PROPTEST_CASES", CASES);
        let said = command::overhear(test)?;
        if !said.success {
            return Err(Trouble::new(format!("{target} failed, as told above")));
        }
        if said.lines.iter().any(|line| line.contains("running 0 tests")) {
            return Err(Trouble::new(format!("no test of aplomb-core is named {filter}…")));
        }
        if started.elapsed() >= patience {
            return Ok(());
        }
    }
}

/// Cargo of the nightly toolchain: through rustup, since this chore's own cargo is already a certain one.
fn nightly(words: &[&str]) -> Command {
    let mut command = program("rustup");
    command.args(["run", "nightly", "cargo"]).args(words);
    with_tools(command)
}
