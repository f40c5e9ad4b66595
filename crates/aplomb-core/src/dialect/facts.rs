//! Facts: what an envelope template can carry, between a failure and its bytes.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::failure::{FieldError, Part};
use crate::kind::Kind;

/// Everything that stood in an error body, or is to stand in one.
#[derive(Clone, Debug, Default, PartialEq)]
#[expect(missing_docs, reason = "the members are those of `Failure`, before they are judged")]
pub struct Facts {
    pub message: Option<String>,
    pub code: Option<String>,
    pub type_: Option<String>,
    pub param: Option<String>,
    pub part: Part,
    pub request_id: Option<String>,
    pub status: Option<u16>,
    pub wait: Option<Duration>,
    pub kind: Option<Kind>,
    pub title: Option<String>,
    pub limit: Option<u64>,
    pub remaining: Option<u64>,
    pub window: Option<Duration>,
    pub errors: Vec<FieldError>,
    pub details: Map<String, Value>,
    pub wraps: bool,
}

/// Text that says nothing counts as absent: empty, or the name that Python gives to nothing.
pub(super) fn said(text: &str) -> Option<String> {
    let word = text.trim();
    (!word.is_empty() && word != "None" && word != "null").then(|| text.to_owned())
}

/// A path that begins with the part of the request, as a dotted one within that part; the part alone names no parameter.
pub(super) fn located(loc: &[Value]) -> (Part, Option<String>) {
    let part = loc.first().and_then(Value::as_str).and_then(Part::parse);
    match part {
        Some(part) => (part, dotted(&loc[1..])),
        None => (Part::Body, dotted(loc)),
    }
}

/// The elements of a path as one dotted path.
pub(super) fn dotted(path: &[Value]) -> Option<String> {
    let parts: Vec<String> = path
        .iter()
        .filter_map(|part| match part {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        })
        .collect();
    let path = parts.join(".");
    (!path.is_empty()).then_some(path)
}
