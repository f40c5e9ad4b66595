//! A parameter of the path, the query or the headers: text, turned into the value that its schema speaks of.

use aplomb_core::{FieldError, Part};
use serde_json::{Number, Value};

use crate::percent;
use crate::validate::Asked;
use crate::validate::fields::Field;
use crate::validate::flaw::Flaw;
use crate::validate::references;
use crate::validate::schema::{Compiler, Schema};
use crate::validate::template::Captured;

/// How many values of one name in a query are looked at.
const VALUES: usize = 1_000;

/// A parameter.
#[derive(Debug)]
pub(super) struct Parameter {
    pub(super) name: String,
    pub(super) part: Part,
    required: bool,
    schema: Option<Schema>,
    types: Types,
    /// What stands between the values of a list in one text; absent when each has a text of its own.
    between: Option<char>,
}

/// Which types a schema speaks of, as far as that can be seen.
#[derive(Clone, Debug, Default)]
struct Types {
    number: bool,
    boolean: bool,
    array: bool,
    object: bool,
    text: bool,
    /// The types of a list's items.
    items: Option<Box<Self>>,
}

impl Parameter {
    /// Reads a parameter; absent for one that isn't checked: in a cookie, written in another way, or an object.
    ///
    /// # Errors
    /// Every mistake in it.
    pub(super) fn read(
        compiler: &Compiler<'_>,
        root: &Value,
        (value, at): (&Value, &str),
    ) -> Result<Option<Self>, Vec<Flaw>> {
        let text = |key: &str| value.get(key).and_then(Value::as_str);
        let (Some(name), Some(place)) = (text("name"), text("in")) else {
            return Err(vec![Flaw::new(at, "a parameter has `name` and `in`")]);
        };
        let part = match Part::parse(place) {
            Some(part @ (Part::Query | Part::Path | Part::Header)) => part,
            Some(Part::Cookie) => return Ok(None),
            _ => {
                return Err(vec![Flaw::new(format!("{at}/in"), "is none of query, path, header, cookie")]);
            }
        };
        // What HTTP itself gives a meaning to is not described here (OpenAPI 3.1, 4.8.12.1).
        let is_https = ["accept", "content-type", "authorization"];
        if part == Part::Header && is_https.contains(&name.to_ascii_lowercase().as_str()) {
            return Ok(None);
        }
        let required = part == Part::Path || value.get("required") == Some(&Value::Bool(true));
        let schema_at = format!("{at}/schema");
        let types = value.get("schema").map(|schema| types(root, schema, &schema_at, 0)).unwrap_or_default();
        let is_plain =
            matches!(text("style"), None | Some("form" | "simple" | "spaceDelimited" | "pipeDelimited"));
        let schema = match value.get("schema") {
            Some(_) if is_plain && !types.object => Some(compiler.schema(&schema_at)?),
            _ => None,
        };
        let explode =
            value.get("explode").map_or(part == Part::Query, |explode| explode == &Value::Bool(true));
        let between = match text("style") {
            _ if explode && part == Part::Query => None,
            Some("spaceDelimited") => Some(' '),
            Some("pipeDelimited") => Some('|'),
            _ => Some(','),
        };
        Ok(Some(Self { name: name.to_owned(), part, required, schema, types, between }))
    }

    /// What is wrong with it in a request.
    pub(super) fn errors(&self, asked: &Asked<'_>, captured: Option<&[Captured]>) -> Vec<FieldError> {
        let texts = match self.part {
            Part::Path => match captured {
                Some(captured) => captured
                    .iter()
                    .filter(|(name, _)| *name == self.name)
                    .map(|(_, text)| text.clone())
                    .collect(),
                // The path is not compared: nothing is known of its parameters.
                None => return Vec::new(),
            },
            Part::Header => asked.header(&self.name).map(str::to_owned).into_iter().collect(),
            _ => in_query(asked.query, &self.name),
        };
        if texts.is_empty() {
            let field = Field { part: self.part, path: Some(self.name.clone()) };
            return if self.required { vec![field.says("is required", "required")] } else { Vec::new() };
        }
        let Some(schema) = &self.schema else { return Vec::new() };
        schema.errors(&self.value(&texts), self.part, Some(&self.name))
    }

    fn value(&self, texts: &[String]) -> Value {
        if !self.types.array {
            return self.types.read(texts.last().map(String::as_str).unwrap_or_default());
        }
        let fallback = Types::default();
        let items = self.types.items.as_deref().unwrap_or(&fallback);
        let one = |text: &str| items.read(text);
        match self.between {
            None => texts.iter().map(|text| one(text)).collect(),
            Some(between) => {
                texts.iter().flat_map(|text| text.split(between)).take(VALUES).map(one).collect()
            }
        }
    }
}

impl Types {
    /// A text as the value that the schema speaks of; what can't be that stays text, which the schema then refuses.
    fn read(&self, text: &str) -> Value {
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

    fn add(&mut self, other: Self) {
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

/// Every value of that name in a query, decoded.
fn in_query(query: Option<&str>, name: &str) -> Vec<String> {
    let decoded = |text: &str| {
        let text = text.replace('+', " ");
        String::from_utf8(percent::decoded(&text)).unwrap_or(text)
    };
    let pairs = query.into_iter().flat_map(|query| query.split('&'));
    let found = pairs.filter_map(|pair| {
        let (own, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decoded(own) == name).then(|| decoded(value))
    });
    found.take(VALUES).collect()
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, Method};
    use serde_json::json;

    use super::*;

    fn told(parameter: Value, query: &str) -> Vec<String> {
        let root = json!({ "p": parameter });
        let compiler = Compiler::new(&root).unwrap();
        let parameter = Parameter::read(&compiler, &root, (&root["p"], "/p")).unwrap().unwrap();
        let headers = HeaderMap::new();
        let asked = Asked {
            method: &Method::GET,
            path: "/",
            query: Some(query),
            headers: &headers,
            body: None,
            most: 0,
        };
        parameter.errors(&asked, None).into_iter().map(|error| error.message).collect()
    }

    fn limit() -> Value {
        json!({ "name": "limit", "in": "query", "required": true, "schema": {
            "anyOf": [{ "type": "integer", "minimum": 1, "maximum": 100 }, { "type": "null" }] } })
    }

    #[test]
    fn text_is_what_its_schema_says() {
        assert!(told(limit(), "x=1&limit=50").is_empty());
        assert_eq!(told(limit(), "limit=500"), ["The query parameter 'limit' must be at most 100"]);
        assert_eq!(told(limit(), "limit=many"), ["The query parameter 'limit' must be an integer or null"]);
        assert_eq!(told(limit(), "Limit=5"), ["The query parameter 'limit' is required"]);
    }

    #[test]
    fn a_list_is_repeated_or_has_commas() {
        let mut tags = json!({ "name": "tag", "in": "query", "schema": {
            "type": "array", "maxItems": 2, "items": { "enum": ["a b", "c"] } } });
        assert!(told(tags.clone(), "tag=a+b&tag=c").is_empty());
        assert_eq!(
            told(tags.clone(), "tag=c&tag=c&tag=c"),
            ["The query parameter 'tag' must have at most 2 items"]
        );
        tags["explode"] = json!(false);
        assert!(told(tags.clone(), "tag=a%20b,c").is_empty());
        assert_eq!(told(tags, "tag=c,x").len(), 1);
    }

    #[test]
    fn a_switch_is_true_or_false_however_it_is_spelt() {
        let on = json!({ "name": "on", "in": "query", "schema": { "type": "boolean" } });
        assert!(told(on.clone(), "on=True").is_empty());
        assert_eq!(told(on, "on=yes"), ["The query parameter 'on' must be true or false"]);
    }
}
