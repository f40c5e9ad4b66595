//! The `aplomb` command: a file per command, and here the list of them.

mod accounts;
mod check;
mod demo;
mod dialects;
mod explain;
mod init;
mod keys;
mod mock;
mod office;
mod reference;
mod say;
mod serve;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// A gateway that keeps its composure when APIs fail
#[derive(Parser)]
#[command(name = "aplomb", version, disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Explain(explain::ExplainArgs),
    Reference(reference::ReferenceArgs),
    Check(check::CheckArgs),
    Init(init::InitArgs),
    Serve(serve::ServeArgs),
    Mock(Box<mock::MockArgs>),
    Demo(demo::DemoArgs),
    Keys(keys::KeysArgs),
    Accounts(Box<accounts::AccountsArgs>),
}

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Explain(args) => explain::run(args),
        Command::Reference(args) => reference::run(args),
        Command::Check(args) => check::run(args),
        Command::Init(args) => init::run(args),
        Command::Serve(args) => serve::run(args),
        Command::Mock(args) => mock::run(*args),
        Command::Demo(args) => demo::run(args),
        Command::Keys(args) => keys::run(args),
        Command::Accounts(args) => accounts::run(*args),
    }
}
