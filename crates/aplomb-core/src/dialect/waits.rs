//! Waits and limits: where an answer says how long to wait, and what is left.

use std::time::{Duration, SystemTime};

use serde_json::{Map, Value};

use crate::dialect::{Evidence, Facts, Headers};
use crate::failure::Limit;
use crate::header::{self, rate_limit, reset, retry_after, retry_after_ms};
use crate::spec::{Dialect, LimitRow, ResetForm};

/// The limits that an answer tells of: the dialect's own headers, then the IETF's.
pub(super) fn limits(dialect: &Dialect, evidence: &Evidence<'_>, facts: &Facts) -> Vec<Limit> {
    let mut limits: Vec<Limit> = dialect.limits.iter().filter_map(|row| limit(row, evidence)).collect();
    if limits.is_empty() && evidence.headers.has("*") {
        limits = rate_limit::parse(|name| evidence.headers.all(name), answered(evidence));
    }
    if limits.is_empty() && facts.limit.is_some() {
        let mut told = Limit::new("requests");
        told.limit = facts.limit;
        told.remaining = facts.remaining;
        told.window = facts.window;
        told.reset = facts.wait;
        limits.push(told);
    }
    limits
}

/// The limits that an answer's headers tell of, whatever the answer is.
pub fn told_limits(dialect: &Dialect, headers: Headers<'_>, now: SystemTime) -> Vec<Limit> {
    let evidence = Evidence { status: None, headers, body: b"", host: None, now };
    limits(dialect, &evidence, &Facts::default())
}

fn limit(row: &LimitRow, evidence: &Evidence<'_>) -> Option<Limit> {
    let value = |name: &Option<String>| name.as_deref().and_then(|name| evidence.headers.get(name));
    let number =
        |name: &Option<String>| value(name).and_then(|text| text.trim().parse::<f64>().ok()).and_then(whole);
    let mut limit = Limit::new(row.unit.as_str());
    limit.window = row.window;
    limit.limit = number(&row.limit);
    limit.remaining = number(&row.remaining);
    limit.reset = value(&row.reset).and_then(|text| reset::parse(text, form(row.form), answered(evidence)));
    (limit.limit.is_some() || limit.remaining.is_some() || limit.reset.is_some()).then_some(limit)
}

/// When the answer was sent by its own clock, to which the times in it belong; else when it came.
fn answered(evidence: &Evidence<'_>) -> SystemTime {
    evidence.headers.get("date").and_then(header::date::parse).unwrap_or(evidence.now)
}

/// A count as a whole number; what is no count is none.
fn whole(number: f64) -> Option<u64> {
    (number.is_finite() && (0.0..1e15).contains(&number)).then(|| {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range was checked")]
        let count = number as u64;
        count
    })
}

/// The header module's name for a form.
pub(super) fn form(form: ResetForm) -> reset::ResetForm {
    match form {
        ResetForm::Duration => reset::ResetForm::Duration,
        ResetForm::Seconds => reset::ResetForm::Seconds,
        ResetForm::EpochS => reset::ResetForm::EpochS,
        ResetForm::EpochMs => reset::ResetForm::EpochMs,
        ResetForm::Rfc3339 => reset::ResetForm::Rfc3339,
        ResetForm::Auto => reset::ResetForm::Auto,
    }
}

/// How long to wait, from the most exact place that says so: header, body, text, then the limit that ran out.
pub(super) fn wait(
    evidence: &Evidence<'_>,
    facts: &Facts,
    texts: &[&str],
    limits: &[Limit],
) -> Option<Duration> {
    from_headers(evidence)
        .or(facts.wait)
        .or_else(|| from_details(&facts.details))
        .or_else(|| texts.iter().find_map(|text| header::text::parse(text, evidence.now)))
        .or_else(|| from_limits(limits))
}

/// A wait beside the message that no template names.
fn from_details(details: &Map<String, Value>) -> Option<Duration> {
    let number = |value: &Value| match value {
        Value::Number(number) => Some(number.to_string()),
        Value::String(text) => Some(text.clone()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    };
    let find = |names: &[&str]| names.iter().find_map(|name| details.get(*name).and_then(number));
    let millis = || find(&["retry_after_ms", "retryAfterMs"]).and_then(|text| retry_after_ms::parse(&text));
    find(&["retry_after", "retry_after_seconds", "retryAfter", "retryAfterSeconds", "retry_after_s"])
        .and_then(|text| header::duration::parse(&text))
        .or_else(millis)
}

fn from_headers(evidence: &Evidence<'_>) -> Option<Duration> {
    let headers = evidence.headers;
    let answered: Option<SystemTime> = headers.get("date").and_then(header::date::parse);
    let millis = ["retry-after-ms", "x-ms-retry-after-ms", "x-amz-retry-after"]
        .iter()
        .find_map(|name| headers.get(name).and_then(retry_after_ms::parse));
    let seconds =
        || headers.get("retry-after").and_then(|value| retry_after::parse(value, evidence.now, answered));
    millis.or_else(seconds)
}

/// Of the limits that ran out, the one that takes longest; a limit with something left says nothing about waiting.
fn from_limits(limits: &[Limit]) -> Option<Duration> {
    limits
        .iter()
        .filter(|limit| limit.remaining == Some(0) || (limit.remaining.is_none() && limit.limit.is_none()))
        .filter_map(|limit| limit.reset)
        .max()
}
