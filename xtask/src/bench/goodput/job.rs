//! What a job is: a provider, what callers do to it, and what the report tells of it.

use super::goal::Goal;
use super::row::{Row, Way};

/// A job that is done in several ways.
pub(super) struct Job {
    /// What `--only` calls it.
    pub(super) name: &'static str,
    /// The heading of its table.
    pub(super) title: String,
    /// How the mock is told to behave.
    pub(super) mock: Vec<String>,
    /// Who calls.
    pub(super) caller: Caller,
    /// What the caller is told to do.
    pub(super) words: Vec<String>,
    /// Whose key goes upstream.
    pub(super) credential: Credential,
    /// Who does it.
    pub(super) ways: Vec<Way>,
    /// What the table tells.
    pub(super) columns: Vec<Column>,
    /// What Aplomb should reach.
    pub(super) goals: Vec<Goal>,
}

/// Who calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Caller {
    /// The official SDK.
    Sdk,
    /// Bare sockets, more than an SDK could hold.
    Sockets,
}

/// Whose key goes upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Credential {
    /// The caller's own: Aplomb needs no configuration.
    Caller,
    /// One of Aplomb's for everybody.
    Shared,
}

/// A column of a table.
pub(super) struct Column {
    /// Its heading.
    pub(super) title: &'static str,
    /// What it says of a row.
    pub(super) cell: fn(&Row) -> String,
}

impl Column {
    pub(super) const fn new(title: &'static str, cell: fn(&Row) -> String) -> Self {
        Self { title, cell }
    }
}

/// A number of a row with so many digits, or a dash.
pub(super) fn digits(row: &Row, name: &str, digits: usize) -> String {
    let value = row.number(name);
    if value.is_nan() { "–".to_owned() } else { format!("{value:.digits$}") }
}

/// Words of a command line.
pub(super) fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}
