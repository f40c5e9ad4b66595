//! The project's own chores: `cargo xtask` lists them, `cargo xtask NAME` does one.
//!
//! Whatever the continuous build runs is a chore here, so that it can be run at home in the same words.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a chore speaks to a person at a terminal")]

mod bench;
mod check;
mod command;
mod debian;
mod deny;
mod fuzz;
mod sim;
mod sync;
mod test;
mod tidy;
mod tools;
mod tree;
mod trouble;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use crate::trouble::Outcome;

/// The chores of the Aplomb repository.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    chore: Option<Chore>,
}

#[derive(Subcommand)]
enum Chore {
    /// What must hold before a change lands
    Check,
    /// Install what the tests need and run them all
    Test,
    /// The house rules that no compiler knows
    Tidy,
    /// Write the generated files anew
    Sync {
        /// Change nothing; fail if a generated file is stale
        #[arg(long)]
        check: bool,
    },
    /// What a request costs beside nginx (`proxy`), what idempotency keys cost (`keyed`), what a failure costs (`core`), what a limited provider yields (`goodput`)
    Bench {
        #[command(subcommand)]
        bench: Bench,
    },
    /// Lanes before providers that limit, fail and queue, on a virtual clock; writes `bench/results/sim/`
    Sim(sim::Options),
    /// Throw random input at decoders and parsers
    Fuzz(fuzz::Options),
    /// Ask at a fixed rate; started by the bench
    #[command(hide = true)]
    BenchRate(bench::Rate),
    /// Read many slow streams; started by the bench
    #[command(hide = true)]
    BenchStreams(bench::Streams),
    /// Have many requests wait; started by the bench
    #[command(hide = true)]
    BenchWaiting(bench::Waiting),
    /// Serve slow streams; started by the bench
    #[command(hide = true)]
    BenchUpstream {
        /// The port of 127.0.0.1
        port: u16,
    },
}

#[derive(Subcommand)]
enum Bench {
    /// nginx and Aplomb before the same upstream, in turns; writes `bench/results/`
    Proxy(bench::Options),
    /// Requests under idempotency keys a second, with SQLite behind the gateway
    Keyed(bench::KeyedOptions),
    /// What keys, limits, balance and idempotency cost a request, beside nginx; and refusals a second
    Contract(bench::ContractOptions),
    /// Decoding and rendering a failure, in nanoseconds
    Core,
    /// Jobs against a provider with a limit or an outage, direct and through Aplomb; writes `bench/results/`
    Goodput(bench::GoodputOptions),
}

fn main() -> ExitCode {
    let Some(chore) = Cli::parse().chore else {
        return list();
    };
    let outcome = match chore {
        Chore::Check => check::run(),
        Chore::Test => test::run(),
        Chore::Tidy => tidy::run(),
        Chore::Sync { check } => sync::run(check),
        Chore::Bench { bench: Bench::Proxy(options) } => bench::proxy(&options),
        Chore::Bench { bench: Bench::Keyed(options) } => bench::keyed(&options),
        Chore::Bench { bench: Bench::Contract(options) } => bench::contract(&options),
        Chore::Bench { bench: Bench::Core } => bench::core(),
        Chore::Bench { bench: Bench::Goodput(options) } => bench::goodput(&options),
        Chore::Sim(options) => sim::run(&options),
        Chore::Fuzz(options) => fuzz::run(&options),
        Chore::BenchRate(rate) => bench::drive(&rate),
        Chore::BenchStreams(streams) => bench::open(&streams),
        Chore::BenchWaiting(waiting) => bench::wait(&waiting),
        Chore::BenchUpstream { port } => bench::serve(port),
    };
    report(outcome)
}

fn list() -> ExitCode {
    println!("{}", Cli::command().render_help());
    ExitCode::SUCCESS
}

fn report(outcome: Outcome) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(trouble) => {
            eprintln!("xtask: {trouble}");
            ExitCode::FAILURE
        }
    }
}
