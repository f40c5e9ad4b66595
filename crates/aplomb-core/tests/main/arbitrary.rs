//! Any failure that may ever be rendered: every kind, with facts that are short, long, foreign or hostile.

use std::time::Duration;

use aplomb_core::{Advice, Failure, FieldError, Kind, Limit};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// Texts that break what is careless: quotes, line ends, other alphabets, JSON, pages, templates, header injection.
const HOSTILE: [&str; 14] = [
    "a\r\nset-cookie: b=c",
    "\"}],\\",
    "data: [DONE]\n\n",
    "{\"error\":{\"message\":\"quoted\"}}",
    "<html><title>x</title></html>",
    "$message",
    "original_code",
    "\u{0}\u{1}\u{7f}\u{85}",
    "\u{202e}abc\u{feff}",
    "ẞ é 漢字 🦀",
    "a.b.0.c",
    "/a/b~0c",
    "..",
    "01",
];

/// What no dialect can lose: words that mean nothing to any of them.
pub(crate) fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[a-z]{3,8}( [a-z]{3,8}){0,6}",
        2 => "\\PC{1,40}",
        2 => prop::sample::select(HOSTILE.to_vec()).prop_map(str::to_owned),
        1 => "[a-z ]{2000,3000}",
    ]
    .prop_map(|text| text.trim().to_owned())
    .prop_filter("texts that say nothing count as absent", |text| {
        !text.is_empty() && text != "None" && text != "null"
    })
}

/// A machine-readable word, sometimes a number, sometimes what no API would write.
fn token() -> impl Strategy<Value = String> {
    prop_oneof![4 => "zq_[a-z]{2,10}(_[a-z]{2,10})?", 1 => "[1-9][0-9]{4,6}", 1 => text()]
}

fn path() -> impl Strategy<Value = String> {
    prop_oneof![4 => "[a-z]{2,6}(\\.[a-z]{2,6}|\\.[0-9]){0,3}", 1 => text()]
}

fn wait() -> impl Strategy<Value = Duration> {
    prop_oneof![
        4 => (1u64..90_000).prop_map(Duration::from_millis),
        2 => (1u64..86_400).prop_map(Duration::from_secs),
    ]
}

fn details() -> impl Strategy<Value = Map<String, Value>> {
    let key = prop_oneof![
        3 => "zq_[a-z]{3,8}",
        1 => prop::sample::select(vec!["limit", "status", "message", "details", "retry_after", "error", "title", "url", "raw"])
            .prop_map(str::to_owned),
    ];
    let value = prop_oneof![
        text().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        Just(json!({"zq": [1, {"deep": true}]})),
        Just(json!([])),
        Just(Value::Bool(false)),
    ];
    prop::collection::vec((key, value), 0..4).prop_map(|pairs| pairs.into_iter().collect())
}

fn errors() -> impl Strategy<Value = Vec<FieldError>> {
    let one = (text(), prop::option::of(path()), prop::option::of("zq_[a-z]{2,10}")).prop_map(
        |(message, param, code)| {
            let mut error = FieldError::new(message);
            error.param = param;
            error.code = code;
            error
        },
    );
    prop_oneof![2 => Just(Vec::new()), 1 => prop::collection::vec(one, 2..5)]
}

fn limits() -> impl Strategy<Value = Vec<Limit>> {
    let one = (
        prop::sample::select(vec!["requests", "tokens", "input_tokens", "concurrency"]),
        prop::option::of(0u64..1_000_000_000),
        prop::option::of(0u64..1_000_000_000),
        prop::option::of(1u64..86_400),
    )
        .prop_map(|(unit, limit, remaining, reset)| {
            let mut told = Limit::new(unit);
            told.limit = limit;
            told.remaining = remaining;
            told.reset = reset.map(Duration::from_secs);
            told.window = Some(Duration::from_secs(60));
            told
        });
    prop_oneof![2 => Just(Vec::new()), 1 => prop::collection::vec(one, 1..3)]
}

/// Any kind.
pub(crate) fn kind() -> impl Strategy<Value = Kind> {
    prop::sample::select(Kind::ALL.to_vec())
}

/// Any failure. Several field errors agree with the main message and parameter, as they do when they were read.
pub(crate) fn failure() -> impl Strategy<Value = Failure> {
    let words = (
        prop::option::weighted(0.8, text()),
        prop::option::of(token()),
        prop::option::of(token()),
        prop::option::of(path()),
        prop::option::of(prop_oneof![3 => "req_[a-zA-Z0-9]{8,20}", 1 => text()]),
    );
    let rest = (details(), errors(), limits(), prop::option::of(wait()), prop::option::of(status()));
    (kind(), words, rest).prop_map(|(kind, words, rest)| {
        let mut failure = Failure::new(kind);
        (failure.message, failure.code, failure.type_, failure.param, failure.request_id) = words;
        (failure.details, failure.errors, failure.limits, failure.wait, failure.status) = rest;
        if let (None, Some(first)) = (&failure.param, failure.errors.first()) {
            failure.param.clone_from(&first.param);
        }
        failure
    })
}

fn status() -> impl Strategy<Value = u16> {
    prop_oneof![400u16..600, any::<u16>()]
}

/// The same with what no decoder gives: waits and advice at odds with the kind.
pub(crate) fn odd_failure() -> impl Strategy<Value = Failure> {
    let wait = prop_oneof![Just(Duration::MAX), Just(Duration::ZERO), Just(Duration::from_nanos(1)), wait()];
    (failure(), wait, any::<bool>(), prop::sample::select(Advice::ALL.to_vec())).prop_map(
        |(mut failure, wait, retryable, advice)| {
            failure.wait = Some(wait);
            failure.retryable = retryable;
            failure.advice = advice;
            for limit in &mut failure.limits {
                limit.reset = Some(wait);
                limit.limit = Some(u64::MAX);
            }
            failure
        },
    )
}
