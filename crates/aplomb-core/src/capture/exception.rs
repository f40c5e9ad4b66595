//! The text of an exception: what the API said, inside what a client made of it.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Value, json};

use super::read::{Capture, Source};
use super::response::host;
use super::status::{self, Told};
use super::{classes, literal, traceback, wrapped};

/// Where a body is announced by name.
static BODY: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?:\b[Bb]ody|\bMessage|\bContent|\bResponse)(?:: ?|=|:\s*\n)").expect("a valid expression")
});
static HEADERS: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\bheaders[:=] ?").expect("a valid expression"));
static AMAZON: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"An error occurred \((\w+)\) when calling the \w+ operation(?: \([^)]*\))?: ")
        .expect("a valid expression")
});
static REQUEST_ID: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?i)\brequest[ _-]?id['\x22]?[:=] ?['\x22]?([\w=;.-]{6,})").expect("a valid expression")
});
static RETRY_DELAY: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"retry_delay \{\s*seconds: (\d+)").expect("a valid expression"));
static COLOUR: LazyLock<Regex> = LazyLock::new(|| Regex::new("\x1b\\[[0-9;]*m").expect("a valid expression"));

/// How many openings of an object are tried, and how much text is looked at.
const MAX_OPENINGS: usize = 40;
const MAX_TEXT: usize = 1 << 20;

/// Reads the text of an exception; `None` where nothing shows that it is one.
pub(super) fn read(text: &str) -> Option<Capture> {
    let text = &text[..text.floor_char_boundary(MAX_TEXT)];
    let plain = COLOUR.replace_all(text, "");
    let candidates: Vec<Capture> = traceback::exceptions(&plain)
        .into_iter()
        .take(10)
        .filter_map(|exception| one(exception, &plain))
        .collect();
    let telling = candidates.iter().position(|capture| capture.status.is_some() || is_json(&capture.body));
    candidates.into_iter().nth(telling.unwrap_or(0))
}

fn one(exception: &str, whole: &str) -> Option<Capture> {
    let named = traceback::named(exception);
    let text = named.text;
    let told = status::told(text);
    let mut capture = said(text, told.as_ref())
        .or_else(|| (named.class.is_some() || text.len() < exception.len()).then(|| of_text(text)))?;
    capture.source = Source::Exception;
    capture.status = capture
        .status
        .or_else(|| told.map(|told| told.status))
        .or_else(|| named.class.and_then(classes::status));
    capture.host = capture.host.or_else(|| host(text)).or_else(|| host(whole));
    capture.package = named.package.map(str::to_ascii_lowercase);
    told_headers(text, &mut capture);
    Some(capture)
}

/// What the API said, in the surest form that is there.
fn said(text: &str, told: Option<&Told>) -> Option<Capture> {
    if let Some(found) = AMAZON.captures(text) {
        return Some(amazon(&found, text));
    }
    let from = told.map_or(0, |told| told.end);
    let objects = objects(text);
    if let Some(dumped) = objects.iter().find_map(|(_, value)| wrapped::dump(value)) {
        return Some(dumped);
    }
    if let Some((_, value)) = objects.iter().find(|(_, value)| is_error(value)) {
        let mut capture = Capture { body: body_of(value, text), ..Capture::default() };
        let headers = HEADERS.find(text).and_then(|mark| literal::parse(&text[mark.end()..]));
        capture.headers = headers.map(|(headers, _)| wrapped::pairs(&headers)).unwrap_or_default();
        return Some(capture);
    }
    let told = told?;
    if let Some(mark) = BODY.find_at(text, from) {
        return Some(of_text(&text[mark.end()..]));
    }
    Some(match told {
        Told { is_clients: true, .. } => of_text(after_clients(&text[from..])),
        Told { is_prefix: true, .. } => {
            listed_details(&text[from..], told.status).unwrap_or_else(|| of_text(&text[from..]))
        }
        Told { .. } => of_text(text),
    })
}

fn amazon(found: &regex::Captures<'_>, text: &str) -> Capture {
    let (code, end) = (&found[1], found.get(0).map_or(0, |found| found.end()));
    Capture {
        status: classes::status(code),
        headers: vec![("x-amzn-errortype".to_owned(), code.to_owned())],
        body: json!({ "message": own_words(&text[end..]) }).to_string().into_bytes(),
        ..Capture::default()
    }
}

/// The objects in a text, outermost only.
fn objects(text: &str) -> Vec<(usize, Value)> {
    let mut found = Vec::new();
    let mut at = 0;
    for _ in 0..MAX_OPENINGS {
        let Some(next) = text[at..].find(['{', '[']) else { break };
        let start = at + next;
        match literal::parse(&text[start..]).filter(|(value, _)| value.is_object() || value.is_array()) {
            Some((value, length)) => {
                found.push((start, value));
                at = start + length;
            }
            None => at = start + 1,
        }
    }
    found
}

/// Whether an object is one of those in which APIs speak of errors.
fn is_error(value: &Value) -> bool {
    const MEMBERS: [&str; 16] = [
        "error",
        "errors",
        "message",
        "detail",
        "details",
        "title",
        "msg",
        "reason",
        "code",
        "err_msg",
        "err_code",
        "error_code",
        "Message",
        "__type",
        "fault",
        "error_description",
    ];
    match value {
        Value::Object(members) => MEMBERS.iter().any(|member| members.contains_key(*member)),
        Value::Array(items) => {
            items.first().is_some_and(|item| item.get("error").is_some() || item.get("message").is_some())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// Go's SDK prints the object under `error` alone.
fn body_of(value: &Value, text: &str) -> Vec<u8> {
    let is_inner = value.get("message").is_some()
        && value.get("type").is_some_and(|kind| kind != "error")
        && value.get("error").is_none();
    let verb =
        ["GET \"", "POST \"", "PUT \"", "PATCH \"", "DELETE \""].iter().any(|verb| text.starts_with(verb));
    let whole = if is_inner && verb { Cow::Owned(json!({ "error": value })) } else { Cow::Borrowed(value) };
    whole.to_string().into_bytes()
}

/// Google's JavaScript SDK prints the sentence, then the details of the error as a list.
fn listed_details(text: &str, status: u16) -> Option<Capture> {
    let start = text.find("[{\"@type\"")?;
    let (details, _) = literal::parse(&text[start..])?;
    let error = json!({ "error": { "code": status, "message": text[..start].trim(), "details": details } });
    Some(Capture { body: error.to_string().into_bytes(), ..Capture::default() })
}

/// What follows a client's own sentence: the rest of its line names the address, and a page about the status.
fn after_clients(text: &str) -> &str {
    let mut rest = text.split_once('\n').map_or("", |(_, rest)| rest);
    while let Some((line, more)) = rest.split_once('\n').or_else(|| (!rest.is_empty()).then_some((rest, "")))
    {
        if !line.trim().is_empty() && !line.starts_with("For more information check:") {
            break;
        }
        rest = more;
    }
    rest
}

fn of_text(text: &str) -> Capture {
    Capture { body: own_words(text).as_bytes().to_vec(), ..Capture::default() }
}

/// A sentence without the frames and remarks that clients put after it.
fn own_words(text: &str) -> &str {
    const ENDS: [&str; 7] = [
        "\n    at ",
        "\n  File \"",
        "\nReceived Model Group=",
        ". Received Model Group=",
        " LiteLLM Retried:",
        "\nLiteLLM Retried:",
        " [violations {",
    ];
    let end = ENDS.iter().filter_map(|end| text.find(end)).min().unwrap_or(text.len());
    text[..end].trim().trim_start_matches(['-', '–', ':', ',']).trim_start()
}

/// Facts that a text states and a header would have.
fn told_headers(text: &str, capture: &mut Capture) {
    let has = |capture: &Capture, end: &str| {
        capture.headers.iter().any(|(name, _)| name.to_ascii_lowercase().ends_with(end))
    };
    if let Some(seconds) = RETRY_DELAY.captures(text)
        && !has(capture, "retry-after")
    {
        capture.headers.push(("retry-after".to_owned(), seconds[1].to_owned()));
    }
    if let Some(id) = REQUEST_ID.captures(text)
        && !has(capture, "request-id")
        && !is_json(&capture.body)
    {
        capture.headers.push(("x-request-id".to_owned(), id[1].to_owned()));
    }
}

fn is_json(body: &[u8]) -> bool {
    body.starts_with(b"{") || body.starts_with(b"[")
}
