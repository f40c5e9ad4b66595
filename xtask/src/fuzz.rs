//! `cargo xtask fuzz`: the targets of `fuzz/`, by libFuzzer where a C++ compiler is, else by proptest.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;

use crate::command::{self, cargo, program, root, target};
use crate::trouble::{Outcome, Trouble};

/// What proptest tries in one run: some seconds' worth.
const CASES: &str = "5000";

/// What the compiler adds so that libFuzzer sees which ways an input goes, and that promises are checked.
const INSTRUMENTED: [&str; 10] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Ccodegen-units=1",
    "-Cdebug-assertions",
    "-Coverflow-checks",
    "--cfg",
    "fuzzing",
];

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
    if let Err(trouble) = instrument() {
        println!(
            "xtask: {trouble}; libFuzzer needs a C++ compiler: the same targets are driven by proptest instead"
        );
        return chosen.iter().try_for_each(|target| by_proptest(target, options.seconds));
    }
    let seeds = seeds()?;
    chosen.iter().try_for_each(|target| by_libfuzzer(target, options.seconds, &seeds))
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

/// Builds the targets so that they tell libFuzzer which ways an input went.
///
/// The stable compiler can do that. An address sanitizer, for which cargo-fuzz wants a nightly one, would find nothing:
/// no crate of ours has `unsafe`.
fn instrument() -> Outcome {
    let mut build = cargo(&["build", "--release", "--locked", "--manifest-path", "fuzz/Cargo.toml"]);
    // A target of its own, so that build scripts are not instrumented.
    build.args(["--target", &host()?, "--target-dir"]).arg(target().join("fuzz"));
    build.env("RUSTFLAGS", INSTRUMENTED.join(" "));
    command::run(build)
}

fn host() -> Outcome<String> {
    let mut rustc = program("rustc");
    rustc.arg("-vV");
    let told = command::read(rustc)?;
    let host = told.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| Trouble::new("`rustc -vV` doesn't name its host"))
}

/// The answers of `conformance/` as input: a few bytes that choose, then a body, a head or a stream.
fn seeds() -> Outcome<PathBuf> {
    let folder = target().join("fuzz/seeds");
    fs::create_dir_all(&folder).map_err(|cause| Trouble::file(&folder, &cause))?;
    let dialects = root().join("conformance");
    let inside =
        |folder: &Path| fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    for case in inside(&dialects).flat_map(|dialect| inside(&dialect)) {
        let Ok(answer) = fs::read(case.join("answer.http")) else { continue };
        let name = case.strip_prefix(&dialects).unwrap_or(&case).display().to_string().replace('/', "-");
        let text = String::from_utf8_lossy(&answer).replace("\r\n", "\n");
        let head = text.split_once('\n').map_or("", |(_, rest)| rest);
        let body = text.split_once("\n\n").map_or("", |(_, body)| body);
        // 10 is a 429 and 128 leaves the dialect to be detected.
        let inputs: [(&str, &[u8], &str); 2] =
            [("body", &[10, 0, 128, 0], body), ("head", &[10, 128, 0], head)];
        for (part, choice, rest) in inputs {
            let file = folder.join(format!("{name}-{part}"));
            let input = [choice, rest.as_bytes()].concat();
            fs::write(&file, input).map_err(|cause| Trouble::file(&file, &cause))?;
        }
    }
    Ok(folder)
}

fn by_libfuzzer(name: &str, seconds: u64, seeds: &Path) -> Outcome {
    println!("xtask: {name}: libFuzzer, {seconds} s");
    let folder = |path: PathBuf| {
        fs::create_dir_all(&path).map(|()| path.clone()).map_err(|cause| Trouble::file(&path, &cause))
    };
    let corpus = folder(target().join("fuzz/corpus").join(name))?;
    let artifacts = folder(root().join("fuzz/artifacts").join(name))?;
    let mut fuzzer = program(target().join("fuzz").join(host()?).join("release").join(name));
    fuzzer.arg(corpus).arg(seeds).arg(format!("-artifact_prefix={}/", artifacts.display()));
    fuzzer.args([
        &format!("-max_total_time={seconds}"),
        "-max_len=65536",
        "-timeout=10",
        "-print_final_stats=1",
    ]);
    command::run(fuzzer)
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
