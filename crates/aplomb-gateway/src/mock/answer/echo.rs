//! The answer of every other endpoint: what was asked, credentials left out.

use serde_json::{Map, Value, json};

use crate::mock::asked::Asked;
use crate::mock::redact;
use aplomb_core::Dialect;

/// The most bytes of a body that is no JSON that are said back.
const LONGEST: usize = 64 * 1024;

pub(super) fn whole(dialect: &Dialect, asked: &Asked) -> Value {
    let headers: Map<String, Value> = redact::headers(dialect, &asked.headers)
        .into_iter()
        .map(|(name, value)| (name, json!(value)))
        .collect();
    let body = asked.json.clone().unwrap_or_else(|| {
        let end = asked.body.len().min(LONGEST);
        json!(String::from_utf8_lossy(&asked.body[..end]))
    });
    json!({
        "object": "mock.echo",
        "method": asked.method.as_str(),
        "path": redact::path(dialect, &asked.path, asked.query.as_deref()),
        "headers": headers,
        "body": body,
    })
}
