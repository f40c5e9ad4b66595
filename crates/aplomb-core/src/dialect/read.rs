//! Reading: an envelope template held against a JSON value.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::dialect::facts::{Facts, dotted, located, said};
use crate::dialect::rest::{self, own_error};
use crate::failure::{FieldError, Part};
use crate::header;
use crate::kind::Kind;
use crate::pointer;
use crate::spec::{Form, Member, Node, Presence, Slot, SlotName};

/// How well a template fitted: more is better; every member that it doesn't know costs.
pub(super) type Score = i32;

/// Holds a template against a value. `None` when it doesn't fit.
pub(super) fn read(node: &Node, value: &Value) -> Option<(Facts, Score)> {
    let mut facts = Facts::default();
    let score = fit(node, value, &mut facts)?;
    if let Some(first) = facts.errors.first() {
        facts.message = facts.message.or_else(|| Some(first.message.clone()));
        facts.param = facts.param.or_else(|| first.param.clone());
    }
    Some((facts, score))
}

fn fit(node: &Node, value: &Value, facts: &mut Facts) -> Option<Score> {
    match node {
        Node::Slot(slot) => slot_fits(*slot, value, facts).then_some(2),
        Node::Literal(literal) => (literal == value).then_some(3),
        Node::Object(members) => object(members, value.as_object()?, facts),
        Node::Tuple(nodes) => tuple(nodes, value.as_array()?, facts),
        Node::List(node) => list(node, value.as_array()?, facts),
    }
}

fn object(members: &[Member], object: &Map<String, Value>, facts: &mut Facts) -> Option<Score> {
    let mut score = 1;
    let mut known = 0;
    let mut unfit = Vec::new();
    for member in members.iter().filter(|member| !member.is_spread()) {
        let value = object.get(&member.key).filter(|value| !value.is_null());
        known += i32::from(object.contains_key(&member.key));
        match value {
            Some(value) => match fit(&member.node, value, facts) {
                Some(points) => score += points,
                None if member.optional => unfit.push((member.key.clone(), value.clone())),
                None => return None,
            },
            None if member.optional => {}
            None => return None,
        }
    }
    let unknown = i32::try_from(object.len()).unwrap_or(i32::MAX) - known;
    match members.iter().find(|member| member.is_spread()) {
        Some(spread) => {
            let named = |key: &str| members.iter().any(|member| member.key == key);
            let others =
                object.iter().filter(|(key, _)| !named(key)).map(|(key, value)| (key.clone(), value.clone()));
            rest::take(others.collect(), spread.node.holds(SlotName::Rest), facts);
            facts.details.extend(unfit);
            score -= unknown.min(2) / 2;
        }
        None => score -= unknown,
    }
    Some(score)
}

fn tuple(nodes: &[Node], items: &[Value], facts: &mut Facts) -> Option<Score> {
    let mut score = 0;
    let mut unfit = Vec::new();
    for item in items {
        let fitted = nodes.iter().find_map(|node| {
            let mut trial = facts.clone();
            let points = fit(node, item, &mut trial)?;
            Some((points, trial))
        });
        match fitted {
            Some((points, found)) => {
                score += points;
                *facts = found;
            }
            None => unfit.push(item.clone()),
        }
    }
    if !unfit.is_empty() {
        facts.details.insert("details".to_owned(), Value::Array(unfit));
    }
    (score > 0).then_some(score)
}

/// A list of field errors: the first also gives the main facts that nothing else gave.
fn list(node: &Node, items: &[Value], facts: &mut Facts) -> Option<Score> {
    let mut score = 0;
    for item in items.iter().take(100) {
        let mut own = Facts::default();
        score += fit(node, item, &mut own)?;
        let code = own.code.clone().or_else(|| own.type_.clone());
        if facts.errors.is_empty() {
            facts.type_ = facts.type_.take().or_else(|| own.type_.take());
            facts.code = facts.code.take().or_else(|| own.code.take());
            facts.title = facts.title.take().or_else(|| own.title.clone());
        }
        let message = own.message.or(own.title).or_else(|| code.clone()).unwrap_or_default();
        let code = own.errors.first().and_then(|error| error.code.clone()).or(code);
        facts.errors.push(FieldError { param: own.param, part: own.part, message, code });
    }
    (!facts.errors.is_empty()).then(|| score.min(8))
}

fn slot_fits(slot: Slot, value: &Value, facts: &mut Facts) -> bool {
    let forgiving = slot.presence != Presence::Required;
    match slot.name {
        SlotName::Any => true,
        SlotName::Details | SlotName::Rest => match value {
            Value::Object(members) => {
                rest::take(members.clone(), slot.name == SlotName::Rest, facts);
                true
            }
            Value::Null => forgiving,
            other => {
                facts.details.insert("details".to_owned(), other.clone());
                true
            }
        },
        SlotName::Errors => errors(slot.form, value, facts),
        SlotName::Param => param(slot.form, value).is_some_and(|(part, found)| {
            if facts.param.is_none() {
                facts.part = part;
            }
            keep(&mut facts.param, found)
        }),
        SlotName::Message if slot.form == Form::Json => {
            let text = value.as_str().filter(|text| is_json(text));
            facts.wraps |= text.is_some();
            text.is_some_and(|text| keep(&mut facts.message, said(text)))
        }
        SlotName::Message => value.as_str().is_some_and(|text| keep(&mut facts.message, said(text))),
        SlotName::Title => value.as_str().is_some_and(|text| keep(&mut facts.title, said(text))),
        SlotName::Code if slot.form == Form::Int && !value.is_i64() => false,
        SlotName::Code => scalar(value).is_some_and(|found| keep(&mut facts.code, found)),
        SlotName::Type => scalar(value).is_some_and(|found| keep(&mut facts.type_, found)),
        SlotName::RequestId => scalar(value).is_some_and(|found| keep(&mut facts.request_id, found)),
        SlotName::Kind => match value.as_str().and_then(Kind::parse) {
            Some(kind) => keep(&mut facts.kind, Some(kind)),
            None => forgiving,
        },
        SlotName::FieldCode => field_code(value, facts),
        SlotName::Status => match status(value) {
            Some(status) => keep(&mut facts.status, Some(status)),
            None => false,
        },
        SlotName::Wait => wait(slot.form, value).is_some_and(|found| keep(&mut facts.wait, Some(found))),
        SlotName::Limit => whole(value).is_some_and(|found| keep(&mut facts.limit, Some(found))),
        SlotName::Remaining => whole(value).is_some_and(|found| keep(&mut facts.remaining, Some(found))),
        SlotName::Window => window(value).is_some_and(|found| keep(&mut facts.window, Some(found))),
    }
}

/// Keeps the first that says something; that the place was there is enough to fit.
fn keep<T>(place: &mut Option<T>, found: Option<T>) -> bool {
    if place.is_none() {
        *place = found;
    }
    true
}

fn scalar(value: &Value) -> Option<Option<String>> {
    match value {
        Value::String(text) => Some(said(text)),
        Value::Number(number) => Some(Some(number.to_string())),
        Value::Bool(_) | Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn param(form: Form, value: &Value) -> Option<(Part, Option<String>)> {
    let of_body = |found| (Part::Body, found);
    match value {
        Value::Array(parts) => Some(located(parts)),
        Value::String(text) if form == Form::Pointer => Some(of_body(from_pointer(text))),
        Value::String(_) | Value::Number(_) if form == Form::Loc => {
            Some(of_body(dotted(std::slice::from_ref(value))))
        }
        other => scalar(other).map(of_body),
    }
}

/// Whether a text is an object or a list of JSON, and nothing else.
fn is_json(text: &str) -> bool {
    let text = text.trim();
    text.starts_with(['{', '[']) && serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
}

/// `#/profile/color` as a dotted path.
fn from_pointer(text: &str) -> Option<String> {
    let text = text.strip_prefix('#').unwrap_or(text);
    let rest = text.strip_prefix('/').unwrap_or(text);
    said(&pointer::parts(&format!("/{rest}")).collect::<Vec<_>>().join("."))
}

fn status(value: &Value) -> Option<u16> {
    let number = match value {
        Value::Number(number) => number.as_u64()?,
        Value::String(text) => text.trim().parse().ok()?,
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
    };
    u16::try_from(number).ok().filter(|status| (100..600).contains(status))
}

fn whole(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.trim().parse().ok())
}

fn wait(form: Form, value: &Value) -> Option<Duration> {
    match (form, value) {
        (Form::Millis, Value::Number(number)) => header::retry_after_ms::parse(&number.to_string()),
        (Form::Millis, Value::String(text)) => header::retry_after_ms::parse(text),
        (_, Value::Number(number)) => header::duration::parse(&number.to_string()),
        (_, Value::String(text)) => header::duration::parse(text),
        (_, Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_)) => None,
    }
}

/// `60`, `"1 minute"`, `"1m"`.
fn window(value: &Value) -> Option<Duration> {
    if let Some(seconds) = value.as_u64() {
        return Some(Duration::from_secs(seconds));
    }
    let text = value.as_str()?.trim();
    if let Some(window) = header::duration::parse(text) {
        return Some(window);
    }
    let (count, unit) = text.split_once(' ').unwrap_or(("1", text));
    let count: u64 = count.parse().ok()?;
    let seconds = match unit.trim_end_matches('s').to_ascii_lowercase().as_str() {
        "second" | "sec" => 1,
        "minute" | "min" => 60,
        "hour" => 3_600,
        "day" => 86_400,
        _ => return None,
    };
    Some(Duration::from_secs(count.saturating_mul(seconds)))
}

fn field_code(value: &Value, facts: &mut Facts) -> bool {
    let Some(code) = scalar(value) else { return false };
    let mut error = FieldError::new(facts.message.clone().unwrap_or_default());
    error.param.clone_from(&facts.param);
    error.code = code;
    facts.errors.push(error);
    true
}

fn errors(form: Form, value: &Value, facts: &mut Facts) -> bool {
    match (form, value) {
        (Form::Map, Value::Object(fields)) => {
            for (field, messages) in fields.iter().take(100) {
                let texts = match messages {
                    Value::Array(items) => items.iter().filter_map(Value::as_str).collect(),
                    Value::String(text) => vec![text.as_str()],
                    Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => Vec::new(),
                };
                facts.errors.extend(texts.into_iter().map(|text| FieldError {
                    param: Some(field.clone()),
                    part: Part::Body,
                    message: text.to_owned(),
                    code: None,
                }));
            }
            !facts.errors.is_empty()
        }
        (_, Value::Array(items)) => {
            facts.errors.extend(items.iter().take(100).filter_map(own_error));
            true
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn facts(template: &str, value: &Value) -> Option<Facts> {
        read(&Node::parse(template).unwrap(), value).map(|(facts, _)| facts)
    }

    #[test]
    fn a_list_of_field_errors_gives_the_first_as_the_main_one() {
        let value = json!({"detail": [
            {"loc": ["body", "items", 0], "msg": "field required", "type": "missing"},
            {"loc": ["query", "q"], "msg": "too long", "type": "string_too_long"},
        ]});
        let facts =
            facts(r#"{"detail[]": {"loc": "$param:loc", "msg": "$message", "type": "$type"}}"#, &value)
                .unwrap();
        assert_eq!(facts.message.as_deref(), Some("field required"));
        assert_eq!(facts.param.as_deref(), Some("items.0"));
        assert_eq!(facts.type_.as_deref(), Some("missing"));
        assert_eq!(facts.errors[1].code.as_deref(), Some("string_too_long"));
    }

    #[test]
    fn nothing_said_is_absent_and_unknown_members_are_details() {
        let value = json!({"error": {"message": "m", "type": "None", "code": 400, "failed_generation": "x"}});
        let facts = facts(
            r#"{"error": {"message": "$message", "type": "$type|null", "code": "$code|null", "...": "$details"}}"#,
            &value,
        )
        .unwrap();
        assert_eq!((facts.type_, facts.code.as_deref()), (None, Some("400")));
        assert_eq!(facts.details["failed_generation"], "x");
    }

    #[test]
    fn a_literal_that_differs_does_not_fit() {
        assert_eq!(
            facts(r#"{"type": "error", "message": "$message"}"#, &json!({"type": "x", "message": "m"})),
            None
        );
        assert_eq!(facts(r#"{"error": "$message"}"#, &json!({"error": {"message": "m"}})), None);
    }

    #[test]
    fn a_map_of_field_errors_is_read() {
        let value = json!({"title": "Invalid", "errors": {"Model.Field": ["bad", "worse"]}});
        let facts = facts(r#"{"title": "$message", "errors": "$errors:map"}"#, &value).unwrap();
        assert_eq!(facts.param.as_deref(), Some("Model.Field"));
        assert_eq!(facts.errors.len(), 2);
        assert_eq!(facts.message.as_deref(), Some("Invalid"));
    }

    #[test]
    fn the_whole_sentence_stands_beside_a_list_that_says_something_else() {
        let value =
            json!({"detail": [{"loc": ["body", "age"], "msg": "too young"}], "message": "Invalid input."});
        let facts =
            facts(r#"{"detail[]": {"loc": "$param:loc", "msg": "$message"}, "...": "$rest"}"#, &value)
                .unwrap();
        assert_eq!(facts.message.as_deref(), Some("Invalid input."));
        assert_eq!(facts.errors[0].message, "too young");
        assert!(facts.details.is_empty());
    }

    #[test]
    fn a_window_is_read_in_words() {
        assert_eq!(window(&json!("1 minute")), Some(Duration::from_secs(60)));
        assert_eq!(window(&json!("day")), Some(Duration::from_secs(86_400)));
        assert_eq!(window(&json!("soon")), None);
    }
}
