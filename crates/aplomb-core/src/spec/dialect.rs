//! A dialect as resolved: checked, parsed, ready to be read and written.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::kind::{Advice, Fault, Kind};
use crate::spec::pattern::{Path, Pattern};
use crate::spec::template::Node;
use crate::spec::usage::UsagePlaces;
use crate::spec::written::{Auth, Detect, FactName, NativeErrors, ResetForm, Sdk, StatusFacts};

/// How one API writes failures, limits, request ids and stream errors.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "spec/README.md is the page of every member")]
pub struct Dialect {
    pub name: String,
    pub title: String,
    pub aliases: Vec<String>,
    pub base_url: Option<String>,
    pub closed: bool,
    pub closed_codes: bool,
    pub docs: Option<String>,
    pub status_page: Option<String>,
    pub support: Option<String>,
    pub idempotency_header: Option<String>,
    pub idempotency_reused: Kind,
    pub most_output: Vec<Path>,
    pub errors_in_200: NativeErrors,
    pub sdk: BTreeMap<String, Sdk>,
    pub auth: Option<Auth>,
    pub detect: Detect,
    pub request_id_headers: Vec<String>,
    pub envelopes: Vec<Envelope>,
    pub texts: Vec<TextRow>,
    pub header_facts: Vec<HeaderFact>,
    pub nested: Vec<Path>,
    pub statuses: BTreeMap<u16, StatusFacts>,
    pub kinds: BTreeMap<Kind, WriteRow>,
    pub validation: Validation,
    pub reads: Vec<ReadRow>,
    pub limits: Vec<LimitRow>,
    pub model: Option<ModelPlace>,
    pub usage: Option<UsagePlaces>,
    pub endpoints: Vec<Endpoint>,
    pub streams: Vec<StreamForm>,
}

/// An envelope with the kinds for which it is written.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "spec/README.md is the page of every member")]
pub struct Envelope {
    pub node: Node,
    pub kinds: Option<Vec<Kind>>,
    pub read_only: bool,
    pub content_type: String,
}

/// Facts in a body that is no JSON.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "spec/README.md is the page of every member")]
pub struct TextRow {
    pub pattern: Pattern,
}

/// A fact in a header.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "spec/README.md is the page of every member")]
pub struct HeaderFact {
    pub fact: FactName,
    pub header: String,
    pub pattern: Option<Pattern>,
    pub write: bool,
}

/// How a kind is written.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "spec/README.md is the page of every member")]
pub struct WriteRow {
    pub status: u16,
    pub code: Option<String>,
    pub type_: Option<String>,
}

/// How a request that breaks a rule is told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "spec/README.md is the page of every member")]
pub struct Validation {
    pub missing: Option<Kind>,
    pub words: BTreeMap<String, String>,
}

/// What else is met, and what it means.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "spec/README.md is the page of every member")]
pub struct ReadRow {
    pub kind: Kind,
    pub status: Vec<u16>,
    pub code: Vec<String>,
    pub type_: Vec<String>,
    pub message: Option<Pattern>,
    pub at: Option<Path>,
    pub is: Vec<String>,
    pub matches: Option<Pattern>,
    pub header: Option<String>,
    pub retryable: Option<bool>,
    pub advice: Option<Advice>,
    pub fault: Option<Fault>,
}

/// A limit and the headers that tell of it.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "spec/README.md is the page of every member")]
pub struct LimitRow {
    pub unit: String,
    pub window: Option<Duration>,
    pub limit: Option<String>,
    pub remaining: Option<String>,
    pub reset: Option<String>,
    pub form: ResetForm,
}

/// Where a request names its model.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "spec/README.md is the page of every member")]
pub struct ModelPlace {
    pub pointer: Option<Path>,
    pub path: Option<Pattern>,
    pub form: Option<String>,
}

/// What is known of an endpoint.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "spec/README.md is the page of every member")]
pub struct Endpoint {
    pub method: String,
    pub path: Vec<String>,
    pub full: Option<String>,
    pub repeatable: bool,
    pub result: Vec<String>,
    pub stream: Option<String>,
    pub stream_when: Option<StreamWhen>,
    pub stream_query: Option<String>,
    pub usage_request: Option<Path>,
    pub request: Option<serde_json::Value>,
    pub mock: Option<String>,
}

/// What makes a request ask for a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamWhen {
    /// This member of the request is true.
    Member(Path),
    /// The path alone.
    Path,
}

/// How a stream reports an error and how it ends.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "spec/README.md is the page of every member")]
pub struct StreamForm {
    pub name: String,
    pub error_event: Option<String>,
    pub error_data: Option<Node>,
    pub done_event: Option<String>,
    pub done_data: Option<String>,
    pub done_also: Vec<String>,
    pub finish: Option<Path>,
    pub error_at: Vec<Path>,
    pub error_events: Vec<String>,
    pub usage: Option<UsagePlaces>,
    pub usage_alone: Option<Path>,
}

impl Dialect {
    /// How a kind is written here.
    pub fn row(&self, kind: Kind) -> &WriteRow {
        self.kinds.get(&kind).expect("resolve refuses a dialect that doesn't map every kind")
    }

    /// Whether the status is one that this API documents; an API that documents none allows all.
    pub fn lists(&self, status: u16) -> bool {
        self.statuses.is_empty() || self.statuses.contains_key(&status)
    }

    /// What is known of the endpoint that a request names.
    pub fn endpoint(&self, method: &str, path: &str) -> Option<&Endpoint> {
        self.endpoints.iter().find(|endpoint| endpoint.matches(method, path))
    }

    /// The stream form of that name.
    pub fn stream(&self, name: &str) -> Option<&StreamForm> {
        self.streams.iter().find(|form| form.name == name)
    }

    /// Whether it is known where a streamed answer of this endpoint tells its usage.
    pub fn tells_usage(&self, endpoint: &Endpoint) -> bool {
        let form = endpoint.stream.as_deref().and_then(|name| self.stream(name));
        form.is_some_and(|form| form.usage.is_some() || self.usage.is_some())
    }

    /// Whether the dialect answers to this name.
    pub fn is_named(&self, name: &str) -> bool {
        self.name == name || self.aliases.iter().any(|alias| alias == name)
    }
}

impl HeaderFact {
    /// The fact in a header's value.
    pub fn fact_in<'a>(&self, value: &'a str) -> Option<&'a str> {
        match &self.pattern {
            None => Some(value),
            Some(pattern) => pattern.regex().captures(value)?.get(1).map(|found| found.as_str()),
        }
    }
}

impl Endpoint {
    /// Whether method and the end of the path are this endpoint's.
    pub fn matches(&self, method: &str, path: &str) -> bool {
        if self.method != method {
            return false;
        }
        // Bytes, because splitting text costs several times as much, and every request is looked at.
        let mut given = Some(path.trim_end_matches('/').as_bytes());
        self.path.iter().rev().all(|part| {
            let Some(left) = given else { return false };
            let slash = left.iter().rposition(|byte| *byte == b'/');
            given = slash.map(|at| &left[..at]);
            segment_fits(part.as_bytes(), &left[slash.map_or(0, |at| at + 1)..])
        })
    }
}

fn segment_fits(pattern: &[u8], seen: &[u8]) -> bool {
    match pattern.iter().position(|byte| *byte == b'*') {
        Some(star) => {
            let (before, after) = (&pattern[..star], &pattern[star + 1..]);
            seen.len() >= before.len() + after.len() && seen.starts_with(before) && seen.ends_with(after)
        }
        None => pattern == seen,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(path: &str) -> Endpoint {
        Endpoint {
            method: "POST".to_owned(),
            path: path.trim_matches('/').split('/').map(str::to_owned).collect(),
            full: None,
            repeatable: true,
            result: Vec::new(),
            stream: None,
            stream_when: None,
            stream_query: None,
            usage_request: None,
            request: None,
            mock: None,
        }
    }

    #[test]
    fn an_endpoint_is_recognised_by_the_end_of_the_path() {
        let chat = endpoint("/chat/completions");
        assert!(chat.matches("POST", "/v1/chat/completions"));
        assert!(chat.matches("POST", "/openai/deployments/x/chat/completions"));
        assert!(!chat.matches("GET", "/v1/chat/completions"));
        assert!(!chat.matches("POST", "/v1/completions"));
    }

    #[test]
    fn a_star_stands_for_one_segment_or_a_part_of_it() {
        let generate = endpoint("/models/*:generateContent");
        assert!(generate.matches("POST", "/v1beta/models/gemini-3:generateContent"));
        assert!(!generate.matches("POST", "/v1beta/models/gemini-3:countTokens"));
    }
}
