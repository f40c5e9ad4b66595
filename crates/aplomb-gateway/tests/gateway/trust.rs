//! Trust: whose credential goes where, which pages may call, and what is refused before anybody acts on it.

use super::caller::Message;
use super::rig::{CHAT, CHOICE, OUR_KEY, Rig, Wishes, config, get, post, second};
use super::upstream::{Upstream, answer, busy, json, raw};

const OURS: &str = "credential = { env = \"KEY\" }";

/// Every way in which some API takes credentials, all with the same secret.
const THEIRS: &str = "authorization: Bearer theirs-0123456789\r\nx-api-key: theirs-0123456789\r\napi-key: theirs-0123456789\r\n\
    x-goog-api-key: theirs-0123456789\r\nxi-api-key: theirs-0123456789\r\ncookie: session=theirs-0123456789\r\n\
    proxy-authorization: Basic theirs-0123456789\r\n";

fn secrets(heard: &Message) -> usize {
    format!("{heard:?}").matches("theirs-0123456789").count()
}

#[tokio::test(flavor = "local")]
async fn a_callers_credential_reaches_the_first_upstream_only() {
    let first = Upstream::always(busy(503, 1)).await;
    let other = Upstream::always(json(200, CHOICE)).await;
    for credential in ["credential = { env = \"KEY\" }", "credential = \"none\""] {
        let more = second(&other, "").replace(OURS, credential);
        let route = "fallback = [\"second\"]\nretry = { attempts = 1 }";
        let rig = Rig::with(&first, Wishes { more: &more, route, ..Wishes::default() });
        let path =
            "/v1/chat/completions?key=theirs-0123456789&a=1&k%65y=theirs-0123456789&KEY=theirs-0123456789";
        assert_eq!(rig.ask(post(path, THEIRS, CHAT)).await.status(), 200);
        assert_eq!(secrets(&first.heard().last().unwrap().request), 9, "all but what is for proxies");
        let heard = other.heard().last().unwrap().request.clone();
        assert_eq!((secrets(&heard), heard.target()), (0, "/v1/chat/completions?a=1"), "{heard:?}");
        let ours = heard.header("authorization").map(str::to_owned);
        assert_eq!(ours, credential.contains("KEY").then(|| format!("Bearer {OUR_KEY}")));
    }
}

#[tokio::test(flavor = "local")]
async fn with_a_key_of_ours_nothing_of_the_callers_is_left() {
    let upstream = Upstream::always(json(200, CHOICE)).await;
    for (dialect, header, value) in [
        ("openai", "authorization", format!("Bearer {OUR_KEY}")),
        ("anthropic", "x-api-key", OUR_KEY.to_owned()),
        ("gemini", "x-goog-api-key", OUR_KEY.to_owned()),
        ("azure", "api-key", OUR_KEY.to_owned()),
    ] {
        let rig = Rig::with(&upstream, Wishes { dialect, upstream: OURS, ..Wishes::default() });
        let told = rig.ask(post("/v1/x?key=theirs-0123456789", THEIRS, "{}")).await;
        let heard = upstream.heard().last().unwrap().request.clone();
        assert_eq!((secrets(&heard), heard.says(header), heard.target()), (0, value.as_str(), "/v1/x"));
        assert!(!format!("{told:?}").contains(OUR_KEY));
    }
}

#[tokio::test(flavor = "local")]
async fn only_our_own_host_names_are_answered_on_both_ports() {
    let upstream = Upstream::always(json(200, CHOICE)).await;
    let rig = Rig::before(&upstream);
    for port in [rig.gateway.listen(), rig.gateway.admin()] {
        for (host, status) in [
            ("evil.test", 403),
            ("evil.test:80", 403),
            ("localhost", 200),
            ("127.0.0.1:9", 200),
            ("[::1]", 200),
        ] {
            let mut wire = super::caller::Wire::connect(port).await;
            wire.send(format!("GET /healthz HTTP/1.1\r\nhost: {host}\r\n\r\n")).await;
            assert_eq!(wire.answer().await.status(), status, "{port} {host}");
            let mut wire = super::caller::Wire::connect(port).await;
            wire.send(format!("GET http://{host}/healthz HTTP/1.1\r\nhost: localhost\r\n\r\n")).await;
            assert_eq!(
                wire.answer().await.status(),
                status,
                "{port} {host}: the target counts, not the header"
            );
        }
    }
}

#[tokio::test(flavor = "local")]
async fn a_page_from_elsewhere_can_use_neither_port() {
    let upstream = Upstream::always(json(200, CHOICE)).await;
    let rig = Rig::with(&upstream, Wishes { server: "cors = [\"https://app.test\"]", ..Wishes::default() });
    let cases = [
        ("origin: https://evil.test\r\n", 403, 403),
        ("origin: null\r\n", 403, 403),
        ("origin: https://app.test.evil.test\r\n", 403, 403),
        ("sec-fetch-site: cross-site\r\n", 403, 403),
        ("sec-fetch-site: same-site\r\n", 403, 403),
        ("sec-fetch-site: none\r\n", 200, 200),
        ("origin: http://localhost\r\nsec-fetch-site: same-origin\r\n", 200, 200),
        ("origin: https://app.test\r\nsec-fetch-site: cross-site\r\n", 200, 403),
    ];
    for (lines, callers, admin) in cases {
        for (port, status) in [(rig.gateway.listen(), callers), (rig.gateway.admin(), admin)] {
            let mut wire = super::caller::Wire::connect(port).await;
            wire.send(get("/healthz", lines)).await;
            let told = wire.answer().await;
            assert_eq!(told.status(), status, "{port} {lines}");
            if status == 403 {
                assert_eq!(told.header("access-control-allow-origin"), None);
            }
        }
    }
}

#[tokio::test(flavor = "local")]
async fn a_listed_page_may_ask_first_and_read_every_answer() {
    let upstream = Upstream::answering([json(200, CHOICE), json(404, "{}")]).await;
    let rig = Rig::with(&upstream, Wishes { server: "cors = [\"https://app.test\"]", ..Wishes::default() });
    let ask = |origin: &str| {
        format!(
            "OPTIONS /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\norigin: {origin}\r\n\
             access-control-request-method: POST\r\naccess-control-request-headers: authorization, x-own\r\n\r\n"
        )
    };
    let told = rig.ask(ask("https://app.test")).await;
    assert_eq!((told.status(), told.says("access-control-allow-origin")), (204, "https://app.test"));
    assert_eq!(told.says("access-control-allow-headers"), "authorization, x-own");
    assert!(told.says("access-control-allow-methods").contains("POST"));
    assert_eq!(rig.ask(ask("https://evil.test")).await.status(), 403);
    assert_eq!(upstream.count(), 0);
    for status in [200, 404] {
        let told = rig.chat("origin: https://app.test\r\n").await;
        assert_eq!((told.status(), told.says("access-control-allow-origin")), (status, "https://app.test"));
        assert!(told.says("vary").contains("origin"));
    }
}

#[tokio::test(flavor = "local")]
async fn the_admin_port_is_not_behind_the_callers_port() {
    let upstream = Upstream::always(json(404, "{}")).await;
    let rig = Rig::before(&upstream);
    for path in ["/healthz", "/readyz", "/config/reload"] {
        assert_eq!(rig.ask(post(path, "", "")).await.status(), 404, "it goes upstream like any other");
    }
    assert_eq!(upstream.count(), 3);
    let gateway = format!("http://{}", rig.gateway.admin());
    let loop_file = Wishes::default().file(&gateway);
    let before = Rig::start(config(&loop_file));
    assert_ne!(before.ask(post("/config/reload", "origin: https://evil.test\r\n", "")).await.status(), 200);
}

#[tokio::test(flavor = "local")]
async fn a_request_that_comes_back_is_refused() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap();
    drop(listener);
    let file = Wishes::default()
        .file(&format!("http://{port}"))
        .replace("listen = \"127.0.0.1:0\"", &format!("listen = \"{port}\""));
    let rig = Rig::start(config(&file));
    let told = rig.chat("").await;
    assert_eq!((told.status(), told.says("x-should-retry")), (508, "false"), "{told:?}");
    assert!(told.says("aplomb-attempts").parse::<u32>().unwrap() <= 1);
}

#[tokio::test(flavor = "local")]
async fn upgrades_and_tunnels_are_refused_in_plain_words() {
    let upstream = Upstream::always(json(200, CHOICE)).await;
    let rig = Rig::before(&upstream);
    let told = rig
        .ask(get("/v1/realtime", "connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n"))
        .await;
    assert_eq!((told.status(), told.says("aplomb-kind")), (501, "not_implemented"));
    assert!(told.text().contains("WebSocket"), "{told:?}");
    let told = rig.ask("TRACE / HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    assert_eq!(told.status(), 405);
    let mut wire = rig.connect().await;
    wire.send("CONNECT localhost:80 HTTP/1.1\r\nhost: localhost:80\r\n\r\n").await;
    assert!(wire.head().await.is_none_or(|told| told.status() >= 400));
    assert_eq!(upstream.count(), 0);
}

#[tokio::test(flavor = "local")]
async fn no_path_leads_out_of_a_route() {
    let upstream = Upstream::always(json(200, CHOICE)).await;
    let file = Wishes::default()
        .file(&format!("{}/base", upstream.url()))
        .replace("path = \"/\"", "path = \"/api\"");
    let rig = Rig::start(config(&file));
    for path in [
        "/api/../x",
        "/api/%2e%2e/x",
        "/api/%2E./x",
        "/api/..%2fx",
        "/api/..;/x",
        "/api/a/..",
        "/api/./x",
        "/apix",
        "/API/x",
        "//api/x",
        "/%61pi/x",
        "/api/..%5cx",
        "/api/%252e%252e/x/../y",
    ] {
        let told = rig.ask(get(path, "")).await;
        assert!(matches!(told.status(), 400 | 404), "{path} {told:?}");
    }
    assert_eq!(upstream.count(), 0);
    for (path, target) in [
        ("/api", "/base"),
        ("/api/", "/base"),
        ("/api/x%2Fy?q=../z", "/base/x%2Fy?q=../z"),
        ("/api//x", "/base/x"),
    ] {
        assert_eq!(rig.ask(get(path, "")).await.status(), 200);
        assert_eq!(upstream.heard().last().unwrap().request.target(), target);
    }
}

#[tokio::test(flavor = "local")]
async fn nothing_that_an_upstream_says_becomes_a_header_of_ours() {
    let body = r#"{"type":"error","error":{"type":"x\r\nset-cookie: a=1","message":"m\r\nset-cookie: b=1\r\n\r\n<script>"},"request_id":"r\r\nset-cookie: c=1"}"#;
    let upstream = Upstream::always(answer(400, "content-type: application/json\r\n", body)).await;
    for name in ["openai", "problem", "groq", "agenthuman", "meibel"] {
        let route = format!("answer = \"{name}\"");
        let rig = Rig::with(&upstream, Wishes { dialect: "anthropic", route: &route, ..Wishes::default() });
        let told = rig.ask(post("/v1/messages", "", "{}")).await;
        assert_eq!((told.header("set-cookie"), told.whole), (None, true), "{told:?}");
        assert!(told.headers.iter().all(|(_, value)| !value.contains("set-cookie")), "{told:?}");
        told.json();
    }
}

#[tokio::test(flavor = "local")]
async fn too_much_of_anything_is_refused_in_words() {
    let upstream = Upstream::always(json(200, "{}")).await;
    let server = "max_url = \"1KiB\"\nmax_body = \"10KiB\"";
    let rig = Rig::with(&upstream, Wishes { server, route: "replay_bytes = \"1KiB\"", ..Wishes::default() });
    let bearer = "authorization: Bearer x\r\n";
    let told = rig.ask(get(&format!("/{}", "a".repeat(2000)), bearer)).await;
    assert_eq!((told.status(), told.says("aplomb-kind")), (414, "invalid_request"));
    let told = rig.ask(post("/v1/x", bearer, &"x".repeat(20_000))).await;
    assert_eq!((told.status(), told.says("aplomb-kind"), upstream.count()), (413, "payload_too_large", 0));
    assert!(told.json()["error"]["message"].is_string());
    let mut chunks =
        format!("POST /v1/x HTTP/1.1\r\nhost: localhost\r\n{bearer}transfer-encoding: chunked\r\n\r\n");
    for _ in 0..20 {
        chunks.push_str(&format!("400\r\n{}\r\n", "x".repeat(0x400)));
    }
    let told = rig.ask(chunks + "0\r\n\r\n").await;
    assert_eq!(told.status(), 413, "{told:?}");
    assert!(upstream.heard().iter().all(|heard| !heard.request.whole), "it never arrives whole");
    let told = rig.ask(get("/", &"x: y\r\n".repeat(200))).await;
    assert_eq!((told.status(), told.says("aplomb-fault")), (431, "caller"));
    let told = rig.ask(get("/", &format!("x: {}\r\n", "y".repeat(70_000)))).await;
    assert_eq!(told.status(), 431);
}

#[tokio::test(flavor = "local")]
async fn a_slow_body_is_refused_and_a_slow_head_is_too() {
    let upstream = Upstream::always(json(200, "{}")).await;
    let server = "body_timeout = \"80ms\"\nheader_timeout = \"80ms\"";
    let rig = Rig::with(&upstream, Wishes { server, ..Wishes::default() });
    let told = rig.ask("POST /v1/x HTTP/1.1\r\nhost: localhost\r\ncontent-length: 10\r\n\r\nabc").await;
    assert_eq!(
        (told.status(), told.says("aplomb-kind"), told.says("aplomb-fault")),
        (408, "timeout", "caller")
    );
    let told = rig.ask("POST /v1/x HTTP/1.1\r\nhost: localhost\r\nx-a").await;
    assert_eq!(told.status(), 408);
    assert_eq!(upstream.count(), 0);
}

#[tokio::test(flavor = "local")]
async fn a_body_that_breaks_off_reaches_nobody() {
    let upstream = Upstream::always(json(200, "{}")).await;
    let rig = Rig::before(&upstream);
    let told =
        rig.ask("POST /v1/x HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n").await;
    assert_eq!((told.status(), upstream.count()), (400, 0), "{told:?}");
    let mut wire = rig.connect().await;
    wire.send("POST /v1/x HTTP/1.1\r\nhost: localhost\r\ncontent-length: 10\r\n\r\nabc").await;
    drop(wire);
    while rig.gateway.in_flight() > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(upstream.count(), 0);
}

#[tokio::test(flavor = "local")]
async fn pipelined_requests_are_answered_in_their_order() {
    let upstream = Upstream::by(|_, heard| answer(200, "", heard.target())).await;
    let rig = Rig::before(&upstream);
    let mut wire = rig.connect().await;
    let all: String = (0..20)
        .map(|n| if n % 2 == 0 { get(&format!("/{n}"), "") } else { post(&format!("/{n}"), "", "{}") })
        .collect();
    wire.send(all).await;
    for n in 0..20 {
        assert_eq!(wire.answer().await.text(), format!("/{n}"));
    }
    assert_eq!(upstream.count(), 20);
}

#[tokio::test(flavor = "local")]
async fn two_readings_of_a_request_reach_no_upstream_through_the_whole_gateway() {
    let upstream = Upstream::always(json(200, "{}")).await;
    let rig = Rig::before(&upstream);
    for lines in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding : chunked\r\n",
        "X: a\r\n Content-Length: 5\r\n",
    ] {
        let told = rig.ask(format!("POST / HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n0\r\n\r\nGET /evil HTTP/1.1\r\nHost: localhost\r\n\r\n")).await;
        assert_eq!((told.status(), upstream.count()), (400, 0), "{lines}");
        assert!(told.json()["error"]["message"].is_string(), "in the words of the only route: {told:?}");
        assert_eq!((told.says("aplomb-kind"), told.says("aplomb-fault")), ("invalid_request", "caller"));
        told.says("aplomb-request-id");
    }
    let named = "POST /x HTTP/1.1\r\nHost: localhost\r\nConnection: content-length, host\r\nContent-Length: 2\r\n\r\n{}";
    rig.ask(named).await;
    let heard = upstream.only();
    assert_eq!((heard.text().as_str(), heard.whole), ("{}", true), "naming a length takes none away");
}

#[tokio::test(flavor = "local")]
async fn an_answer_with_two_readings_has_one_behind_us() {
    let both =
        "HTTP/1.1 200 OK\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    for script in [raw(both), raw("HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 5\r\n\r\nhello")] {
        let upstream = Upstream::always(script).await;
        let told = Rig::before(&upstream).ask(get("/x", "")).await;
        let lengths = told.headers.iter().filter(|(name, _)| name == "content-length").count();
        assert!(told.status() == 502 || (told.text() == "hello" && told.whole && lengths <= 1), "{told:?}");
    }
}
