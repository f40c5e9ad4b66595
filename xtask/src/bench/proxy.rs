//! `cargo xtask bench proxy`: the whole run, from building to the report.

use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use clap::Args;

use super::load::{Load, Speech};
use super::meter;
use super::nginx::{self, Peer};
use super::phases::{self, Effort, Run};
use super::place::{self, Cores};
use super::report::{Phase, Report};
use super::results;
use super::server::Server;
use crate::command::{self, cargo, target};
use crate::trouble::Outcome;

/// How much to measure.
#[derive(Args, Clone)]
pub(crate) struct Options {
    /// Two short rounds, nothing written: to see that it works
    #[arg(long)]
    quick: bool,
    /// Rounds of each measurement
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Slow streams at once
    #[arg(long, default_value_t = 256)]
    streams: u32,
    /// The build profile of Aplomb
    #[arg(long, default_value = "release")]
    profile: String,
    /// Measure what was built before
    #[arg(long)]
    no_build: bool,
    /// Only nginx: what this machine gives a plain proxy
    #[arg(long)]
    peer_only: bool,
}

/// Everything that the phases share.
struct Bench {
    folder: PathBuf,
    aplomb: Option<PathBuf>,
    driver: PathBuf,
    effort: Effort,
}

/// Measures, prints, and writes `bench/results/`.
///
/// # Errors
/// Something is missing, does not start, or fails under load.
pub(crate) fn run(options: &Options) -> Outcome {
    let bench = prepare(options)?;
    let mut report = Report::new(place::versions(bench.aplomb.as_deref()), bench.effort, options.streams);
    one_core(&bench, &mut report)?;
    two_cores(&bench, &mut report)?;
    streams(&bench, &mut report, options.streams)?;
    let text = report.markdown();
    println!("\n{text}");
    if options.quick || options.peer_only {
        return Ok(());
    }
    results::write("proxy", &text, Some(&report.json()))
}

fn prepare(options: &Options) -> Outcome<Bench> {
    let folder = place::prepare()?;
    let build = |profile: &str, package: &str| match options.no_build {
        true => Ok(()),
        false => command::run(cargo(&["build", "--profile", profile, "--package", package, "--locked"])),
    };
    build("ci", "xtask")?;
    let aplomb = if options.peer_only {
        None
    } else {
        build(&options.profile, "aplomb")?;
        let place = if options.profile == "dev" { "debug" } else { &options.profile };
        Some(target().join(place).join("aplomb"))
    };
    let effort = if options.quick {
        Effort { rounds: 2, time: Duration::from_secs(2), patience: Duration::from_secs(2) }
    } else {
        Effort { rounds: options.rounds, time: Duration::from_secs(6), patience: Duration::from_secs(15) }
    };
    Ok(Bench { folder, aplomb, driver: target().join("ci/xtask"), effort })
}

fn one_core(bench: &Bench, report: &mut Report) -> Outcome {
    let load = Load::new(&bench.folder)?;
    let direct = bench.upstream()?;
    let proxies = bench.proxies("one", direct.address.port(), Cores::ONE, false)?;
    thread::sleep(Duration::from_secs(1));
    report.idle(proxies.iter().map(|proxy| (proxy.name, meter::resident(proxy.processes()))));
    let proxies: Vec<&Server> = proxies.iter().collect();
    for (name, speech) in [
        ("HTTP/1.1, 32 connections, one core", Speech::Http1 { connections: 32 }),
        ("HTTP/1.1, 128 connections, one core", Speech::Http1 { connections: 128 }),
        ("HTTP/2, 8 connections of 8 streams, one core", Speech::Http2 { connections: 8, streams: 8 }),
    ] {
        println!("bench: {name}");
        report.add(
            Phase::Saturated(name),
            phases::saturate(&load, speech, Cores::ONE, bench.effort, &proxies)?,
        );
    }
    println!("bench: 500 requests a second");
    let all: Vec<&Server> = std::iter::once(&direct).chain(proxies).collect();
    report.add(Phase::Steady, phases::steady(&bench.driver, bench.effort, &all)?);
    Ok(())
}

fn two_cores(bench: &Bench, report: &mut Report) -> Outcome {
    let cores = Cores::two();
    let load = Load::new(&bench.folder)?;
    let direct = bench.upstream()?;
    let proxies = bench.proxies("two", direct.address.port(), cores, false)?;
    let proxies: Vec<&Server> = proxies.iter().collect();
    let name = "HTTP/1.1, 64 connections, two cores";
    println!("bench: {name}");
    let speech = Speech::Http1 { connections: 64 };
    report.add(Phase::Saturated(name), phases::saturate(&load, speech, cores, bench.effort, &proxies)?);
    Ok(())
}

fn streams(bench: &Bench, report: &mut Report, count: u32) -> Outcome {
    println!("bench: {count} slow streams");
    let port = place::free_port()?;
    let mut serve = place::pinned(Cores::ONE.load, &bench.driver);
    serve.args(["bench-upstream", &port.to_string()]);
    let direct = Server::start("direct", serve, (port, port), &bench.folder)?;
    let proxies = bench.proxies("streams", port, Cores::ONE, true)?;
    let all: Vec<&Server> = std::iter::once(&direct).chain(&proxies).collect();
    let effort = Effort { rounds: bench.effort.rounds.min(3), ..bench.effort };
    let runs: Vec<Run> = phases::streams(&bench.driver, effort, count, &all)?;
    report.add(Phase::Streams, runs);
    Ok(())
}

impl Bench {
    fn upstream(&self) -> Outcome<Server> {
        let port = place::free_port()?;
        let folder = self.folder.join("upstream");
        let config = nginx::upstream(&folder, port)?;
        Server::start("direct", nginx_with(Cores::ONE.load, &config), (port, port), &folder)
    }

    /// nginx, and Aplomb unless it was left out, before the upstream at this port.
    fn proxies(&self, name: &str, behind: u16, cores: Cores, streams: bool) -> Outcome<Vec<Server>> {
        let folder = self.folder.join(name);
        let (listen, http2) = (place::free_port()?, place::free_port()?);
        let config = nginx::peer(&folder, Peer { behind, listen, http2, streams, workers: cores.count })?;
        let peer = Server::start("nginx", nginx_with(cores.proxy, &config), (listen, http2), &folder)?;
        let Some(binary) = &self.aplomb else { return Ok(vec![peer]) };
        let (listen, admin) = (place::free_port()?, place::free_port()?);
        let mut serve = place::pinned(cores.proxy, binary);
        serve.args(["serve", "--dialect", "openai", "--upstream", &format!("http://127.0.0.1:{behind}")]);
        serve.args(["--listen", &format!("127.0.0.1:{listen}"), "--admin", &format!("127.0.0.1:{admin}")]);
        serve.args(["--workers", &cores.count.to_string()]).env("APLOMB_LOG", "warn");
        // Nothing of a bench is kept in the user's own folders.
        serve.env("APLOMB_ADMIN_TOKEN", "token-of-the-bench");
        let aplomb = Server::start("aplomb", serve, (listen, listen), &folder)?;
        Ok(vec![peer, aplomb])
    }
}

fn nginx_with(cores: &str, config: &Path) -> std::process::Command {
    let mut command = place::pinned(cores, Path::new("nginx"));
    command.arg("-c").arg(config);
    command
}
