//! The reference page of one dialect, put together from its parts.

use aplomb_core::Dialect;
use serde_json::{Value, json};

use super::document::{Block, Document, code};
use super::{code as codes_of, envelope, example, limit, request, retry, sample, status, stream};

/// The page.
pub(super) fn document(dialect: &Dialect) -> Document {
    let mut sections = vec![status::section(dialect), envelope::section(dialect)];
    sections.extend(codes_of::section(dialect));
    sections.push(example::section(dialect));
    sections.extend(request::section(dialect));
    sections.push(limit::section(dialect));
    sections.extend(limit::request_ids(dialect));
    sections.extend(stream::section(dialect));
    sections.extend([retry::section(dialect), retry::client(dialect), sample::section(dialect)]);
    Document { title: format!("{}: errors", dialect.title), lead: lead(dialect), sections }
}

fn lead(dialect: &Dialect) -> Vec<Block> {
    let mut rows: Vec<[String; 2]> = Vec::new();
    let mut put =
        |name: &str, value: Option<String>| rows.extend(value.map(|value| [name.to_owned(), value]));
    put("Base URL", dialect.base_url.clone());
    put(
        "Credential",
        dialect.auth.as_ref().map(|auth| {
            let key = auth.env.as_deref().unwrap_or("KEY");
            code(format!("{}: {}{key}", auth.header, auth.prefix))
        }),
    );
    put("Documented at", dialect.docs.clone());
    put("Status page", dialect.status_page.clone());
    put("Support", dialect.support.clone());
    put("Named here", Some(code(&dialect.name)));
    vec![
        Block::text(format!(
            "How {} says that something failed: every status, the error object, codes, limits, and what a client should do about each.",
            dialect.title
        )),
        Block::table(["", ""], rows),
    ]
}

/// The same for programs; the members stay as they are.
pub(super) fn json(dialect: &Dialect) -> Value {
    json!({
        "dialect": dialect.name,
        "title": dialect.title,
        "base_url": dialect.base_url,
        "docs": dialect.docs,
        "status_page": dialect.status_page,
        "support": dialect.support,
        "closed": dialect.closed,
        "auth": dialect.auth.as_ref().map(|auth| json!({
            "header": auth.header, "prefix": auth.prefix, "env": auth.env, "also": auth.also, "query": auth.query,
        })),
        "statuses": status::json(dialect),
        "envelopes": envelope::json(dialect),
        "codes": codes_of::json(dialect),
        "examples": example::json(dialect),
        "requests": request::json(dialect),
        "limits": limit::json(dialect),
        "request_id": limit::request_ids_json(dialect),
        "streams": stream::json(dialect),
        "retrying": retry::json(dialect),
        "samples": sample::json(dialect),
    })
}
