//! The codes and types of a dialect, and what each means.

use aplomb_core::{Dialect, Kind};
use serde_json::{Value, json};

use super::document::{Block, Section, code, codes};

/// A code or a type, at some statuses.
pub(super) struct Code {
    pub(super) code: Option<String>,
    pub(super) type_: Option<String>,
    pub(super) statuses: Vec<u16>,
    pub(super) kind: Kind,
    pub(super) retryable: bool,
}

/// Every code and type that is sent or met, the sent ones first.
pub(super) fn all(dialect: &Dialect) -> Vec<Code> {
    let mut found: Vec<Code> = Vec::new();
    for kind in Kind::ALL {
        let row = dialect.row(*kind);
        if row.code.is_some() || row.type_.is_some() {
            found.push(Code {
                code: row.code.clone(),
                type_: row.type_.clone(),
                statuses: vec![row.status],
                kind: *kind,
                retryable: kind.facts().retryable,
            });
        }
    }
    for row in &dialect.reads {
        let retryable = row.retryable.unwrap_or_else(|| row.kind.facts().retryable);
        let met = |code, type_| Code { code, type_, statuses: row.status.clone(), kind: row.kind, retryable };
        found.extend(row.code.iter().map(|code| met(Some(code.clone()), None)));
        found.extend(row.type_.iter().map(|type_| met(None, Some(type_.clone()))));
    }
    let mut unique: Vec<Code> = Vec::new();
    for code in found {
        let known = unique.iter().any(|known| {
            (&known.code, &known.type_, known.kind) == (&code.code, &code.type_, code.kind)
                && code.statuses.iter().all(|status| known.statuses.contains(status))
        });
        if !known {
            unique.push(code);
        }
    }
    unique
}

/// The section; `None` where the dialect has neither codes nor types.
pub(super) fn section(dialect: &Dialect) -> Option<Section> {
    let all = all(dialect);
    if all.is_empty() {
        return None;
    }
    let or_dash = |text: &Option<String>| text.as_ref().map_or_else(|| "—".to_owned(), code);
    let rows = all.iter().map(|row| {
        let statuses = if row.statuses.is_empty() { "any".to_owned() } else { codes(&row.statuses) };
        let retry = if row.retryable { "yes" } else { "no" };
        [or_dash(&row.code), or_dash(&row.type_), statuses, row.kind.facts().title.clone(), retry.to_owned()]
    });
    let blocks = vec![
        Block::text(
            "Decide by these rather than by the status alone: one status can stand for what passes in a second and \
             for what money alone mends. Treat a code that isn't listed as its status says.",
        ),
        Block::text(format!(
            "Where {} itself has no word for a failure, the row has the one that Aplomb answers with in its name.",
            dialect.title
        )),
        Block::table(["Code", "Type", "Status", "Meaning", "Retry"], rows),
    ];
    Some(Section::new("codes", "Codes and types", blocks))
}

/// The same for programs.
pub(super) fn json(dialect: &Dialect) -> Value {
    let rows = all(dialect).into_iter().map(|row| {
        json!({ "code": row.code, "type": row.type_, "statuses": row.statuses, "kind": row.kind.as_str(), "retryable": row.retryable })
    });
    rows.collect()
}
