//! What a request asks for: its endpoint, its model, whether it wants a stream, and the scenario that it names.

use aplomb_core::Dialect;
use aplomb_core::spec::Endpoint;
use aplomb_core::spec::dialect::StreamWhen;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Method};
use serde_json::Value;

use super::scenario::unescape;

/// A request, read.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) method: Method,
    /// Without the scenario's segments.
    pub(super) path: String,
    pub(super) query: Option<String>,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    /// The body, when it is JSON.
    pub(super) json: Option<Value>,
    pub(super) endpoint: Option<&'static Endpoint>,
    pub(super) model: Option<String>,
    /// The scenario, wherever it stands.
    pub(super) scenario: Option<String>,
    /// By which the client tells its calls apart.
    pub(super) key: Option<String>,
}

impl Asked {
    /// Reads a request in this dialect.
    pub(super) fn read(dialect: &'static Dialect, parts: Parts, body: Bytes) -> Self {
        let (by_path, path) = scenario_in_path(parts.uri.path());
        let endpoint = dialect.endpoint(parts.method.as_str(), &path);
        let json = serde_json::from_slice(&body).ok();
        let model = model(dialect, endpoint, &path, json.as_ref(), &body);
        let header =
            |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let by_model = model.as_deref().and_then(scenario_in_model);
        Self {
            scenario: header("mock-scenario").or(by_path).or(by_model),
            key: header("mock-key"),
            query: parts.uri.query().map(str::to_owned),
            method: parts.method,
            headers: parts.headers,
            path,
            body,
            json,
            endpoint,
            model,
        }
    }

    /// Whether the answer should be a stream.
    pub(super) fn streams(&self) -> bool {
        match self.endpoint.and_then(|endpoint| endpoint.stream_when.as_ref()) {
            Some(StreamWhen::Path) => true,
            Some(StreamWhen::Member(path)) => {
                self.json.as_ref().is_some_and(|json| path.find(json).contains(&&Value::Bool(true)))
            }
            None => false,
        }
    }

    /// A parameter of the query.
    pub(super) fn param(&self, name: &str) -> Option<&str> {
        let mut pairs = self.query.as_deref()?.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
    }
}

/// `/_scenario/NAME/v1/chat/completions` names a scenario and is `/v1/chat/completions`.
fn scenario_in_path(path: &str) -> (Option<String>, String) {
    let Some(at) = path.find("/_scenario/") else { return (None, path.to_owned()) };
    let (before, rest) = (&path[..at], &path[at + "/_scenario/".len()..]);
    let (name, after) = rest.find('/').map_or((rest, ""), |end| rest.split_at(end));
    let path = format!("{before}{after}");
    (Some(unescape(name)), if path.is_empty() { "/".to_owned() } else { path })
}

fn scenario_in_model(model: &str) -> Option<String> {
    ["mock:", "mock/"].iter().find_map(|prefix| model.strip_prefix(prefix)).map(str::to_owned)
}

/// The model, where the dialect says that it stands, or wherever a scenario stands in its place.
fn model(
    dialect: &Dialect,
    endpoint: Option<&Endpoint>,
    path: &str,
    json: Option<&Value>,
    body: &Bytes,
) -> Option<String> {
    let place = dialect.model.as_ref();
    let member = || {
        let found = place?.pointer.as_ref()?.find(json?);
        found.first().and_then(|value| value.as_str()).map(str::to_owned)
    };
    let field = || form_field(body, place?.form.as_deref()?);
    let named = || {
        let found = place?.path.as_ref()?.regex().captures(path)?;
        found.name("model").map(|name| unescape(name.as_str()))
    };
    let in_path = || segment(path, endpoint);
    member().or_else(field).or_else(in_path).or_else(named)
}

/// A scenario in a segment of the path, without what the endpoint has after it, such as `:generateContent`.
fn segment(path: &str, endpoint: Option<&Endpoint>) -> Option<String> {
    let path = unescape(path);
    let at = path.find("/mock:").or_else(|| path.find("/mock/"))?;
    let rest = &path[at + 1..];
    let after = endpoint.and_then(|endpoint| {
        let (_, after) = endpoint.path.iter().find_map(|part| part.split_once('*'))?;
        Some(after).filter(|after| !after.is_empty())
    });
    let rest = match after.and_then(|after| rest.find(after)) {
        Some(end) => &rest[..end],
        None => {
            let from = "mock/".len();
            rest[from..].find('/').map_or(rest, |end| &rest[..from + end])
        }
    };
    Some(rest.to_owned())
}

/// A field of a multipart form.
fn form_field(body: &Bytes, name: &str) -> Option<String> {
    let mark = format!("name=\"{name}\"");
    let at = memchr::memmem::find(body, mark.as_bytes())? + mark.len();
    let value = body[at..].strip_prefix(b"\r\n\r\n")?;
    let end = memchr::memmem::find(value, b"\r\n")?;
    std::str::from_utf8(&value[..end.min(256)]).ok().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    fn read(dialect: &str, uri: &str, headers: &[(&str, &str)], body: &'static str) -> Asked {
        let mut request = Request::post(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        Asked::read(aplomb_core::catalog().get(dialect).unwrap(), parts, Bytes::from_static(body.as_bytes()))
    }

    #[test]
    fn a_scenario_stands_in_a_header_the_path_or_the_model() {
        let chat = "/v1/chat/completions";
        let asked = read("openai", chat, &[("mock-scenario", "503"), ("mock-key", "a")], "{}");
        assert_eq!((asked.scenario.as_deref(), asked.key.as_deref()), (Some("503"), Some("a")));
        let asked = read("openai", "/_scenario/rate_limit%3Bwait=1s,ok/v1/chat/completions", &[], "{}");
        assert_eq!((asked.scenario.as_deref(), asked.path.as_str()), (Some("rate_limit;wait=1s,ok"), chat));
        assert!(asked.endpoint.is_some());
        let asked = read("openai", "/v1/_scenario/503/chat/completions", &[], "{}");
        assert_eq!((asked.scenario.as_deref(), asked.path.as_str()), (Some("503"), chat));
        for model in ["mock:cut:5", "mock/cut:5"] {
            let body: &'static str = format!(r#"{{"model": "{model}", "stream": true}}"#).leak();
            let asked = read("openai", chat, &[], body);
            assert_eq!(asked.scenario.as_deref(), Some("cut:5"));
            assert!(asked.streams());
        }
        assert_eq!(read("openai", chat, &[], r#"{"model": "gpt-5"}"#).scenario, None);
    }

    #[test]
    fn a_form_names_its_model_too() {
        let body = "--x\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nmock:503\r\n--x--\r\n";
        let asked = read("openai", "/v1/audio/transcriptions", &[], body);
        assert_eq!(asked.scenario.as_deref(), Some("503"));
    }

    #[test]
    fn a_model_in_the_path_ends_where_the_endpoint_goes_on() {
        let mut endpoint = aplomb_core::catalog().get("openai").unwrap().endpoints[0].clone();
        endpoint.path = vec!["models".into(), "*:generateContent".into()];
        let found = |path: &str| segment(path, Some(&endpoint));
        assert_eq!(found("/v1beta/models/mock:cut:5:generateContent").as_deref(), Some("mock:cut:5"));
        assert_eq!(
            found("/v1beta/models/mock/rate_limit:generateContent").as_deref(),
            Some("mock/rate_limit")
        );
        endpoint.path = vec!["model".into(), "*".into(), "converse".into()];
        assert_eq!(segment("/model/mock:503/converse", Some(&endpoint)).as_deref(), Some("mock:503"));
    }
}
