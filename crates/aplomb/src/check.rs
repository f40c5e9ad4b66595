//! `aplomb check`: every mistake in a configuration at once, each with its place and what would be right.

use std::path::PathBuf;
use std::process::ExitCode;

use aplomb_gateway::config::{Config, Mistake, Route, Surroundings};
use clap::Args;
use serde_json::{Value, json};

use crate::{dialects, say};

/// Tell every mistake in a configuration
///
/// Each with its place and what would be right.
/// Environment variables and files that the configuration names are looked at, nothing is connected to.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  aplomb check aplomb.toml
  aplomb check aplomb.toml --json | jq -r '.[].message'

Exit status: 0 no mistakes, 2 mistakes.")]
pub(crate) struct CheckArgs {
    /// The configuration
    file: PathBuf,
    /// Print a list of {file, line, column, key, message}
    #[arg(long)]
    json: bool,
    /// A folder of dialects of your own, over the bundled ones
    #[arg(long, value_name = "DIR")]
    dialects: Option<PathBuf>,
}

/// Checks a configuration and says what was found.
pub(crate) fn run(args: CheckArgs) -> ExitCode {
    let file = args.file.display().to_string();
    let result = dialects::catalog(args.dialects.as_deref())
        .and_then(|catalog| Config::load(&args.file, &Surroundings::of_process(&catalog)));
    let report = Report { file, result };
    if args.json {
        say::out(&format!("{:#}\n", report.json()));
    } else if report.is_fine() {
        say::out(&report.text());
    } else {
        say::err(&report.text());
    }
    if report.is_fine() { ExitCode::SUCCESS } else { ExitCode::from(2) }
}

/// What a check found.
struct Report {
    file: String,
    result: Result<Config, Vec<Mistake>>,
}

impl Report {
    fn is_fine(&self) -> bool {
        self.result.is_ok()
    }

    /// For people: the mistakes, or what the configuration would serve.
    fn text(&self) -> String {
        match &self.result {
            Ok(config) => {
                let routes: String = config.routes.iter().map(|route| line(route)).collect();
                format!("{}: no mistakes\n{routes}", self.file)
            }
            Err(mistakes) => mistakes.iter().map(|mistake| format!("{mistake}\n")).collect(),
        }
    }

    /// For programs: the mistakes.
    fn json(&self) -> Value {
        let mistakes = self.result.as_ref().err().map_or(&[][..], Vec::as_slice);
        mistakes.iter().map(as_json).collect()
    }
}

fn line(route: &Route) -> String {
    let asked: Vec<_> =
        route.hops().map(|hop| format!("{} ({})", hop.upstream.name, hop.upstream.url)).collect();
    let words = match &route.answer {
        Some(answer) => format!("the words of {answer}"),
        None => "the upstream's own words".to_owned(),
    };
    format!("  {} asks {}; failures in {words}\n", route.path, asked.join(", then "))
}

fn as_json(mistake: &Mistake) -> Value {
    json!({
        "file": mistake.file,
        "line": mistake.place.map(|place| place.line),
        "column": mistake.place.map(|place| place.column),
        "key": mistake.key,
        "message": mistake.message,
    })
}
