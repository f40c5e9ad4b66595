//! Where in a text a JSON pointer leads, for mistakes: line and column.

use std::fmt;

use aplomb_core::pointer::parts;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use serde_saphyr::Spanned;

use crate::config::Place;

/// The place of a value in JSON text; the nearest one above it where it doesn't stand there itself.
pub(super) fn in_json(text: &str, pointer: &str) -> Option<Place> {
    let mut raw: &RawValue = serde_json::from_str(text).ok()?;
    for part in parts(pointer) {
        let Some(inner) = member(raw, &part) else { break };
        raw = inner;
    }
    let start = raw.get().as_ptr().addr().checked_sub(text.as_ptr().addr())?;
    Some(Place::of(text, start))
}

fn member<'t>(raw: &'t RawValue, part: &str) -> Option<&'t RawValue> {
    #[derive(Deserialize)]
    struct Members<'t>(#[serde(borrow)] Vec<&'t RawValue>);
    if raw.get().starts_with('[') {
        let Members(items) = serde_json::from_str(raw.get()).ok()?;
        return items.get(part.parse::<usize>().ok()?).copied();
    }
    crate::model::member(raw.get().as_bytes(), part)
}

/// The place of a value in YAML text; the nearest one above it where it doesn't stand there itself.
pub(super) fn in_yaml(text: &str, pointer: &str) -> Option<Place> {
    let tree: Spanned<Node> = serde_saphyr::from_str(text).ok()?;
    let mut at = &tree;
    for part in parts(pointer) {
        let inner = match &at.value {
            Node::Object(members) => members.iter().find(|(name, _)| *name == part).map(|(_, node)| node),
            Node::Array(items) => part.parse::<usize>().ok().and_then(|index| items.get(index)),
            Node::Scalar => None,
        };
        let Some(inner) = inner else { break };
        at = inner;
    }
    let number = |number: u64| usize::try_from(number).ok();
    Some(Place { line: number(at.referenced.line())?, column: number(at.referenced.column())? })
}

/// YAML as far as places are concerned.
enum Node {
    Scalar,
    Array(Vec<Spanned<Self>>),
    Object(Vec<(String, Spanned<Self>)>),
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        reader.deserialize_any(Nodes)
    }
}

struct Nodes;

macro_rules! scalars {
    ($($visit:ident: $type:ty),*) => {
        $(fn $visit<E>(self, _: $type) -> Result<Node, E> { Ok(Node::Scalar) })*
    };
}

impl<'de> Visitor<'de> for Nodes {
    type Value = Node;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("any value")
    }

    scalars!(visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64, visit_str: &str);

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Scalar)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let mut out = Vec::new();
        while let Some(item) = items.next_element()? {
            out.push(item);
        }
        Ok(Node::Array(out))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Node, A::Error> {
        let mut out = Vec::new();
        while let Some(member) = members.next_entry()? {
            out.push(member);
        }
        Ok(Node::Object(out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_leads_to_a_line_in_json() {
        let text = "{\n  \"a/b\": [1,\n    {\"c\": 2}]\n}";
        let place = |pointer| in_json(text, pointer).map(|place| (place.line, place.column));
        assert_eq!(place(""), Some((1, 1)));
        assert_eq!(place("/a~1b"), Some((2, 10)));
        assert_eq!(place("/a~1b/1/c"), Some((3, 11)));
        assert_eq!(place("/a~1b/1/gone/deeper"), Some((3, 5)));
    }

    #[test]
    fn a_pointer_leads_to_a_line_in_yaml() {
        let text = "a:\n  - x: 1\n  - y:\n      z: [1, 2]\n";
        let place = |pointer| in_yaml(text, pointer).map(|place| place.line);
        assert_eq!(place("/a/1/y/z/1"), Some(4));
        assert_eq!(place("/a/0/x"), Some(2));
    }
}
