//! `cargo xtask bench keyed`: requests under idempotency keys, each a new one, with SQLite behind the gateway.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use super::load::{Load, Speech};
use super::meter::Cpu;
use super::nginx;
use super::place::{self, Cores};
use super::results;
use super::server::Server;
use crate::command::{self, cargo, target};
use crate::trouble::{Outcome, Trouble};

/// What is to be reached on a quiet machine, in keyed requests a second.
const GOAL: f64 = 5_000.0;

/// How much to measure.
#[derive(Args, Clone)]
pub(crate) struct Options {
    /// Callers at once: as many share each write to the disk
    #[arg(long, default_value_t = 512)]
    connections: usize,
    /// Seconds
    #[arg(long, default_value_t = 8)]
    seconds: u64,
    /// The build profile of Aplomb
    #[arg(long, default_value = "release")]
    profile: String,
    /// Measure what was built before
    #[arg(long)]
    no_build: bool,
    /// Where the store is, on the disk that is to be measured; default: `target/bench`
    #[arg(long)]
    store: Option<PathBuf>,
}

/// Measures and prints.
///
/// # Errors
/// Something is missing, does not start, or fails under load.
pub(crate) fn run(options: &Options) -> Outcome {
    let folder = place::prepare()?;
    if !options.no_build {
        let words = ["build", "--profile", &options.profile, "--package", "aplomb", "--locked"];
        command::run(cargo(&words))?;
    }
    let place = if options.profile == "dev" { "debug" } else { &options.profile };
    let binary = target().join(place).join("aplomb");
    let port = place::free_port()?;
    let upstream = nginx::upstream(&folder.join("upstream"), port)?;
    let mut serve = place::pinned("0,1", Path::new("nginx"));
    serve.arg("-c").arg(upstream);
    let upstream = Server::start("upstream", serve, (port, port), &folder)?;
    let time = Duration::from_secs(options.seconds);
    let (plain, keyed) = (Load::new(&folder)?, Load::keyed(&folder)?);
    let speech = Speech::Http1 { connections: options.connections };
    let mut told = vec![
        "| requests | a second | failed | median | 99 of 100 | CPU of the gateway each |".to_owned(),
        "|---|---|---|---|---|---|".to_owned(),
    ];
    let mut rate = 0.0;
    for (name, load) in [("without a key", &plain), ("each under a new key", &keyed)] {
        let gateway = gateway(&binary, &folder, port, options)?;
        place::wait_until_quiet(Duration::from_secs(10));
        let before = Cpu::of(gateway.processes());
        let seen = load.run(&gateway, speech, Cores { load: "0,1", ..Cores::two() }, time)?;
        let cpu =
            Cpu::of(gateway.processes()).since(before).total.as_secs_f64() * 1e6 / seen.requests.max(1.0);
        told.push(format!(
            "| {name} | {:.0} | {:.0} | {:.1} ms | {:.1} ms | {cpu:.0} µs |",
            seen.rate,
            seen.failed,
            seen.p50 / 1e3,
            seen.p99 / 1e3
        ));
        rate = seen.rate;
    }
    drop(upstream);
    told.push(format!("\n{rate:.0} keyed requests a second; the goal is {GOAL:.0} on a quiet machine."));
    let told = told.join("\n");
    println!("{told}");
    results::write("keyed", &results::page("What idempotency keys cost", &told), None)
}

fn gateway(binary: &Path, folder: &Path, upstream: u16, options: &Options) -> Outcome<Server> {
    let (listen, admin) = (place::free_port()?, place::free_port()?);
    let store = options.store.clone().unwrap_or_else(|| folder.to_owned()).join("bench-store.db");
    for end in ["", "-wal", "-shm"] {
        _ = fs::remove_file(format!("{}{end}", store.display()));
    }
    let file = folder.join("keyed.toml");
    let text = format!(
        "[server]\nlisten = \"127.0.0.1:{listen}\"\nadmin = \"127.0.0.1:{admin}\"\nworkers = 2\n\
         [log]\nlevel = \"warn\"\n[store]\nurl = \"sqlite:{}\"\n\
         [[upstream]]\nname = \"u\"\nurl = \"http://127.0.0.1:{upstream}\"\ndialect = \"openai\"\n\
         [[route]]\npath = \"/\"\nupstream = \"u\"\n",
        store.display()
    );
    fs::write(&file, text).map_err(|cause| Trouble::file(&file, &cause))?;
    let mut serve = place::pinned("0,1", binary);
    serve.args(["serve", "--config"]).arg(&file).env("APLOMB_ADMIN_TOKEN", "token-of-the-bench");
    Server::start("aplomb", serve, (listen, listen), folder)
}
