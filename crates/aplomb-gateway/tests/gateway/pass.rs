//! What is right passes byte for byte, and what belongs to one connection stays on it.

use super::rig::{CHAT, CHOICE, Rig, Wishes, get, post};
use super::upstream::{Act, Gate, Upstream, answer, json, last, raw};

/// What the gateway adds to every answer.
const OURS: [&str; 4] = ["aplomb-request-id", "aplomb-attempts", "x-request-id", "date"];

#[tokio::test(flavor = "local")]
async fn a_success_passes_byte_for_byte() {
    let body = "{ \"choices\" : [ ],\r\n\t\"odd\": 1.50e0, \"\u{e9}\": \"\\u00e9\" }\n";
    let lines = "Content-Type: application/json; charset=utf-8\r\nX-Own: a\r\nX-Own: b\r\nServer: x/1\r\nETag: \"e\"\r\n\
                 X-Request-Id: req_theirs\r\nSet-Cookie: c=1\r\nDate: Sat, 01 Jan 2022 00:00:00 GMT\r\nRetry-After: 7\r\n";
    let upstream = Upstream::always(answer(200, lines, body)).await;
    let told = Rig::before(&upstream).chat("").await;
    assert_eq!((told.status(), told.text().as_str(), told.whole), (200, body, true));
    let mut expected: Vec<(String, String)> = [
        ("content-length", body.len().to_string().as_str()),
        ("content-type", "application/json; charset=utf-8"),
        ("etag", "\"e\""),
        ("retry-after", "7"),
        ("server", "x/1"),
        ("set-cookie", "c=1"),
        ("x-own", "a"),
        ("x-own", "b"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .to_vec();
    expected.sort();
    assert_eq!(told.headers_but(&OURS), expected);
    assert_eq!(told.says("x-request-id"), "req_theirs");
    assert_eq!(told.says("date"), "Sat, 01 Jan 2022 00:00:00 GMT");
    assert_eq!(told.says("aplomb-attempts"), "1");
}

#[tokio::test(flavor = "local")]
async fn a_request_passes_but_for_what_is_ours() {
    let upstream = Upstream::always(json(200, CHOICE)).await;
    let rig = Rig::before(&upstream);
    let lines = "Authorization: Bearer theirs\r\nOpenAI-Organization: org\r\nX-Own: a\r\nX-Own: b\r\nUser-Agent: u\r\n\
                 Connection: keep-alive, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nTE: trailers\r\nAplomb-Kind: x\r\n\
                 Aplomb-Anything: y\r\nProxy-Authorization: Basic x\r\nAccept-Encoding: gzip\r\nUpgrade: h2c\r\n";
    rig.ask(post("/v1/chat/completions?a=1&b=%2F", lines, CHAT)).await;
    let heard = upstream.only();
    assert_eq!(heard.line, "POST /v1/chat/completions?a=1&b=%2F HTTP/1.1");
    assert_eq!(heard.text(), CHAT);
    let host = upstream.address.to_string();
    let expected = [
        ("accept-encoding", "identity"),
        ("authorization", "Bearer theirs"),
        ("content-length", &CHAT.len().to_string()),
        ("content-type", "application/json"),
        ("host", &host),
        ("openai-organization", "org"),
        ("user-agent", "u"),
        ("x-own", "a"),
        ("x-own", "b"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()));
    let theirs = |name: &str| name.starts_with("x-forwarded-") || name == "forwarded";
    let mut seen = heard.headers_but(&["via", "x-request-id"]);
    seen.retain(|(name, _)| !theirs(name));
    assert_eq!(seen, expected);
    assert!(heard.says("via").starts_with("1.1 aplomb-"), "{heard:?}");
    assert!(
        ["gateway.test", "localhost", "127.0.0.1"]
            .iter()
            .any(|name| heard.says("x-forwarded-host").starts_with(name))
    );
}

#[tokio::test(flavor = "local")]
async fn an_old_upstreams_version_is_not_the_callers() {
    let upstream = Upstream::always(raw(
        "HTTP/1.0 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}",
    ))
    .await;
    let rig = Rig::before(&upstream);
    let mut wire = rig.connect().await;
    for _ in 0..2 {
        wire.send(get("/v1/models", "")).await;
        let told = wire.answer().await;
        assert_eq!(
            (told.line.as_str(), told.text().as_str()),
            ("HTTP/1.1 200 OK", "{}"),
            "and the connection lives on"
        );
    }
}

#[tokio::test(flavor = "local")]
async fn a_sane_request_id_is_the_callers_and_another_one_is_ours() {
    let upstream = Upstream::always(json(200, CHOICE)).await;
    let rig = Rig::before(&upstream);
    for (index, (given, kept)) in [
        ("x-request-id: abc-1:2_3.4\r\n".to_owned(), true),
        (String::new(), false),
        ("x-request-id: with space\r\n".to_owned(), false),
        ("x-request-id: \"quoted\"\r\n".to_owned(), false),
        (format!("x-request-id: {}\r\n", "x".repeat(129)), false),
        ("x-request-id: \r\n".to_owned(), false),
    ]
    .into_iter()
    .enumerate()
    {
        let told = rig.chat(&given).await;
        let id = told.says("aplomb-request-id").to_owned();
        match kept {
            true => assert_eq!(id, "abc-1:2_3.4"),
            false => assert!(id.starts_with("req_") && id.len() == 40, "{id}"),
        }
        assert_eq!(upstream.heard()[index].request.says("x-request-id"), id);
        assert_eq!(told.says("x-request-id"), id, "the dialect's own request id");
    }
}

#[tokio::test(flavor = "local")]
async fn every_dialects_own_request_id_stands_on_every_answer() {
    for (dialect, header) in [("anthropic", "request-id"), ("groq", "x-request-id")] {
        let upstream = Upstream::answering([json(200, "{}"), json(404, "{}"), answer(204, "", "")]).await;
        let rig = Rig::with(&upstream, Wishes { dialect, ..Wishes::default() });
        for _ in 0..3 {
            let told = rig.ask(get("/v1/x", "")).await;
            assert_eq!(told.says(header), told.says("aplomb-request-id"), "{dialect} {told:?}");
        }
    }
}

#[tokio::test(flavor = "local")]
async fn what_has_no_body_keeps_its_headers() {
    for (status, lines) in [
        (204, "x-own: 1\r\n"),
        (304, "etag: \"e\"\r\n"),
        (301, "location: http://elsewhere.test/x\r\ncontent-length: 0\r\n"),
        (307, "location: /y\r\ncontent-length: 0\r\n"),
    ] {
        let upstream = Upstream::always(raw(format!("HTTP/1.1 {status} X\r\n{lines}\r\n"))).await;
        let told = Rig::before(&upstream).ask(get("/x", "")).await;
        assert_eq!((told.status(), told.body.as_slice()), (status, &[][..]));
        let (name, value) = lines.lines().next().unwrap().split_once(": ").unwrap();
        assert_eq!(told.says(name), value);
        assert_eq!(upstream.count(), 1, "a redirect is not followed");
    }
}

#[tokio::test(flavor = "local")]
async fn head_tells_the_length_of_what_it_leaves_out() {
    let upstream = Upstream::answering([
        raw("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 1234\r\n\r\n"),
        raw("HTTP/1.1 404 Not Found\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n"),
        raw("HTTP/1.1 204 No Content\r\n\r\n"),
    ])
    .await;
    let rig = Rig::before(&upstream);
    let mut wire = rig.connect().await;
    for (status, length) in [(200, Some("1234")), (404, None), (204, None)] {
        wire.send("HEAD /v1/models HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
        let told = wire.head().await.unwrap();
        assert_eq!(told.status(), status);
        if length.is_some() {
            assert_eq!(told.header("content-length"), length);
        }
    }
}

#[tokio::test(flavor = "local")]
async fn a_part_that_was_asked_for_passes() {
    let lines = "content-type: application/json\r\ncontent-range: bytes 0-3/10\r\n";
    let upstream = Upstream::always(answer(206, lines, "{\"er")).await;
    let told = Rig::before(&upstream).ask(get("/v1/files/f/content", "range: bytes=0-3\r\n")).await;
    assert_eq!((told.status(), told.text().as_str()), (206, "{\"er"));
    assert_eq!(told.says("content-range"), "bytes 0-3/10");
    assert_eq!(upstream.only().says("range"), "bytes=0-3");
}

#[tokio::test(flavor = "local")]
async fn a_compressed_answer_stays_compressed() {
    let packed = b"\x1f\x8b\x08\x00not really\x00\xff";
    let lines = "content-type: application/json\r\ncontent-encoding: gzip\r\n";
    let upstream = Upstream::always(answer(200, lines, packed)).await;
    let told = Rig::before(&upstream).chat("").await;
    assert_eq!((told.body.as_slice(), told.says("content-encoding")), (&packed[..], "gzip"));
}

#[tokio::test(flavor = "local")]
async fn what_belongs_to_the_upstreams_connection_stays_there() {
    let lines = "Connection: close, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=1\r\nProxy-Authenticate: Basic\r\n\
                 Trailer: x\r\nAplomb-Kind: lie\r\nAplomb-Request-Id: lie\r\nX-Own: 1\r\nUpgrade: h2c\r\n";
    let upstream = Upstream::always(answer(200, lines, "{}")).await;
    let rig = Rig::before(&upstream);
    let mut wire = rig.connect().await;
    for _ in 0..2 {
        wire.send(get("/v1/models", "")).await;
        let told = wire.answer().await;
        let seen = told.headers_but(&OURS);
        assert_eq!(seen, [("content-length", "2"), ("x-own", "1")].map(|(n, v)| (n.into(), v.into())));
        assert_ne!(told.says("aplomb-request-id"), "lie");
    }
}

#[tokio::test(flavor = "local")]
async fn connections_are_used_again_on_both_sides() {
    let upstream = Upstream::always(json(200, CHOICE)).await;
    let rig = Rig::before(&upstream);
    let mut wire = rig.connect().await;
    for _ in 0..5 {
        wire.send(post("/v1/chat/completions", "", CHAT)).await;
        assert_eq!(wire.answer().await.status(), 200);
    }
    assert_eq!((upstream.count(), upstream.connections()), (5, 1));
}

#[tokio::test(flavor = "local")]
async fn a_body_too_large_to_keep_streams_once_and_says_so() {
    let upstream = Upstream::answering([json(200, "{}"), json(503, "{}")]).await;
    let rig = Rig::with(&upstream, Wishes { route: "replay_bytes = \"1KiB\"", ..Wishes::default() });
    let body = "x".repeat(200_000);
    let told = rig.ask(post("/v1/files", "", &body)).await;
    assert_eq!((told.status(), told.says("aplomb-replay")), (200, "no; body too large to keep"));
    assert_eq!(upstream.only().text(), body);
    let told = rig.ask(post("/v1/files", "", &body)).await;
    assert_eq!((told.status(), upstream.count()), (503, 2), "it is not sent again");
    assert_eq!(told.says("x-should-retry"), "true");
    assert_eq!(told.says("aplomb-replay"), "no; body too large to keep");
}

#[tokio::test(flavor = "local")]
async fn a_chunked_body_reaches_the_upstream_while_it_is_written() {
    let upstream = Upstream::always([vec![Act::Early], json(200, "{}")].concat()).await;
    let rig = Rig::with(&upstream, Wishes { route: "replay_bytes = \"1KiB\"", ..Wishes::default() });
    let mut wire = rig.connect().await;
    wire.send("POST /v1/files HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n").await;
    wire.send(format!("800\r\n{}\r\n", "a".repeat(0x800))).await;
    upstream.hears(1).await;
    wire.send("3\r\nend\r\n0\r\n\r\n").await;
    let told = wire.answer().await;
    assert_eq!(told.status(), 200);
}

#[tokio::test(flavor = "local")]
async fn a_chunked_answer_reaches_the_caller_while_it_is_written() {
    let gate = Gate::default();
    let mut script = raw(
        "HTTP/1.1 200 OK\r\ncontent-type: application/octet-stream\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n",
    );
    script.extend([Act::Until(gate.clone()), Act::Send(b"3\r\ntwo\r\n".to_vec()), last()]);
    let upstream = Upstream::always(script).await;
    let rig = Rig::before(&upstream);
    let mut wire = rig.connect().await;
    wire.send(get("/v1/audio", "")).await;
    let mut told = wire.head().await.unwrap();
    assert_eq!(wire.chunk().await.unwrap(), b"one");
    gate.open();
    wire.body(&mut told).await;
    assert_eq!((told.text().as_str(), told.whole), ("two", true));
}

#[tokio::test(flavor = "local")]
async fn a_caller_that_does_not_read_holds_the_upstream_back() {
    const LENGTH: usize = 64 << 20;
    let written = Gate::default();
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: video/mp4\r\ncontent-length: {LENGTH}\r\n\r\n");
    let flood = [raw(head), vec![Act::Send(vec![b'x'; LENGTH]), Act::Open(written.clone())]].concat();
    let upstream = Upstream::by(move |_, request| match request.target() {
        "/flood" => flood.clone(),
        _ => json(200, CHOICE),
    })
    .await;
    let rig = Rig::before(&upstream);
    let mut wire = rig.connect().await;
    wire.send(get("/flood", "")).await;
    let mut told = wire.head().await.unwrap();
    for _ in 0..50 {
        assert_eq!(rig.chat("").await.status(), 200);
    }
    assert!(!written.is_open());
    wire.body(&mut told).await;
    assert!(told.whole && written.is_open());
}

#[tokio::test(flavor = "local")]
async fn an_answer_that_stalls_is_cut_and_its_upstream_left() {
    for content_type in ["audio/mpeg", "application/json"] {
        let head = format!("HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\ncontent-length: 9\r\n\r\n{{");
        let upstream = Upstream::always([raw(head), vec![Act::Silence]].concat()).await;
        let rig =
            Rig::with(&upstream, Wishes { upstream: "timeouts = { idle = \"400ms\" }", ..Wishes::default() });
        let told = rig.ask(get("/v1/x", "")).await;
        assert_eq!((told.status(), told.whole), (200, false));
        upstream.is_left(1).await;
    }
}

#[tokio::test(flavor = "local")]
async fn a_caller_that_waits_to_be_asked_is_asked() {
    let upstream = Upstream::always(json(200, CHOICE)).await;
    let rig = Rig::before(&upstream);
    let mut wire = rig.connect().await;
    wire.send(format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nexpect: 100-continue\r\ncontent-length: {}\r\n\r\n",
        CHAT.len()
    ))
    .await;
    assert_eq!(wire.head().await.unwrap().status(), 100);
    wire.send(CHAT).await;
    assert_eq!(wire.answer().await.status(), 200);
    assert_eq!(upstream.only().header("expect"), None);
}
