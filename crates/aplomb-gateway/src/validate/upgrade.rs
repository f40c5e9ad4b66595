//! OpenAPI 3.0 wrote schemas in words of its own; here they become JSON Schema, as OpenAPI 3.1 writes them.

use serde_json::{Map, Value};

/// Rewrites a document of OpenAPI 3.0 in place: `nullable`, and bounds that say with `true` that they are exclusive.
pub(super) fn from_3_0(value: &mut Value) {
    match value {
        Value::Object(members) => {
            nullable(members);
            exclusive(members, "exclusiveMinimum", "minimum");
            exclusive(members, "exclusiveMaximum", "maximum");
            for (name, inner) in members.iter_mut() {
                if !matches!(name.as_str(), "example" | "examples" | "default" | "enum") {
                    from_3_0(inner);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(from_3_0),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn nullable(members: &mut Map<String, Value>) {
    if members.get("nullable") != Some(&Value::Bool(true)) {
        return;
    }
    if let Some(Value::String(one)) = members.get("type") {
        let both = Value::from(vec![one.clone(), "null".to_owned()]);
        members.insert("type".to_owned(), both);
    }
    if let Some(Value::Array(values)) = members.get_mut("enum") {
        values.push(Value::Null);
    }
}

fn exclusive(members: &mut Map<String, Value>, keyword: &str, bound: &str) {
    match members.get(keyword) {
        Some(Value::Bool(true)) => {
            let limit = members.remove(bound);
            members.remove(keyword);
            members.extend(limit.map(|limit| (keyword.to_owned(), limit)));
        }
        Some(Value::Bool(false)) => drop(members.remove(keyword)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_3_0_says_in_its_own_words_is_said_in_those_of_json_schema() {
        let mut schema = json!({
            "type": "integer", "nullable": true, "minimum": 0, "exclusiveMinimum": true, "exclusiveMaximum": false,
            "properties": { "a": { "type": "string", "nullable": true, "enum": ["x"] } },
            "example": { "nullable": true, "type": "x" },
        });
        from_3_0(&mut schema);
        assert_eq!(schema["type"], json!(["integer", "null"]));
        assert_eq!((&schema["exclusiveMinimum"], schema.get("minimum")), (&json!(0), None));
        assert_eq!(schema.get("exclusiveMaximum"), None);
        assert_eq!(schema["properties"]["a"]["enum"], json!(["x", null]));
        assert_eq!(schema["example"]["type"], "x");
    }
}
