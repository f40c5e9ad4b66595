//! Errors in the clothes of a success: JSON that came with a 200, or in a stream, and reports a failure.

use serde_json::Value;

use crate::dialect::inside::says_something;
use crate::spec::{Catalog, Dialect, NativeErrors};

/// Where the JSON stood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// A body of its own: a result beside the error means that the answer is one.
    Body,
    /// An event of a stream, where an error may come together with the last piece of the result.
    Event,
    /// An event that is called an error.
    ErrorEvent,
}

/// Whether JSON reports a failure: a non-null `error` without a result, or an object that calls itself an error.
pub(super) fn is_error(catalog: &Catalog, dialect: Option<&Dialect>, json: &Value, place: Place) -> bool {
    if place == Place::ErrorEvent && (json.is_object() || json.is_array()) {
        return true;
    }
    let object = match json {
        Value::Array(items) => match items.as_slice() {
            [only] => only,
            _ => return false,
        },
        other => other,
    };
    let says = |key: &str| {
        object.get(key).and_then(Value::as_str).is_some_and(|text| text.eq_ignore_ascii_case("error"))
    };
    let failed = object.pointer("/response/error").is_some_and(|error| !error.is_null());
    let blocked =
        object.pointer("/promptFeedback/blockReason").is_some() && object.get("candidates").is_none();
    let reported = object.get("error").is_some_and(|error| match place {
        Place::Event | Place::ErrorEvent => {
            error.is_object() || error.as_str().is_some_and(|text| !text.is_empty())
        }
        Place::Body => {
            !matches!(error, Value::Null | Value::Bool(false))
                && (ended_in_error(object) || !has_result(catalog, dialect, object))
        }
    });
    failed || blocked || reported || says("type") || says("object")
}

/// Whether a member of a result is there: the dialect's own, or any dialect's where it names none.
fn has_result(catalog: &Catalog, dialect: Option<&Dialect>, object: &Value) -> bool {
    let holds = |dialect: &Dialect| {
        let mut members = dialect.endpoints.iter().flat_map(|endpoint| &endpoint.result);
        members.any(|member| object.get(member).is_some_and(says_something))
    };
    match dialect {
        Some(own) if !own.endpoints.is_empty() || own.errors_in_200 == NativeErrors::Native => holds(own),
        _ => catalog.dialects().any(holds),
    }
}

/// A choice that ended in an error holds what was said before it, and is no result.
fn ended_in_error(object: &Value) -> bool {
    let choices = object.get("choices").and_then(Value::as_array);
    choices.into_iter().flatten().any(|choice| choice["finish_reason"] == "error")
}
