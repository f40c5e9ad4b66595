//! Which types a schema speaks of: what comes as text is turned into a value of one of them before it is checked.

use std::collections::BTreeMap;

use serde_json::{Number, Value};

use crate::validate::references;
use aplomb_core::pointer::escaped;

/// How many values of one name, or fields of one form, are looked at.
pub(super) const VALUES: usize = 1_000;

/// Which types a schema speaks of, as far as that can be seen.
#[derive(Clone, Debug, Default)]
pub(super) struct Types {
    pub(super) number: bool,
    pub(super) boolean: bool,
    pub(super) array: bool,
    pub(super) object: bool,
    pub(super) text: bool,
    /// The types of a list's items.
    pub(super) items: Option<Box<Self>>,
}

impl Types {
    /// Whether any text is such a value.
    pub(super) fn is_text(&self) -> bool {
        self.text || !(self.number || self.boolean || self.array || self.object)
    }

    /// A text as the value that the schema speaks of; what can't be that stays text, which the schema then refuses.
    pub(super) fn read(&self, text: &str) -> Value {
        if self.number
            && let Ok(number) = serde_json::from_str::<Number>(text)
        {
            return Value::Number(number);
        }
        match text {
            _ if self.boolean && text.eq_ignore_ascii_case("true") => Value::Bool(true),
            _ if self.boolean && text.eq_ignore_ascii_case("false") => Value::Bool(false),
            text => Value::from(text),
        }
    }

    pub(super) fn add(&mut self, other: Self) {
        self.number |= other.number;
        self.boolean |= other.boolean;
        self.array |= other.array;
        self.object |= other.object;
        self.text |= other.text;
        self.items = self.items.take().or(other.items);
    }
}

/// How deep forms within forms are looked at.
const DEPTH: usize = 8;

/// The types that a schema at a place speaks of.
pub(super) fn of(root: &Value, schema: &Value, at: &str) -> Types {
    types(root, schema, at, 0)
}

/// What a form's fields may be, by name, with what all other fields may be.
pub(super) fn of_fields(root: &Value, at: &str) -> (BTreeMap<String, Types>, Types) {
    let (mut named, mut others) = (BTreeMap::new(), Types::default());
    if let Some(schema) = root.pointer(at) {
        fields(root, schema, at, 0, (&mut named, &mut others));
    }
    (named, others)
}

fn fields(
    root: &Value,
    schema: &Value,
    at: &str,
    depth: usize,
    (named, others): (&mut BTreeMap<String, Types>, &mut Types),
) {
    let Some((schema, at)) = references::followed(root, schema, at).filter(|_| depth < DEPTH) else { return };
    for (name, field) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        let at = format!("{at}/properties/{}", escaped(name));
        named.entry(name.clone()).or_default().add(of(root, field, &at));
    }
    if let Some(field) = schema.get("additionalProperties") {
        others.add(of(root, field, &format!("{at}/additionalProperties")));
    }
    for keyword in ["anyOf", "oneOf", "allOf"] {
        let forms = schema.get(keyword).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        for (index, form) in forms.iter().enumerate() {
            fields(root, form, &format!("{at}/{keyword}/{index}"), depth + 1, (named, others));
        }
    }
}

fn types(root: &Value, schema: &Value, at: &str, depth: usize) -> Types {
    let mut all = Types::default();
    let Some((schema, at)) = references::followed(root, schema, at).filter(|_| depth < DEPTH) else {
        return all;
    };
    let mut named = |name: &str| match name {
        "integer" | "number" => all.number = true,
        "boolean" => all.boolean = true,
        "array" => all.array = true,
        "object" => all.object = true,
        "null" => {}
        _ => all.text = true,
    };
    match schema.get("type") {
        Some(Value::String(name)) => named(name),
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).for_each(named),
        _ => {}
    }
    let values = schema.get("enum").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    for value in values.iter().chain(schema.get("const")) {
        all.number |= value.is_number();
        all.boolean |= value.is_boolean();
    }
    for keyword in ["anyOf", "oneOf", "allOf"] {
        let forms = schema.get(keyword).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        for (index, form) in forms.iter().enumerate() {
            all.add(types(root, form, &format!("{at}/{keyword}/{index}"), depth + 1));
        }
    }
    if let Some(items) = schema.get("items") {
        all.items = Some(Box::new(types(root, items, &format!("{at}/items"), depth + 1)));
    }
    all
}
