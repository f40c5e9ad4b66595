//! The rest: facts that have no slot in a template, and details, side by side without one being taken for the other.
//!
//! A fact stands under its own name, or as `original_…` where that name or its slot shows something else.
//! A detail stands under its own name, or as `given_…` where that one belongs to a member or to a fact.

use serde_json::{Map, Value};

use crate::dialect::facts::{Facts, said};
use crate::failure::{FieldError, Part};
use crate::spec::{Member, SlotName};

/// The facts that a rest can hold, by the names under which they stand there.
const NAMES: [(SlotName, &str); 5] = [
    (SlotName::Message, "message"),
    (SlotName::Code, "code"),
    (SlotName::Type, "type"),
    (SlotName::Param, "param"),
    (SlotName::RequestId, "request_id"),
];
const ERRORS: &str = "field_errors";
const FACT_ELSEWHERE: &str = "original_";
const DETAIL_ELSEWHERE: &str = "given_";

/// Which facts the template has shown, and in which slots something else stands.
#[derive(Clone, Debug, Default)]
pub(super) struct Shown {
    pub(super) facts: Vec<SlotName>,
    pub(super) others: Vec<SlotName>,
}

/// The facts that a template did not show.
pub(super) fn left_over(facts: &Facts, shown: &Shown) -> Map<String, Value> {
    let mut rest = Map::new();
    for (slot, name) in NAMES {
        let Some(text) = fact(facts, slot).filter(|_| !shown.facts.contains(&slot)) else { continue };
        let name =
            if shown.others.contains(&slot) { format!("{FACT_ELSEWHERE}{name}") } else { name.to_owned() };
        rest.insert(name, Value::from(text.as_str()));
    }
    if tells_more(facts) && !shown.facts.contains(&SlotName::Errors) {
        rest.insert(ERRORS.to_owned(), facts.errors.iter().map(field_error).collect());
    }
    rest
}

/// Details and left-over facts in one object, beside these named members.
pub(super) fn put(
    details: &Map<String, Value>,
    rest: &Map<String, Value>,
    named: &[Member],
    out: &mut Map<String, Value>,
) {
    for (key, value) in details {
        let key = if belongs(key, named) { format!("{DETAIL_ELSEWHERE}{key}") } else { key.clone() };
        out.insert(key, value.clone());
    }
    for (key, value) in rest {
        let key = if is_named(key, named) { format!("{FACT_ELSEWHERE}{key}") } else { key.clone() };
        out.insert(key, value.clone());
    }
}

/// Members that no template names: facts again if they may be, else details.
pub(super) fn take(members: Map<String, Value>, with_facts: bool, facts: &mut Facts) {
    for (key, value) in members {
        if with_facts && take_fact(&key, &value, facts) {
            continue;
        }
        let own = key.strip_prefix(DETAIL_ELSEWHERE);
        facts.details.insert(own.unwrap_or(&key).to_owned(), value);
    }
}

/// Whether a member was a fact. One under its own name says nothing where the fact has been said in its slot.
fn take_fact(key: &str, value: &Value, facts: &mut Facts) -> bool {
    if key == ERRORS {
        let errors = value.as_array().and_then(|items| items.iter().take(100).map(own_error).collect());
        return errors.map(|errors| facts.errors = errors).is_some();
    }
    let (name, replaces) = match key.strip_prefix(FACT_ELSEWHERE) {
        Some(name) => (name, true),
        None => (key, false),
    };
    let Some((slot, _)) = NAMES.iter().find(|(_, own)| *own == name) else { return false };
    let Some(text) = value.as_str().and_then(said) else { return false };
    let place = match slot {
        SlotName::Message => &mut facts.message,
        SlotName::Code => &mut facts.code,
        SlotName::Type => &mut facts.type_,
        SlotName::Param => &mut facts.param,
        _ => &mut facts.request_id,
    };
    let takes = replaces || place.is_none();
    if takes {
        *place = Some(text);
    }
    takes
}

fn fact(facts: &Facts, slot: SlotName) -> Option<&String> {
    match slot {
        SlotName::Message => facts.message.as_ref(),
        SlotName::Code => facts.code.as_ref(),
        SlotName::Type => facts.type_.as_ref(),
        SlotName::Param => facts.param.as_ref(),
        _ => facts.request_id.as_ref(),
    }
}

/// Whether there is one field error, which says what message and parameter say.
pub(super) fn is_the_only_one(facts: &Facts) -> bool {
    matches!(facts.errors.as_slice(), [only] if Some(&only.message) == facts.message.as_ref() && only.param == facts.param)
}

/// Whether the field errors say more than message and parameter do.
fn tells_more(facts: &Facts) -> bool {
    match facts.errors.as_slice() {
        [] => false,
        [only] => {
            only.code.is_some()
                || Some(&only.message) != facts.message.as_ref()
                || (only.param.is_some() && only.param != facts.param)
        }
        _ => true,
    }
}

fn is_named(key: &str, named: &[Member]) -> bool {
    named.iter().any(|member| member.key == key)
}

/// Whether the name of a detail is taken: by a member, by a fact, or by what a detail is renamed to.
fn belongs(key: &str, named: &[Member]) -> bool {
    let fact = key.strip_prefix(FACT_ELSEWHERE).unwrap_or(key);
    is_named(key, named)
        || key == ERRORS
        || NAMES.iter().any(|(_, own)| *own == fact)
        || key.starts_with(DETAIL_ELSEWHERE)
}

/// A field error in our own form.
pub(super) fn field_error(error: &FieldError) -> Value {
    let mut out = Map::new();
    out.insert("param".to_owned(), Value::from(error.param.clone()));
    if error.part != Part::Body {
        out.insert("part".to_owned(), Value::from(error.part.as_str()));
    }
    out.insert("message".to_owned(), Value::from(error.message.as_str()));
    out.insert("code".to_owned(), Value::from(error.code.clone()));
    Value::Object(out)
}

/// The same, read.
pub(super) fn own_error(value: &Value) -> Option<FieldError> {
    let text = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
    let part = value.get("part").and_then(Value::as_str).and_then(Part::parse).unwrap_or_default();
    Some(FieldError { message: text("message")?, param: text("param"), part, code: text("code") })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(value: Value) -> Map<String, Value> {
        let Value::Object(members) = value else { panic!("an object") };
        members
    }

    #[test]
    fn a_detail_with_the_name_of_a_fact_stays_a_detail() {
        let details = object(json!({"code": "inner", "given_code": 1, "original_type": true, "x": []}));
        let rest = object(json!({"code": "outer"}));
        let mut out = Map::new();
        put(&details, &rest, &[], &mut out);
        assert_eq!(out["code"], "outer");
        let mut facts = Facts::default();
        take(out, true, &mut facts);
        assert_eq!((facts.code.as_deref(), facts.details), (Some("outer"), details));
    }

    #[test]
    fn a_fact_that_was_said_in_its_slot_is_not_said_again_by_a_detail() {
        let mut facts = Facts { code: Some("-32000".into()), ..Facts::default() };
        take(object(json!({"code": "INSUFFICIENT_FUNDS"})), true, &mut facts);
        assert_eq!(facts.code.as_deref(), Some("-32000"));
        assert_eq!(facts.details["code"], "INSUFFICIENT_FUNDS");
    }
}
