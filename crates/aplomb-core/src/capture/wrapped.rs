//! Answers as objects: a client's dump of an error, with the answer's parts as members.

use serde_json::{Map, Value};

use super::read::{Capture, Source};

/// Where a status stands.
const STATUS: [&str; 5] = ["status", "statusCode", "status_code", "HTTPStatusCode", "code"];
/// Where a body stands; `error` is what remains of it in some SDKs.
const BODY: [&str; 4] = ["body", "data", "responseBody", "content"];

/// Reads an answer that was pasted as JSON: it has a status, headers and a body.
pub(super) fn response(json: &Value) -> Option<Capture> {
    let object = json.as_object()?;
    let headers = object.get("headers").filter(|headers| headers.is_object() || headers.is_array())?;
    let body = BODY.iter().find_map(|name| object.get(*name))?;
    Some(Capture {
        source: Source::Exception,
        status: Some(status(object)?),
        headers: pairs(headers),
        body: bytes(body),
        ..Capture::default()
    })
}

/// Reads the members of an exception: its own, or those of the response inside it.
pub(super) fn dump(value: &Value) -> Option<Capture> {
    let object = value.as_object()?;
    if let Some(inner) = object.get("response").and_then(dump) {
        return Some(inner);
    }
    if let Some(metadata) = object.get("ResponseMetadata").and_then(Value::as_object) {
        return botocore(object, metadata);
    }
    let status = status(object)?;
    let body =
        BODY.iter().find_map(|name| object.get(*name)).map(bytes).or_else(|| object.get("error").map(whole));
    let has_headers = object.get("headers").is_some_and(|headers| headers.is_object() || headers.is_array());
    if !has_headers && (object.contains_key("message") || body.is_none()) {
        return None;
    }
    let mut capture = Capture {
        source: Source::Exception,
        status: Some(status),
        body: body.unwrap_or_default(),
        ..Capture::default()
    };
    capture.headers = object.get("headers").map(pairs).unwrap_or_default();
    let id = ["request_id", "requestID", "requestId", "_request_id"]
        .iter()
        .find_map(|name| object.get(*name)?.as_str());
    if let Some(id) = id.filter(|_| {
        !capture.headers.iter().any(|(name, _)| name.to_ascii_lowercase().ends_with("request-id"))
    }) {
        capture.headers.push(("x-request-id".to_owned(), id.to_owned()));
    }
    capture.host = object.get("url").and_then(Value::as_str).and_then(super::response::host);
    Some(capture)
}

/// `{'Error': {'Message', 'Code'}, 'ResponseMetadata': {…}}`.
fn botocore(object: &Map<String, Value>, metadata: &Map<String, Value>) -> Option<Capture> {
    let error = object.get("Error")?;
    let text = |name: &str| error.get(name).and_then(Value::as_str).unwrap_or_default();
    let mut headers = metadata.get("HTTPHeaders").map(pairs).unwrap_or_default();
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("x-amzn-errortype")) {
        headers.push(("x-amzn-errortype".to_owned(), text("Code").to_owned()));
    }
    Some(Capture {
        source: Source::Exception,
        status: status(metadata),
        headers,
        body: serde_json::json!({ "message": text("Message") }).to_string().into_bytes(),
        ..Capture::default()
    })
}

fn status(object: &Map<String, Value>) -> Option<u16> {
    STATUS.iter().find_map(|name| {
        let status = object.get(*name)?;
        let status = status.as_u64().or_else(|| status.as_str()?.parse().ok())?;
        u16::try_from(status).ok().filter(|status| (100..600).contains(status))
    })
}

/// Some SDKs keep the object under `error`, some the whole body.
fn whole(error: &Value) -> Vec<u8> {
    let is_body = error.get("error").is_some() || error.get("detail").is_some() || !error.is_object();
    if is_body { bytes(error) } else { serde_json::json!({ "error": error }).to_string().into_bytes() }
}

fn bytes(body: &Value) -> Vec<u8> {
    match body {
        Value::String(text) => text.clone().into_bytes(),
        Value::Null => Vec::new(),
        other => other.to_string().into_bytes(),
    }
}

/// Headers as an object, or as a list of pairs.
pub(super) fn pairs(headers: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Array(values) => values.first().and_then(Value::as_str).map(str::to_owned),
        Value::Null | Value::Bool(_) | Value::Object(_) => None,
    };
    match headers {
        Value::Object(members) => {
            members.iter().filter_map(|(name, value)| Some((name.clone(), text(value)?))).collect()
        }
        Value::Array(items) => items
            .iter()
            .filter_map(|item| match item {
                Value::Array(pair) => Some((text(pair.first()?)?, text(pair.get(1)?)?)),
                Value::Object(pair) => Some((text(pair.get("name")?)?, text(pair.get("value")?)?)),
                _ => None,
            })
            .collect(),
        _ => Vec::new(),
    }
}
