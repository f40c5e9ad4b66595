//! `GET /metrics`: what was counted, in the format of OpenMetrics, with labels that nobody outside chooses.

use super::caller::Wire;
use super::rig::{CHAT, CHOICE, OUR_KEY, Rig, STREAMED, TOKEN, Wishes, get, post, second};
use super::upstream::{Act, Script, Upstream, busy, events, json, last};

/// The page.
async fn page(rig: &Rig) -> String {
    let mut wire = Wire::connect(rig.gateway.admin()).await;
    wire.send(get("/metrics", TOKEN)).await;
    let told = wire.answer().await;
    assert_eq!(told.status(), 200);
    assert!(told.says("content-type").starts_with("application/openmetrics-text; version=1.0.0"));
    let text = told.text().to_owned();
    assert!(text.ends_with("\n# EOF\n"), "{text}");
    text
}

/// The page, once it has this line.
async fn page_with(rig: &Rig, line: &str) -> String {
    loop {
        let page = page(rig).await;
        if page.lines().any(|own| own == line) {
            return page;
        }
        tokio::task::yield_now().await;
    }
}

fn has(page: &str, lines: &[&str]) {
    for line in lines {
        assert!(page.lines().any(|own| own == *line), "{line}\n\n{page}");
    }
}

#[tokio::test(flavor = "local")]
async fn requests_attempts_and_lanes_are_counted_once_each() {
    let wrong = r#"{"error":{"message":"no","type":"invalid_request_error","param":null,"code":null}}"#;
    let upstream =
        Upstream::answering([json(200, CHOICE), busy(429, 20), json(200, CHOICE), json(400, wrong)]).await;
    let rig = Rig::before(&upstream);
    for status in [200, 200, 400] {
        assert_eq!(rig.chat("").await.status(), status);
    }
    let page =
        page_with(&rig, r#"aplomb_requests_total{route="/",status="4xx",kind="invalid_request"} 1"#).await;
    has(
        &page,
        &[
            "# TYPE aplomb_requests counter",
            r#"aplomb_requests_total{route="/",status="2xx",kind="ok"} 2"#,
            r#"aplomb_attempts_total{upstream="first",outcome="ok"} 2"#,
            r#"aplomb_attempts_total{upstream="first",outcome="rate_limit"} 1"#,
            r#"aplomb_attempts_total{upstream="first",outcome="invalid_request"} 1"#,
            r#"aplomb_retries_total{route="/"} 1"#,
            r#"aplomb_retries_refused_total{route="/",reason="not_retryable"} 1"#,
            r#"aplomb_request_seconds_count{route="/"} 3"#,
            r#"aplomb_first_byte_seconds_bucket{le="+Inf",route="/"} 3"#,
            "aplomb_in_flight 0",
            "aplomb_held_bytes 0",
            r#"aplomb_lanes{upstream="first",model="m-1",breaker="closed"} 1"#,
            r#"aplomb_lanes{upstream="first",model="m-1",breaker="open"} 0"#,
            r#"aplomb_lane_sent_total{upstream="first",model="m-1"} 4"#,
            r#"aplomb_lane_limited_total{upstream="first",model="m-1"} 1"#,
            r#"aplomb_lane_waiting{upstream="first",model="m-1"} 0.0"#,
        ],
    );
    let waited = page.lines().find(|line| line.starts_with("aplomb_queue_wait_seconds_count"));
    assert!(waited.is_some_and(|line| !line.ends_with(" 0")), "the retry waited for the pause to end");
    let series: Vec<_> =
        page.lines().filter_map(|line| line.rsplit_once(' ')).map(|(name, _)| name).collect();
    let mut told = series.clone();
    told.sort_unstable();
    told.dedup();
    assert_eq!(told.len(), series.len(), "no series is told twice\n{page}");
}

#[tokio::test(flavor = "local")]
async fn what_kept_a_request_from_being_sent_again_is_counted() {
    let upstream = Upstream::always(json(503, r#"{"error":{"message":"down"}}"#)).await;
    let rig = Rig::with(&upstream, Wishes { route: "retry = { attempts = 2 }", ..Wishes::default() });
    assert_eq!(rig.chat("").await.status(), 503);
    let page = page_with(&rig, r#"aplomb_requests_total{route="/",status="5xx",kind="unavailable"} 1"#).await;
    has(&page, &[r#"aplomb_retries_refused_total{route="/",reason="attempts"} 1"#]);
}

#[tokio::test(flavor = "local")]
async fn a_stream_that_breaks_and_a_caller_that_goes_are_counted_as_what_they_are() {
    let cut: Script =
        [events(&["data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]}\n\n"]), vec![last()]]
            .concat();
    let upstream = Upstream::answering([cut, vec![Act::Silence]]).await;
    let rig = Rig::before(&upstream);
    rig.stream().await;
    let mut wire = rig.connect().await;
    wire.send(post("/v1/chat/completions", "", STREAMED)).await;
    upstream.hears(2).await;
    drop(wire);
    let page = page_with(&rig, r#"aplomb_requests_total{route="/",status="4xx",kind="cancelled"} 1"#).await;
    has(
        &page,
        &[
            r#"aplomb_requests_total{route="/",status="2xx",kind="bad_gateway"} 1"#,
            r#"aplomb_attempts_total{upstream="first",outcome="cancelled"} 1"#,
            r#"aplomb_first_byte_seconds_count{route="/"} 1"#,
            r#"aplomb_request_seconds_count{route="/"} 2"#,
        ],
    );
}

#[tokio::test(flavor = "local")]
async fn nothing_that_a_caller_says_becomes_a_label_but_the_name_of_a_model() {
    let secret = "sk-proj-Zq81LmT5vW0xYc7B";
    let upstream = Upstream::always(json(200, CHOICE)).await;
    let wishes = Wishes { upstream: "credential = { env = \"KEY\" }", ..Wishes::default() };
    let file = wishes.file(&upstream.url()).replace("path = \"/\"", "path = \"/known\"");
    let rig = Rig::start(super::rig::config(&file));
    let lines = format!("authorization: Bearer {secret}\r\nx-odd: {secret}\r\nx-request-id: of-a-caller\r\n");
    for path in ["/unknown/place", "/other/../place"] {
        assert!(rig.ask(post(path, &lines, CHAT)).await.status() >= 400);
    }
    assert!(rig.ask("nonsense\r\n\r\n").await.status() >= 400);
    let models = [secret.to_owned(), "a\\\"b\\nc".to_owned(), "x".repeat(5_000)];
    for body in models.map(|model| CHAT.replace("m-1", &model)) {
        rig.ask(post("/known/v1/chat/completions", &lines, &body)).await;
    }
    let page = page_with(&rig, r#"aplomb_requests_total{route="/known",status="2xx",kind="ok"} 3"#).await;
    has(
        &page,
        &[
            r#"aplomb_requests_total{route="-",status="4xx",kind="not_found"} 1"#,
            r#"aplomb_requests_total{route="-",status="4xx",kind="invalid_request"} 2"#,
            r#"aplomb_lane_sent_total{upstream="first",model="[redacted]"} 1"#,
            "aplomb_lane_sent_total{upstream=\"first\",model=\"a\\\"b\u{fffd}c\"} 1",
            r#"aplomb_lane_sent_total{upstream="first",model=""} 1"#,
        ],
    );
    for word in [secret, OUR_KEY, "unknown", "place", "of-a-caller", "token-of-the-tests", "xxxx"] {
        assert!(!page.contains(word), "{word}\n{page}");
    }
}

#[tokio::test(flavor = "local")]
async fn another_configuration_goes_on_counting() {
    use std::sync::{Arc, Mutex};
    let upstream = Upstream::always(json(200, CHOICE)).await;
    let first = Wishes::default().file(&upstream.url());
    let file = Arc::new(Mutex::new(first.clone()));
    let source = Arc::clone(&file);
    let reload: aplomb_gateway::Reload = Arc::new(move || super::rig::read(&source.lock().unwrap()));
    let config = super::rig::config(&first);
    let gateway = aplomb_gateway::Gateway::start(
        config,
        aplomb_core::catalog(),
        |_| None,
        Some(reload),
        super::rig::token(),
    );
    let rig = Rig { gateway: gateway.unwrap() };
    rig.chat("").await;
    let more = second(&upstream, "");
    *file.lock().unwrap() =
        Wishes { more: &more, route: "fallback = [\"second\"]", ..Wishes::default() }.file(&upstream.url());
    rig.gateway.reload().unwrap();
    rig.chat("").await;
    let page = page_with(&rig, r#"aplomb_requests_total{route="/",status="2xx",kind="ok"} 2"#).await;
    has(&page, &[r#"aplomb_attempts_total{upstream="first",outcome="ok"} 2"#]);
}
