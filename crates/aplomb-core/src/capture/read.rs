//! A capture, and finding out what it is a capture of.

use std::time::SystemTime;

use serde_json::Value;

use super::{exception, literal, response, wrapped};
use crate::dialect::body::{self, Shape};
use crate::dialect::{Evidence, Headers};

/// What a capture was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Source {
    /// A raw answer: status line, headers, body.
    Response,
    /// A body alone.
    #[default]
    Body,
    /// Server-sent events.
    Stream,
    /// The text of an exception, or of a log line.
    Exception,
}

/// What was found in what a person pasted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Capture {
    /// What it was.
    pub source: Source,
    /// The HTTP status, when it is told.
    pub status: Option<u16>,
    /// The headers, in their order.
    pub headers: Vec<(String, String)>,
    /// The body, byte for byte where there was one, written anew as JSON where a language had printed it.
    pub body: Vec<u8>,
    /// The host that was asked, when it is told.
    pub host: Option<String>,
    /// The SDK that speaks, by the name of its package.
    pub package: Option<String>,
}

impl Capture {
    /// Reads whatever was pasted. What is nothing else is a body.
    pub fn read(bytes: &[u8]) -> Self {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        if let Some(capture) = response::read(bytes) {
            return capture;
        }
        let whole = |source| Self { source, body: bytes.to_vec(), ..Self::default() };
        let Ok(text) = std::str::from_utf8(bytes) else { return whole(Source::Body) };
        let as_printed = || printed(text).map(|json| Self { body: json.into_bytes(), ..whole(Source::Body) });
        let found = match body::shape(bytes) {
            Shape::Events(_) => Some(whole(Source::Stream)),
            Shape::Json(json) if says_something(&json) => wrapped::response(&json),
            Shape::Json(_) => as_printed().or_else(|| exception::read(text)),
            Shape::Text { .. } if !text.trim_start().starts_with('<') => {
                as_printed().or_else(|| exception::read(text))
            }
            Shape::Text { .. } | Shape::Empty => None,
        };
        found.unwrap_or_else(|| whole(Source::Body))
    }

    /// The headers as the decoder takes them.
    pub fn header_pairs(&self) -> Vec<(&str, &str)> {
        self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
    }

    /// The capture as evidence; `headers` are those of [`Self::header_pairs`].
    pub fn evidence<'a>(&'a self, headers: &'a [(&'a str, &'a str)], now: SystemTime) -> Evidence<'a> {
        Evidence {
            status: self.status,
            headers: Headers(headers),
            body: &self.body,
            host: self.host.as_deref(),
            now,
        }
    }
}

/// Whether there is anything in it: what begins like JSON and isn't is read as nothing.
fn says_something(json: &Value) -> bool {
    match json {
        Value::Object(members) => !members.is_empty(),
        Value::Array(items) => items.iter().any(says_something),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
    }
}

/// An object that a language printed, alone, as JSON; an exception in the same form is unwrapped elsewhere.
fn printed(text: &str) -> Option<String> {
    let text = text.trim();
    let (value, end) = literal::parse(text).filter(|_| text.starts_with(['{', '[']))?;
    let is_whole = text[end..].trim_start_matches([';', ',']).trim().is_empty();
    (is_whole && (value.is_object() || value.is_array())).then(|| value.to_string())
}
