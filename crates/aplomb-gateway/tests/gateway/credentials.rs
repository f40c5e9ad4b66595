//! Credentials of ours: read, fetched, renewed when they are refused, and resting when that is in vain.

use std::cell::RefCell;
use std::path::PathBuf;
use std::rc::Rc;

use base64::Engine as _;
use futures_util::future::join_all;

use super::caller::Message;
use super::logs;
use super::rig::{CHOICE, CLIENT_SECRET, OTHER_KEY, OUR_KEY, Rig, Wishes, config, second};
use super::upstream::{Script, Upstream, json};

pub(super) const REFUSED: &str = r#"{"error":{"message":"Incorrect API key provided","type":"invalid_request_error","param":null,"code":"invalid_api_key"}}"#;
pub(super) const UNPAID: &str =
    r#"{"error":{"message":"Payment required","type":"billing_error","param":null,"code":null}}"#;

/// A file that is gone with the test.
pub(super) struct KeyFile(PathBuf);

impl KeyFile {
    pub(super) fn holding(key: &str) -> Self {
        let path = std::env::temp_dir().join(format!("aplomb-{}.key", uuid::Uuid::now_v7()));
        std::fs::write(&path, key).unwrap();
        Self(path)
    }

    fn write(&self, key: &str) {
        std::fs::write(&self.0, key).unwrap();
    }

    pub(super) fn credential(&self) -> String {
        format!("credential = {{ file = \"{}\" }}", self.0.display())
    }
}

impl Drop for KeyFile {
    fn drop(&mut self) {
        let _gone = std::fs::remove_file(&self.0);
    }
}

/// Which keys an upstream was asked with.
pub(super) fn keys(upstream: &Upstream) -> Vec<String> {
    let key = |request: &Message| request.says("authorization").trim_start_matches("Bearer ").to_owned();
    upstream.heard().iter().map(|heard| key(&heard.request)).collect()
}

/// An upstream that takes these keys and refuses all others.
pub(super) async fn taking(good: &[&str], refusal: Script) -> Upstream {
    let good: Vec<String> = good.iter().map(|key| format!("Bearer {key}")).collect();
    Upstream::by(move |_, request| {
        let taken = request.header("authorization").is_some_and(|key| good.iter().any(|good| good == key));
        if taken { json(200, CHOICE) } else { refusal.clone() }
    })
    .await
}

/// A token server that gives `token-1`, `token-2` and so on.
pub(super) async fn token_server() -> Upstream {
    Upstream::by(|index, _| {
        let body =
            format!(r#"{{"access_token":"token-{}","token_type":"Bearer","expires_in":3600}}"#, index + 1);
        json(200, &body)
    })
    .await
}

pub(super) fn oauth(server: &Upstream, more: &str) -> String {
    format!(
        "credential = {{ oauth = {{ token_url = \"{}/token\", client_id = \"me\", client_secret = {{ env = \"CLIENT_SECRET\" }}{more} }} }}",
        server.url()
    )
}

pub(super) fn with(upstream: &Upstream, credential: &str) -> Rig {
    Rig::with(upstream, Wishes { upstream: credential, ..Wishes::default() })
}

#[tokio::test(flavor = "local")]
async fn a_key_from_a_file_is_read_anew_when_it_is_refused() {
    let file = KeyFile::holding("file-key-one\n");
    let upstream = taking(&["file-key-two"], json(401, REFUSED)).await;
    let route = "retry = { attempts = 1 }";
    let rig = Rig::with(&upstream, Wishes { upstream: &file.credential(), route, ..Wishes::default() });
    file.write(" file-key-two \n");
    let told = rig.chat("").await;
    assert_eq!((told.status(), told.says("aplomb-attempts")), (200, "2"), "{told:?}");
    assert_eq!(keys(&upstream), ["file-key-one", "file-key-two"]);
}

#[tokio::test(flavor = "local")]
async fn a_refused_key_whose_file_did_not_change_is_not_sent_again() {
    let file = KeyFile::holding("file-key-one");
    let upstream = taking(&[], json(401, REFUSED)).await;
    let rig = with(&upstream, &file.credential());
    let told = rig.chat("").await;
    assert_eq!(
        (told.status(), told.says("aplomb-fault"), told.says("x-should-retry")),
        (503, "gateway", "false")
    );
    assert_eq!(upstream.count(), 1);
    std::fs::remove_file(&file.0).unwrap();
    assert_eq!(rig.chat("").await.status(), 503, "the key before is kept");
    assert_eq!(keys(&upstream), ["file-key-one"; 2]);
}

#[tokio::test(flavor = "local")]
async fn a_key_file_that_holds_none_is_a_mistake_of_the_configuration() {
    for (path, told) in
        [(KeyFile::holding(" \n"), "it is empty"), (KeyFile::holding("a\nb"), "can't stand in a header")]
    {
        let file = Wishes { upstream: &path.credential(), ..Wishes::default() }.file("http://127.0.0.1:9");
        let mistakes = super::rig::read(&file).unwrap_err();
        assert!(mistakes[0].message.contains(told), "{mistakes:?}");
    }
}

#[tokio::test(flavor = "local")]
async fn a_token_is_fetched_once_for_all_requests_on_all_threads() {
    let server = token_server().await;
    let upstream = taking(&["token-1"], json(401, REFUSED)).await;
    let file =
        Wishes { upstream: &oauth(&server, ", scope = \"a b\""), ..Wishes::default() }.file(&upstream.url());
    let rig = Rig::start(config(&file.replace("workers = 1", "workers = 3")));
    let told = join_all((0..30).map(|_| rig.chat(""))).await;
    assert!(told.iter().all(|told| told.status() == 200 && told.says("aplomb-attempts") == "1"), "{told:?}");
    let asked = server.only();
    assert_eq!(
        (asked.line.as_str(), asked.text().as_str()),
        ("POST /token HTTP/1.1", "grant_type=client_credentials&scope=a+b")
    );
    let pair = base64::engine::general_purpose::STANDARD.encode(format!("me:{CLIENT_SECRET}"));
    assert_eq!(asked.says("authorization"), format!("Basic {pair}"));
    assert_eq!(asked.says("content-type"), "application/x-www-form-urlencoded");
}

#[tokio::test(flavor = "local")]
async fn a_refused_token_is_renewed_once_for_all_and_each_call_repeated_once() {
    let server = token_server().await;
    let upstream = taking(&["token-2"], json(401, REFUSED)).await;
    let rig = with(&upstream, &oauth(&server, ""));
    let told = join_all((0..20).map(|_| rig.chat(""))).await;
    assert!(told.iter().all(|told| told.status() == 200), "{told:?}");
    assert_eq!(server.count(), 2);
    let keys = keys(&upstream);
    assert_eq!(keys.iter().filter(|key| *key == "token-2").count(), 20);
    let refused = told.iter().filter(|told| told.says("aplomb-attempts") == "2").count();
    assert_eq!(keys.len(), 20 + refused);
    assert_eq!(rig.chat("").await.says("aplomb-attempts"), "1");
    assert_eq!(server.count(), 2);
}

#[tokio::test(flavor = "local")]
async fn a_token_that_stays_refused_is_not_fetched_for_every_request() {
    let server = token_server().await;
    let upstream = taking(&[], json(401, REFUSED)).await;
    let rig = with(&upstream, &oauth(&server, ""));
    for attempts in ["2", "1", "1"] {
        let told = rig.chat("").await;
        assert_eq!(
            (told.status(), told.says("aplomb-kind"), told.says("aplomb-attempts")),
            (503, "unavailable", attempts)
        );
        assert_eq!(told.says("aplomb-fault"), "gateway");
        assert!(!format!("{told:?}").contains("token-"), "{told:?}");
    }
    assert_eq!(server.count(), 2);
}

#[tokio::test(flavor = "local")]
async fn a_refresh_token_that_was_exchanged_is_used_from_then_on() {
    let server = Upstream::by(|index, _| {
        let body = format!(r#"{{"access_token":"token-{0}","refresh_token":"refresh-{0}"}}"#, index + 1);
        json(200, &body)
    })
    .await;
    let good = Rc::new(RefCell::new("Bearer token-1".to_owned()));
    let now_good = Rc::clone(&good);
    let upstream = Upstream::by(move |_, request| {
        if request.header("authorization") == Some(&good.borrow()) {
            json(200, CHOICE)
        } else {
            json(401, REFUSED)
        }
    })
    .await;
    let refresh = ", grant = \"refresh_token\", refresh_token = { env = \"OTHER_KEY\" }, auth = \"body\"";
    let rig = with(&upstream, &oauth(&server, refresh));
    for number in 1..4 {
        *now_good.borrow_mut() = format!("Bearer token-{number}");
        assert_eq!(rig.chat("").await.status(), 200);
    }
    let asked: Vec<_> = server.heard().iter().map(|heard| heard.request.text()).collect();
    let form = |refresh: &str| {
        format!("grant_type=refresh_token&refresh_token={refresh}&client_id=me&client_secret={CLIENT_SECRET}")
    };
    assert_eq!(asked, [OTHER_KEY, "refresh-1", "refresh-2"].map(form));
}

#[tokio::test(flavor = "local")]
async fn a_credential_that_cannot_be_had_is_the_gateways_fault_with_the_cause_in_the_log() {
    logs::listen();
    let body = format!(
        r#"{{"error":"invalid_client","error_description":"no such client-of-log {CLIENT_SECRET}"}}"#
    );
    let server = Upstream::always(json(401, &body)).await;
    let upstream = Upstream::always(json(200, CHOICE)).await;
    for (route, cause) in [("", false), ("disclose = \"full\"", true), ("disclose = \"none\"", false)] {
        let rig = Rig::with(&upstream, Wishes { upstream: &oauth(&server, ""), route, ..Wishes::default() });
        let told = rig.chat("").await;
        assert_eq!(
            (told.status(), told.says("aplomb-kind"), told.says("aplomb-fault")),
            (503, "unavailable", "gateway")
        );
        assert_eq!((told.says("x-should-retry"), told.says("aplomb-attempts")), ("false", "0"));
        assert_eq!(told.text().contains("invalid_client"), cause, "{told:?}");
        assert!(!format!("{told:?}").contains(CLIENT_SECRET), "{told:?}");
        rig.chat("").await;
    }
    assert_eq!((upstream.count(), server.count()), (0, 3), "nobody asks again at once");
    let all = logs::all();
    assert!(all.contains("no such client-of-log [redacted]"), "{all}");
    assert!(!all.contains(CLIENT_SECRET));
}

#[tokio::test(flavor = "local")]
async fn a_token_server_that_fails_for_a_moment_is_asked_again() {
    let token = json(200, r#"{"access_token":"token-3"}"#);
    let server = Upstream::answering([json(503, "{}"), vec![super::upstream::Act::Reset], token]).await;
    let upstream = taking(&["token-3"], json(401, REFUSED)).await;
    let rig = with(&upstream, &oauth(&server, ""));
    assert_eq!(rig.chat("").await.status(), 200);
    assert_eq!(server.count(), 3);
}

#[tokio::test(flavor = "local")]
async fn without_a_token_an_equal_credential_or_the_fallback_is_asked() {
    let server = Upstream::always(json(500, "{}")).await;
    let upstream = Upstream::always(json(200, CHOICE)).await;
    let fetched = oauth(&server, "").replace("credential = ", "");
    let list = format!("credential = [{fetched}, {{ env = \"KEY\" }}]");
    let rig = with(&upstream, &list);
    assert_eq!(
        join_all((0..4).map(|_| rig.chat(""))).await.iter().filter(|told| told.status() == 200).count(),
        4
    );
    assert!(keys(&upstream).iter().all(|key| key == OUR_KEY));
    let other = Upstream::always(json(200, CHOICE)).await;
    let more = second(&other, "");
    let route = "fallback = [\"second\"]";
    let wishes = Wishes { upstream: &oauth(&server, ""), more: &more, route, ..Wishes::default() };
    let told = Rig::with(&upstream, wishes).chat("").await;
    assert_eq!((told.status(), other.count()), (200, 1));
}

#[tokio::test(flavor = "local")]
async fn a_token_that_an_upstream_repeats_is_hidden_also_after_it_was_renewed() {
    logs::listen();
    let server =
        Upstream::by(|index, _| json(200, &format!(r#"{{"access_token":"blue.heron.{index}"}}"#))).await;
    let upstream = Upstream::by(|_, request| match request.header("authorization") {
        Some("Bearer blue.heron.0") => json(401, REFUSED),
        _ => json(400, r#"{"error":{"message":"not blue.heron.0 nor blue.heron.1","type":"t","param":null,"code":"blue.heron.1"}}"#),
    })
    .await;
    let route = "disclose = \"full\"\ntrail = \"body\"";
    let rig = Rig::with(&upstream, Wishes { upstream: &oauth(&server, ""), route, ..Wishes::default() });
    let told = rig.chat("").await;
    assert_eq!((told.status(), upstream.count()), (400, 2));
    assert!(told.text().contains("not [redacted] nor [redacted]"), "{told:?}");
    assert!(!format!("{told:?}{}", logs::all()).contains("blue.heron"), "{told:?}");
}
