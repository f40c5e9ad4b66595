//! Decoding: what an answer means, whatever its API, shape or status.

use std::time::SystemTime;

use bytes::Bytes;
use serde_json::Value;

use crate::dialect::body::{self, Shape};
use crate::dialect::classify::{self, Case, Verdict};
use crate::dialect::disguised::{self, Place};
use crate::dialect::header_facts::{header_facts, request_id};
use crate::dialect::status::status;
use crate::dialect::{Evidence, Facts, Headers, detect, facts, title, waits};
use crate::failure::{Failure, Limit};
use crate::kind::Kind;
use crate::spec::{Catalog, Dialect};
use crate::sse::{Item, Splitter};

/// How many errors inside errors are looked into.
const MAX_DEPTH: u8 = 6;

/// What an answer means.
#[derive(Clone, Debug)]
pub struct Decoded<'a> {
    /// The dialect that it was read in.
    pub dialect: &'a Dialect,
    /// The dialect was named, or nothing else fits nearly as well.
    pub certain: bool,
    /// The body fits an envelope of the dialect.
    pub speaks: bool,
    /// The failure; `None` for a success.
    pub failure: Option<Failure>,
}

/// Decodes an answer: in the named dialect first, else by detection, else as what an edge or a framework writes.
///
/// Nothing in the evidence can make this fail: what says nothing about itself is [`Kind::Unknown`].
pub fn decode<'a>(catalog: &'a Catalog, named: Option<&'a Dialect>, evidence: &Evidence<'_>) -> Decoded<'a> {
    let plain = body::plain(evidence.headers, evidence.body);
    let evidence = Evidence { body: &plain, ..*evidence };
    Decoder { catalog, named, depth: 0, place: Place::Body }.decode(&evidence)
}

/// What one event of a stream means, and whether it speaks the dialect; `None` when it is a piece of an answer.
pub(super) fn decode_event(
    catalog: &Catalog,
    dialect: &Dialect,
    data: &[u8],
    place: Place,
    now: SystemTime,
) -> Option<(Failure, bool)> {
    let evidence = Evidence { status: Some(200), headers: Headers(&[]), body: data, host: None, now };
    let decoder = Decoder { catalog, named: Some(dialect), depth: 0, place };
    let decoded = decoder.decode(&evidence);
    let mut failure = decoded.failure?;
    failure.status = failure.status.filter(|status| *status >= 400);
    Some((failure, decoded.speaks))
}

#[derive(Clone, Copy)]
struct Decoder<'a> {
    catalog: &'a Catalog,
    named: Option<&'a Dialect>,
    depth: u8,
    place: Place,
}

/// A body read: its dialect, its facts, and the JSON that they stood in.
struct Reading<'a> {
    dialect: &'a Dialect,
    certain: bool,
    speaks: bool,
    facts: Facts,
    json: Option<Value>,
    text: Option<String>,
}

impl<'a> Decoder<'a> {
    fn decode(self, evidence: &Evidence<'_>) -> Decoded<'a> {
        let shape = body::shape(evidence.body);
        if let Shape::Events(text) = &shape {
            return self.events(evidence, text);
        }
        let success = evidence.status.is_some_and(|status| (100..400).contains(&status));
        let reading = self.read(evidence, shape);
        let own = (reading.speaks || self.named.is_some()).then_some(reading.dialect);
        let is_error = |json| disguised::is_error(self.catalog, own, json, self.place);
        if success && !reading.json.as_ref().is_some_and(is_error) {
            let Reading { dialect, certain, speaks, .. } = reading;
            return Decoded { dialect, certain, speaks, failure: None };
        }
        self.judge(evidence, reading)
    }

    fn read(self, evidence: &Evidence<'_>, shape: Shape) -> Reading<'a> {
        match shape {
            Shape::Json(json) => self.read_json(evidence, json),
            Shape::Text { sentence, whole } => self.read_text(evidence, sentence, whole),
            Shape::Empty | Shape::Events(_) => self.fallback(evidence, Facts::default(), None, None),
        }
    }

    /// The named dialect if it speaks, else whichever speaks best; an array around one object is taken off.
    fn read_json(self, evidence: &Evidence<'_>, json: Value) -> Reading<'a> {
        if let Some(named) = self.named
            && let Some((facts, _)) = detect::own(named, &json)
        {
            return Reading {
                dialect: named,
                certain: true,
                speaks: true,
                facts,
                json: Some(json),
                text: None,
            };
        }
        if let Some(found) = detect::best(self.catalog, evidence, &json) {
            let dialect = self.named.unwrap_or(found.dialect);
            let certain = self.named.is_some() || found.certain;
            let speaks = self.named.is_none();
            return Reading { dialect, certain, speaks, facts: found.facts, json: Some(json), text: None };
        }
        if let Value::Array(items) = &json
            && let [only @ Value::Object(_)] = items.as_slice()
        {
            let inner = only.clone();
            return Reading { speaks: false, ..self.read_json(evidence, inner) };
        }
        let facts = Facts { message: loose_message(&json), ..Facts::default() };
        self.fallback(evidence, facts, Some(json), None)
    }

    fn read_text(self, evidence: &Evidence<'_>, sentence: String, whole: String) -> Reading<'a> {
        let mut facts = Facts { message: facts::said(&sentence), ..Facts::default() };
        let edge = self.catalog.get("edge");
        for row in self.named.into_iter().chain(edge).flat_map(|dialect| &dialect.texts) {
            let Some(found) = row.pattern.regex().captures(&whole) else { continue };
            let group = |name: &str| found.name(name).and_then(|group| facts::said(group.as_str()));
            facts.message = group("message").or(facts.message);
            facts.code = group("code");
            facts.type_ = group("type");
            facts.request_id = group("request_id");
            facts.status = group("status").and_then(|status| status.parse().ok());
            break;
        }
        self.fallback(evidence, facts, None, Some(whole))
    }

    fn fallback(
        self,
        evidence: &Evidence<'_>,
        facts: Facts,
        json: Option<Value>,
        text: Option<String>,
    ) -> Reading<'a> {
        let place = || detect::by_place(self.catalog, evidence);
        let edge = || self.catalog.get("edge").or_else(|| self.catalog.dialects().next());
        let dialect = self.named.or_else(place).or_else(edge).expect("there is at least one dialect");
        Reading { dialect, certain: self.named.is_some(), speaks: false, facts, json, text }
    }

    /// A stream that was captured: the first event that is an error decides.
    fn events(self, evidence: &Evidence<'_>, text: &str) -> Decoded<'a> {
        let mut last = None;
        for (name, data) in captured(text) {
            let named_error = name.as_deref().is_some_and(is_error_name);
            let Some(json) = body::json(&data) else { continue };
            if !named_error && !disguised::is_error(self.catalog, self.named, &json, Place::Event) {
                continue;
            }
            let inner = Evidence { body: data.as_bytes(), status: None, ..*evidence };
            let reading = self.read_json(&inner, json);
            let decoded = self.judge(&inner, reading);
            if decoded.failure.is_some() {
                last = Some(decoded);
                break;
            }
        }
        last.unwrap_or_else(|| {
            let status = evidence.status.unwrap_or(200);
            let reading = self.fallback(evidence, Facts::default(), None, None);
            if status < 400 {
                return Decoded {
                    dialect: reading.dialect,
                    certain: reading.certain,
                    speaks: false,
                    failure: None,
                };
            }
            self.judge(evidence, reading)
        })
    }

    fn judge(self, evidence: &Evidence<'_>, reading: Reading<'a>) -> Decoded<'a> {
        let Reading { dialect, certain, speaks, mut facts, json, text } = reading;
        header_facts(dialect, evidence, &mut facts);
        let status = status(evidence, &facts, text.as_deref());
        let nested = self.nested(dialect, evidence, &facts, json.as_ref());
        let limits = waits::limits(dialect, evidence, &facts);
        if facts.wraps
            && let Some(inner) = nested
        {
            let failure = unwrapped(inner, status, limits, || request_id(dialect, self.catalog, evidence));
            return Decoded { dialect, certain, speaks, failure: Some(failure) };
        }
        let own = facts.message.iter().chain(&facts.title).map(String::as_str);
        let texts: Vec<&str> = own.chain(quoted(&nested)).collect();
        let wait = waits::wait(evidence, &facts, &texts, &limits)
            .or_else(|| nested.as_ref().and_then(|inner| inner.wait));
        let reasons = json.as_ref().map(reasons).unwrap_or_default();
        let mut tokens: Vec<&str> =
            [&facts.code, &facts.type_].into_iter().flatten().map(String::as_str).collect();
        tokens.extend(reasons);
        tokens.extend(facts.message.as_deref().filter(|message| is_word(message)));
        let case = Case {
            status,
            facts: &facts,
            body: json.as_ref(),
            texts: &texts,
            tokens: &tokens,
            has_wait: wait.is_some(),
            evidence,
        };
        let verdict = settle(classify::judge(self.catalog, dialect, &case), nested.as_ref(), status);
        let mut failure = Failure::new(verdict.kind);
        failure.status = evidence.status.or(status);
        failure.retryable = verdict.retryable.unwrap_or(failure.retryable);
        failure.advice = verdict.advice.unwrap_or(failure.advice);
        failure.fault = verdict.fault.unwrap_or(failure.fault);
        failure.wait = wait;
        failure.limits = limits;
        failure.request_id = facts.request_id.or_else(|| request_id(dialect, self.catalog, evidence));
        failure.message = facts.message.or_else(|| facts.title.clone());
        failure.code = facts.code;
        failure.type_ = facts.type_;
        failure.param = facts.param;
        failure.details = facts.details;
        title::keep(facts.title, &mut failure);
        failure.errors = facts.errors;
        Decoded { dialect, certain, speaks, failure: Some(failure) }
    }

    /// An error of another API inside this one: in its message, or where the dialect says one may stand.
    fn nested(
        self,
        dialect: &Dialect,
        evidence: &Evidence<'_>,
        facts: &Facts,
        json: Option<&Value>,
    ) -> Option<Failure> {
        if self.depth >= MAX_DEPTH {
            return None;
        }
        let marked = dialect
            .nested
            .iter()
            .filter_map(|path| json.and_then(|json| path.first(json)))
            .map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned));
        let message = facts.message.as_deref().filter(|text| text.contains('{')).and_then(embedded);
        let text = marked.chain(message).next()?;
        let inner = Evidence {
            status: None,
            body: text.as_bytes(),
            headers: Default::default(),
            host: None,
            ..*evidence
        };
        let decoder = Self { named: None, depth: self.depth + 1, ..self };
        decoder.decode(&inner).failure
    }
}

/// The whole error stood as text in another's message: it is the failure, and the outer one only its envelope.
fn unwrapped(
    inner: Failure,
    status: Option<u16>,
    limits: Vec<Limit>,
    id: impl FnOnce() -> Option<String>,
) -> Failure {
    let request_id = inner.request_id.clone().or_else(id);
    Failure { status: status.or(inner.status), limits, request_id, ..inner }
}

/// The error quoted inside counts where the outer one rests on its status alone.
fn settle(outer: Option<Verdict>, nested: Option<&Failure>, status: Option<u16>) -> Verdict {
    let inner = nested.filter(|inner| inner.kind != Kind::Unknown);
    match (outer, inner) {
        (Some(outer), Some(inner)) if outer.by_status && agrees(inner.kind, status) => {
            Verdict { kind: inner.kind, ..outer }
        }
        (Some(outer), _) => outer,
        (None, Some(inner)) => Verdict {
            kind: inner.kind,
            retryable: Some(inner.retryable),
            advice: None,
            fault: None,
            by_status: false,
        },
        (None, None) => {
            Verdict { kind: Kind::Unknown, retryable: None, advice: None, fault: None, by_status: true }
        }
    }
}

/// A quoted error may refine a status, not turn a caller's mistake into a server's without a reason.
fn agrees(inner: Kind, status: Option<u16>) -> bool {
    match status {
        Some(429) => {
            matches!(inner, Kind::RateLimit | Kind::QuotaExhausted | Kind::Overloaded | Kind::PaymentRequired)
        }
        Some(_) | None => true,
    }
}

fn quoted(nested: &Option<Failure>) -> impl Iterator<Item = &str> {
    nested.iter().filter_map(|inner| inner.message.as_deref())
}

/// The part of a message that is JSON.
fn embedded(message: &str) -> Option<String> {
    let start = message.find(['{', '['])?;
    let end = message.rfind(['}', ']'])? + 1;
    let inner = message.get(start..end)?;
    serde_json::from_str::<Value>(inner).ok().filter(|value| value.is_object() || value.is_array())?;
    Some(inner.to_owned())
}

/// Finer reasons beside the code: `error.details[].reason`, `innererror.code`, and their like.
fn reasons(json: &Value) -> Vec<&str> {
    let root = match json {
        Value::Array(items) => items.first().unwrap_or(json),
        other => other,
    };
    let error = root.get("error").unwrap_or(root);
    let details = error.get("details").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let listed = details.iter().filter_map(|detail| detail.get("reason")?.as_str());
    let within = |outer: &str, name: &str| error.get(outer)?.get(name)?.as_str();
    let named = |name: &str| error.get(name)?.as_str();
    let metadata = [
        within("metadata", "error_type"),
        within("metadata", "limit_source"),
        within("innererror", "code"),
        named("status"),
        named("error_type"),
    ];
    listed.chain(metadata.into_iter().flatten()).collect()
}

/// The events of a captured stream by name and data, and text between them that is none.
fn captured(text: &str) -> Vec<(Option<String>, String)> {
    let mut splitter = Splitter::default();
    let whole = splitter.feed(Bytes::copy_from_slice(format!("{}\n\n", text.trim_end()).as_bytes()));
    let Ok(whole) = whole else { return Vec::new() };
    whole
        .parts()
        .filter_map(|part| match part.item {
            Item::Comment(_) => None,
            Item::Event(event) => {
                let data = String::from_utf8_lossy(&event.data()?).into_owned();
                Some((event.name().map(str::to_owned), data))
            }
            Item::Stray(text) => Some((None, String::from_utf8_lossy(text).into_owned())),
        })
        .collect()
}

/// A message that is one word names what happened as a code would.
fn is_word(message: &str) -> bool {
    message.len() <= 60 && !message.contains(char::is_whitespace)
}

fn is_error_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name == "error" || name.ends_with(".failed") || name.ends_with(".error")
}

/// The sentence of JSON in no known envelope.
fn loose_message(json: &Value) -> Option<String> {
    const PLACES: [&str; 12] = [
        "/message",
        "/error/message",
        "/error",
        "/detail",
        "/error_description",
        "/msg",
        "/errors/0/message",
        "/errors/0",
        "/reason",
        "/title",
        "/Message",
        "/description",
    ];
    match json {
        Value::String(text) => facts::said(text),
        json => PLACES.iter().find_map(|place| json.pointer(place)?.as_str().and_then(facts::said)),
    }
}
