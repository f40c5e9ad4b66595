//! The log: one line for each request that tells what happened, and nothing that is secret.

use std::io;
use std::sync::{Mutex, OnceLock};

use super::rig::{CHOICE, OUR_KEY, Rig, STREAMED, Wishes, get, post};
use super::upstream::{Act, Script, Upstream, answer, busy, events, json, last, raw};

/// Everything that this process logged.
static LOGGED: Mutex<Vec<u8>> = Mutex::new(Vec::new());

struct Log;

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LOGGED.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub(super) fn listen() {
    static STARTED: OnceLock<()> = OnceLock::new();
    STARTED.get_or_init(|| {
        tracing_subscriber::fmt()
            .with_writer(|| Log)
            .with_ansi(false)
            .with_max_level(tracing::Level::TRACE)
            .init();
    });
}

/// Everything that was logged so far, by every test of this process.
pub(super) fn all() -> String {
    String::from_utf8_lossy(&LOGGED.lock().unwrap()).into_owned()
}

/// The line of a request, once it is there.
pub(super) async fn line(id: &str) -> String {
    loop {
        let all = String::from_utf8_lossy(&LOGGED.lock().unwrap()).into_owned();
        let mut lines = all.lines().filter(|line| line.contains("aplomb::request") && line.contains(id));
        if let Some(line) = lines.next() {
            assert_eq!(lines.next(), None, "one line for each request");
            return line.to_owned();
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "local")]
async fn every_answer_is_told_with_the_status_that_the_caller_saw() {
    listen();
    let stop = "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
    let stream: Script = [events(&[stop, "data: [DONE]\n\n"]), vec![last()]].concat();
    let chunked = "HTTP/1.1 200 OK\r\ncontent-type: audio/mpeg\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n";
    let cases = [
        (
            "head",
            "HEAD /v1/models HTTP/1.1\r\nhost: localhost\r\nx-request-id: told-head\r\n\r\n".to_owned(),
            raw(head),
            200,
        ),
        (
            "empty",
            get("/x", "x-request-id: told-empty\r\n"),
            answer(200, "content-type: audio/mpeg\r\n", ""),
            200,
        ),
        ("none", get("/x", "x-request-id: told-none\r\n"), raw("HTTP/1.1 204 No Content\r\n\r\n"), 204),
        ("same", get("/x", "x-request-id: told-same\r\n"), raw("HTTP/1.1 304 Not Modified\r\n\r\n"), 304),
        ("json", get("/x", "x-request-id: told-json\r\n"), json(200, CHOICE), 200),
        (
            "sized",
            get("/x", "x-request-id: told-sized\r\n"),
            answer(200, "content-type: audio/mpeg\r\n", "abc"),
            200,
        ),
        ("chunked", get("/x", "x-request-id: told-chunked\r\n"), raw(chunked), 200),
        ("stream", post("/v1/chat/completions", "x-request-id: told-stream\r\n", STREAMED), stream, 200),
    ];
    for (name, request, script, status) in cases {
        let upstream = Upstream::always(script).await;
        let rig = Rig::before(&upstream);
        let mut wire = rig.connect().await;
        wire.send(request).await;
        let mut told = wire.head().await.unwrap();
        if name != "head" {
            wire.body(&mut told).await;
        }
        let line = line(&format!("told-{name}")).await;
        assert!(line.contains("INFO") && line.contains(&format!("status={status} ")), "{name}: {line}");
    }
}

#[tokio::test(flavor = "local")]
async fn a_caller_that_went_away_is_told_as_one() {
    listen();
    let upstream = Upstream::always(vec![Act::Silence]).await;
    let rig = Rig::before(&upstream);
    let mut wire = rig.connect().await;
    wire.send(get("/x", "x-request-id: told-gone\r\n")).await;
    upstream.hears(1).await;
    drop(wire);
    let line = line("told-gone").await;
    assert!(line.contains("status=499") && line.contains("cancelled"), "{line}");
}

#[tokio::test(flavor = "local")]
async fn a_refusal_of_our_key_is_loud() {
    listen();
    let body = r#"{"error":{"message":"Incorrect API key provided","type":"x","param":null,"code":"invalid_api_key"}}"#;
    let upstream = Upstream::always(json(401, body)).await;
    let rig =
        Rig::with(&upstream, Wishes { upstream: "credential = { env = \"KEY\" }", ..Wishes::default() });
    rig.chat("x-request-id: told-loud\r\n").await;
    let line = line("told-loud").await;
    assert!(line.contains("ERROR") && line.contains("Incorrect API key provided"), "{line}");
}

#[tokio::test(flavor = "local")]
async fn no_secret_reaches_the_log_whoever_says_it() {
    listen();
    let secret = "sk-proj-Zq81LmT5vW0xYc7B";
    let echo = |key: &str| {
        format!(
            r#"{{"error":{{"message":"Key {key} and {secret} (Bearer {secret}) are bad","type":"{secret}","param":"{key}","code":"{secret}"}}}}"#
        )
    };
    for (number, status) in [400, 401, 500, 200].into_iter().enumerate() {
        let upstream = Upstream::always(json(status, &echo(OUR_KEY))).await;
        let rig =
            Rig::with(&upstream, Wishes { upstream: "credential = { env = \"KEY\" }", ..Wishes::default() });
        let lines = format!(
            "x-request-id: told-secret-{number}\r\nauthorization: Bearer {secret}\r\nx-api-key: {secret}\r\ncookie: s={secret}\r\nx-odd: {secret}\r\n"
        );
        let told =
            rig.ask(post(&format!("/v1/{secret}?key={secret}&token={secret}"), &lines, &echo(secret))).await;
        assert!(!format!("{told:?}").contains(OUR_KEY), "{told:?}");
        line(&format!("told-secret-{number}")).await;
    }
    let all = String::from_utf8_lossy(&LOGGED.lock().unwrap()).into_owned();
    for line in all.lines() {
        assert!(!line.contains(secret) && !line.contains(OUR_KEY), "{line}");
    }
}

#[tokio::test(flavor = "local")]
async fn a_lane_says_once_that_it_is_paused_broken_and_well_again() {
    listen();
    let down = || json(500, r#"{"error":{"message":"boom"}}"#);
    let upstream = Upstream::by(move |number, _| match number {
        0 => busy(429, 30),
        1..=5 => down(),
        _ => json(200, CHOICE),
    })
    .await;
    let rig = Rig::with(&upstream, Wishes { route: "retry = { attempts = 8 }", ..Wishes::default() });
    assert_eq!(rig.chat("").await.status(), 200);
    let all = String::from_utf8_lossy(&LOGGED.lock().unwrap()).into_owned();
    let lines: Vec<_> = all.lines().filter(|line| line.contains("aplomb::lane")).collect();
    for (level, said) in [("INFO", "is paused"), ("WARN", "is broken"), ("INFO", "works again")] {
        let mut told = lines.iter().filter(|line| line.contains(said));
        let line = told.next().unwrap_or_else(|| panic!("{said}: {lines:#?}"));
        assert!(line.contains(level) && line.contains("upstream=\"first\" model=\"m-1\""), "{line}");
        assert_eq!(told.next(), None, "{lines:#?}");
    }
}

#[tokio::test(flavor = "local")]
async fn a_wrong_token_of_the_admin_port_is_told_without_its_value() {
    listen();
    let upstream = Upstream::always(json(200, CHOICE)).await;
    let rig = Rig::before(&upstream);
    let mut wire = super::caller::Wire::connect(rig.gateway.admin()).await;
    wire.send(get("/told-by-its-path", "authorization: Bearer nearly-the-right-one\r\n")).await;
    assert_eq!(wire.answer().await.status(), 401);
    let all = String::from_utf8_lossy(&LOGGED.lock().unwrap()).into_owned();
    assert!(all.contains("a wrong token on the admin port") && all.contains("/told-by-its-path"), "{all}");
    assert!(!all.contains("nearly-the-right-one"), "{all}");
}
