//! Where results are kept: a page for each day and bench, and where there are single runs, those as JSON.

use std::fs;

use serde_json::Value;

use super::place;
use crate::command::root;
use crate::trouble::{Outcome, Trouble};

/// Writes what a bench measured today; `what` is its part of the file's name.
///
/// # Errors
/// A file can't be written.
pub(super) fn write(what: &str, page: &str, json: Option<&Value>) -> Outcome {
    let folder = root().join("bench/results");
    fs::create_dir_all(&folder).map_err(|cause| Trouble::file(&folder, &cause))?;
    let json = json.map(|json| format!("{json:#}\n"));
    for (ending, text) in [("md", Some(page)), ("json", json.as_deref())] {
        let Some(text) = text else { continue };
        let file = folder.join(format!("{}-{what}.{ending}", place::today()));
        fs::write(&file, text).map_err(|cause| Trouble::file(&file, &cause))?;
        println!("bench: wrote {}", file.display());
    }
    Ok(())
}

/// A page: its title, what was measured, and where.
pub(super) fn page(title: &str, told: &str) -> String {
    let rows: String =
        place::machine_and_code().iter().map(|(what, version)| format!("| {what} | {version} |\n")).collect();
    format!("# {title}, {}\n\n{}\n\n| what | version |\n|---|---|\n{rows}", place::today(), told.trim_end())
}
