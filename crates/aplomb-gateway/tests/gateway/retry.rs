//! When a request is sent again, when elsewhere, when not at all, and what the caller hears about it.

use std::time::Duration;

use tokio::time::Instant;

use super::rig::{CHAT, CHOICE, OUR_KEY, Rig, Wishes, get, post, second};
use super::upstream::{Act, Gate, Script, Upstream, answer, busy, json, nobody, raw};

const MILLIS: Duration = Duration::from_millis(1);

/// An error of OpenAI's making.
fn error(status: u16, kind: &str, code: &str) -> Script {
    json(status, &format!(r#"{{"error":{{"message":"No","type":"{kind}","param":null,"code":"{code}"}}}}"#))
}

/// A POST to an endpoint that nobody knows, which must not happen twice.
fn order(lines: &str) -> String {
    post("/v1/orders", lines, r#"{"item":1}"#)
}

#[tokio::test(flavor = "local")]
async fn a_refusal_is_repeated_after_its_hint_and_not_before() {
    let upstream = Upstream::answering([busy(429, 60), busy(503, 40), json(200, CHOICE)]).await;
    let told = Rig::before(&upstream).chat("").await;
    assert_eq!((told.status(), told.says("aplomb-attempts")), (200, "3"));
    assert_eq!((told.header("x-should-retry"), told.header("aplomb-kind")), (None, None));
    let heard = upstream.heard();
    for (index, (floor, ceiling)) in [(60, 90), (40, 60)].into_iter().enumerate() {
        let wait = heard[index + 1].at - heard[index].at;
        // Above the ceiling comes what a busy machine takes.
        assert!(wait >= floor * MILLIS && wait < (ceiling + 500) * MILLIS, "{wait:?}");
        assert_eq!(heard[index + 1].request, heard[0].request, "the same request again");
    }
}

#[tokio::test(flavor = "local")]
async fn an_upstream_is_asked_as_often_as_configured_and_the_last_answer_passes() {
    let upstream = Upstream::always(busy(503, 5)).await;
    for attempts in [1, 2, 4] {
        let before = upstream.count();
        let route = format!("retry = {{ attempts = {attempts} }}");
        let rig = Rig::with(&upstream, Wishes { route: &route, ..Wishes::default() });
        let told = rig.chat("").await;
        assert_eq!((told.status(), upstream.count() - before), (503, attempts));
        assert_eq!(told.says("aplomb-attempts"), attempts.to_string());
        assert_eq!(told.says("x-should-retry"), (attempts == 1).to_string(), "one layer owns retries");
        assert_eq!((told.says("retry-after"), told.says("retry-after-ms")), ("1", "5"));
        assert_eq!(told.json()["error"]["message"], "Come back later");
        assert_eq!(told.header("aplomb-trail").is_some(), attempts > 1);
    }
}

#[tokio::test(flavor = "local")]
async fn what_the_caller_got_wrong_is_not_repeated() {
    for (status, code) in [
        (400, "x"),
        (401, "invalid_api_key"),
        (403, "x"),
        (404, "x"),
        (413, "x"),
        (422, "x"),
        (429, "insufficient_quota"),
    ] {
        let upstream = Upstream::always(error(status, code, code)).await;
        let other = Upstream::always(json(200, CHOICE)).await;
        let more = second(&other, "");
        let rig = Rig::with(&upstream, Wishes { more: &more, ..Wishes::default() });
        let told = rig.chat("").await;
        assert_eq!((told.status(), told.says("x-should-retry")), (status, "false"));
        assert_eq!((upstream.count(), told.header("retry-after")), (1, None));
    }
}

#[tokio::test(flavor = "local")]
async fn an_unknown_outcome_is_told_and_not_repeated() {
    for script in [
        error(500, "server_error", "x"),
        error(502, "server_error", "x"),
        error(504, "server_error", "x"),
        error(408, "server_error", "x"),
        vec![Act::Close],
        vec![Act::Reset],
        raw("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 10\r\n\r\n{")
            .into_iter()
            .chain([Act::Close])
            .collect(),
        raw("nonsense\r\n\r\n"),
    ] {
        let upstream = Upstream::always(script.clone()).await;
        let other = Upstream::always(json(200, CHOICE)).await;
        let more = second(&other, "");
        let rig = Rig::with(
            &upstream,
            Wishes { more: &more, route: "fallback = [\"second\"]", ..Wishes::default() },
        );
        let told = rig.ask(order("")).await;
        assert!(told.status() >= 500 || told.status() == 408, "{told:?}");
        assert_eq!((upstream.count(), other.count()), (1, 0), "{script:?}");
        assert_eq!(told.says("aplomb-outcome"), "unknown", "{script:?}");
        assert_eq!(told.says("x-should-retry"), "false", "{script:?}");
    }
}

#[tokio::test(flavor = "local")]
async fn an_unknown_outcome_is_repeated_where_that_is_harmless() {
    let lost = || vec![Act::Close];
    let repeatable = [
        (post("/v1/chat/completions", "", CHAT), ""),
        (post("/v1/embeddings", "", "{}"), ""),
        (order(""), "retry = { repeat = \"always\" }"),
        (get("/v1/orders", ""), ""),
        ("PUT /v1/orders/1 HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\n\r\n{}".to_owned(), ""),
        ("DELETE /v1/orders/1 HTTP/1.1\r\nhost: localhost\r\n\r\n".to_owned(), ""),
    ];
    for (request, route) in repeatable {
        let upstream = Upstream::answering([lost(), error(500, "server_error", "x"), json(200, "{}")]).await;
        let rig = Rig::with(&upstream, Wishes { route, ..Wishes::default() });
        let told = rig.ask(&request).await;
        assert_eq!((told.status(), upstream.count()), (200, 3), "{request}");
        assert_eq!(told.header("aplomb-outcome"), None);
    }
    let upstream = Upstream::answering([lost(), json(200, "{}")]).await;
    let rig = Rig::with(&upstream, Wishes { dialect: "stripe", ..Wishes::default() });
    let told = rig.ask(order("idempotency-key: 1\r\n")).await;
    assert_eq!((told.status(), upstream.count()), (200, 2), "a key that the upstream honours");
    let upstream = Upstream::always(lost()).await;
    let rig = Rig::with(&upstream, Wishes { route: "retry = { repeat = \"never\" }", ..Wishes::default() });
    let told = rig.chat("").await;
    assert_eq!((told.status(), upstream.count(), told.says("aplomb-outcome")), (502, 1, "unknown"));
}

#[tokio::test(flavor = "local")]
async fn what_was_never_sent_goes_elsewhere_whatever_it_is() {
    let (_kept, gone) = nobody();
    let other = Upstream::always(json(200, CHOICE)).await;
    let wishes = Wishes {
        more: &second(&other, ""),
        route: "fallback = [\"second\"]\nretry = { repeat = \"never\", attempts = 2 }",
        ..Wishes::default()
    };
    let rig = Rig::start(super::rig::config(&wishes.file(&format!("http://{gone}"))));
    let told = rig.ask(order("")).await;
    assert_eq!((told.status(), told.says("aplomb-attempts"), other.count()), (200, "3", 1));
}

#[tokio::test(flavor = "local")]
async fn an_upstream_that_refuses_connections_is_a_502_that_may_be_repeated_by_nobody_else() {
    let (_kept, gone) = nobody();
    let rig = Rig::start(super::rig::config(&Wishes::default().file(&format!("http://{gone}"))));
    let told = rig.ask(order("")).await;
    assert_eq!(
        (told.status(), told.says("aplomb-kind"), told.says("aplomb-fault")),
        (502, "bad_gateway", "network")
    );
    assert_eq!((told.says("aplomb-attempts"), told.header("aplomb-outcome")), ("3", None));
    assert_eq!(told.says("x-should-retry"), "false");
    assert!(!told.text().contains(&gone.port().to_string()), "no address is told: {told:?}");
}

#[tokio::test(flavor = "local")]
async fn a_silent_upstream_is_not_asked_again_but_the_next_one_is() {
    let upstream = Upstream::always(vec![Act::Silence]).await;
    let other = Upstream::always(json(200, CHOICE)).await;
    let more = second(&other, "");
    let wishes = Wishes {
        upstream: "timeouts = { headers = \"60ms\" }",
        more: &more,
        route: "fallback = [\"second\"]",
        ..Wishes::default()
    };
    let told = Rig::with(&upstream, wishes).chat("").await;
    assert_eq!((told.status(), upstream.count(), other.count()), (200, 1, 1));
    upstream.is_left(1).await;
    let told = Rig::with(&upstream, Wishes { route: "", ..wishes }).chat("").await;
    assert_eq!((told.status(), told.says("aplomb-kind"), upstream.count()), (504, "gateway_timeout", 2));
    assert_eq!((told.says("aplomb-fault"), told.says("aplomb-outcome")), ("network", "unknown"));
    upstream.is_left(2).await;
}

#[tokio::test(flavor = "local")]
async fn fallbacks_are_asked_in_order_with_their_model_and_their_key() {
    let first = Upstream::always(busy(503, 5)).await;
    let middle = Upstream::always(busy(429, 5)).await;
    let end = Upstream::always(json(200, CHOICE)).await;
    let more = [second(&middle, ""), second(&end, "").replace("second", "third")].concat();
    let wishes = Wishes {
        more: &more,
        route: "fallback = [{ upstream = \"second\", model = \"other/model\" }, { upstream = \"third\", model = \"m\\\"3\" }]\n\
                retry = { attempts = 2 }",
        ..Wishes::default()
    };
    let body = "{ \"messages\" : [{\"model\":\"inner\"}],\n\t\"model\" :\"m-1\", \"n\": 1.00 }";
    let lines = "authorization: Bearer theirs\r\ncookie: c=1\r\n";
    let told = Rig::with(&first, wishes).ask(post("/v1/chat/completions", lines, body)).await;
    assert_eq!((told.status(), told.says("aplomb-attempts")), (200, "5"));
    assert_eq!((first.count(), middle.count(), end.count()), (2, 2, 1));
    assert_eq!(first.heard()[1].request.text(), body);
    assert_eq!(first.heard()[1].request.says("authorization"), "Bearer theirs");
    for (upstream, model) in [(&middle, "other/model"), (&end, "m\\\"3")] {
        let heard = &upstream.heard()[0].request;
        assert_eq!(heard.text(), body.replace("m-1", model), "only the model's bytes change");
        assert_eq!(heard.says("authorization"), format!("Bearer {OUR_KEY}"));
        assert_eq!(heard.header("cookie"), None);
    }
}

#[tokio::test(flavor = "local")]
async fn blocked_content_is_blocked_everywhere() {
    let upstream = Upstream::always(error(400, "invalid_request_error", "content_policy_violation")).await;
    let other = Upstream::always(json(200, CHOICE)).await;
    let more = second(&other, "");
    let wishes = Wishes { more: &more, route: "fallback = [\"second\"]", ..Wishes::default() };
    let told = Rig::with(&upstream, wishes).chat("").await;
    assert_eq!((told.status(), told.says("aplomb-kind"), other.count()), (400, "content_blocked", 0));
}

#[tokio::test(flavor = "local")]
async fn a_context_that_is_too_long_goes_only_where_it_may_fit() {
    let upstream = Upstream::always(error(400, "invalid_request_error", "context_length_exceeded")).await;
    let other = Upstream::always(json(200, CHOICE)).await;
    let more = second(&other, "");
    for (context, status) in [("", 200), (", context = 4000", 200), (", context = 100", 200)] {
        let route = format!("fallback = [{{ upstream = \"second\"{context} }}]");
        let wishes = Wishes { more: &more, route: &route, ..Wishes::default() };
        let told = Rig::with(&upstream, wishes).chat("").await;
        assert_eq!(told.status(), status, "{context}: what isn't declared may be larger");
    }
}

#[tokio::test(flavor = "local")]
async fn a_context_that_is_too_long_goes_to_none_that_is_declared_to_be_no_larger() {
    let upstream = Upstream::always(error(400, "invalid_request_error", "context_length_exceeded")).await;
    let other = Upstream::always(json(200, CHOICE)).await;
    let own = "context = 8000";
    for (first, second_, fallback, status) in [
        ("", own, "", 200),
        (own, "", "", 200),
        (own, own, "", 400),
        (own, "context = 8001", "", 200),
        (own, own, ", context = 9000", 200),
        (own, "context = 9000", ", context = 4000", 400),
        (own, "", ", context = 8000", 400),
    ] {
        let (more, route) =
            (second(&other, second_), format!("fallback = [{{ upstream = \"second\"{fallback} }}]"));
        let wishes = Wishes { upstream: first, more: &more, route: &route, ..Wishes::default() };
        let told = Rig::with(&upstream, wishes).chat("").await;
        assert_eq!(told.status(), status, "{first}, then {second_}{fallback}");
    }
}

#[tokio::test(flavor = "local")]
async fn a_hint_beyond_the_longest_wait_is_passed_on_at_once() {
    let upstream = Upstream::always(busy(429, 90_500)).await;
    for (route, attempts) in
        [("", "1"), ("queue = { max_wait = \"1s\" }", "1"), ("retry = { deadline = \"1s\" }", "1")]
    {
        let began = Instant::now();
        let told = Rig::with(&upstream, Wishes { route, ..Wishes::default() }).chat("").await;
        assert!(began.elapsed() < Duration::from_secs(5));
        assert_eq!((told.status(), told.says("aplomb-attempts")), (429, attempts));
        assert_eq!((told.says("retry-after"), told.says("retry-after-ms")), ("91", "90500"));
        assert_eq!(told.says("x-should-retry"), "true");
    }
}

#[tokio::test(flavor = "local")]
async fn a_long_hint_is_not_waited_for_when_there_is_a_fallback() {
    let upstream = Upstream::always(busy(429, 30_000)).await;
    let other = Upstream::always(json(200, CHOICE)).await;
    let more = second(&other, "");
    let wishes = Wishes { more: &more, route: "fallback = [\"second\"]", ..Wishes::default() };
    let told = Rig::with(&upstream, wishes).chat("").await;
    assert_eq!((told.status(), upstream.count(), other.count()), (200, 1, 1));
}

#[tokio::test(flavor = "local")]
async fn no_attempt_begins_after_the_deadline_and_none_is_cut_by_it() {
    let slow = |status| [vec![Act::Rest(150 * MILLIS)], busy(status, 5)].concat();
    let upstream = Upstream::always(slow(503)).await;
    let rig = Rig::with(&upstream, Wishes { route: "retry = { deadline = \"100ms\" }", ..Wishes::default() });
    let told = rig.chat("").await;
    assert_eq!((told.status(), told.says("aplomb-attempts"), upstream.count()), (503, "1", 1));
}

#[tokio::test(flavor = "local")]
async fn our_answer_comes_before_the_caller_gives_up() {
    for (lines, patience) in [("x-stainless-read-timeout: 0.4\r\n", 400), ("grpc-timeout: 400m\r\n", 400)] {
        let upstream = Upstream::always(vec![Act::Silence]).await;
        let rig = Rig::before(&upstream);
        let began = Instant::now();
        let told = rig.chat(lines).await;
        assert!(began.elapsed() < patience * MILLIS, "{:?}", began.elapsed());
        assert_eq!((told.status(), told.says("aplomb-kind")), (504, "gateway_timeout"), "{told:?}");
        assert_eq!((told.says("x-should-retry"), told.says("aplomb-outcome")), ("false", "unknown"));
        assert_eq!(told.says("aplomb-attempts"), "1", "the attempt that was cut counts");
        upstream.is_left(1).await;
    }
}

#[tokio::test(flavor = "local")]
async fn a_wait_beyond_the_callers_patience_is_not_begun() {
    let upstream = Upstream::always(busy(429, 20_000)).await;
    let began = Instant::now();
    let told = Rig::before(&upstream).chat("x-stainless-read-timeout: 10\r\n").await;
    assert!(began.elapsed() < Duration::from_secs(5));
    assert_eq!((told.status(), told.says("retry-after"), told.says("x-should-retry")), (429, "20", "true"));
}

#[tokio::test(flavor = "local")]
async fn patience_that_ends_in_a_second_attempt_leaves_an_unknown_outcome() {
    let upstream = Upstream::answering([busy(503, 5), vec![Act::Silence]]).await;
    let rig = Rig::before(&upstream);
    let told = rig.ask(order("x-stainless-read-timeout: 0.5\r\n")).await;
    assert_eq!(upstream.count(), 2);
    assert_eq!((told.says("aplomb-attempts"), told.says("aplomb-outcome")), ("2", "unknown"), "{told:?}");
    assert_eq!(told.says("x-should-retry"), "false");
    upstream.is_left(1).await;
}

#[tokio::test(flavor = "local")]
async fn a_caller_that_hangs_up_takes_the_request_upstream_with_it() {
    let upstream = Upstream::always(vec![Act::Silence]).await;
    let rig = Rig::before(&upstream);
    let mut wire = rig.connect().await;
    wire.send(post("/v1/chat/completions", "", CHAT)).await;
    upstream.hears(1).await;
    drop(wire);
    upstream.is_left(1).await;
    assert_eq!(upstream.count(), 1);
}

#[tokio::test(flavor = "local")]
async fn a_caller_that_hangs_up_while_a_wait_runs_is_not_sent_again() {
    let upstream = Upstream::answering([busy(503, 30_000), json(200, CHOICE)]).await;
    let rig = Rig::before(&upstream);
    let mut wire = rig.connect().await;
    wire.send(post("/v1/chat/completions", "", CHAT)).await;
    upstream.hears(1).await;
    drop(wire);
    while rig.gateway.in_flight() > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(upstream.count(), 1);
}

#[tokio::test(flavor = "local")]
async fn a_connection_that_the_upstream_closed_in_between_is_replaced_unseen() {
    let gate = Gate::default();
    let (close, opened) = (gate.clone(), gate.clone());
    let upstream = Upstream::by(move |index, _| match index {
        0 => [json(200, CHOICE), vec![Act::Close]].concat(),
        _ => json(200, CHOICE),
    })
    .await;
    close.open();
    opened.passed().await;
    let rig = Rig::before(&upstream);
    for attempts in ["1", "1", "1"] {
        let told = rig.ask(order("")).await;
        assert_eq!((told.status(), told.says("aplomb-attempts")), (200, attempts));
    }
    assert_eq!(upstream.connections(), 2);
}

#[tokio::test(flavor = "local")]
async fn waits_are_read_wherever_they_stand() {
    for (lines, body) in [
        ("retry-after: 90\r\n", "{}"),
        ("x-ratelimit-remaining-requests: 0\r\nx-ratelimit-reset-requests: 1m30s\r\n", "{}"),
        (
            "",
            r#"{"error":{"message":"Please try again in 1m30s.","type":"requests","param":null,"code":"rate_limit_exceeded"}}"#,
        ),
    ] {
        let upstream =
            Upstream::always(answer(429, &format!("content-type: application/json\r\n{lines}"), body)).await;
        let told = Rig::before(&upstream).chat("").await;
        assert_eq!((told.status(), told.says("retry-after")), (429, "90"), "{lines} {body}");
        assert_eq!((told.says("x-should-retry"), upstream.count()), ("true", 1));
    }
}
