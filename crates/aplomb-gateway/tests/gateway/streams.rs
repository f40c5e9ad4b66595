//! Streams: healthy ones pass untouched, broken ones end in the answer dialect's own words.

use super::rig::{CHOICE, Rig, STREAMED, Wishes, post, second};
use super::upstream::{Act, Gate, Script, Upstream, busy, chunk, events, json, last, raw};

const TOKEN: &str =
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"},\"finish_reason\":null}]}\n\n";
const STOP: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
const DONE: &str = "data: [DONE]\n\n";
const ERROR: &str = "data: {\"error\":{\"message\":\"Overloaded\",\"type\":\"server_error\",\"param\":null,\"code\":\"server_is_overloaded\"}}\n\n";
const SHORT: &str = "timeouts = { first_event = \"80ms\", idle = \"80ms\" }";

fn with(mut script: Script, ends: impl IntoIterator<Item = Act>) -> Script {
    script.extend(ends);
    script
}

/// The last event's data of a stream that ended in an error.
fn told(text: &str) -> serde_json::Value {
    let text = text.replace("\r\n", "\n");
    let last = text.trim_end().rsplit("\n\n").next().unwrap();
    let data = last.lines().find_map(|line| line.strip_prefix("data: ")).unwrap_or_else(|| panic!("{text}"));
    serde_json::from_str(data).unwrap_or_else(|_| panic!("{text}"))
}

#[tokio::test(flavor = "local")]
async fn a_healthy_stream_passes_byte_for_byte_however_it_is_cut_into_pieces() {
    let all = [
        ": hi\n\n",
        TOKEN,
        "event: odd\r\nid: 7\r\nretry: 3\r\ndata: {\"choices\":\r\ndata: []}\r\n\r\n",
        STOP,
        DONE,
    ]
    .concat();
    let sized = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: {}\r\n\r\n{all}",
        all.len()
    );
    let until_close = format!("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n{all}");
    let mut scripts = vec![raw(sized), with(raw(until_close), [Act::Close])];
    for size in [1, 2, 3, 7, 50, 1000] {
        let pieces: Vec<&str> =
            all.as_bytes().chunks(size).map(|piece| std::str::from_utf8(piece).unwrap()).collect();
        scripts.push(with(events(&pieces), [last()]));
    }
    for script in scripts {
        let upstream = Upstream::always(script).await;
        let told = Rig::before(&upstream).stream().await;
        assert_eq!((told.status(), told.text(), told.whole), (200, all.clone(), true));
        assert_eq!((told.says("content-type"), told.says("aplomb-attempts")), ("text/event-stream", "1"));
    }
}

#[tokio::test(flavor = "local")]
async fn every_event_leaves_as_soon_as_it_is_whole() {
    let gates = [Gate::default(), Gate::default()];
    let mut script = events(&[TOKEN]);
    for gate in &gates {
        script.extend([Act::Until(gate.clone()), chunk(TOKEN)]);
    }
    script.extend([chunk(STOP), chunk(DONE), last()]);
    let upstream = Upstream::always(script).await;
    let rig = Rig::before(&upstream);
    let mut wire = rig.connect().await;
    wire.send(post("/v1/chat/completions", "", STREAMED)).await;
    let mut told = wire.head().await.unwrap();
    for gate in gates {
        assert_eq!(wire.chunk().await.unwrap(), TOKEN.as_bytes());
        gate.open();
    }
    wire.body(&mut told).await;
    assert_eq!((told.text(), told.whole), ([TOKEN, STOP, DONE].concat(), true));
}

#[tokio::test(flavor = "local")]
async fn what_breaks_after_the_first_event_is_told_in_the_stream() {
    let cases = [
        ("cut", with(events(&[TOKEN]), [Act::Close]), "bad_gateway"),
        ("cut in an event", with(events(&[TOKEN, "data: {\"cho"]), [Act::Close]), "bad_gateway"),
        (
            "reset",
            with(events(&[TOKEN]), [Act::Rest(std::time::Duration::from_millis(30)), Act::Reset]),
            "bad_gateway",
        ),
        ("stall", with(events(&[TOKEN, "data: {"]), [Act::Silence]), "gateway_timeout"),
        ("error", with(events(&[TOKEN, ERROR, TOKEN]), [last()]), "server_is_overloaded"),
        ("no end", with(events(&[TOKEN]), [last()]), "bad_gateway"),
        ("bare JSON", with(events(&[TOKEN, &ERROR["data: ".len()..]]), [last()]), "server_is_overloaded"),
        ("broken chunk", with(events(&[TOKEN]), [Act::Send(b"zz\r\n".to_vec())]), "bad_gateway"),
        ("malformed end", with(events(&[TOKEN, "data: {\"cho\n\n"]), [last()]), "bad_gateway"),
    ];
    for (name, script, code) in cases {
        let upstream = Upstream::always(script).await;
        let rig = Rig::with(&upstream, Wishes { upstream: SHORT, ..Wishes::default() });
        let answer = rig.stream().await;
        let text = answer.text();
        assert_eq!((answer.status(), answer.whole, upstream.count()), (200, true, 1), "{name}");
        assert!(text.starts_with(TOKEN), "{name} {text}");
        assert_eq!(text.matches("data:").count(), 2, "one event passed and one error: {name} {text}");
        assert!(!text.contains("[DONE]"), "{name}: an end is never invented");
        assert_eq!(told(&text)["error"]["code"], code, "{name} {text}");
        assert!(told(&text)["error"]["message"].is_string());
    }
}

#[tokio::test(flavor = "local")]
async fn a_stream_that_announced_its_length_and_broke_is_framed_anew() {
    let sized = |text: &str, length: usize| {
        raw(format!(
            "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: {length}\r\n\r\n{text}"
        ))
    };
    let malformed = [TOKEN, "data: {\"cho\n\n", STOP, DONE].concat();
    for (script, ends, passed) in [
        (with(sized(TOKEN, 5000), [Act::Close]), "bad_gateway", TOKEN.to_owned()),
        (sized(&malformed, malformed.len()), "[DONE]", [TOKEN, STOP, DONE].concat()),
    ] {
        let upstream = Upstream::always(script).await;
        let rig = Rig::before(&upstream);
        let mut wire = rig.connect().await;
        for _ in 0..2 {
            wire.send(post("/v1/chat/completions", "", STREAMED)).await;
            let answer = wire.answer().await;
            assert!(answer.whole && answer.text().starts_with(&passed), "{answer:?}");
            assert!(answer.text().contains(ends), "{answer:?}");
        }
    }
}

#[tokio::test(flavor = "local")]
async fn a_malformed_event_is_left_out_when_the_rest_makes_sense() {
    let upstream =
        Upstream::always(with(events(&[TOKEN, "data: {\"cho\n\n", TOKEN, STOP, DONE]), [last()])).await;
    let answer = Rig::before(&upstream).stream().await;
    assert_eq!(answer.text(), [TOKEN, TOKEN, STOP, DONE].concat());
}

#[tokio::test(flavor = "local")]
async fn a_stream_whose_choices_are_finished_may_end_without_its_last_event() {
    for ends in [vec![last()], vec![Act::Close]] {
        let upstream = Upstream::always(with(events(&[TOKEN, STOP]), ends)).await;
        let answer = Rig::before(&upstream).stream().await;
        assert_eq!((answer.text(), answer.whole), ([TOKEN, STOP].concat(), true));
    }
}

#[tokio::test(flavor = "local")]
async fn what_breaks_before_the_first_event_is_repaired_unseen() {
    let failed = [TOKEN, ERROR, TOKEN].concat();
    let firsts = [
        raw(format!(
            "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: {}\r\n\r\n{failed}",
            failed.len()
        )),
        with(events(&[]), [Act::Close]),
        with(events(&["data: {\"cho"]), [Act::Close]),
        with(events(&[ERROR]), [last()]),
        with(events(&[]), [last()]),
        busy(503, 5),
        with(events(&[&ERROR["data: ".len()..]]), [last()]),
        raw(format!(
            "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: {}\r\n\r\n{}",
            ERROR.len() - 6,
            &ERROR[6..]
        )),
    ];
    for first in firsts {
        let upstream =
            Upstream::answering([first.clone(), with(events(&[TOKEN, STOP, DONE]), [last()])]).await;
        let answer = Rig::before(&upstream).stream().await;
        assert_eq!((answer.status(), answer.text()), (200, [TOKEN, STOP, DONE].concat()), "{first:?}");
        assert_eq!(answer.says("aplomb-attempts"), "2");
    }
}

#[tokio::test(flavor = "local")]
async fn a_stream_that_never_begins_goes_to_the_fallback() {
    for script in
        [vec![Act::Silence], with(events(&[]), [Act::Silence]), with(events(&[": ping"]), [Act::Silence])]
    {
        let upstream = Upstream::always(script.clone()).await;
        let other = Upstream::always(with(events(&[TOKEN, STOP, DONE]), [last()])).await;
        let more = second(&other, "");
        let wishes =
            Wishes { upstream: SHORT, more: &more, route: "fallback = [\"second\"]", ..Wishes::default() };
        let answer = Rig::with(&upstream, wishes).stream().await;
        assert_eq!((answer.status(), upstream.count(), other.count()), (200, 1, 1), "{script:?}");
        upstream.is_left(1).await;
        let answer = Rig::with(&upstream, Wishes { route: "", ..wishes }).stream().await;
        assert_eq!((answer.status(), answer.says("aplomb-kind")), (504, "gateway_timeout"));
        assert!(answer.json()["error"]["message"].is_string());
    }
}

#[tokio::test(flavor = "local")]
async fn an_error_before_the_first_event_is_an_ordinary_answer() {
    let upstream = Upstream::always(with(events(&[ERROR]), [last()])).await;
    let rig = Rig::with(&upstream, Wishes { route: "retry = { attempts = 1 }", ..Wishes::default() });
    let answer = rig.stream().await;
    assert_eq!((answer.status(), answer.says("aplomb-kind")), (503, "overloaded"));
    assert_eq!(answer.says("content-type").split(';').next(), Some("application/json"));
    assert_eq!(answer.json()["error"]["message"], "Overloaded");
}

#[tokio::test(flavor = "local")]
async fn json_instead_of_a_stream_is_an_answer() {
    let upstream = Upstream::always(json(200, CHOICE)).await;
    let answer = Rig::before(&upstream).stream().await;
    assert_eq!((answer.status(), answer.text().as_str()), (200, CHOICE));
}

#[tokio::test(flavor = "local")]
async fn every_api_hears_of_a_cut_in_its_own_form() {
    let cases = [
        ("openai", "/v1/chat/completions", STREAMED, TOKEN, "/error/message"),
        (
            "openai",
            "/v1/responses",
            r#"{"model":"m","stream":true,"input":"hi"}"#,
            "event: response.created\ndata: {\"type\":\"response.created\",\"sequence_number\":0,\"response\":{\"id\":\"r\"}}\n\n",
            "/message",
        ),
        (
            "anthropic",
            "/v1/messages",
            r#"{"model":"m","stream":true,"messages":[]}"#,
            "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"m\"}}\n\n",
            "/error/message",
        ),
        (
            "gemini",
            "/v1beta/models/g:streamGenerateContent?alt=sse",
            "{}",
            "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"a\"}]}}]}\r\n\r\n",
            "/error/message",
        ),
    ];
    for (dialect, path, body, first, message) in cases {
        let upstream = Upstream::always(with(events(&[first]), [Act::Close])).await;
        let rig = Rig::with(&upstream, Wishes { dialect, ..Wishes::default() });
        let answer = rig.ask(post(path, "", body)).await;
        let text = answer.text();
        assert!(answer.whole && text.starts_with(first), "{dialect} {path} {text}");
        let event = &text[first.len()..];
        assert!(
            told(&text).pointer(message).is_some_and(serde_json::Value::is_string),
            "{dialect} {path} {event}"
        );
        match (dialect, path) {
            ("anthropic", _) => assert!(event.starts_with("event: error\ndata: {"), "{event}"),
            ("openai", "/v1/responses") => {
                assert!(event.starts_with("event: error\ndata: {"), "{event}");
                assert_eq!(told(&text)["type"], "error");
            }
            _ => assert!(event.starts_with("data: {"), "{event}"),
        }
        assert!(event.ends_with("\n\n") || event.ends_with("\r\n\r\n"), "{event:?}");
    }
}

#[tokio::test(flavor = "local")]
async fn a_stream_of_an_unknown_api_ends_in_a_plain_error_event() {
    let upstream = Upstream::always(with(events(&["data: 1\n\n", "data: 2"]), [Act::Close])).await;
    let rig = Rig::with(&upstream, Wishes { dialect: "problem", ..Wishes::default() });
    let answer = rig.ask("GET /feed HTTP/1.1\r\nhost: localhost\r\naccept: text/event-stream\r\n\r\n").await;
    let text = answer.text();
    assert!(answer.whole && text.starts_with("data: 1\n\nevent: error\ndata: {"), "{text}");
    assert!(!text.contains("data: 2"), "{text}");
}

#[tokio::test(flavor = "local")]
async fn a_caller_that_hangs_up_ends_the_stream_upstream() {
    let upstream = Upstream::always(with(events(&[TOKEN]), [Act::Silence])).await;
    let rig = Rig::before(&upstream);
    let mut wire = rig.connect().await;
    wire.send(post("/v1/chat/completions", "", STREAMED)).await;
    wire.head().await.unwrap();
    assert_eq!(wire.chunk().await.unwrap(), TOKEN.as_bytes());
    drop(wire);
    upstream.is_left(1).await;
}

#[tokio::test(flavor = "local")]
async fn an_upstream_that_goes_on_after_its_error_is_left() {
    let upstream = Upstream::always(with(events(&[TOKEN, ERROR, TOKEN]), [Act::Silence])).await;
    let answer = Rig::before(&upstream).stream().await;
    assert_eq!(answer.text().matches("data:").count(), 2);
    upstream.is_left(1).await;
}

#[tokio::test(flavor = "local")]
async fn a_key_of_ours_in_a_stream_is_not_told() {
    let event = format!(
        "data: {{\"error\":{{\"message\":\"Bad key {} at first\",\"type\":\"x\",\"param\":null,\"code\":\"invalid_api_key\"}}}}\n\n",
        super::rig::OUR_KEY
    );
    let upstream = Upstream::always(with(events(&[TOKEN, &event]), [last()])).await;
    let rig =
        Rig::with(&upstream, Wishes { upstream: "credential = { env = \"KEY\" }", ..Wishes::default() });
    let text = rig.stream().await.text();
    assert!(!text.contains(super::rig::OUR_KEY) && !text.contains("Bad key"), "{text}");
    assert_eq!(told(&text)["error"]["code"], "service_unavailable");
}

#[tokio::test(flavor = "local")]
async fn an_event_without_an_end_is_bounded() {
    let mut script = events(&[TOKEN]);
    let piece = "x".repeat(0x10000);
    script.extend((0..1024).map(|_| chunk(&piece)));
    let upstream = Upstream::always(script).await;
    let answer = Rig::before(&upstream).stream().await;
    let text = answer.text();
    assert!(answer.whole && text.len() < 100_000, "{}", text.len());
    assert_eq!(told(&text)["error"]["code"], "bad_gateway");
}
