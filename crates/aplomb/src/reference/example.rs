//! An example of every kind of failure, made by the renderer that answers callers.

use std::time::{Duration, SystemTime};

use aplomb_core::{Dialect, Failure, FieldError, Kind, Limit, render};
use serde_json::{Value, json};

use super::document::{Block, Section, code};

/// The id in every example.
pub(super) const REQUEST_ID: &str = "req_0123456789abcdef";

/// When the examples were answered: a fixed moment, so that they stay the same.
pub(super) fn moment() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

/// A failure of a kind with the facts that such a failure usually has.
pub(super) fn failure(dialect: &Dialect, kind: Kind) -> Failure {
    let mut failure = Failure::new(kind);
    match kind {
        Kind::InvalidRequest => failure.param = Some("temperature".to_owned()),
        Kind::ContextLength => failure.param = Some("messages".to_owned()),
        Kind::Validation => {
            failure.param = Some("limit".to_owned());
            failure.message = Some("limit must be greater than 0".to_owned());
            let mut error = FieldError::new("limit must be greater than 0");
            error.param = Some("limit".to_owned());
            error.code = Some("greater_than".to_owned());
            failure.errors = vec![error];
        }
        Kind::RateLimit => {
            failure.wait = Some(Duration::from_secs(20));
            failure.limits = vec![limit(dialect)];
        }
        Kind::Unavailable | Kind::Overloaded => failure.wait = Some(Duration::from_secs(30)),
        _ => {}
    }
    failure
}

fn limit(dialect: &Dialect) -> Limit {
    let row = dialect.limits.first();
    let mut limit = Limit::new(row.map_or("requests", |row| row.unit.as_str()));
    limit.window = row.and_then(|row| row.window).or(Some(Duration::from_secs(60)));
    limit.limit = Some(600);
    limit.remaining = Some(0);
    limit.reset = Some(Duration::from_secs(20));
    limit
}

/// An answer as it travels: status, headers and the body, laid out for reading.
pub(super) fn answer(dialect: &Dialect, kind: Kind) -> String {
    let rendered = render(dialect, &failure(dialect, kind), Some(REQUEST_ID), moment());
    let headers: String = rendered.headers.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
    let body: Value = serde_json::from_slice(&rendered.body).unwrap_or_default();
    format!("HTTP/1.1 {}\n{headers}\n{body:#}", rendered.status)
}

/// The section.
pub(super) fn section(dialect: &Dialect) -> Section {
    let mut blocks = vec![Block::text(
        "What each kind of failure looks like on the wire, and what to tell an end user about it.",
    )];
    blocks.extend(Kind::ALL.iter().map(|kind| {
        let facts = kind.facts();
        Block::Fold {
            id: format!("kind-{kind}"),
            title: format!("{} · {} · {}", dialect.row(*kind).status, facts.title, code(kind)),
            blocks: vec![
                Block::text(format!("{} {}", facts.meaning, facts.remedy)),
                Block::code("http", answer(dialect, *kind)),
                Block::text(format!("To an end user: “{}”", facts.user)),
            ],
        }
    }));
    Section::new("examples", "Examples", blocks)
}

/// The same for programs.
pub(super) fn json(dialect: &Dialect) -> Value {
    let examples = Kind::ALL.iter().map(|kind| {
        let rendered = render(dialect, &failure(dialect, *kind), Some(REQUEST_ID), moment());
        let body: Value = serde_json::from_slice(&rendered.body).unwrap_or_default();
        let headers: serde_json::Map<_, _> =
            rendered.headers.into_iter().map(|(name, value)| (name, Value::from(value))).collect();
        json!({ "kind": kind.as_str(), "status": rendered.status, "headers": headers, "body": body, "user_message": kind.facts().user })
    });
    examples.collect()
}
