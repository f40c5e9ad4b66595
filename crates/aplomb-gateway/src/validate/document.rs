//! An OpenAPI document: which operation a request is, or why it is none.

use aplomb_core::pointer::{escaped, parts};
use http::Method;
use serde_json::Value;

use crate::validate::flaw::Flaw;
use crate::validate::operation::Operation;
use crate::validate::references;
use crate::validate::schema::Compiler;
use crate::validate::template::{Captured, Template};
use crate::validate::{Asked, Refusal};

/// The methods that a path of a document may have.
const METHODS: [&str; 8] = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];

/// The most operations of one document. Those of whole providers have some hundreds.
const OPERATIONS: usize = 5_000;

/// A document, or one path or operation of it.
#[derive(Debug)]
pub(super) struct Document {
    /// Literal paths before those with parameters.
    paths: Vec<Path>,
    /// The paths of its servers, which may stand before each of its own.
    bases: Vec<String>,
    /// One path was named: it is the route's, whatever it is called.
    alone: bool,
}

#[derive(Debug)]
struct Path {
    template: Template,
    operations: Vec<(String, Operation)>,
}

/// An operation, with its path's parameters if the path was compared.
pub(super) struct Found<'d> {
    pub(super) operation: &'d Operation,
    pub(super) captured: Option<Vec<Captured>>,
}

impl Document {
    /// Reads a document; `only` names a path (`/paths/~1chat`) or an operation (`/paths/~1chat/post`) of it.
    ///
    /// # Errors
    /// Every mistake in it.
    pub(super) fn read(root: &Value, only: &str) -> Result<Self, Vec<Flaw>> {
        let version = root.get("openapi").and_then(Value::as_str).unwrap_or_default();
        if !version.starts_with("3.") {
            return Err(vec![Flaw::new("/openapi", "is a version that is not read here; 3.0 and 3.1 are")]);
        }
        let mut flaws = references::astray(root);
        if !flaws.is_empty() {
            return Err(flaws);
        }
        let chosen: Vec<String> = parts(only).collect();
        let (path, method) = match chosen.as_slice() {
            [] => (None, None),
            [paths, path] if paths == "paths" => (Some(path), None),
            [paths, path, method] if paths == "paths" => (Some(path), Some(method.as_str())),
            _ => return Err(vec![Flaw::new(only, "names no operation; write `#/paths/~1chat/post`")]),
        };
        let compiler = Compiler::new(root).map_err(|flaw| vec![flaw])?;
        let Some(Value::Object(all)) = root.get("paths") else {
            return Err(vec![Flaw::new("", "a document has `paths`")]);
        };
        let mut paths = Vec::new();
        for (name, item) in all.iter().filter(|(name, _)| path.is_none_or(|path| path == *name)) {
            let at = format!("/paths/{}", escaped(name));
            match Path::read(&compiler, root, name, (item, &at), method) {
                Ok(read) => paths.push(read),
                Err(found) => flaws.extend(found),
            }
        }
        let count: usize = paths.iter().map(|path| path.operations.len()).sum();
        if flaws.is_empty() && count == 0 {
            flaws.push(Flaw::new(if only.is_empty() { "/paths" } else { only }, "no operation stands here"));
        }
        if count > OPERATIONS {
            flaws.push(Flaw::new("/paths", format!("has more than {OPERATIONS} operations")));
        }
        if !flaws.is_empty() {
            return Err(flaws);
        }
        paths.sort_by_key(|path| path.template.rank());
        Ok(Self { paths, bases: bases(root), alone: path.is_some() })
    }

    /// The operation that a request is.
    ///
    /// # Errors
    /// The document has no such path, or the path no such method.
    pub(super) fn find(&self, asked: &Asked<'_>) -> Result<Found<'_>, Refusal> {
        let sent = if asked.path.is_empty() { "/" } else { asked.path };
        let below = self.bases.iter().filter_map(|base| sent.strip_prefix(base.as_str()));
        let readings: Vec<&str> =
            std::iter::once(sent).chain(below.filter(|path| path.starts_with('/'))).collect();
        let fits = |path: &Path| readings.iter().find_map(|reading| path.template.fits(reading));
        let mut fitting: Vec<(&Path, Option<Vec<Captured>>)> = match (self.alone, self.paths.as_slice()) {
            (true, [only]) => vec![(only, fits(only))],
            _ => self.paths.iter().filter_map(|path| Some((path, Some(fits(path)?)))).collect(),
        };
        let taken = fitting.iter().position(|(path, _)| path.operation(asked.method).is_some());
        if let Some(index) = taken {
            let (path, captured) = fitting.swap_remove(index);
            let operation = path.operation(asked.method).ok_or(Refusal::NoSuchPath)?;
            return Ok(Found { operation, captured });
        }
        if fitting.is_empty() {
            return Err(Refusal::NoSuchPath);
        }
        let mut allowed: Vec<String> = fitting.iter().flat_map(|(path, _)| path.methods()).collect();
        allowed.sort();
        allowed.dedup();
        Err(Refusal::Method(allowed))
    }
}

impl Path {
    fn read(
        compiler: &Compiler<'_>,
        root: &Value,
        name: &str,
        (item, at): (&Value, &str),
        only: Option<&str>,
    ) -> Result<Self, Vec<Flaw>> {
        let template = Template::parse(name).map_err(|told| vec![Flaw::new(at, told)])?;
        let (mut operations, mut flaws) = (Vec::new(), Vec::new());
        let Some((item, at)) = references::followed(root, item, at) else {
            return Err(vec![Flaw::new(at, "its reference leads nowhere")]);
        };
        for method in METHODS.into_iter().filter(|method| only.is_none_or(|only| only == *method)) {
            if item.get(method).is_none() {
                continue;
            }
            match Operation::read(compiler, root, &template, (&at, &format!("{at}/{method}"))) {
                Ok(operation) => operations.push((method.to_ascii_uppercase(), operation)),
                Err(found) => flaws.extend(found),
            }
        }
        if flaws.is_empty() { Ok(Self { template, operations }) } else { Err(flaws) }
    }

    /// What a method does here; what can be read can be asked for its head too.
    fn operation(&self, method: &Method) -> Option<&Operation> {
        let named = |name: &str| self.operations.iter().find(|(own, _)| own == name).map(|(_, one)| one);
        named(method.as_str()).or_else(|| named("GET").filter(|_| method == Method::HEAD))
    }

    fn methods(&self) -> Vec<String> {
        let mut methods: Vec<String> = self.operations.iter().map(|(name, _)| name.clone()).collect();
        if methods.iter().any(|name| name == "GET") {
            methods.push("HEAD".to_owned());
        }
        methods
    }
}

/// The paths of a document's servers.
fn bases(root: &Value) -> Vec<String> {
    let servers = root.get("servers").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let path = |server: &Value| {
        let url = server.get("url")?.as_str()?;
        let path = match url.split_once("://") {
            Some((_, rest)) => &rest[rest.find('/')?..],
            None => url,
        };
        let path = path.trim_end_matches('/');
        (path.starts_with('/') && !path.contains('{')).then(|| path.to_owned())
    };
    servers.iter().filter_map(path).collect()
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue};
    use serde_json::json;

    use super::*;

    fn document() -> Value {
        json!({
            "openapi": "3.1.0",
            "servers": [{ "url": "https://api.example.com/v1/" }],
            "paths": {
                "/items/{id}": {
                    "parameters": [{ "$ref": "#/components/parameters/id" }],
                    "get": { "responses": { "200": { "content": { "application/json": {} } } } },
                    "put": { "requestBody": { "required": true, "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Item" } } } } },
                },
                "/items/mine": { "get": {} },
            },
            "components": {
                "parameters": { "id": { "name": "id", "in": "path", "required": true, "schema": { "type": "integer" } } },
                "schemas": { "Item": { "type": "object", "required": ["name"], "properties": { "name": { "type": "string" } } } },
            },
        })
    }

    fn check(only: &str, method: Method, path: &str, body: &str) -> Result<(), Refusal> {
        let document = Document::read(&document(), only).unwrap();
        let mut headers = HeaderMap::new();
        headers.insert("accept", HeaderValue::from_static("application/json"));
        let body = Some(body.as_bytes());
        let asked =
            Asked { method: &method, path, query: None, headers: &headers, body, most: 1000, cookies: true };
        let found = document.find(&asked)?;
        found.operation.check(&asked, found.captured.as_deref()).map(drop)
    }

    fn fields(refusal: Result<(), Refusal>) -> Vec<String> {
        match refusal {
            Err(Refusal::Fields(errors)) => errors.into_iter().map(|error| error.message).collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_request_is_the_operation_of_its_path_and_method() {
        assert_eq!(check("", Method::GET, "/items/5", ""), Ok(()));
        assert_eq!(check("", Method::HEAD, "/v1/items/5", ""), Ok(()));
        assert_eq!(check("", Method::GET, "/items/mine", ""), Ok(()));
        assert_eq!(check("", Method::GET, "/other", ""), Err(Refusal::NoSuchPath));
        let allowed = ["GET", "HEAD", "PUT"].map(str::to_owned).to_vec();
        assert_eq!(check("", Method::DELETE, "/items/5", ""), Err(Refusal::Method(allowed)));
    }

    #[test]
    fn parameters_and_body_are_told_together() {
        let told = fields(check("", Method::PUT, "/items/five", r#"{"name": 1}"#));
        assert_eq!(told, ["The path parameter 'id' must be an integer", "The 'name' field must be a string"]);
        assert_eq!(fields(check("", Method::PUT, "/items/5", "")), ["The body is required"]);
    }

    #[test]
    fn one_operation_is_the_routes_whatever_its_path() {
        let only = "/paths/~1items~1{id}/put";
        assert_eq!(check(only, Method::PUT, "", r#"{"name": "x"}"#), Ok(()));
        assert_eq!(check(only, Method::GET, "", ""), Err(Refusal::Method(vec!["PUT".to_owned()])));
        assert_eq!(fields(check(only, Method::PUT, "/items/x", r#"{"name": "x"}"#)).len(), 1);
    }

    #[test]
    fn what_is_wrong_with_a_document_is_told_all_at_once() {
        let mut root = document();
        root["paths"]["/items/{id}"]["put"]["requestBody"]["content"] = json!({ "nothing": {} });
        root["components"]["parameters"]["id"]["schema"]["type"] = json!("int");
        root["paths"]["/x{y"] = json!({});
        let flaws = Document::read(&root, "").unwrap_err();
        let at: Vec<_> = flaws.iter().map(|flaw| flaw.at.as_str()).collect();
        for one in [
            "/paths/~1items~1{id}/put/requestBody/content/nothing",
            "/components/parameters/id/schema/type",
            "/paths/~1x{y",
        ] {
            assert!(at.contains(&one), "{one} in {at:?}");
        }
        assert!(Document::read(&document(), "/paths/~1gone/get").is_err());
        assert!(Document::read(&json!({ "swagger": "2.0" }), "").is_err());
    }
}
