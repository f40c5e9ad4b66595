//! `cargo xtask bench contract`: what each part of a contract costs a request, beside nginx and the plain gateway.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use serde_json::Value;

use super::load::{Load, Speech};
use super::meter::Cpu;
use super::nginx::{self, Peer};
use super::numbers::median;
use super::place::{self, Cores};
use super::results;
use super::server::Server;
use crate::command::{self, cargo, program, target};
use crate::test::{postgres, redis};
use crate::trouble::{Outcome, Trouble};

/// How much to measure.
#[derive(Args, Clone)]
pub(crate) struct Options {
    /// Rounds; each measures every row once, in turns
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds of each measurement
    #[arg(long, default_value_t = 4)]
    seconds: u64,
    /// The build profile of Aplomb
    #[arg(long, default_value = "release")]
    profile: String,
    /// Measure what was built before
    #[arg(long)]
    no_build: bool,
}

/// A gateway, or nginx, and how it is asked.
struct Row {
    what: &'static str,
    server: Server,
    load: Load,
    /// Every answer is a refusal.
    refuses: bool,
    cpu: Vec<f64>,
    rate: Vec<f64>,
}

/// What a gateway asks of its callers.
struct Contract {
    what: &'static str,
    /// Tables of the file.
    tables: String,
    /// Lines of the route.
    route: &'static str,
    key: bool,
    keyed: bool,
    refuses: bool,
}

const TIER: &str = "[tier.t]\nrequests = \"100000000/min\"\n";

/// Measures and prints.
///
/// # Errors
/// Something is missing, does not start, or fails under load.
pub(crate) fn run(options: &Options) -> Outcome {
    let folder = place::prepare()?;
    if !options.no_build {
        command::run(cargo(&["build", "--profile", &options.profile, "--package", "aplomb", "--locked"]))?;
    }
    let place = if options.profile == "dev" { "debug" } else { &options.profile };
    let binary = target().join(place).join("aplomb");
    let (postgres, redis) = (postgres::start()?, redis::start()?);
    let behind = place::free_port()?;
    let mut serve = place::pinned(Cores::ONE.load, Path::new("nginx"));
    serve.arg("-c").arg(nginx::upstream(&folder.join("upstream"), behind)?);
    let _upstream = Server::start("upstream", serve, (behind, behind), &folder)?;
    let mut rows = vec![nginx_row(&folder, behind)?];
    for contract in contracts(&folder, &postgres.url, &redis.url) {
        rows.push(row(&binary, &folder, behind, contract)?);
    }
    measure(&mut rows, options)?;
    let told = page(&rows, options);
    println!("{told}");
    results::write("contract", &results::page("What a contract costs", &told), None)
}

fn contracts(folder: &Path, postgres: &str, redis: &str) -> Vec<Contract> {
    let sqlite = |name: &str| format!("[store]\nurl = \"sqlite:{}\"\n", folder.join(name).display());
    let one = |what, tables: String, route, key| Contract {
        what,
        tables,
        route,
        key,
        keyed: false,
        refuses: false,
    };
    let refuses = |what, tables: String, route| Contract { refuses: true, ..one(what, tables, route, false) };
    let tier = || TIER.to_owned();
    const LIMITED: &str = "keys = \"required\"\ntier = \"t\"\nidempotency = \"off\"\n";
    const PAID: &str = "keys = \"required\"\ntier = \"t\"\nidempotency = \"off\"\nprice = { request = 1, token_in = 1, token_out = 1 }\n";
    const WHOLE: &str =
        "keys = \"required\"\ntier = \"t\"\nprice = { request = 1, token_in = 1, token_out = 1 }\n";
    vec![
        one("plain", String::new(), "", false),
        one("limits, in memory", tier(), "tier = \"t\"\n", false),
        one("keys and limits, in memory", tier() + &sqlite("c1.db"), LIMITED, true),
        one(
            "keys and limits, counted in Valkey",
            format!("{TIER}{}[shared]\nurl = \"{redis}\"\n", sqlite("c2.db")),
            LIMITED,
            true,
        ),
        one(
            "keys and limits, borrowed from Valkey",
            format!("{TIER}{}[shared]\nurl = \"{redis}\"\nmode = \"lease\"\n", sqlite("c3.db")),
            LIMITED,
            true,
        ),
        one("keys, limits, balance, SQLite", tier() + &sqlite("c4.db"), PAID, true),
        one(
            "keys, limits, balance, PostgreSQL",
            format!("{TIER}[store]\nurl = \"{postgres}\"\n"),
            PAID,
            true,
        ),
        Contract {
            keyed: true,
            ..one("keys, limits, balance, idempotency, SQLite", tier() + &sqlite("c5.db"), WHOLE, true)
        },
        refuses("401: no key", sqlite("c6.db"), "keys = \"required\"\nidempotency = \"off\"\n"),
        refuses("429: over the limit", "[tier.t]\nrequests = \"1/day\"\n".to_owned(), "tier = \"t\"\n"),
    ]
}

fn nginx_row(folder: &Path, behind: u16) -> Outcome<Row> {
    let (listen, http2) = (place::free_port()?, place::free_port()?);
    let peer = Peer { behind, listen, http2, streams: false, workers: 1 };
    let mut serve = place::pinned(Cores::ONE.proxy, Path::new("nginx"));
    serve.arg("-c").arg(nginx::peer(&folder.join("peer"), peer)?);
    let server = Server::start("nginx", serve, (listen, http2), folder)?;
    Ok(Row {
        what: "nginx",
        server,
        load: Load::new(folder)?,
        refuses: false,
        cpu: Vec::new(),
        rate: Vec::new(),
    })
}

fn row(binary: &Path, folder: &Path, behind: u16, contract: Contract) -> Outcome<Row> {
    let (listen, admin) = (place::free_port()?, place::free_port()?);
    let Contract { what, tables, route, key, keyed, refuses } = contract;
    let file = folder.join(format!("{listen}.toml"));
    let text = format!(
        "[server]\nlisten = \"127.0.0.1:{listen}\"\nadmin = \"127.0.0.1:{admin}\"\nworkers = 1\n\
         [log]\nlevel = \"error\"\n{tables}\
         [[upstream]]\nname = \"u\"\nurl = \"http://127.0.0.1:{behind}\"\ndialect = \"openai\"\ncredential = \"none\"\n\
         [[route]]\npath = \"/\"\nupstream = \"u\"\nopen = true\n{route}"
    );
    fs::write(&file, text).map_err(|cause| Trouble::file(&file, &cause))?;
    let key = if key { Some(key_of(binary, &file)?) } else { None };
    let mut serve = place::pinned(Cores::ONE.proxy, binary);
    serve.args(["serve", "--config"]).arg(&file).env("APLOMB_ADMIN_TOKEN", "token-of-the-bench");
    let server = Server::start_unasked(what, serve, listen, folder)?;
    let load = Load::of(folder, &listen.to_string(), key.as_deref().unwrap_or("sk-test"), keyed)?;
    let load = if what.starts_with("401") { Load::without_key(folder)? } else { load };
    Ok(Row { what, server, load, refuses, cpu: Vec::new(), rate: Vec::new() })
}

/// A key of an account that never runs dry.
fn key_of(binary: &Path, config: &PathBuf) -> Outcome<String> {
    let ask = |words: &[&str]| {
        let mut ask = program(binary);
        ask.args(words).arg("--config").arg(config);
        command::read(ask)
    };
    ask(&["accounts", "create", "bench"])?;
    ask(&["accounts", "top-up", "bench", "1000000000"])?;
    let told = ask(&["keys", "create", "--account", "bench", "--json"])?;
    let told: Value = serde_json::from_str(&told)
        .map_err(|cause| Trouble::new(format!("`aplomb keys create --json` gave no JSON: {cause}")))?;
    let key = told["key"].as_str();
    key.map(str::to_owned).ok_or_else(|| Trouble::new("`aplomb keys create --json` gave no key"))
}

fn measure(rows: &mut [Row], options: &Options) -> Outcome {
    let speech = Speech::Http1 { connections: 32 };
    let time = Duration::from_secs(options.seconds);
    for row in rows.iter() {
        row.load.run(&row.server, speech, Cores::ONE, Duration::from_secs(1))?;
    }
    for round in 0..options.rounds {
        let mut order: Vec<&mut Row> = rows.iter_mut().collect();
        if round % 2 == 1 {
            order.reverse();
        }
        for row in order {
            place::wait_until_quiet(Duration::from_secs(5));
            let before = Cpu::of(row.server.processes());
            let seen = row.load.run(&row.server, speech, Cores::ONE, time)?;
            let spent = Cpu::of(row.server.processes()).since(before).total;
            let as_wished =
                if row.refuses { seen.failed >= seen.requests * 0.999 } else { seen.failed == 0.0 };
            if !as_wished {
                let told = format!("{}: {} of {} failed", row.what, seen.failed, seen.requests);
                return Err(Trouble::new(told));
            }
            row.cpu.push(spent.as_secs_f64() * 1e6 / seen.requests.max(1.0));
            row.rate.push(seen.rate);
        }
        println!("bench: round {} of {}", round + 1, options.rounds);
    }
    Ok(())
}

fn page(rows: &[Row], options: &Options) -> String {
    let mut page = format!(
        "One core for the proxy, one for load and upstream; HTTP/1.1, 32 connections; medians of {} rounds of {} s, in \
         turns.\nThe store's and the counting server's own processor time is not in it.\n\n\
         | what | CPU µs a request | × nginx | requests a second | × nginx |\n|---|---|---|---|---|\n",
        options.rounds, options.seconds
    );
    let nginx = rows.first().map(|row| (median(&row.cpu), median(&row.rate))).unwrap_or((f64::NAN, f64::NAN));
    for row in rows {
        // Round by round beside the nginx of the same round: what the machine did meanwhile falls out.
        let by_round: Vec<f64> = row.cpu.iter().zip(&rows[0].cpu).map(|(own, peer)| own / peer).collect();
        let (cpu, rate) = (median(&row.cpu), median(&row.rate));
        page.push_str(&format!(
            "| {} | {cpu:.1} | {:.2} | {rate:.0} | {:.2} |\n",
            row.what,
            median(&by_round),
            rate / nginx.1
        ));
    }
    page
}
