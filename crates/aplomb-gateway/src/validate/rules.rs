//! What a route asks of its requests: `validate = "…"`, read and compiled with the configuration.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;

use aplomb_core::Dialect;
use aplomb_core::spec::Endpoint;
use http::Method;
use serde_json::Value;

use crate::config::Surroundings;
use crate::validate::document::{Document, Found};
use crate::validate::flaw::Flaw;
use crate::validate::operation::Operation;
use crate::validate::schema::Compiler;
use crate::validate::source::Source;
use crate::validate::{Asked, Refusal, references, upgrade};

/// What stands before the name of a dialect whose own rules are to be kept.
const BUNDLED: &str = "bundled:";

/// The rules for a route's requests.
#[derive(Debug)]
pub struct Rules {
    /// As written, and what was read: two are the same when both are.
    read: (String, u64),
    form: Form,
}

#[derive(Debug)]
enum Form {
    /// A JSON Schema for every body that is sent to be kept.
    Schema(Operation),
    /// An OpenAPI document, or a part of it.
    Document(Document),
    /// The rules of a provider, by endpoint; others of its endpoints are not known and pass.
    Bundled(Vec<(Endpoint, Operation)>),
}

impl PartialEq for Rules {
    fn eq(&self, other: &Self) -> bool {
        self.read == other.read
    }
}

impl Eq for Rules {}

impl Rules {
    /// Reads what `validate` names: `schema.json`, `schemas.json#/$defs/chat`, `openapi.yaml`,
    /// `openapi.yaml#/paths/~1chat/post` or `bundled:mimo`. Files are looked for in `folder`.
    ///
    /// # Errors
    /// Every mistake, each a line with its place.
    pub fn load(named: &str, folder: &Path, around: &Surroundings<'_>) -> Result<Self, Vec<String>> {
        if let Some(name) = named.strip_prefix(BUNDLED) {
            let dialect = bundled(name, around).map_err(|told| vec![told])?;
            return Ok(Self { read: (named.to_owned(), 0), form: of_dialect(dialect)? });
        }
        let (file, fragment) = named.split_once('#').unwrap_or((named, ""));
        let path = folder.join(file);
        let name = path.display().to_string();
        let text = (around.text)(&path).map_err(|told| vec![format!("can't read {name}: {told}")])?;
        let mut digest = DefaultHasher::new();
        text.hash(&mut digest);
        let mut source = Source::read(&name, text).map_err(|told| vec![told])?;
        let at = references::pointer(fragment);
        let form = form(&mut source.value, &at).map_err(|flaws| told(&flaws, |flaw| source.told(flaw)))?;
        Ok(Self { read: (named.to_owned(), digest.finish()), form })
    }

    /// Holds a request against the rules; gives the body unpacked, when it came packed.
    ///
    /// # Errors
    /// What is wrong with the request.
    pub(crate) fn check(&self, asked: &Asked<'_>) -> Result<Option<Vec<u8>>, Refusal> {
        let has_body = matches!(*asked.method, Method::POST | Method::PUT | Method::PATCH);
        match &self.form {
            Form::Schema(operation) if has_body => operation.check(asked, None),
            Form::Schema(_) => Ok(None),
            Form::Document(document) => {
                let Found { operation, captured } = document.find(asked)?;
                operation.check(asked, captured.as_deref())
            }
            Form::Bundled(rows) => {
                let fits = |row: &&(Endpoint, Operation)| row.0.matches(asked.method.as_str(), asked.path);
                rows.iter().find(fits).map_or(Ok(None), |(_, operation)| operation.check(asked, None))
            }
        }
    }
}

/// How many mistakes of one file are told.
const TOLD: usize = 50;

fn told(flaws: &[Flaw], line: impl Fn(&Flaw) -> String) -> Vec<String> {
    let mut lines: Vec<String> = flaws.iter().take(TOLD).map(line).collect();
    // Two operations that use one schema find the same mistake.
    lines.sort();
    lines.dedup();
    if flaws.len() > TOLD {
        lines.push(format!("{} more are not shown", flaws.len() - TOLD));
    }
    lines
}

fn form(root: &mut Value, at: &str) -> Result<Form, Vec<Flaw>> {
    if let Some(version) = root.get("openapi").and_then(Value::as_str) {
        if version.starts_with("3.0") {
            upgrade::from_3_0(root);
        }
        let is_schema = at.starts_with("/components/schemas/");
        if !is_schema {
            return Document::read(root, at).map(Form::Document);
        }
    } else if root.get("swagger").is_some() {
        let told = "Swagger 2.0 is not read here; convert the document to OpenAPI 3";
        return Err(vec![Flaw::new("/swagger", told)]);
    }
    let flaws = references::astray(root);
    if !flaws.is_empty() {
        return Err(flaws);
    }
    let schema = Compiler::new(root).map_err(|flaw| vec![flaw])?.schema(at)?;
    Ok(Form::Schema(Operation::of_schema(schema)))
}

/// The dialect whose rules are asked for.
fn bundled<'c>(name: &str, around: &Surroundings<'c>) -> Result<&'c Dialect, String> {
    let has_rules = |dialect: &&Dialect| dialect.endpoints.iter().any(|endpoint| endpoint.request.is_some());
    let known = || {
        let known = around.catalog.dialects().filter(has_rules);
        let names: Vec<_> = known.map(|dialect| format!("`{BUNDLED}{}`", dialect.name)).collect();
        format!("there are {}", names.join(", "))
    };
    let dialect =
        around.catalog.get(name).ok_or_else(|| format!("no dialect is called `{name}`; {}", known()))?;
    Some(dialect)
        .filter(has_rules)
        .ok_or_else(|| format!("nothing is known of the requests that `{name}` takes; {}", known()))
}

fn of_dialect(dialect: &Dialect) -> Result<Form, Vec<String>> {
    let mut rows = Vec::new();
    for endpoint in &dialect.endpoints {
        let Some(request) = &endpoint.request else { continue };
        let schema =
            Compiler::new(request).map_err(|flaw| vec![flaw]).and_then(|compiler| compiler.schema(""));
        let line = |flaw: &Flaw| {
            format!(
                "{}.toml: [[endpoint]] {}: request{}: {}",
                dialect.name,
                endpoint.path.join("/"),
                flaw.at,
                flaw.message
            )
        };
        let schema = schema.map_err(|flaws| told(&flaws, line))?;
        rows.push((endpoint.clone(), Operation::of_schema(schema)));
    }
    Ok(Form::Bundled(rows))
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue};

    use super::*;

    fn load(named: &str, text: &str) -> Result<Rules, Vec<String>> {
        let text = |path: &Path| match path.starts_with("etc") {
            true => Ok(text.to_owned()),
            false => Err("no such file".to_owned()),
        };
        let around = Surroundings { text: &text, ..Surroundings::of_process(aplomb_core::catalog()) };
        Rules::load(named, Path::new("etc"), &around)
    }

    fn check(rules: &Rules, path: &str, kind: &'static str, body: &[u8]) -> Result<Option<Vec<u8>>, Refusal> {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", HeaderValue::from_static(kind));
        let asked = Asked {
            method: &Method::POST,
            path,
            query: None,
            headers: &headers,
            body: Some(body),
            most: 1000,
            cookies: true,
        };
        rules.check(&asked)
    }

    #[test]
    fn every_provider_whose_rules_are_bundled_has_rules_that_compile() {
        let catalog = aplomb_core::catalog();
        let with =
            catalog.dialects().filter(|one| one.endpoints.iter().any(|endpoint| endpoint.request.is_some()));
        let names: Vec<_> = with.map(|dialect| format!("bundled:{}", dialect.name)).collect();
        assert!(names.contains(&"bundled:mimo".to_owned()));
        for name in names {
            load(&name, "").unwrap();
        }
    }

    #[test]
    fn the_rules_of_a_provider_hold_at_the_endpoints_that_are_known() {
        let mimo = load("bundled:mimo", "").unwrap();
        let body =
            br#"{"model": "mimo-v2-pro", "messages": [{"role": "user", "content": "x"}], "temperature": 1}"#;
        assert_eq!(check(&mimo, "/v1/chat/completions", "application/json", body), Ok(None));
        let told = check(&mimo, "/v1/chat/completions", "application/json", b"{}").unwrap_err();
        assert!(matches!(told, Refusal::Fields(errors) if errors.len() == 2));
        assert_eq!(check(&mimo, "/v1/other", "text/plain", b"x"), Ok(None));
        assert_eq!(
            load("bundled:groq", "").unwrap_err(),
            ["nothing is known of the requests that `groq` takes; there are `bundled:mimo`"]
        );
        assert!(load("bundled:mimmo", "").is_err());
    }

    #[test]
    fn a_schema_asks_for_json_that_fits() {
        let schema = load("s.json#/$defs/chat", r#"{"$defs": {"chat": {"required": ["a"]}}}"#).unwrap();
        assert_eq!(check(&schema, "/x", "application/json", b"{\"a\": 1}"), Ok(None));
        let taken = vec!["application/json".to_owned()];
        assert_eq!(check(&schema, "/x", "text/plain", b"{}"), Err(Refusal::MediaType(taken)));
        assert!(matches!(check(&schema, "/x", "application/json", b"{"), Err(Refusal::Malformed(_))));
        assert_eq!(check(&schema, "/x", "application/json", &[b' '; 2000]), Err(Refusal::TooLarge(1000)));
    }

    #[test]
    fn forms_are_held_against_their_schema_as_json_is() {
        let rules = load(
            "api.yaml",
            "openapi: 3.1.0\npaths:\n  /a:\n    post:\n      requestBody:\n        required: true\n        content:\n          \
             application/x-www-form-urlencoded: {schema: {$ref: '#/components/schemas/s'}}\n          \
             multipart/form-data: {schema: {$ref: '#/components/schemas/s'}}\ncomponents:\n  schemas:\n    \
             s: {type: object, required: [name, at], properties: {name: {type: string}, age: {type: integer}, at: {type: string, format: date-time}}}\n",
        );
        let rules = rules.unwrap();
        let (encoded, parts) = ("application/x-www-form-urlencoded", "multipart/form-data; boundary=b");
        assert_eq!(check(&rules, "/a", encoded, b"name=x&age=7&at=2026-11-28T09:00:00Z"), Ok(None));
        let file = b"--b\r\nContent-Disposition: form-data; name=\"name\"; filename=\"x\"\r\n\r\nx\r\n\
            --b\r\nContent-Disposition: form-data; name=\"at\"\r\n\r\n2026-11-28 09:00:00\r\n--b--\r\n";
        assert_eq!(check(&rules, "/a", parts, file), Ok(None));
        let told = |kind, body: &[u8]| match check(&rules, "/a", kind, body) {
            Err(Refusal::Fields(errors)) => errors.into_iter().map(|error| error.message).collect(),
            other => vec![format!("{other:?}")],
        };
        let lines = told(encoded, b"age=x&at=soon");
        assert_eq!(lines.len(), 3, "{lines:?}");
        assert_eq!(lines[0], "The 'name' field is required");
        assert!(lines.contains(&"The 'age' field must be an integer".to_owned()), "{lines:?}");
        assert!(matches!(check(&rules, "/a", parts, b"x"), Err(Refusal::Malformed(_))));
    }

    #[test]
    fn every_mistake_is_told_with_its_file_and_place() {
        let files = [
            ("chat.json", "{\n  \"properties\": {\n    \"a\": {\"$ref\": \"http://x/y\"}}}"),
            (
                "chat.json",
                "{\n  \"type\": \"objct\",\n  \"properties\": {\n    \"a\": {\"minimum\": \"1\"}}}",
            ),
            ("chat.json", "{\n  \"pattern\": \"(?=a)b\"}"),
            ("chat.json", "{\n  \"type\": ,}"),
            (
                "api.yaml",
                "openapi: 3.1.0\npaths:\n  /a:\n    get:\n      parameters:\n        - name: x\n          in: body\n",
            ),
            ("api.yaml", "openapi: 3.1.0\npaths: [\n"),
            ("api.json#/paths/~1a/post", "{\"openapi\": \"3.1.0\", \"paths\": {}}"),
            ("api.json", "{\"swagger\": \"2.0\"}"),
        ];
        let told: Vec<String> = files.iter().flat_map(|(file, text)| load(file, text).unwrap_err()).collect();
        insta::assert_snapshot!(told.join("\n"), @r#"
        etc/chat.json:3:19: /properties/a/$ref: `http://x/y` leads out of this file; only references within it (`#/…`) are followed: copy it here
        etc/chat.json:2:11: /type: must be one of 'array', 'boolean', 'integer', 'null', 'number', 'object', 'string'; did you mean 'object'?
        etc/chat.json:4:22: /properties/a/minimum: must be a number
        etc/chat.json:2:14: /pattern: is no pattern that can be used here: it must run in linear time (nothing looks ahead, behind or back) and stay small
        etc/chat.json:2:11: is no JSON: expected value
        etc/api.yaml:7:15: /paths/~1a/get/parameters/0/in: is none of query, path, header, cookie
        etc/api.yaml:2:8: is no YAML: unclosed bracket '['
        etc/api.json:1:31: /paths/~1a/post: no operation stands here
        etc/api.json:1:13: /swagger: Swagger 2.0 is not read here; convert the document to OpenAPI 3
        "#);
        assert!(load("../x.json", "").unwrap_err()[0].contains("x.json"));
    }
}
