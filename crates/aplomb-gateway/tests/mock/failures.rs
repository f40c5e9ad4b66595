//! Failures that come as answers: the dialect's own, and those of whatever stands before it.

use std::io::Read;

use aplomb_core::dialect::{Evidence, Headers, decode};
use aplomb_core::{Failure, Kind, catalog};

use super::client::{CHAT, End, Got, chat, post, request, start};

/// What the core reads out of an answer.
fn decoded(dialect: &str, got: &Got) -> Failure {
    let headers: Vec<_> = got.head.lines().filter_map(|line| line.split_once(": ")).collect();
    let now = std::time::SystemTime::UNIX_EPOCH;
    let evidence =
        Evidence { status: Some(got.status), headers: Headers(&headers), body: &got.body, host: None, now };
    decode(catalog(), catalog().get(dialect), &evidence).failure.unwrap()
}

#[test]
fn every_documented_status_of_the_contracts_can_be_had() {
    for name in ["mixedbread", "meibel", "groq", "mimo", "agenthuman"] {
        let mock = start(name);
        for status in catalog().get(name).unwrap().statuses.keys() {
            assert_eq!(chat(&mock, &status.to_string(), false).status, *status, "{name}");
        }
    }
}

#[test]
fn a_kind_comes_with_its_wait_and_its_words() {
    let mock = start("groq");
    let got = chat(&mock, "rate_limit;wait=2s;message=Slow%20down.;code=own", false);
    assert_eq!((got.status, got.header("retry-after")), (429, Some("2")));
    assert_eq!(got.header("x-ratelimit-remaining-requests"), Some("0"));
    let failure = decoded("groq", &got);
    assert_eq!((failure.kind, failure.message.as_deref()), (Kind::RateLimit, Some("Slow down.")));
    assert_eq!(failure.code.as_deref(), Some("own"));
}

#[test]
fn the_model_and_the_path_name_scenarios_too() {
    let mock = start("openai");
    let by_model = post(&mock, CHAT, &[], r#"{"model": "mock:context_length"}"#);
    assert_eq!(decoded("openai", &by_model).kind, Kind::ContextLength);
    let by_path = post(&mock, "/_scenario/529/v1/chat/completions", &[], "{}");
    assert_eq!(by_path.status, 529);
}

#[test]
fn an_unknown_scenario_is_refused_with_the_nearest_name() {
    let got = chat(&start("openai"), "rate_limt", false);
    assert_eq!(got.status, 400);
    let message = got.json()["error"]["message"].as_str().unwrap().to_owned();
    assert_eq!(message, "`rate_limt` is no scenario; did you mean `rate_limit`?");
}

#[test]
fn a_sequence_goes_on_from_call_to_call_of_the_same_key() {
    let mock = start("openai");
    let call = |key: &str| {
        post(&mock, CHAT, &[("mock-scenario", "429,503*2,ok"), ("mock-key", key)], r#"{"model": "m"}"#).status
    };
    assert_eq!(
        [call("a"), call("a"), call("b"), call("a"), call("a"), call("a")],
        [429, 503, 429, 503, 200, 200]
    );
}

#[test]
fn an_error_inside_a_200_has_the_dialects_body_and_no_wait() {
    let got = chat(&start("openai"), "error-in-200:rate_limit", false);
    assert_eq!((got.status, got.header("retry-after")), (200, None));
    assert_eq!(decoded("openai", &got).kind, Kind::RateLimit);
    let got = chat(&start("openai"), "error-as-stream:internal", false);
    assert_eq!((got.status, got.header("content-type")), (200, Some("text/event-stream")));
    assert!(got.text().starts_with("data: {\"error\""));
}

#[test]
fn the_edge_answers_with_pages_sentences_and_nothing() {
    let mock = start("openai");
    let got = chat(&mock, "html:502", false);
    assert_eq!((got.status, got.header("content-type")), (502, Some("text/html")));
    assert!(got.text().contains("<center>nginx</center>"));
    assert!(chat(&mock, "html:524", false).text().contains("cloudflare"));
    assert_eq!(chat(&mock, "text:500", false).text(), "Internal Server Error\n");
    let got = chat(&mock, "empty:503", false);
    assert_eq!((got.status, got.header("content-length"), got.body.len()), (503, Some("0"), 0));
}

#[test]
fn a_truncated_body_is_as_long_as_it_says_and_a_short_one_is_not() {
    let mock = start("openai");
    for (scenario, status, whole) in [
        ("truncated:429", 429, true),
        ("short:429", 429, false),
        ("truncated", 200, true),
        ("short", 200, false),
    ] {
        let got = chat(&mock, scenario, false);
        assert_eq!((got.status, got.whole, got.end), (status, whole, End::Closed), "{scenario}");
        assert!(serde_json::from_slice::<serde_json::Value>(&got.body).is_err(), "{scenario}");
    }
}

#[test]
fn compressed_errors_say_so_and_unpack_to_the_same() {
    let mock = start("openai");
    let got = chat(&mock, "gzip:429", false);
    assert_eq!((got.status, got.header("content-encoding")), (429, Some("gzip")));
    let mut text = String::new();
    flate2::read::GzDecoder::new(got.body.as_slice()).read_to_string(&mut text).unwrap();
    assert!(text.contains("rate_limit_exceeded"));
    let got = chat(&mock, "br:context_length", false);
    assert_eq!((got.status, got.header("content-encoding")), (400, Some("br")));
    assert_eq!(decoded("openai", &got).kind, Kind::ContextLength);
}

#[test]
fn head_and_204_have_no_body_and_are_no_hang_ups() {
    let mock = start("openai");
    let got = request(&mock, "HEAD", "/v1/models", &[("mock-scenario", "503")], "");
    assert_eq!((got.status, got.body.len()), (503, 0));
    let got = chat(&mock, "204", false);
    assert_eq!((got.status, got.body.len(), got.header("content-length")), (204, 0, None));
    assert_eq!(mock.tally().hung_up, 0);
}
