//! The whole run, from building to the report.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use serde_json::{Map, Value, json};

use super::super::{place, results};
use super::job::{Caller, Job};
use super::jobs::{self, Length};
use super::report::{self, Report};
use super::row::{Row, Way};
use super::stand::{Stand, roomy};
use super::waiting;
use crate::command::{self, cargo, program, root, target};
use crate::test;
use crate::trouble::{Outcome, Trouble};

/// How long to wait for a quiet machine before a row.
const PATIENCE: Duration = Duration::from_secs(5);

/// What to do, and with which build.
#[derive(Args, Clone)]
pub(crate) struct Options {
    /// Short jobs, nothing written: to see that it works
    #[arg(long)]
    quick: bool,
    /// Only the jobs of these names; nothing is written
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// The build profile of Aplomb
    #[arg(long, default_value = "release")]
    profile: String,
    /// Measure what was built before
    #[arg(long)]
    no_build: bool,
}

/// Everything that the jobs share.
struct Bench {
    folder: PathBuf,
    python: PathBuf,
    aplomb: PathBuf,
    driver: PathBuf,
}

/// Does the jobs, prints the report, and writes `bench/results/`.
///
/// # Errors
/// Something is missing, does not start, or breaks; a goal that is missed is no error.
pub(crate) fn run(options: &Options) -> Outcome {
    let jobs = chosen(options)?;
    let bench = prepare(options)?;
    let mut report = Report::new(bench.versions());
    for job in jobs {
        println!("\nbench: {}: {}", job.name, job.title);
        let mut rows = Vec::new();
        for way in &job.ways {
            println!("bench: {} …", way.name());
            rows.push(bench.row(&job, way)?);
        }
        report::table(&job, &rows).iter().for_each(|line| println!("{line}"));
        report.add(job, rows);
    }
    let text = report.markdown();
    println!("\n{text}");
    if options.quick || !options.only.is_empty() {
        return Ok(());
    }
    results::write("goodput", &text, Some(&report.json()))
}

fn chosen(options: &Options) -> Outcome<Vec<Job>> {
    let all = jobs::all(if options.quick { Length::Quick } else { Length::Full });
    let names: Vec<&str> = all.iter().map(|job| job.name).collect();
    if let Some(unknown) = options.only.iter().find(|name| !names.contains(&name.as_str())) {
        return Err(Trouble::new(format!("there is no job `{unknown}`; there are {}", names.join(", "))));
    }
    let wanted = |job: &Job| options.only.is_empty() || options.only.iter().any(|name| name == job.name);
    Ok(all.into_iter().filter(wanted).collect())
}

fn prepare(options: &Options) -> Outcome<Bench> {
    let python = test::python()?;
    if !options.no_build {
        command::run(cargo(&["build", "--profile", &options.profile, "--package", "aplomb", "--locked"]))?;
    }
    // It only holds sockets: this very program, optimised or not, will do.
    let driver = std::env::current_exe()
        .map_err(|cause| Trouble::new(format!("where this program is can't be told: {cause}")))?;
    let folder = target().join("bench-goodput");
    _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).map_err(|cause| Trouble::file(&folder, &cause))?;
    let place = if options.profile == "dev" { "debug" } else { &options.profile };
    Ok(Bench { folder, python, aplomb: target().join(place).join("aplomb"), driver })
}

impl Bench {
    /// Does a job in one way, with programs of its own.
    fn row(&self, job: &Job, way: &Way) -> Outcome<Row> {
        let folder = self.folder.join(job.name).join(way.name().replace([',', ' '], "-"));
        let busy = place::wait_until_quiet(PATIENCE);
        let stand = Stand::start(&self.aplomb, &folder, &job.mock, way.through, job.credential)?;
        let idle = stand.gateway_cost();
        let mut numbers = match job.caller {
            Caller::Sdk => self.call(job, way, &stand)?,
            Caller::Sockets => self.hold(job, &stand)?,
        };
        numbers.insert("busy_before".to_owned(), json!(busy));
        if let (Some((before, _)), Some((after, memory))) = (idle, stand.gateway_cost()) {
            numbers.insert("gateway_cpu_s".to_owned(), json!(after - before));
            numbers.insert("gateway_rss_mib".to_owned(), json!(memory));
        }
        Ok(Row { way: way.clone(), numbers })
    }

    /// The callers' script does it.
    fn call(&self, job: &Job, way: &Way, stand: &Stand) -> Outcome<Map<String, Value>> {
        let mut script = program(&self.python);
        script.arg(root().join("python/bench/goodput.py")).args(&job.words).args(&way.words);
        script.args(["--base-url", &format!("http://{}/v1", stand.front().address)]);
        script.args(["--mock", &format!("http://{}", stand.mock().address)]);
        script.args(["--retries", &way.retries.to_string()]).env("PYTHONDONTWRITEBYTECODE", "1");
        object(&command::read(script)?)
    }

    /// The driver of many sockets does it.
    fn hold(&self, job: &Job, stand: &Stand) -> Outcome<Map<String, Value>> {
        let [process] = stand.front().processes() else {
            return Err(Trouble::new("the gateway should be one process"));
        };
        let mut driver = roomy(&self.driver);
        driver.args(["bench-waiting", &stand.front().address.to_string()]);
        driver.args(["--process", &process.to_string()]).args(&job.words);
        let mut numbers = object(&command::read(driver)?)?;
        let seen = waiting::seen_by(stand.mock().address)?;
        let done = numbers.get("done").and_then(Value::as_f64).unwrap_or(0.0);
        numbers.insert("upstream_calls".to_owned(), json!(seen));
        numbers.insert("calls_per_success".to_owned(), json!(seen as f64 / done));
        Ok(numbers)
    }

    fn versions(&self) -> Vec<(String, String)> {
        let mut lines = place::machine_and_code();
        lines.push(("aplomb (gateway and mock)".to_owned(), said(&self.aplomb, &["--version"])));
        lines.push(("Python".to_owned(), said(&self.python, &["--version"])));
        for package in ["openai", "httpx2"] {
            let ask = format!("import importlib.metadata as m; print(m.version('{package}'))");
            lines.push((package.to_owned(), said(&self.python, &["-c", &ask])));
        }
        lines
    }
}

fn said(name: &Path, words: &[&str]) -> String {
    let mut command = program(name);
    command.args(words);
    command::read(command).map_or_else(|_| "unknown".to_owned(), |text| text.trim().to_owned())
}

fn object(text: &str) -> Outcome<Map<String, Value>> {
    let parsed: Option<Value> = text.lines().last().and_then(|line| serde_json::from_str(line).ok());
    match parsed {
        Some(Value::Object(numbers)) => Ok(numbers),
        _ => Err(Trouble::new(format!("a caller said something unexpected: {text}"))),
    }
}
