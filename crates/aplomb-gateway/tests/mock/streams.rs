//! Streams, whole and broken, judged by the core's own reader.

use std::time::{Duration, Instant, SystemTime};

use aplomb_core::dialect::StreamReader;
use aplomb_core::spec::dialect::StreamWhen;
use aplomb_core::{Failure, Kind, catalog};
use aplomb_gateway::mock::Mock;
use bytes::Bytes;

use super::client::{End, Got, chat, post, settings, start};

/// What the core sees in a stream: how many events are left out, and what went wrong.
fn judged(dialect: &str, form: &str, got: &Got) -> (u32, Option<Failure>) {
    let dialect = catalog().get(dialect).unwrap();
    let mut reader = StreamReader::new(catalog(), dialect, dialect.stream(form));
    let now = SystemTime::UNIX_EPOCH;
    let seen = reader.feed(Bytes::copy_from_slice(&got.body), now);
    if seen.failure.is_some() {
        return (seen.skipped, seen.failure);
    }
    (seen.skipped, reader.finish(!got.whole, now).failure)
}

fn broken(scenario: &str) -> (Got, u32, Option<Failure>) {
    let got = chat(&start("openai"), scenario, true);
    let (skipped, failure) = judged("openai", "chat", &got);
    (got, skipped, failure)
}

fn events(got: &Got) -> usize {
    got.text().matches("\n\n").count()
}

#[test]
fn a_good_stream_of_every_dialect_is_complete_to_the_core() {
    let (mut asked, mut unheard) = (0, Vec::new());
    for dialect in catalog().dialects() {
        let mock = start(&dialect.name);
        for endpoint in dialect.endpoints.iter().filter(|endpoint| endpoint.mock.is_some()) {
            let (Some(form), Some(when)) = (&endpoint.stream, &endpoint.stream_when) else { continue };
            let query = if *when == StreamWhen::Path { "?alt=sse" } else { "" };
            let path = format!("/{}{query}", endpoint.path.join("/").replace('*', "m"));
            let body = r#"{"model": "m", "stream": true, "input": "a b", "messages": [{"content": "a b"}], "contents": [{"parts": [{"text": "a b"}]}]}"#;
            let got = post(&mock, &path, &[], body);
            assert_eq!((got.status, got.whole), (200, true), "{} {path}", dialect.name);
            assert_eq!(
                judged(&dialect.name, form, &got),
                (0, None),
                "{} {path}: {}",
                dialect.name,
                got.text()
            );
            assert!(events(&got) > 8, "{} {path}", dialect.name);
            let got = post(&mock, &path, &[("mock-scenario", "no-terminal")], body);
            let (_, failure) = judged(&dialect.name, form, &got);
            assert!(failure.is_some(), "{} {path} without its end", dialect.name);
            let got = post(&mock, &path, &[("mock-scenario", "error-event:rate_limit:2")], body);
            let (_, failure) = judged(&dialect.name, form, &got);
            let kind = failure.map(|failure| failure.kind);
            if kind != Some(Kind::RateLimit) {
                let text = got.text();
                let last = text.trim_end().rsplit("\n\n").next().unwrap_or_default();
                unheard.push(format!("{} {path}: {kind:?} in {last}", dialect.name));
            }
            asked += 1;
        }
    }
    assert!(asked > 4);
    assert!(unheard.is_empty(), "errors that the reader of their own dialect misses: {unheard:#?}");
}

#[test]
fn a_cut_ends_in_the_middle_of_the_next_event() {
    let (got, _, failure) = broken("cut:5");
    assert_eq!((got.status, got.whole, got.end, events(&got)), (200, false, End::Closed, 5));
    assert!(!got.text().ends_with("\n\n"));
    assert_eq!(failure.unwrap().kind, Kind::BadGateway);
}

#[test]
fn a_reset_in_the_middle_comes_after_what_was_sent() {
    let (got, _, failure) = broken("reset-mid:5");
    assert_eq!((got.whole, got.end, events(&got)), (false, End::Reset, 5));
    assert!(failure.is_some());
}

#[test]
fn a_stall_keeps_the_connection_and_sends_nothing_more() {
    let mock = start("openai");
    let got = chat(&mock, "stall:5", true);
    assert_eq!((got.whole, got.end, events(&got)), (false, End::Silent, 5));
}

#[test]
fn a_malformed_event_is_the_only_one_that_cannot_be_read() {
    let (got, skipped, failure) = broken("malformed:3");
    assert_eq!((got.whole, skipped, failure), (true, 1, None));
}

#[test]
fn a_stream_without_its_terminal_event_ends_cleanly() {
    let (got, _, failure) = broken("no-terminal");
    assert_eq!((got.whole, got.end), (true, End::Closed));
    assert!(!got.text().contains("[DONE]"));
    assert!(failure.unwrap().message.unwrap().contains("terminal event"));
}

#[test]
fn a_stream_may_lack_nothing_but_its_last_event() {
    let (got, _, failure) = broken("no-terminal:1");
    assert_eq!((got.whole, got.end, failure), (true, End::Closed, None));
    assert!(got.text().contains(r#""finish_reason":"stop""#) && !got.text().contains("[DONE]"));
}

#[test]
fn errors_come_as_an_event_or_as_bare_json_after_what_was_sent() {
    let (got, _, failure) = broken("error-event:overloaded:4");
    assert_eq!(events(&got), 5);
    assert_eq!(failure.unwrap().kind, Kind::Overloaded);
    let (got, _, failure) = broken("bare-error:rate_limit:4");
    assert!(got.text().ends_with('}'));
    assert_eq!((events(&got), failure.unwrap().kind), (4, Kind::RateLimit));
}

#[test]
fn what_is_no_stream_breaks_in_the_middle_of_its_body() {
    let mock = start("openai");
    for (scenario, whole, end) in [
        ("cut", false, End::Closed),
        ("reset-mid", false, End::Reset),
        ("stall", false, End::Silent),
        ("malformed", true, End::Closed),
        ("no-terminal", true, End::Closed),
    ] {
        let got = chat(&mock, scenario, false);
        assert_eq!((got.status, got.whole, got.end), (200, whole, end), "{scenario}");
        assert!(serde_json::from_slice::<serde_json::Value>(&got.body).is_err(), "{scenario}");
    }
    assert_eq!(chat(&mock, "error-event:rate_limit", false).json()["error"]["code"], "rate_limit_exceeded");
}

#[test]
fn latency_pace_and_slowness_take_their_time() {
    let mut settings = settings("openai");
    settings.latency = Duration::from_millis(60);
    settings.pace = Duration::from_millis(5);
    let mock = Mock::start(settings).unwrap();
    let timed = |scenario: &str, stream: bool| {
        let begun = Instant::now();
        assert!(chat(&mock, scenario, stream).whole);
        begun.elapsed()
    };
    assert!(timed("ok", false) >= Duration::from_millis(60));
    assert!(timed("ok", true) >= Duration::from_millis(60 + 5 * 10));
    assert!(timed("slow:100ms", false) >= Duration::from_millis(160));
    assert!(timed("slow-body:100ms", false) >= Duration::from_millis(160));
}
