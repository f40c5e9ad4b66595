//! Held streams: what breaks is repaired unseen, and one whole answer is delivered, as a stream.

use super::rig::{CHOICE, Rig, STREAMED, Wishes, post, second};
use super::upstream::{Act, Gate, Script, Upstream, busy, chunk, events, json, last, raw};

const TOKEN: &str =
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"},\"finish_reason\":null}]}\n\n";
const STOP: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
const USAGE: &str =
    "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2,\"total_tokens\":5}}\n\n";
const DONE: &str = "data: [DONE]\n\n";
const ERROR: &str = "data: {\"error\":{\"message\":\"Overloaded\",\"type\":\"server_error\",\"param\":null,\"code\":\"server_is_overloaded\"}}\n\n";
const BAD: &str = "data: {\"cho\n\n";
const SHORT: &str = "timeouts = { first_event = \"80ms\", idle = \"80ms\" }";
const HOLD: Wishes<'_> =
    Wishes { server: "", dialect: "", upstream: SHORT, more: "", route: "stream = \"hold\"" };

fn with(mut script: Script, ends: impl IntoIterator<Item = Act>) -> Script {
    script.extend(ends);
    script
}

fn healthy() -> Script {
    with(events(&[TOKEN, TOKEN, STOP, USAGE, DONE]), [last()])
}

fn all() -> String {
    [TOKEN, TOKEN, STOP, USAGE, DONE].concat()
}

/// A second upstream that is healthy, and the lines that name it.
async fn fallback() -> (Upstream, String) {
    let other = Upstream::always(healthy()).await;
    let more = second(&other, "");
    (other, more)
}

#[tokio::test(flavor = "local")]
async fn a_healthy_stream_is_delivered_byte_for_byte_once_it_is_whole() {
    let upstream = Upstream::always(healthy()).await;
    let answer = Rig::with(&upstream, HOLD).stream().await;
    assert_eq!((answer.status(), answer.text(), answer.whole), (200, all(), true));
    assert_eq!((answer.says("aplomb-stream"), answer.says("aplomb-attempts")), ("held", "1"));
    assert_eq!(answer.says("content-type"), "text/event-stream");
}

#[tokio::test(flavor = "local")]
async fn nothing_is_delivered_before_the_stream_is_whole() {
    let gate = Gate::default();
    let script = with(events(&[TOKEN, TOKEN]), [Act::Until(gate.clone()), Act::Close]);
    let upstream = Upstream::answering([script, healthy()]).await;
    let rig = Rig::with(&upstream, Wishes { upstream: "", ..HOLD });
    let mut wire = rig.connect().await;
    wire.send(post("/v1/chat/completions", "", STREAMED)).await;
    upstream.hears(1).await;
    gate.open();
    let answer = wire.answer().await;
    assert_eq!((answer.text(), answer.says("aplomb-attempts")), (all(), "2"));
}

#[tokio::test(flavor = "local")]
async fn whatever_breaks_in_the_middle_is_repaired_unseen() {
    let cases = [
        ("cut", with(events(&[TOKEN]), [Act::Close])),
        ("cut in an event", with(events(&[TOKEN, "data: {\"cho"]), [Act::Close])),
        ("cut before the usage", with(events(&[TOKEN, STOP]), [Act::Close])),
        ("error", with(events(&[TOKEN, ERROR, TOKEN]), [last()])),
        ("no end", with(events(&[TOKEN]), [last()])),
        ("bare JSON", with(events(&[TOKEN, &ERROR["data: ".len()..]]), [last()])),
        ("broken chunk", with(events(&[TOKEN]), [Act::Send(b"zz\r\n".to_vec())])),
        ("malformed end", with(events(&[TOKEN, BAD]), [last()])),
        ("malformed", with(events(&[TOKEN, BAD, BAD, BAD, BAD, STOP, DONE]), [last()])),
        ("refused", busy(503, 5)),
    ];
    for (name, script) in cases {
        let upstream = Upstream::answering([script, healthy()]).await;
        let answer = Rig::with(&upstream, HOLD).stream().await;
        assert_eq!((answer.status(), answer.text(), answer.whole), (200, all(), true), "{name}");
        assert_eq!((answer.says("aplomb-attempts"), answer.says("aplomb-stream")), ("2", "held"), "{name}");
    }
}

#[tokio::test(flavor = "local")]
async fn a_stall_goes_to_the_fallback() {
    for script in [
        vec![Act::Silence],
        with(events(&[TOKEN]), [Act::Silence]),
        with(events(&[TOKEN, STOP]), [Act::Silence]),
    ] {
        let upstream = Upstream::always(script).await;
        let (other, more) = fallback().await;
        let route = "stream = \"hold\"\nfallback = [\"second\"]";
        let answer = Rig::with(&upstream, Wishes { more: &more, route, ..HOLD }).stream().await;
        assert_eq!((answer.status(), answer.text()), (200, all()));
        assert_eq!((upstream.count(), other.count()), (1, 1));
        upstream.is_left(1).await;
    }
}

#[tokio::test(flavor = "local")]
async fn a_stream_that_never_becomes_whole_is_an_ordinary_failure() {
    for (script, status, kind) in [
        (with(events(&[TOKEN]), [Act::Close]), 502, "bad_gateway"),
        (with(events(&[TOKEN]), [Act::Silence]), 504, "gateway_timeout"),
        (with(events(&[TOKEN, ERROR]), [last()]), 503, "overloaded"),
    ] {
        let upstream = Upstream::always(script).await;
        let answer = Rig::with(&upstream, HOLD).stream().await;
        assert_eq!((answer.status(), answer.says("aplomb-kind")), (status, kind));
        assert!(answer.json()["error"]["message"].is_string());
    }
}

#[tokio::test(flavor = "local")]
async fn what_may_have_been_acted_on_is_not_repeated_unless_that_does_no_harm() {
    let lines = "accept: text/event-stream\r\n";
    let busy = "event: error\ndata: {\"error\":{\"message\":\"busy\",\"code\":503}}\n\n";
    for pieces in [&["data: 1\n\n"][..], &["data: 1\n\n", busy]] {
        let script = with(events(pieces), [Act::Close]);
        let upstream = Upstream::always(script).await;
        let rig = Rig::with(&upstream, Wishes { dialect: "problem", ..HOLD });
        let answer = rig.ask(post("/jobs", lines, "{}")).await;
        assert_eq!((upstream.count(), answer.says("aplomb-outcome")), (1, "unknown"), "{answer:?}");
        assert!(answer.status() >= 500);
    }
}

#[tokio::test(flavor = "local")]
async fn few_malformed_events_are_left_out() {
    let upstream =
        Upstream::always(with(events(&[TOKEN, BAD, TOKEN, BAD, STOP, USAGE, DONE]), [last()])).await;
    let answer = Rig::with(&upstream, HOLD).stream().await;
    assert_eq!((answer.text(), answer.says("aplomb-attempts")), (all(), "1"));
}

#[tokio::test(flavor = "local")]
async fn the_end_of_the_framing_is_not_waited_for_once_everything_was_said() {
    let upstream = Upstream::always(with(events(&[TOKEN, TOKEN, STOP, USAGE, DONE]), [Act::Silence])).await;
    let answer = Rig::with(&upstream, HOLD).stream().await;
    assert_eq!((answer.text(), answer.says("aplomb-attempts")), (all(), "1"));
}

#[tokio::test(flavor = "local")]
async fn beyond_its_bound_it_turns_live_and_says_so() {
    let upstream = Upstream::always(with(events(&[TOKEN, TOKEN, TOKEN]), [Act::Close])).await;
    let lines = format!("hold_bytes = {}", TOKEN.len() * 2);
    let answer = Rig::with(&upstream, Wishes { upstream: &lines, ..HOLD }).stream().await;
    let text = answer.text();
    assert_eq!((answer.status(), answer.says("aplomb-stream"), upstream.count()), (200, "live", 1));
    assert!(text.starts_with(&TOKEN.repeat(3)) && text.contains("\"error\""), "{text}");
    let exact = format!("hold_bytes = {}", all().len());
    let upstream = Upstream::always(healthy()).await;
    let answer = Rig::with(&upstream, Wishes { upstream: &exact, ..HOLD }).stream().await;
    assert_eq!((answer.says("aplomb-stream"), answer.text()), ("held", all()));
}

#[tokio::test(flavor = "local")]
async fn a_stream_in_another_form_is_held_too() {
    let path = "/v1beta/models/g:streamGenerateContent";
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
    let (first, rest) = ("[{\"candidates\":[]}\n", ",{\"candidates\":[]}]");
    let pause = Act::Rest(std::time::Duration::from_millis(300));
    let cut = with(raw(head), [chunk(first), pause.clone(), Act::Close]);
    let whole = with(raw(head), [chunk(first), pause, chunk(rest), last()]);
    let upstream = Upstream::answering([cut, whole]).await;
    let wishes = Wishes { dialect: "gemini", upstream: "", ..HOLD };
    let answer = Rig::with(&upstream, wishes).ask(post(path, "", "{}")).await;
    assert_eq!((answer.status(), answer.text()), (200, [first, rest].concat()));
    assert_eq!((answer.says("aplomb-attempts"), answer.says("aplomb-stream")), ("2", "held"));
}

#[tokio::test(flavor = "local")]
async fn an_answer_that_is_no_stream_is_as_it_is_elsewhere() {
    let upstream = Upstream::always(json(200, CHOICE)).await;
    let rig = Rig::with(&upstream, HOLD);
    let answer = rig.chat("").await;
    assert_eq!((answer.text().as_str(), answer.header("aplomb-stream")), (CHOICE, None));
}

const ALIVE: &str = "stream = \"hold\"\nkeepalive = \"40ms\"";
const COMMENT: &str = ": waiting\n\n";

#[tokio::test(flavor = "local")]
async fn who_asked_for_signs_of_life_gets_comments_and_then_the_stream() {
    let gate = Gate::default();
    let broken = with(events(&[TOKEN]), [Act::Close]);
    let slow = with(events(&[TOKEN]), [Act::Until(gate.clone())]);
    let slow = with(slow, [TOKEN, STOP, USAGE, DONE].map(chunk));
    let upstream = Upstream::answering([broken, with(slow, [last()])]).await;
    let rig = Rig::with(&upstream, Wishes { upstream: "", route: ALIVE, ..HOLD });
    let mut wire = rig.connect().await;
    wire.send(post("/v1/chat/completions", "x-request-id: mine\r\n", STREAMED)).await;
    let mut answer = wire.head().await.unwrap();
    assert_eq!((answer.status(), answer.says("content-type")), (200, "text/event-stream"));
    assert_eq!((answer.says("aplomb-request-id"), answer.says("x-request-id")), ("mine", "mine"));
    for _ in 0..2 {
        assert_eq!(wire.chunk().await.unwrap(), COMMENT.as_bytes());
    }
    gate.open();
    wire.body(&mut answer).await;
    assert_eq!((answer.text().replace(COMMENT, ""), answer.whole), (all(), true));
}

#[tokio::test(flavor = "local")]
async fn a_head_that_leaves_before_its_stream_tells_of_limits_too() {
    let gate = Gate::default();
    let slow = with(events(&[TOKEN]), [Act::Until(gate.clone())]);
    let upstream = Upstream::answering([with(with(slow, [STOP, DONE].map(chunk)), [last()])]).await;
    let route = format!("{ALIVE}\ntier = \"free\"");
    let more = "[tier.free]\nrequests = \"100/min\"\n";
    let rig = Rig::with(&upstream, Wishes { upstream: "", route: &route, more, ..HOLD });
    let mut wire = rig.connect().await;
    wire.send(post("/v1/chat/completions", "", STREAMED)).await;
    let mut answer = wire.head().await.unwrap();
    assert_eq!(wire.chunk().await.unwrap(), COMMENT.as_bytes());
    assert_eq!(answer.says("x-ratelimit-limit-requests"), "100");
    gate.open();
    wire.body(&mut answer).await;
    assert!(answer.whole);
}

#[tokio::test(flavor = "local")]
async fn a_failure_after_the_first_comment_is_told_in_the_stream() {
    for (script, code) in [
        (
            with(events(&[TOKEN]), [Act::Rest(std::time::Duration::from_millis(90)), Act::Close]),
            "bad_gateway",
        ),
        (with(vec![Act::Rest(std::time::Duration::from_millis(90))], json(200, CHOICE)), "bad_gateway"),
    ] {
        let upstream = Upstream::always(script).await;
        let route = format!("{ALIVE}\nretry = {{ attempts = 1 }}");
        let rig = Rig::with(&upstream, Wishes { upstream: "", route: &route, ..HOLD });
        let answer = rig.stream().await;
        let text = answer.text();
        assert_eq!((answer.status(), answer.whole), (200, true));
        let event = text.strip_prefix(COMMENT).unwrap().replace(COMMENT, "");
        let data = event.strip_prefix("data: ").unwrap_or_else(|| panic!("{text}"));
        let told: serde_json::Value = serde_json::from_str(data).unwrap();
        assert_eq!(told["error"]["code"], code, "{text}");
    }
}

#[tokio::test(flavor = "local")]
async fn a_failure_before_the_first_comment_keeps_its_status() {
    let refused = json(
        401,
        r#"{"error":{"message":"no","type":"invalid_request_error","param":null,"code":"invalid_api_key"}}"#,
    );
    let upstream = Upstream::always(refused).await;
    let route = "stream = \"hold\"\nkeepalive = \"5s\"";
    let answer = Rig::with(&upstream, Wishes { route, ..HOLD }).stream().await;
    assert_eq!(answer.status(), 401);
}

#[tokio::test(flavor = "local")]
async fn only_callers_that_read_events_are_sent_comments() {
    let slow = |script: Script| with(vec![Act::Rest(std::time::Duration::from_millis(90))], script);
    let upstream = Upstream::always(slow(json(200, "[]"))).await;
    let wishes = Wishes { dialect: "gemini", upstream: "", route: ALIVE, ..HOLD };
    let path = "/v1beta/models/g:streamGenerateContent";
    let answer = Rig::with(&upstream, wishes).ask(post(path, "", "{}")).await;
    assert_eq!((answer.text().as_str(), answer.says("content-type")), ("[]", "application/json"));
    let event = "data: {\"candidates\":[{\"finishReason\":\"STOP\"}]}\n\n";
    let upstream = Upstream::always(slow(with(events(&[event]), [last()]))).await;
    let answer = Rig::with(&upstream, wishes).ask(post(&format!("{path}?alt=sse"), "", "{}")).await;
    let text = answer.text();
    assert!(text.starts_with(COMMENT) && text.ends_with(event), "{text}");
}

#[tokio::test(flavor = "local")]
async fn a_caller_that_hangs_up_while_it_waits_ends_the_attempt() {
    let upstream = Upstream::always(with(events(&[TOKEN]), [Act::Silence])).await;
    let rig = Rig::with(&upstream, Wishes { upstream: "", route: ALIVE, ..HOLD });
    let mut wire = rig.connect().await;
    wire.send(post("/v1/chat/completions", "", STREAMED)).await;
    wire.head().await.unwrap();
    assert_eq!(wire.chunk().await.unwrap(), COMMENT.as_bytes());
    drop(wire);
    upstream.is_left(1).await;
}
