//! Rendering: any failure as an answer of any dialect.

use std::time::SystemTime;

use crate::dialect::write::{self, Out, Own};
use crate::dialect::{Facts, title, waits};
use crate::failure::{Failure, FieldError, Limit, Part};
use crate::header::{reset, retry_after, retry_after_ms};
use crate::kind::Kind;
use crate::spec::{Dialect, Envelope, FactName, SlotName, StreamForm, WriteRow};

/// What most bodies fit into.
const USUAL_BODY: usize = 1024;

/// An answer in a dialect's own form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// A status of the answer dialect, never a success.
    pub status: u16,
    /// Content type, request id, waits and limits under the dialect's own names.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// A failure in the middle of a stream, as one server-sent event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RenderedEvent(pub Vec<u8>);

/// Renders a failure.
///
/// `own_id` is used where the upstream gave no request id; `now` turns waits into times where the dialect writes times.
/// A wait is written only on a failure that is worth repeating.
pub fn render(dialect: &Dialect, failure: &Failure, own_id: Option<&str>, now: SystemTime) -> Rendered {
    let status = render_status(dialect, failure);
    let envelope = envelope(dialect, failure.kind);
    let mut facts = facts(dialect, failure, own_id, status);
    title::put(&mut facts, &envelope.node);
    let first = facts.errors.first().and_then(|first| first.code.clone());
    if let (true, None, Some(first)) = (envelope.node.lists(SlotName::Type), &failure.type_, first) {
        // The row's own type is only what an element has that says nothing of itself.
        facts.type_ = Some(first);
    }
    let mut headers = vec![("content-type".to_owned(), envelope.content_type.clone())];
    let mut elsewhere = Vec::new();
    let id = facts.request_id.as_ref().filter(|id| is_header_safe(id));
    if let (Some(name), Some(id)) = (dialect.request_id_headers.first(), id) {
        headers.push((name.clone(), id.clone()));
        elsewhere.push(SlotName::RequestId);
    }
    for row in dialect.header_facts.iter().filter(|row| row.write) {
        let (fact, slot) = match row.fact {
            FactName::Message => (&facts.message, SlotName::Message),
            FactName::Code => (&facts.code, SlotName::Code),
            FactName::Type => (&facts.type_, SlotName::Type),
            FactName::Param => (&facts.param, SlotName::Param),
            FactName::RequestId => (&facts.request_id, SlotName::RequestId),
        };
        // What would be read back otherwise than it is stands in the body.
        let is_whole = |fact: &&String| is_header_safe(fact) && row.fact_in(fact) == Some(fact.as_str());
        if let Some(fact) = fact.as_ref().filter(is_whole) {
            headers.push((row.header.clone(), fact.clone()));
            elsewhere.push(slot);
        }
    }
    wait_headers(failure, &mut headers);
    headers.extend(limit_headers(dialect, &failure.limits, now));
    let own = own(dialect, failure);
    let body = bytes(&write::write(&envelope.node, &facts, &own, &elsewhere));
    Rendered { status, headers, body }
}

/// Renders a failure in the middle of a stream of this form. The event ends the stream; no terminal event follows.
pub fn render_event(
    dialect: &Dialect,
    form: Option<&StreamForm>,
    failure: &Failure,
    own_id: Option<&str>,
) -> RenderedEvent {
    let mut facts = facts(dialect, failure, own_id, render_status(dialect, failure));
    let node = form
        .and_then(|form| form.error_data.as_ref())
        .unwrap_or_else(|| &envelope(dialect, failure.kind).node);
    title::put(&mut facts, node);
    let own = own(dialect, failure);
    let data = write::write(node, &facts, &own, &[]);
    let mut out = Vec::new();
    if let Some(event) = form.map_or(Some("error"), |form| form.error_event.as_deref()) {
        out.extend_from_slice(b"event: ");
        out.extend_from_slice(event.as_bytes());
        out.push(b'\n');
    }
    out.extend_from_slice(b"data: ");
    out.extend_from_slice(&bytes(&data));
    out.extend_from_slice(b"\n\n");
    RenderedEvent(out)
}

/// The status: the failure's own if the dialect lists it with the same advice, else the dialect's for its kind.
pub fn render_status(dialect: &Dialect, failure: &Failure) -> u16 {
    let own = failure.status.filter(|status| {
        let listed = dialect.statuses.get(status);
        let kind = listed.and_then(|facts| facts.kind).or_else(|| Kind::from_status(*status));
        listed.is_some()
            && *status >= 400
            && kind.is_some_and(|kind| {
                kind.facts().advice == failure.advice && kind.facts().retryable == failure.retryable
            })
    });
    own.unwrap_or_else(|| dialect.row(failure.kind).status)
}

fn envelope(dialect: &Dialect, kind: Kind) -> &Envelope {
    let mut written = dialect.envelopes.iter().filter(|envelope| !envelope.read_only);
    let own =
        written.clone().find(|envelope| envelope.kinds.as_ref().is_some_and(|kinds| kinds.contains(&kind)));
    own.or_else(|| written.find(|envelope| envelope.kinds.is_none()))
        .expect("resolve refuses a dialect without an envelope for every kind")
}

fn facts(dialect: &Dialect, failure: &Failure, own_id: Option<&str>, status: u16) -> Facts {
    let row = dialect.row(failure.kind);
    let kind_facts = failure.kind.facts();
    let limit = failure.limits.first();
    Facts {
        message: Some(failure.message.clone().unwrap_or_else(|| kind_facts.meaning.clone())),
        code: failure.code.clone().or_else(|| row.code.clone()),
        type_: failure.type_.clone().or_else(|| row.type_.clone()),
        param: failure.param.clone(),
        part: failure.errors.first().map_or(Part::Body, |first| first.part),
        request_id: failure.request_id.clone().or_else(|| own_id.map(str::to_owned)),
        status: Some(status),
        wait: failure.wait.filter(|_| failure.retryable),
        kind: Some(failure.kind),
        title: Some(kind_facts.title.clone()),
        limit: limit.and_then(|limit| limit.limit),
        remaining: limit.and_then(|limit| limit.remaining),
        window: limit.and_then(|limit| limit.window),
        errors: failure.errors.iter().map(|error| worded(dialect, error)).collect(),
        details: failure.details.clone(),
        wraps: false,
    }
}

/// A field error in the dialect's own words.
fn worded(dialect: &Dialect, error: &FieldError) -> FieldError {
    let word = error.code.as_ref().and_then(|code| dialect.validation.words.get(code));
    FieldError { code: word.or(error.code.as_ref()).cloned(), ..error.clone() }
}

/// The contract's own words, where it fixes them and the failure has another API's.
fn own(dialect: &Dialect, failure: &Failure) -> Own {
    let row = dialect.row(failure.kind);
    let instead = |given: &Option<String>, column: fn(&WriteRow) -> &Option<String>| {
        let given = given.as_ref().filter(|_| dialect.closed_codes)?;
        let known = dialect.kinds.values().any(|row| column(row).as_ref() == Some(given));
        column(row).clone().filter(|_| !known)
    };
    Own { code: instead(&failure.code, |row| &row.code), type_: instead(&failure.type_, |row| &row.type_) }
}

fn wait_headers(failure: &Failure, headers: &mut Vec<(String, String)>) {
    if let Some(wait) = failure.wait.filter(|_| failure.retryable) {
        headers.push(("retry-after".to_owned(), retry_after::write(wait)));
        headers.push(("retry-after-ms".to_owned(), retry_after_ms::write(wait)));
    }
}

/// Limits under the dialect's own header names, on a success as on a failure.
///
/// Each limit takes the first row of its unit and window that is still free, or else of its unit.
pub fn limit_headers(dialect: &Dialect, limits: &[Limit], now: SystemTime) -> Vec<(String, String)> {
    let mut headers = Vec::new();
    let mut taken = vec![false; dialect.limits.len()];
    for limit in limits {
        let fits = |exact: bool| {
            dialect.limits.iter().enumerate().position(|(i, row)| {
                !taken[i] && row.unit == limit.unit && (!exact || row.window == limit.window)
            })
        };
        let Some(i) = fits(true).or_else(|| fits(false)) else { continue };
        taken[i] = true;
        let row = &dialect.limits[i];
        let mut put = |name: &Option<String>, value: Option<String>| {
            if let (Some(name), Some(value)) = (name, value) {
                headers.push((name.clone(), value));
            }
        };
        put(&row.limit, limit.limit.map(|count| count.to_string()));
        put(&row.remaining, limit.remaining.map(|count| count.to_string()));
        put(&row.reset, limit.reset.map(|wait| reset::write(wait, waits::form(row.form), now)));
    }
    headers
}

fn is_header_safe(text: &str) -> bool {
    text.len() <= 1024 && text.trim() == text && text.bytes().all(|byte| (0x20..0x7f).contains(&byte))
}

fn bytes(value: &Out<'_>) -> Vec<u8> {
    let mut out = Vec::with_capacity(USUAL_BODY);
    serde_json::to_writer(&mut out, value).expect("a JSON value can always be written");
    out
}
