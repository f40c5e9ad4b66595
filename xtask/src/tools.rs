//! Tools written in Rust that a chore needs: the machine's own if it has them, else built once into `target/tools`.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use crate::command::{self, cargo, target};
use crate::trouble::Outcome;

/// Makes `cargo NAME` work for the chores that follow, installing the crate `cargo-NAME` if it must.
///
/// # Errors
/// The crate can't be fetched or built.
pub(crate) fn cargo_tool(name: &str) -> Outcome {
    if command::works(with_tools(cargo(&[name, "--version"]))) {
        return Ok(());
    }
    let package = format!("cargo-{name}");
    println!("xtask: `cargo {name}` is not here; building it into {}", folder().display());
    let started = Instant::now();
    let mut install = cargo(&["install", "--locked", &package, "--root"]);
    install.arg(folder()).arg("--target-dir").arg(target().join("tools-build"));
    command::run(install)?;
    // Some hundred megabytes that nothing needs any more.
    _ = fs::remove_dir_all(target().join("tools-build"));
    println!("xtask: built {package} in {} s", started.elapsed().as_secs());
    Ok(())
}

/// The same command, finding the tools that were built here.
pub(crate) fn with_tools(mut command: std::process::Command) -> std::process::Command {
    command.env("PATH", path());
    command
}

fn folder() -> PathBuf {
    target().join("tools")
}

fn path() -> OsString {
    let old = env::var_os("PATH").unwrap_or_default();
    let mut folders = vec![folder().join("bin")];
    folders.extend(env::split_paths(&old));
    env::join_paths(folders).unwrap_or(old)
}
