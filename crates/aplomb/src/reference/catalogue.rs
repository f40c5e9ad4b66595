//! The catalogue of kinds: what can happen, whatever the API.

use aplomb_core::{Catalog, Kind};
use serde_json::{Value, json};

use super::document::{Block, Document, Row, Section, Table, code};

/// The page.
pub(super) fn document(catalog: &Catalog) -> Document {
    let rows = Kind::ALL.iter().map(|kind| {
        let facts = kind.facts();
        let retry = if facts.retryable { "yes" } else { "no" };
        let cells = [
            code(kind),
            code(facts.status),
            facts.fault.to_string(),
            facts.advice.to_string().replace('_', " "),
            retry.to_owned(),
        ];
        Row { id: None, cells: cells.into() }
    });
    let overview = Table { head: vec!["Kind", "Status", "Fault", "Advice", "Retry"], rows: rows.collect() };
    let each = Kind::ALL.iter().map(|kind| {
        let facts = kind.facts();
        let blocks = vec![
            Block::text(&facts.meaning),
            Block::text(format!("To a developer: {}", facts.remedy)),
            Block::text(format!("To an end user: “{}”", facts.user)),
        ];
        Block::Fold {
            id: format!("kind-{kind}"), title: format!("{} · {}", facts.title, code(kind)), blocks
        }
    });
    let dialects = catalog.dialects().map(|dialect| {
        [code(&dialect.name), dialect.title.clone(), dialect.docs.clone().unwrap_or_else(|| "—".to_owned())]
    });
    Document {
        title: "What can go wrong: the catalogue of kinds".to_owned(),
        lead: vec![Block::text(
            "Every failure of every API is one of these. The kind says what happened, the fault whose it is, the advice what to do next; statuses and codes of an API are only its own way of saying so.",
        )],
        sections: vec![
            Section::new("kinds", "Kinds", vec![Block::Table(overview)]),
            Section::new("meanings", "What each means", each.collect()),
            Section::new(
                "dialects",
                "Dialects",
                vec![
                    Block::text("`aplomb reference NAME` prints the page of one."),
                    Block::table(["Name", "API", "Documented at"], dialects),
                ],
            ),
        ],
    }
}

/// The same for programs; the members stay as they are.
pub(super) fn json(catalog: &Catalog) -> Value {
    let kinds = Kind::ALL.iter().map(|kind| {
        let facts = kind.facts();
        json!({
            "kind": kind.as_str(),
            "status": facts.status,
            "fault": facts.fault.as_str(),
            "advice": facts.advice.as_str(),
            "retryable": facts.retryable,
            "throttle": facts.throttle,
            "refused": facts.refused,
            "fallback": facts.fallback.as_str(),
            "title": facts.title,
            "meaning": facts.meaning,
            "remedy": facts.remedy,
            "user_message": facts.user,
        })
    });
    json!({ "kinds": kinds.collect::<Vec<_>>(), "dialects": catalog.names().collect::<Vec<_>>() })
}
