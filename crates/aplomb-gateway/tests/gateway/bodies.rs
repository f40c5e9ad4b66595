//! Bodies: held until they are whole, told anew where they say something else than they seem to.

use std::time::Duration;

use tokio::time::Instant;

use super::rig::{CHOICE, OUR_KEY, Rig, Wishes, get, post, second};
use super::upstream::{Act, Gate, Script, Upstream, answer, json, last, raw};

const JSON: &str = "content-type: application/json\r\n";

/// The beginning of an answer with a length, then its end.
fn cut(body: &str) -> Script {
    let head = format!("HTTP/1.1 200 OK\r\n{JSON}content-length: {}\r\n\r\n", body.len());
    [raw(head), raw(&body[..body.len() / 2]), vec![Act::Close]].concat()
}

fn gzip(text: &str) -> Vec<u8> {
    // A stored block: what a compressor may write for text that doesn't get smaller.
    let length = u16::try_from(text.len()).unwrap();
    let mut out = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff\x01".to_vec();
    out.extend(length.to_le_bytes());
    out.extend((!length).to_le_bytes());
    out.extend(text.as_bytes());
    out.extend(crc32(text.as_bytes()).to_le_bytes());
    out.extend(u32::from(length).to_le_bytes());
    out
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(
            crc ^ u32::from(*byte),
            |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 },
        )
    })
}

#[tokio::test(flavor = "local")]
async fn a_cut_answer_is_repaired_unseen() {
    let chunked = [
        raw(format!("HTTP/1.1 200 OK\r\n{JSON}transfer-encoding: chunked\r\n\r\n5\r\n{{\"cho\r\n")),
        vec![Act::Close],
    ]
    .concat();
    let reset =
        [raw(format!("HTTP/1.1 200 OK\r\n{JSON}content-length: 500\r\n\r\n{{")), vec![Act::Reset]].concat();
    let upstream =
        Upstream::answering([cut(CHOICE), chunked.clone(), json(200, CHOICE), reset, json(200, CHOICE)])
            .await;
    let rig = Rig::before(&upstream);
    for attempts in ["3", "2"] {
        let told = rig.chat("").await;
        assert_eq!((told.status(), told.text().as_str(), told.whole), (200, CHOICE, true));
        assert_eq!(told.says("aplomb-attempts"), attempts);
    }
}

#[tokio::test(flavor = "local")]
async fn a_slow_answer_flows_after_a_pause() {
    let gate = Gate::default();
    let script = [
        raw(format!("HTTP/1.1 200 OK\r\n{JSON}transfer-encoding: chunked\r\n\r\n3\r\n{{\"a\r\n")),
        vec![Act::Until(gate.clone()), Act::Send(b"5\r\n\": 1}\r\n".to_vec()), last()],
    ]
    .concat();
    let upstream = Upstream::always(script).await;
    let rig = Rig::before(&upstream);
    let mut wire = rig.connect().await;
    let began = Instant::now();
    wire.send(get("/v1/models", "")).await;
    let mut told = wire.head().await.unwrap();
    assert_eq!(wire.chunk().await.unwrap(), b"{\"a");
    assert!(began.elapsed() >= Duration::from_millis(250));
    gate.open();
    wire.body(&mut told).await;
    assert_eq!((told.text().as_str(), told.whole), ("\": 1}", true));
}

#[tokio::test(flavor = "local")]
async fn a_cut_of_an_answer_that_flows_stays_a_cut() {
    let big = format!("{{\"choices\": \"{}\"}}", "x".repeat(5000));
    let chunked = [
        raw(format!("HTTP/1.1 200 OK\r\n{JSON}transfer-encoding: chunked\r\n\r\n")),
        vec![Act::Send(format!("{:x}\r\n{big}\r\n", big.len()).into_bytes()), Act::Close],
    ]
    .concat();
    for script in [cut(&big), chunked] {
        let upstream = Upstream::always(script).await;
        let rig = Rig::with(&upstream, Wishes { upstream: "hold_bytes = \"1KiB\"", ..Wishes::default() });
        let told = rig.chat("").await;
        assert_eq!((told.status(), told.whole, upstream.count()), (200, false, 1));
    }
}

#[tokio::test(flavor = "local")]
async fn an_answer_up_to_the_bound_is_held_and_one_beyond_passes_whole() {
    for length in [1000, 1024, 1025, 5000, 100_000] {
        let body = format!("\"{}\"", "x".repeat(length - 2));
        let upstream = Upstream::always(json(200, &body)).await;
        let rig = Rig::with(&upstream, Wishes { upstream: "hold_bytes = \"1KiB\"", ..Wishes::default() });
        let told = rig.chat("").await;
        assert_eq!((told.status(), told.whole, told.text()), (200, true, body));
        assert_eq!(told.says("content-length"), length.to_string());
    }
}

#[tokio::test(flavor = "local")]
async fn an_error_inside_a_200_never_leaves_as_one() {
    for (body, status, kind) in [
        (
            r#"{"error":{"message":"Rate limit reached","type":"requests","param":null,"code":"rate_limit_exceeded"}}"#,
            429,
            "rate_limit",
        ),
        (
            r#"{"error":{"message":"It broke","type":"server_error","param":null,"code":null}}"#,
            500,
            "internal",
        ),
        (r#"{"error":{"message":"Hm","type":null,"param":null,"code":null}}"#, 502, "bad_gateway"),
    ] {
        let upstream = Upstream::always(json(200, body)).await;
        let rig = Rig::with(&upstream, Wishes { route: "retry = { attempts = 1 }", ..Wishes::default() });
        let told = rig.chat("").await;
        assert_eq!((told.status(), told.says("aplomb-kind")), (status, kind), "{told:?}");
        assert!(told.json()["error"]["message"].is_string());
    }
}

#[tokio::test(flavor = "local")]
async fn an_answer_that_only_speaks_of_errors_passes() {
    for body in [
        r#"{"choices":[{"message":{"content":"{\"error\": 1}"}}],"error":null}"#,
        r#"{"id":"r","output":[],"error":null}"#,
        r#"{"choices":[{"index":0}],"error":{"message":"partly"}}"#,
        r#"{"data":{"error":{"message":"of a file"}}}"#,
    ] {
        let upstream = Upstream::always(json(200, body)).await;
        let told = Rig::before(&upstream).chat("").await;
        assert_eq!((told.status(), told.text().as_str()), (200, body));
    }
}

#[tokio::test(flavor = "local")]
async fn an_error_inside_a_200_is_repaired_by_a_fallback() {
    let error =
        r#"{"error":{"message":"Overloaded","type":null,"param":null,"code":"server_is_overloaded"}}"#;
    let upstream = Upstream::always(json(200, error)).await;
    let other = Upstream::always(json(200, CHOICE)).await;
    let more = second(&other, "");
    let wishes = Wishes {
        more: &more,
        route: "fallback = [\"second\"]\nretry = { attempts = 1 }",
        ..Wishes::default()
    };
    let told = Rig::with(&upstream, wishes).chat("").await;
    assert_eq!((told.status(), told.text().as_str()), (200, CHOICE));
}

#[tokio::test(flavor = "local")]
async fn a_protocol_with_errors_of_its_own_keeps_them() {
    let body = r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"Method not found"}}"#;
    let upstream = Upstream::always(json(200, body)).await;
    let rig = Rig::with(&upstream, Wishes { dialect: "jsonrpc", ..Wishes::default() });
    let told = rig.ask(post("/rpc", "", r#"{"jsonrpc":"2.0","id":1,"method":"x"}"#)).await;
    assert_eq!((told.status(), told.text().as_str(), upstream.count()), (200, body, 1));
    assert_ne!(told.says("aplomb-kind"), "");
    assert_ne!(told.says("aplomb-fault"), "");
}

#[tokio::test(flavor = "local")]
async fn a_part_that_nobody_asked_for_is_a_bad_gateway() {
    let upstream = Upstream::always(answer(206, JSON, "{}")).await;
    let rig = Rig::with(&upstream, Wishes { route: "retry = { attempts = 1 }", ..Wishes::default() });
    let told = rig.chat("").await;
    assert_eq!(
        (told.status(), told.says("aplomb-kind"), told.says("aplomb-fault")),
        (502, "bad_gateway", "network")
    );
}

#[tokio::test(flavor = "local")]
async fn pages_of_edges_and_odd_bodies_are_told_in_the_callers_words() {
    let html = "<html><head><title>502 Bad Gateway</title></head><body><center><h1>502 Bad Gateway</h1></center><hr><center>nginx</center></body></html>";
    for script in [
        answer(502, "content-type: text/html\r\n", html),
        answer(500, JSON, html),
        answer(502, "", ""),
        answer(503, "content-type: text/plain\r\n", "no healthy upstream"),
        answer(500, JSON, "{\"error\": {\"mess"),
        answer(500, JSON, "null"),
        answer(500, JSON, b"\xff\xfe\x00"),
        answer(500, "content-type: application/json\r\ncontent-encoding: gzip\r\n", b"\x1f\x8b\x08broken"),
        answer(500, "content-type: application/json\r\ncontent-encoding: rot13\r\n", "{}"),
        answer(599, JSON, "{}"),
        answer(999, JSON, "{}"),
    ] {
        let upstream = Upstream::always(script.clone()).await;
        let rig = Rig::with(&upstream, Wishes { route: "retry = { attempts = 1 }", ..Wishes::default() });
        let told = rig.chat("").await;
        assert!((500..600).contains(&told.status()), "{script:?} {told:?}");
        assert_eq!(told.says("content-type").split(';').next(), Some("application/json"), "{told:?}");
        assert!(told.json()["error"]["message"].is_string(), "{told:?}");
        assert_eq!(told.header("content-encoding"), None);
        assert!(told.whole);
    }
}

#[tokio::test(flavor = "local")]
async fn a_compressed_error_is_read_and_passes_only_to_those_who_can_read_it() {
    let body =
        r#"{"error":{"message":"Slow down","type":"requests","param":null,"code":"rate_limit_exceeded"}}"#;
    let lines =
        "content-type: application/json\r\ncontent-encoding: gzip\r\netag: \"e\"\r\nretry-after: 90\r\n";
    let upstream = Upstream::always(answer(429, lines, gzip(body))).await;
    let told = Rig::before(&upstream).chat("").await;
    assert_eq!(
        (told.status(), told.says("aplomb-kind"), told.says("retry-after")),
        (429, "rate_limit", "90")
    );
    assert_eq!(told.header("content-encoding"), None, "the caller's own encodings are unknown upstream");
    assert_eq!((told.json()["error"]["message"].as_str(), told.header("etag")), (Some("Slow down"), None));
}

#[tokio::test(flavor = "local")]
async fn a_failure_that_speaks_the_answer_dialect_passes_byte_for_byte() {
    let body = "{\n  \"error\": {\n    \"message\": \"No such model\",  \"type\": \"invalid_request_error\", \"param\": \"model\", \"code\": \"model_not_found\"\n  }\n}\n";
    let lines = "Content-Type: application/json; charset=utf-8\r\nX-Request-Id: req_theirs\r\nOpenAI-Processing-Ms: 5\r\nX-Should-Retry: true\r\n";
    let upstream = Upstream::always(answer(404, lines, body)).await;
    let told = Rig::before(&upstream).chat("").await;
    assert_eq!((told.status(), told.text().as_str()), (404, body));
    assert_eq!((told.says("x-request-id"), told.says("openai-processing-ms")), ("req_theirs", "5"));
    assert_eq!(told.says("content-type"), "application/json; charset=utf-8");
    assert_eq!(told.says("x-should-retry"), "false", "ours overrides the upstream's");
}

#[tokio::test(flavor = "local")]
async fn a_failure_in_another_dialect_is_told_anew_with_its_facts() {
    let body = r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"},"request_id":"req_theirs"}"#;
    let lines =
        "content-type: application/json\r\nrequest-id: req_theirs\r\nretry-after: 90\r\ndigest: x\r\n";
    let upstream = Upstream::always(answer(529, lines, body)).await;
    let rig = Rig::with(
        &upstream,
        Wishes { dialect: "anthropic", route: "answer = \"openai\"", ..Wishes::default() },
    );
    let told = rig.ask(post("/v1/messages", "", "{}")).await;
    assert_eq!((told.status(), told.says("aplomb-kind")), (503, "overloaded"));
    assert_eq!(told.json()["error"]["message"], "Overloaded");
    assert_eq!((told.says("x-request-id"), told.says("retry-after")), ("req_theirs", "90"));
    assert_eq!(told.header("digest"), None);
    let problem = rig.ask(post("/v1/messages", "accept: application/problem+json\r\n", "{}")).await;
    assert_eq!(problem.says("content-type").split(';').next(), Some("application/problem+json"));
    assert_eq!(problem.json()["detail"], "Overloaded");
}

#[tokio::test(flavor = "local")]
async fn without_a_route_the_credential_tells_the_dialect_else_what_every_route_answers_in() {
    let upstream = Upstream::always(json(200, "{}")).await;
    let file = Wishes::default().file(&upstream.url()).replace("path = \"/\"", "path = \"/only\"");
    let rig = Rig::start(super::rig::config(&file));
    for (lines, member) in [
        ("authorization: Bearer sk-x\r\n", "/error/message"),
        ("x-api-key: sk-x\r\n", "/error/message"),
        ("x-goog-api-key: AIza\r\n", "/error/message"),
        ("", "/error/message"),
        ("authorization: Bearer x\r\naccept: application/problem+json\r\n", "/detail"),
    ] {
        let told = rig.ask(get("/elsewhere", lines)).await;
        assert_eq!((told.status(), told.says("aplomb-kind")), (404, "not_found"));
        assert!(told.json().pointer(member).is_some_and(serde_json::Value::is_string), "{lines} {told:?}");
    }
    assert_eq!(upstream.count(), 0);
}

#[tokio::test(flavor = "local")]
async fn the_trail_stands_in_the_body_when_asked_for() {
    let upstream = Upstream::always(super::upstream::busy(503, 5)).await;
    let rig = Rig::with(
        &upstream,
        Wishes { route: "trail = \"body\"\nretry = { attempts = 2 }", ..Wishes::default() },
    );
    let told = rig.chat("").await;
    let told = told.json();
    assert_eq!(told["error"]["message"], "Come back later");
    assert_eq!(
        (&told["aplomb"]["kind"], &told["aplomb"]["fault"]),
        (&"unavailable".into(), &"upstream".into())
    );
    assert_eq!(told["aplomb"]["attempts"].as_array().unwrap().len(), 2);
    assert_eq!(told["aplomb"]["attempts"][0]["upstream"], "first");
}

#[tokio::test(flavor = "local")]
async fn a_route_tells_no_more_than_it_discloses() {
    for (disclose, message, code, trail) in [
        ("full", Some("first at 127.0.0.1 is down"), Some("E7"), true),
        ("safe", Some("[upstream] at [upstream] is down"), Some("E7"), false),
        ("none", None, None, false),
    ] {
        let body = r#"{"error":{"message":"first at 127.0.0.1 is down","type":"server_error","param":null,"code":"E7"}}"#;
        let lines =
            "content-type: application/json\r\nretry-after-ms: 5\r\nserver: inner-7\r\nx-inner: 1\r\n";
        let upstream = Upstream::always(answer(503, lines, body)).await;
        for place in ["headers", "body"] {
            let route = format!("disclose = \"{disclose}\"\nretry = {{ attempts = 2 }}\ntrail = \"{place}\"");
            let told = Rig::with(&upstream, Wishes { route: &route, ..Wishes::default() }).chat("").await;
            assert_eq!(
                (told.header("aplomb-trail").is_some(), told.status()),
                (trail, 503),
                "{disclose} {place}"
            );
            let json = told.json();
            if let Some(message) = message {
                assert_eq!(json["error"]["message"], message);
            }
            assert_eq!(
                json["error"]["code"].as_str().filter(|code| *code == "E7"),
                code,
                "{disclose} {told:?}"
            );
            if disclose != "full" {
                let all = format!("{told:?}");
                assert!(
                    !all.contains("127.0.0.1") && !all.contains("inner") && !all.contains("first"),
                    "{disclose} {place} {all}"
                );
            }
        }
    }
}

#[tokio::test(flavor = "local")]
async fn a_limit_on_our_key_is_shown_as_the_route_says() {
    let body = r#"{"error":{"message":"Rate limit reached for org-1","type":"requests","param":null,"code":"rate_limit_exceeded"}}"#;
    let lines = "content-type: application/json\r\nretry-after: 90\r\nx-ratelimit-limit-requests: 10\r\nx-ratelimit-remaining-requests: 0\r\n";
    for (route, status, kind) in [("", 429, "rate_limit"), ("shared_quota = \"503\"", 503, "unavailable")] {
        let upstream = Upstream::always(answer(429, lines, body)).await;
        let wishes = Wishes { upstream: "credential = { env = \"KEY\" }", route, ..Wishes::default() };
        let told = Rig::with(&upstream, wishes).chat("").await;
        assert_eq!(
            (told.status(), told.says("aplomb-kind"), told.says("aplomb-fault")),
            (status, kind, "upstream")
        );
        assert_eq!((told.says("retry-after"), told.header("x-ratelimit-limit-requests")), ("90", None));
    }
}

#[tokio::test(flavor = "local")]
async fn a_refusal_of_our_key_is_not_the_callers() {
    for (status, code) in [(401, "invalid_api_key"), (402, "payment_required"), (429, "insufficient_quota")] {
        let body = format!(
            r#"{{"error":{{"message":"Key {OUR_KEY} is bad","type":"x","param":null,"code":"{code}"}}}}"#
        );
        let upstream = Upstream::always(json(status, &body)).await;
        for (disclose, shows) in [("full", true), ("safe", false), ("none", false)] {
            let route = format!("disclose = \"{disclose}\"");
            let wishes =
                Wishes { upstream: "credential = { env = \"KEY\" }", route: &route, ..Wishes::default() };
            let told = Rig::with(&upstream, wishes).chat("authorization: Bearer theirs\r\n").await;
            assert_eq!(
                (told.status(), told.says("aplomb-kind"), told.says("aplomb-fault")),
                (503, "unavailable", "gateway")
            );
            assert_eq!((told.says("x-should-retry"), told.header("retry-after")), ("false", None));
            assert!(!format!("{told:?}").contains(OUR_KEY), "{told:?}");
            assert_eq!(told.text().contains("is bad"), shows, "{disclose} {told:?}");
        }
    }
}

#[tokio::test(flavor = "local")]
async fn an_error_page_without_an_end_is_read_up_to_a_bound() {
    let head = "HTTP/1.1 500 X\r\ncontent-type: text/html\r\ntransfer-encoding: chunked\r\n\r\n";
    let piece = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
    let mut script = raw(head);
    script.extend((0..64).map(|_| Act::Send(piece.clone().into_bytes())));
    script.push(Act::Silence);
    let upstream = Upstream::always(script).await;
    let rig = Rig::with(&upstream, Wishes { route: "retry = { attempts = 1 }", ..Wishes::default() });
    let told = rig.chat("").await;
    assert!(told.status() >= 500 && told.whole);
    assert!(told.body.len() < 100_000, "{}", told.body.len());
}
