//! What an attacker tries from either side: answers that lead elsewhere, and words that would be headers, events or lines.

use serde_json::json as value;

use super::caller::Message;
use super::credentials::{oauth, with};
use super::logs;
use super::rig::{CHOICE, CLIENT_SECRET, Rig, STREAMED, Wishes, get, post};
use super::upstream::{Upstream, events, json, last, raw};

/// What would end a line, a header, an event or a text, and what a terminal would obey.
const EVIL: &str = "x\r\nset-cookie: a=1\r\n\r\ndata: evil\n\nevent: evil\n\0\u{1b}[2J\u{85}\u{2028}y";

/// An error of OpenAI's making with that everywhere.
fn evil() -> String {
    value!({"error": {"message": EVIL, "type": EVIL, "param": EVIL, "code": EVIL}}).to_string()
}

/// Nothing of it became a header.
fn is_harmless(told: &Message) -> bool {
    told.whole
        && told.headers.iter().all(|(name, value)| name != "set-cookie" && !value.contains(['\r', '\n']))
}

#[tokio::test(flavor = "local")]
async fn no_answer_leads_the_gateway_elsewhere() {
    let elsewhere = Upstream::always(json(200, CHOICE)).await;
    for status in [300, 301, 302, 303, 305, 307, 308] {
        let lines = format!(
            "location: {0}/x\r\nrefresh: 0;url={0}\r\ncontent-location: {0}\r\ncontent-length: 0\r\n",
            elsewhere.url()
        );
        let upstream = Upstream::always(raw(format!("HTTP/1.1 {status} Scripted\r\n{lines}\r\n"))).await;
        for route in ["", "stream = \"hold\""] {
            let ours = "credential = { env = \"KEY\" }";
            let rig = Rig::with(&upstream, Wishes { upstream: ours, route, ..Wishes::default() });
            for request in [get("/v1/models", ""), post("/v1/chat/completions", "", STREAMED)] {
                let told = rig.ask(request).await;
                assert_eq!(told.status(), status);
                assert_eq!(told.says("location"), format!("{}/x", elsewhere.url()), "its caller may follow");
            }
        }
        assert_eq!(upstream.count(), 4);
    }
    assert_eq!(elsewhere.connections(), 0);
}

#[tokio::test(flavor = "local")]
async fn no_token_server_sends_our_secret_elsewhere() {
    let elsewhere = Upstream::always(json(200, r#"{"access_token":"t"}"#)).await;
    let upstream = Upstream::always(json(200, CHOICE)).await;
    for status in [301, 302, 307, 308] {
        let lines = format!("location: {}/token\r\ncontent-length: 0\r\n", elsewhere.url());
        let server = Upstream::always(raw(format!("HTTP/1.1 {status} Scripted\r\n{lines}\r\n"))).await;
        let told = with(&upstream, &oauth(&server, "")).chat("").await;
        assert_eq!((told.status(), told.says("aplomb-fault"), server.count()), (503, "gateway", 1));
        assert!(!format!("{told:?}").contains(CLIENT_SECRET));
    }
    assert_eq!((elsewhere.connections(), upstream.connections()), (0, 0));
}

#[tokio::test(flavor = "local")]
async fn a_target_that_names_another_host_is_asked_of_nobody_but_the_upstream() {
    let elsewhere = Upstream::always(json(200, CHOICE)).await;
    let upstream = Upstream::always(json(200, CHOICE)).await;
    let rig = Rig::before(&upstream);
    let there = elsewhere.address;
    for target in [
        format!("http://{there}/x"),
        format!("//{there}/x"),
        format!("/@{there}/x"),
        format!("/http://{there}/x"),
        format!("/\\{there}/x"),
        format!("/x?url=http://{there}/"),
    ] {
        rig.ask(format!("GET {target} HTTP/1.1\r\nhost: localhost\r\n\r\n")).await;
    }
    for lines in [format!("x-forwarded-host: {there}\r\n"), format!("forwarded: host={there}\r\n")] {
        rig.ask(get("/x", &lines)).await;
    }
    assert_eq!(elsewhere.connections(), 0);
    let own = upstream.address.to_string();
    assert!(upstream.heard().iter().all(|heard| heard.request.says("host") == own));
}

#[tokio::test(flavor = "local")]
async fn no_words_of_an_upstream_become_headers_in_any_dialect() {
    let upstream = Upstream::always(json(422, &evil())).await;
    for dialect in aplomb_core::catalog().dialects() {
        let route = format!("answer = \"{}\"\ntrail = \"body\"", dialect.name);
        let told = Rig::with(&upstream, Wishes { route: &route, ..Wishes::default() }).chat("").await;
        assert!(told.status() >= 400 && is_harmless(&told), "{} {told:?}", dialect.name);
    }
}

#[tokio::test(flavor = "local")]
async fn no_words_of_an_upstream_become_events_in_any_dialect() {
    const TOKEN: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]}\n\n";
    let mut script = events(&[TOKEN, &format!("data: {}\n\n", evil())]);
    script.push(last());
    let upstream = Upstream::always(script).await;
    for dialect in aplomb_core::catalog().dialects() {
        let route = format!("answer = \"{}\"", dialect.name);
        let told = Rig::with(&upstream, Wishes { route: &route, ..Wishes::default() }).stream().await;
        assert!(is_harmless(&told), "{} {told:?}", dialect.name);
        let text = told.text();
        let evil =
            |line: &str| ["set-cookie", "data: evil", "event: evil"].iter().any(|bad| line.starts_with(bad));
        assert!(!text.split(['\r', '\n', '\0']).any(evil), "{} {text}", dialect.name);
        assert_eq!(
            text.split("\n\n").filter(|event| !event.is_empty()).count(),
            2,
            "{} {text}",
            dialect.name
        );
    }
}

#[tokio::test(flavor = "local")]
async fn no_words_of_an_upstream_become_lines_of_the_log() {
    logs::listen();
    let upstream = Upstream::always(json(400, &evil())).await;
    Rig::before(&upstream).chat("x-request-id: told-evil\r\n").await;
    logs::line("told-evil").await;
    let all = logs::all();
    assert!(!all.contains(['\0', '\u{1b}', '\r']));
    assert!(
        !all.lines().any(|line| line.starts_with("set-cookie") || line.starts_with("data: evil")),
        "{all}"
    );
}

#[tokio::test(flavor = "local")]
async fn an_answer_whose_head_is_broken_is_no_answer() {
    for line in ["x-a: b\rset-cookie: c=1", "x-a: b\0c", "x\0a: b", "x-a : b", ": b"] {
        let upstream =
            Upstream::always(raw(format!("HTTP/1.1 200 OK\r\n{line}\r\ncontent-length: 0\r\n\r\n"))).await;
        let told = Rig::before(&upstream).ask(get("/x", "")).await;
        assert!(is_harmless(&told), "{line:?} {told:?}");
        assert_eq!((told.status(), told.says("aplomb-kind")), (502, "bad_gateway"), "{line:?}");
    }
}

#[tokio::test(flavor = "local")]
async fn an_id_that_could_be_more_than_an_id_is_replaced() {
    let upstream = Upstream::always(json(200, CHOICE)).await;
    let rig = Rig::before(&upstream);
    for id in ["a\tb", "a,b", "a;b", "<b>", "a%0d%0aset-cookie:c", "a\u{e9}", "${jndi:ldap://a}"] {
        let told = rig.chat(&format!("x-request-id: {id}\r\n")).await;
        assert!(told.says("aplomb-request-id").starts_with("req_"), "{id}");
    }
    for id in ["a\rb", "a\0b"] {
        let told = rig.chat(&format!("x-request-id: {id}\r\n")).await;
        assert_eq!((told.status(), is_harmless(&told)), (400, true), "{id:?}");
    }
    assert_eq!(upstream.count(), 7);
}
