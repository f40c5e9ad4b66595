//! `aplomb init`: a commented sample of a configuration.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use aplomb_gateway::config::SAMPLE;
use clap::Args;

use crate::say;

/// Write a commented sample of a configuration
///
/// Every key stands in it with its default. A file that is there already is left as it is.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  aplomb init
  aplomb init gateway.toml
  aplomb init - | less

Exit status: 0 written, 2 not written.")]
pub(crate) struct InitArgs {
    /// Where to write it; `-` for standard output
    #[arg(default_value = "aplomb.toml")]
    file: PathBuf,
}

/// Writes the sample and says what to do next.
pub(crate) fn run(args: InitArgs) -> ExitCode {
    if args.file == Path::new("-") {
        say::out(SAMPLE);
        return ExitCode::SUCCESS;
    }
    let file = args.file.display();
    match write(&args.file) {
        Ok(()) => {
            say::out(&format!(
                "{file} is written.\nCheck it: aplomb check {file}\nServe it: aplomb serve --config {file}\n"
            ));
            ExitCode::SUCCESS
        }
        Err(err) if err.kind() == ErrorKind::AlreadyExists => {
            say::err(&format!("{file} is there already and was left as it is; name another file\n"));
            ExitCode::from(2)
        }
        Err(err) => {
            say::err(&format!("{file} can't be written: {err}\n"));
            ExitCode::from(2)
        }
    }
}

fn write(file: &Path) -> std::io::Result<()> {
    OpenOptions::new().write(true).create_new(true).open(file)?.write_all(SAMPLE.as_bytes())
}
