//! Where a file's references lead: to another place of the same file, or nowhere.
//!
//! A reference to a URL would have the gateway fetch what somebody else names, one to another file would read what
//! the configuration doesn't name. Neither is followed; both are told when the configuration is read.

use aplomb_core::pointer::escaped;
use serde_json::Value;

use crate::percent;
use crate::validate::flaw::Flaw;

/// How many references one after the other are followed.
const HOPS: usize = 32;

/// Members whose content is data: what looks like a reference there is none.
const DATA: [&str; 5] = ["example", "examples", "default", "enum", "const"];

/// Every reference of a file that leads nowhere.
pub(super) fn astray(root: &Value) -> Vec<Flaw> {
    let mut flaws = Vec::new();
    walk(root, root, &mut String::new(), &mut flaws);
    flaws
}

/// Depth is bounded by whoever read the text.
fn walk(root: &Value, value: &Value, at: &mut String, flaws: &mut Vec<Flaw>) {
    let length = at.len();
    match value {
        Value::Object(members) => {
            for (name, inner) in members {
                at.push('/');
                at.push_str(&escaped(name));
                match inner {
                    Value::String(to) if matches!(name.as_str(), "$ref" | "$dynamicRef") => {
                        flaws.extend(wrong(root, to).map(|message| Flaw::new(at.as_str(), message)));
                    }
                    _ if DATA.contains(&name.as_str()) => {}
                    inner => walk(root, inner, at, flaws),
                }
                at.truncate(length);
            }
        }
        Value::Array(items) => {
            for (index, inner) in items.iter().enumerate() {
                at.push_str(&format!("/{index}"));
                walk(root, inner, at, flaws);
                at.truncate(length);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn wrong(root: &Value, to: &str) -> Option<String> {
    let Some(fragment) = to.strip_prefix('#') else {
        let shown: String = to.chars().take(80).collect();
        return Some(format!(
            "`{shown}` leads out of this file; only references within it (`#/…`) are followed: copy it here"
        ));
    };
    // `#name` is an anchor, which the compiler looks up.
    let is_pointer = fragment.is_empty() || fragment.starts_with('/');
    (is_pointer && find(root, fragment).is_none()).then(|| format!("nothing stands at `#{fragment}`"))
}

/// What stands at the fragment of a reference.
pub(super) fn find<'v>(root: &'v Value, fragment: &str) -> Option<&'v Value> {
    root.pointer(&pointer(fragment))
}

/// A fragment as the pointer that it encodes.
pub(super) fn pointer(fragment: &str) -> String {
    String::from_utf8(percent::decoded(fragment)).unwrap_or_else(|_| fragment.to_owned())
}

/// What a value is once its own references are followed, and where that stands.
pub(super) fn followed<'v>(root: &'v Value, value: &'v Value, at: &str) -> Option<(&'v Value, String)> {
    let (mut value, mut at) = (value, at.to_owned());
    for _ in 0..HOPS {
        let Some(Value::String(to)) = value.get("$ref") else { return Some((value, at)) };
        at = pointer(to.strip_prefix('#')?);
        value = root.pointer(&at)?;
    }
    None
}

/// Keywords that hold schemas for the very same value: one, a list, or one by name.
const IN_PLACE: [&str; 9] =
    ["allOf", "anyOf", "oneOf", "not", "if", "then", "else", "dependentSchemas", "$ref"];

/// Whether a schema leads back to itself without a step into the value: checking it would never end.
pub(super) fn loops(root: &Value, at: &str) -> bool {
    leads_back(root, at, &mut Vec::new(), &mut 0)
}

/// The most schemas that are looked at for loops.
const LOOKED_AT: usize = 100_000;

fn leads_back(root: &Value, at: &str, above: &mut Vec<String>, looked_at: &mut usize) -> bool {
    *looked_at += 1;
    if above.iter().any(|one| one == at) || *looked_at > LOOKED_AT {
        return true;
    }
    let Some(Value::Object(schema)) = root.pointer(at) else { return false };
    above.push(at.to_owned());
    let back = IN_PLACE.iter().any(|keyword| match schema.get(*keyword) {
        Some(Value::String(to)) if *keyword == "$ref" => to
            .strip_prefix('#')
            .is_some_and(|fragment| leads_back(root, &pointer(fragment), above, looked_at)),
        Some(Value::Array(list)) => (0..list.len())
            .any(|index| leads_back(root, &format!("{at}/{keyword}/{index}"), above, looked_at)),
        Some(Value::Object(named)) if *keyword == "dependentSchemas" => named
            .keys()
            .any(|name| leads_back(root, &format!("{at}/{keyword}/{}", escaped(name)), above, looked_at)),
        Some(Value::Object(_)) => leads_back(root, &format!("{at}/{keyword}"), above, looked_at),
        _ => false,
    });
    above.pop();
    back
}

/// Makes a pointer lead to the pattern of that text within a schema, if it stands there.
pub(super) fn place_of_pattern(schema: &Value, pattern: &str, at: &mut String) -> bool {
    let Value::Object(members) = schema else {
        let Value::Array(items) = schema else { return false };
        let length = at.len();
        return items.iter().enumerate().any(|(index, inner)| {
            at.truncate(length);
            at.push_str(&format!("/{index}"));
            place_of_pattern(inner, pattern, at)
        });
    };
    let length = at.len();
    let found = members.iter().any(|(name, inner)| {
        at.truncate(length);
        at.push('/');
        at.push_str(&escaped(name));
        (name == "pattern" && inner.as_str() == Some(pattern))
            || name == pattern
            || place_of_pattern(inner, pattern, at)
    });
    if !found {
        at.truncate(length);
    }
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_reference_out_of_the_file_is_told_and_one_into_data_is_not() {
        let root = json!({
            "a": { "$ref": "http://169.254.169.254/latest/meta-data" },
            "b": { "$ref": "../../etc/passwd#/x" },
            "c": { "$ref": "#/gone" },
            "d": { "$ref": "#/a" },
            "e": { "example": { "$ref": "http://x" } },
            "f": [{ "$ref": "#anchor" }],
        });
        let flaws = astray(&root);
        let at: Vec<_> = flaws.iter().map(|flaw| flaw.at.as_str()).collect();
        assert_eq!(at, ["/a/$ref", "/b/$ref", "/c/$ref"]);
        assert!(flaws[2].message.contains("nothing stands"));
    }

    #[test]
    fn references_are_followed_to_their_end() {
        let root =
            json!({ "a": { "$ref": "#/b" }, "b": { "$ref": "#/c%20d" }, "c d": 1, "e": { "$ref": "#/e" } });
        assert_eq!(followed(&root, &root["a"], "/a").unwrap(), (&json!(1), "/c d".to_owned()));
        assert_eq!(followed(&root, &root["e"], "/e"), None);
    }

    #[test]
    fn a_schema_that_is_itself_is_found_and_one_that_holds_itself_is_not() {
        let root = json!({
            "round": { "anyOf": [{ "type": "null" }, { "$ref": "#/trip" }] },
            "trip": { "allOf": [{ "$ref": "#/round" }] },
            "tree": { "properties": { "inner": { "$ref": "#/tree" } } },
        });
        assert!(loops(&root, "/round"));
        assert!(!loops(&root, "/tree"));
    }
}
