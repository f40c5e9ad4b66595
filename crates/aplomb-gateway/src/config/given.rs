//! A made-up world for tests: a few variables, a few files.

use std::path::Path;

use crate::config::{Config, Mistake, Surroundings};

/// One upstream and one route, with every default.
pub(crate) const PLAIN: &str = "
    [[upstream]]
    name = \"groq\"
    dialect = \"groq\"
    [[route]]
    path = \"/groq\"
    upstream = \"groq\"
";

/// Reads a configuration in that world.
pub(crate) fn read(text: &str) -> Result<Config, Vec<Mistake>> {
    let around = Surroundings { catalog: aplomb_core::catalog(), env: &variable, readable: &readable };
    Config::from_toml(text, "etc/aplomb.toml", &around)
}

/// The mistakes of a configuration, a line each.
pub(crate) fn told(text: &str) -> String {
    read(text).expect_err("it has mistakes").iter().map(|mistake| format!("{mistake}\n")).collect()
}

fn variable(name: &str) -> Option<String> {
    match name {
        "GROQ_API_KEY" => Some("gsk-hidden\n".to_owned()),
        "EMPTY" => Some("  ".to_owned()),
        "BROKEN" => Some("sk-hidden\u{1}".to_owned()),
        _ => None,
    }
}

fn readable(path: &Path) -> Result<(), String> {
    if path.ends_with("there.pem") { Ok(()) } else { Err("no such file".to_owned()) }
}
