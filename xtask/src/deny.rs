//! What the dependencies may be: licences, sources, bans and known vulnerabilities, by `deny.toml`.

use crate::command::{self, cargo};
use crate::tools::{cargo_tool, with_tools};
use crate::trouble::Outcome;

/// Runs cargo-deny; without the advisory database, everything but the advisories, and says so.
///
/// # Errors
/// A dependency breaks a rule of `deny.toml`, or cargo-deny can't be had.
pub(crate) fn run() -> Outcome {
    cargo_tool("deny")?;
    command::run(with_tools(cargo(&["deny", "check", "bans", "licenses", "sources"])))?;
    if !command::works(with_tools(cargo(&["deny", "fetch", "db"]))) {
        println!("xtask: the advisory database can't be reached, so known vulnerabilities were NOT checked");
        return Ok(());
    }
    command::run(with_tools(cargo(&["deny", "check", "--disable-fetch", "advisories"])))
}
