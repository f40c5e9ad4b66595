//! The statuses of a dialect, each with its name, meaning and remedy.

use aplomb_core::{Dialect, Kind};
use http::StatusCode;
use serde_json::{Value, json};

use super::document::{Block, Row, Section, Table, code};

/// A status as its dialect documents it.
pub(super) struct Status<'a> {
    pub(super) status: u16,
    pub(super) kind: Option<Kind>,
    pub(super) meaning: &'a str,
    pub(super) remedy: Option<&'a str>,
}

impl Status<'_> {
    /// The status's own name; where HTTP has none, the kind's title.
    pub(super) fn name(&self) -> &'static str {
        let own = StatusCode::from_u16(self.status).ok().and_then(|status| status.canonical_reason());
        own.or_else(|| Some(self.kind?.facts().title.as_str())).unwrap_or_default()
    }

    /// Whether sending the same request again may help.
    pub(super) fn retryable(&self) -> Option<bool> {
        Some(self.kind?.facts().retryable)
    }
}

/// Every documented status; where none is, those that its kinds are written with.
pub(super) fn statuses(dialect: &Dialect) -> Vec<Status<'_>> {
    if dialect.statuses.is_empty() {
        return written(dialect);
    }
    let documented = dialect.statuses.iter().map(|(status, facts)| Status {
        status: *status,
        kind: facts.kind.or_else(|| Kind::from_status(*status)),
        meaning: &facts.meaning,
        remedy: facts.remedy.as_deref(),
    });
    documented.collect()
}

fn written(dialect: &Dialect) -> Vec<Status<'_>> {
    let mut found: Vec<Status<'_>> = Vec::new();
    for kind in Kind::ALL {
        let (status, facts) = (dialect.row(*kind).status, kind.facts());
        let is_better = Kind::from_status(status) == Some(*kind);
        let row = Status { status, kind: Some(*kind), meaning: &facts.meaning, remedy: Some(&facts.remedy) };
        match found.iter_mut().find(|known| known.status == status) {
            Some(known) if is_better => *known = row,
            Some(_) => {}
            None => found.push(row),
        }
    }
    found.sort_by_key(|row| row.status);
    found
}

/// The section.
pub(super) fn section(dialect: &Dialect) -> Section {
    let rows = statuses(dialect).into_iter().map(|row| Row {
        id: Some(format!("status-{}", row.status)),
        cells: vec![
            format!("{} {}", code(row.status), row.name()).trim_end().to_owned(),
            row.meaning.to_owned(),
            row.remedy.unwrap_or("—").to_owned(),
            match row.retryable() {
                Some(true) => "yes".to_owned(),
                Some(false) => "no".to_owned(),
                None => "—".to_owned(),
            },
        ],
    });
    let table = Table { head: vec!["Status", "Meaning", "What to do", "Retry"], rows: rows.collect() };
    let closed = if dialect.closed {
        "No other status is sent."
    } else {
        "Another 4xx means that the request can't succeed as it is, another 5xx that it may later."
    };
    Section::new(
        "statuses",
        "Statuses",
        vec![
            Block::text(
                "Look at the status before the body: a body can be cut, or come from a proxy in between.",
            ),
            Block::Table(table),
            Block::text(closed),
        ],
    )
}

/// The same for programs.
pub(super) fn json(dialect: &Dialect) -> Value {
    let rows = statuses(dialect).into_iter().map(|row| {
        json!({
            "status": row.status,
            "name": row.name(),
            "kind": row.kind.map(Kind::as_str),
            "retryable": row.retryable(),
            "meaning": row.meaning,
            "remedy": row.remedy,
        })
    });
    rows.collect()
}
