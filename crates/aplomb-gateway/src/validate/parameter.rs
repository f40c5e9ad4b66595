//! A parameter of the path, the query, the headers or a cookie: text, turned into the value that its schema speaks of.

use aplomb_core::{FieldError, Part};
use http::header;
use serde_json::Value;

use crate::percent;
use crate::validate::Asked;
use crate::validate::fields::Field;
use crate::validate::flaw::Flaw;
use crate::validate::schema::{Compiler, Schema};
use crate::validate::template::Captured;
use crate::validate::types::{self, Types, VALUES};

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

impl Parameter {
    /// Reads a parameter; absent for one that HTTP itself gives a meaning to. One that is written in another way, or an object, must only be
    /// there.
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
        let Some(part) = Part::parse(place).filter(|part| *part != Part::Body) else {
            return Err(vec![Flaw::new(format!("{at}/in"), "is none of query, path, header, cookie")]);
        };
        // What HTTP itself gives a meaning to is not described here (OpenAPI 3.1, 4.8.12.1).
        let is_https = ["accept", "content-type", "authorization"];
        if part == Part::Header && is_https.contains(&name.to_ascii_lowercase().as_str()) {
            return Ok(None);
        }
        let required = part == Part::Path || value.get("required") == Some(&Value::Bool(true));
        let schema_at = format!("{at}/schema");
        let types = value.get("schema").map(|schema| types::of(root, schema, &schema_at)).unwrap_or_default();
        let is_plain =
            matches!(text("style"), None | Some("form" | "simple" | "spaceDelimited" | "pipeDelimited"));
        let schema = match value.get("schema") {
            Some(_) if is_plain && !types.object => Some(compiler.schema(&schema_at)?),
            _ => None,
        };
        let explode = value
            .get("explode")
            .map_or(matches!(part, Part::Query | Part::Cookie), |explode| explode == &Value::Bool(true));
        let between = match text("style") {
            _ if explode && matches!(part, Part::Query | Part::Cookie) => None,
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
            // Where cookies are taken out before, nobody can say what was in them.
            Part::Cookie if !asked.cookies => return Vec::new(),
            Part::Cookie => in_cookies(asked, &self.name),
            Part::Header => asked.header(&self.name).map(str::to_owned).into_iter().collect(),
            _ => in_query(asked.query, &self.name),
        };
        if texts.is_empty() {
            let field = Field { part: self.part, path: Some(self.name.clone()) };
            return if self.required { vec![field.says("is required", "required")] } else { Vec::new() };
        }
        let Some(schema) = &self.schema else { return Vec::new() };
        if self.types.array {
            return schema.errors(&self.list(&texts), self.part, Some(&self.name));
        }
        // Nobody knows which of several the API would take: each has to be right.
        let errors = |text: &String| schema.errors(&self.types.read(text), self.part, Some(&self.name));
        texts.iter().map(errors).find(|errors| !errors.is_empty()).unwrap_or_default()
    }

    fn list(&self, texts: &[String]) -> Value {
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

/// Every value of that name in a query, decoded.
fn in_query(query: Option<&str>, name: &str) -> Vec<String> {
    let pairs = percent::pairs(query.unwrap_or_default());
    pairs.filter(|(own, _)| own == name).map(|(_, value)| value).take(VALUES).collect()
}

/// Every value of that name in the request's cookies, as it was sent.
fn in_cookies(asked: &Asked<'_>, name: &str) -> Vec<String> {
    let lines = asked.headers.get_all(header::COOKIE).into_iter().filter_map(|line| line.to_str().ok());
    let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let found = pairs.filter(|(own, _)| *own == name);
    found.map(|(_, value)| value.trim_matches('"').to_owned()).take(VALUES).collect()
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
            cookies: true,
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
    fn of_several_values_each_has_to_be_right() {
        assert!(told(limit(), "limit=5&limit=6").is_empty());
        for query in ["limit=500&limit=5", "limit=5&limit=500"] {
            assert_eq!(told(limit(), query), ["The query parameter 'limit' must be at most 100"], "{query}");
        }
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
    #[test]
    fn a_cookie_is_checked_where_it_is_not_taken_out_before() {
        let theme =
            json!({ "name": "theme", "in": "cookie", "required": true, "schema": { "enum": ["dark"] } });
        let root = json!({ "p": theme });
        let compiler = Compiler::new(&root).unwrap();
        let parameter = Parameter::read(&compiler, &root, (&root["p"], "/p")).unwrap().unwrap();
        let told = |line: &'static str, cookies| {
            let mut headers = HeaderMap::new();
            headers.insert(header::COOKIE, http::HeaderValue::from_static(line));
            let asked = Asked {
                method: &Method::GET,
                path: "/",
                query: None,
                headers: &headers,
                body: None,
                most: 0,
                cookies,
            };
            let errors = parameter.errors(&asked, None);
            errors.into_iter().map(|error| error.message).collect::<Vec<_>>()
        };
        assert!(told("a=b; theme=dark", true).is_empty());
        assert_eq!(told("a=theme", true), ["The cookie 'theme' is required"]);
        assert_eq!(told("theme=light", true).len(), 1);
        assert!(told("a=b", false).is_empty());
    }
}
