//! `cargo xtask sim`: runs the scenarios, prints their tables, and writes page, JSON and plots.

use std::fs;

use clap::Args;
use serde_json::{Value, json};

use super::page::{self, Found};
use super::plot::{self, Line};
use super::scenario::{self, Optimum, Row, Scenario};
use super::tally::Tally;
use super::world;
use crate::command::{self, cargo, root};
use crate::trouble::{Outcome, Trouble};

/// What to simulate.
#[derive(Args, Clone, Debug)]
pub(crate) struct Options {
    /// The same seed makes the same world, byte for byte
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Only the scenario of this name
    #[arg(long)]
    only: Option<String>,
    /// JSON on the standard output instead of tables; nothing is written
    #[arg(long)]
    json: bool,
    /// Fewer and shorter scenarios; nothing is written
    #[arg(long)]
    quick: bool,
}

/// Everything that one run found.
struct Result {
    scenarios: Vec<(Scenario, Vec<Found>)>,
    plots: Vec<(&'static str, String)>,
}

/// Runs it, in a release-like profile: if this is none, by a second cargo.
///
/// # Errors
/// No scenario has the name, the second cargo fails, or the results can't be written.
pub(crate) fn run(options: &Options) -> Outcome {
    if cfg!(debug_assertions) {
        return command::run(again(options));
    }
    let result = simulate(options)?;
    if options.json {
        println!("{:#}", json(&result, options.seed));
        return Ok(());
    }
    println!("{}", markdown(&result, options.seed));
    if options.quick || options.only.is_some() {
        return Ok(());
    }
    write(&result, options.seed)
}

fn again(options: &Options) -> std::process::Command {
    let mut command = cargo(&["run", "--quiet", "--profile", "ci", "--package", "xtask", "--", "sim"]);
    command.args(["--seed", &options.seed.to_string()]);
    command.args(options.only.iter().flat_map(|only| ["--only", only.as_str()]));
    command.args(options.json.then_some("--json"));
    command.args(options.quick.then_some("--quick"));
    command
}

fn simulate(options: &Options) -> Outcome<Result> {
    let all = scenario::all(options.quick);
    let names: Vec<&str> = all.iter().map(|scenario| scenario.name).collect();
    if let Some(only) = options.only.as_deref().filter(|only| !names.contains(only)) {
        return Err(Trouble::new(format!("no scenario `{only}`; there are {}", names.join(", "))));
    }
    let chosen = all.into_iter().filter(|one| options.only.as_deref().is_none_or(|only| one.name == only));
    let mut result = Result { scenarios: Vec::new(), plots: Vec::new() };
    for scenario in chosen {
        let tallies: Vec<Tally> =
            scenario.rows.iter().map(|row| world::run(row.setup.clone(), options.seed)).collect();
        let rows = || scenario.rows.iter().zip(&tallies);
        let found = rows().map(|(row, tally)| Found::new(&scenario, row, tally)).collect();
        result.plots.push((scenario.name, drawn(&scenario, &rows().collect::<Vec<_>>())));
        result.scenarios.push((scenario, found));
    }
    Ok(result)
}

/// Over the time that the optimum takes and half as long again, where waiting is over.
fn drawn(scenario: &Scenario, rows: &[(&Row, &Tally)]) -> String {
    let seconds = match scenario.optimum {
        Optimum::Calls { until, .. } => until,
        Optimum::Rate { .. } | Optimum::Tokens { .. } => {
            rows.iter().map(|(_, tally)| tally.end()).fold(1.0, f64::min) * 1.5
        }
    };
    // More lines than this are no picture: those who are told nothing stand for the others.
    let few = |row: &&(&Row, &Tally)| {
        rows.len() <= 6 || row.0.name.contains("nothing") || row.0.name.contains("20 %")
    };
    let line =
        |(row, tally): &(&Row, &Tally)| Line { name: row.name.clone(), values: tally.curve(seconds, 60) };
    let lines: Vec<Line> = rows.iter().filter(few).map(line).collect();
    plot::draw(&format!("{}: calls done a second", scenario.title), &lines, seconds)
}

fn markdown(result: &Result, seed: u64) -> String {
    let mut page = vec![format!("# Simulated: what lanes do, seed {seed}\n")];
    for (scenario, found) in &result.scenarios {
        page.push(format!("## {}: {}\n\n{}\n", scenario.name, scenario.title, page::table(found)));
        if !found.is_empty() {
            page.push(format!("![calls done a second]({}.svg)\n", scenario.name));
        }
    }
    page.push(format!("## What others have published\n\n{}", page::published(&result.scenarios)));
    page.join("\n")
}

fn json(result: &Result, seed: u64) -> Value {
    let scenarios = result.scenarios.iter().map(|(scenario, found)| {
        let rows: Vec<Value> = found.iter().map(Found::json).collect();
        json!({ "name": scenario.name, "title": scenario.title, "rows": rows })
    });
    json!({ "seed": seed, "scenarios": scenarios.collect::<Vec<_>>() })
}

fn write(result: &Result, seed: u64) -> Outcome {
    let folder = root().join("bench/results/sim");
    fs::create_dir_all(&folder).map_err(|cause| Trouble::file(&folder, &cause))?;
    let plots = result.plots.iter().map(|(name, svg)| (format!("{name}.svg"), svg.clone()));
    let pages = [
        ("README.md".to_owned(), markdown(result, seed) + "\n"),
        ("sim.json".to_owned(), format!("{:#}\n", json(result, seed))),
    ];
    for (name, text) in plots.chain(pages) {
        let file = folder.join(name);
        fs::write(&file, text).map_err(|cause| Trouble::file(&file, &cause))?;
    }
    println!("sim: wrote {}", folder.display());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_bytes_and_another_seed_others() {
        let bytes = |seed| {
            let options = Options { seed, only: Some("outage".to_owned()), json: false, quick: true };
            let result = simulate(&options).unwrap();
            (markdown(&result, 0), json(&result, 0).to_string(), result.plots)
        };
        assert_eq!(bytes(1), bytes(1));
        assert_ne!(bytes(1), bytes(2));
    }

    #[test]
    fn a_scenario_that_does_not_exist_is_named() {
        let options = Options { seed: 1, only: Some("nonsense".to_owned()), json: false, quick: true };
        let trouble = simulate(&options).map(|_| ()).unwrap_err().to_string();
        assert!(trouble.contains("no scenario `nonsense`; there are bucket, "), "{trouble}");
    }
}
