//! Credentials of ours that rest because an upstream doesn't want them: others serve, and the admin port tells why.

use super::caller::Wire;
use super::credentials::{KeyFile, REFUSED, UNPAID, keys, oauth, taking, token_server, with};
use super::rig::{CHOICE, CLIENT_SECRET, OTHER_KEY, OUR_KEY, Rig, TOKEN, Wishes, config, get, second};
use super::upstream::{Upstream, json};

const EXHAUSTED: &str = r#"{"error":{"message":"You exceeded your current quota","type":"insufficient_quota","param":null,"code":"insufficient_quota"}}"#;

#[tokio::test(flavor = "local")]
async fn one_that_is_exhausted_or_refused_rests_alone_and_the_other_serves() {
    for (status, body) in [(401, REFUSED), (402, UNPAID), (429, EXHAUSTED)] {
        let upstream = taking(&[OTHER_KEY], json(status, body)).await;
        let list = "credential = [{ env = \"KEY\" }, { env = \"OTHER_KEY\" }]";
        let route = "retry = { attempts = 1 }";
        let rig = Rig::with(&upstream, Wishes { upstream: list, route, ..Wishes::default() });
        for _ in 0..12 {
            let told = rig.chat("").await;
            assert_eq!(told.status(), 200, "{status} {told:?}");
        }
        let tried = keys(&upstream).iter().filter(|key| *key == OUR_KEY).count();
        assert_eq!((tried, upstream.count()), (1, 13), "{status}");
    }
}

#[tokio::test(flavor = "local")]
async fn when_all_are_refused_each_is_tried_once_and_then_the_fallback() {
    let upstream = taking(&[], json(401, REFUSED)).await;
    let other = taking(&[OUR_KEY], json(401, REFUSED)).await;
    let file = KeyFile::holding("file-key-one");
    let list = format!(
        "credential = [{{ env = \"KEY\" }}, {{ env = \"OTHER_KEY\" }}, {}]",
        file.credential().replace("credential = ", "")
    );
    let more = second(&other, "");
    let wishes =
        Wishes { upstream: &list, more: &more, route: "fallback = [\"second\"]", ..Wishes::default() };
    let told = Rig::with(&upstream, wishes).chat("").await;
    assert_eq!((told.status(), told.says("aplomb-attempts")), (200, "4"), "{told:?}");
    let mut tried = keys(&upstream);
    tried.sort();
    assert_eq!(tried, ["file-key-one", OTHER_KEY, OUR_KEY]);
    let told = with(&upstream, &list).chat("").await;
    assert_eq!(
        (told.status(), told.says("aplomb-attempts"), told.says("aplomb-fault")),
        (503, "3", "gateway")
    );
}

#[tokio::test(flavor = "local")]
async fn while_the_only_credential_rests_the_fallback_is_asked_at_once() {
    let upstream = taking(&[], json(402, UNPAID)).await;
    let other = Upstream::always(json(200, CHOICE)).await;
    let more = second(&other, "");
    let route = "fallback = [\"second\"]";
    let ours = "credential = { env = \"OTHER_KEY\" }";
    let rig = Rig::with(&upstream, Wishes { upstream: ours, more: &more, route, ..Wishes::default() });
    for attempts in ["2", "1", "1"] {
        let told = rig.chat("").await;
        assert_eq!((told.status(), told.says("aplomb-attempts")), (200, attempts), "{told:?}");
    }
    assert_eq!((upstream.count(), other.count()), (1, 3));
}

#[tokio::test(flavor = "local")]
async fn when_every_credential_rests_all_are_asked_in_their_order() {
    let upstream = taking(&[], json(402, UNPAID)).await;
    let other = taking(&[], json(402, UNPAID)).await;
    let more = second(&other, "");
    let route = "fallback = [\"second\"]";
    let ours = "credential = { env = \"OTHER_KEY\" }";
    let rig = Rig::with(&upstream, Wishes { upstream: ours, more: &more, route, ..Wishes::default() });
    for _ in 0..2 {
        let told = rig.chat("").await;
        assert_eq!((told.status(), told.says("aplomb-attempts")), (503, "2"), "{told:?}");
    }
    assert_eq!((upstream.count(), other.count()), (2, 2));
}

#[tokio::test(flavor = "local")]
async fn of_equal_upstreams_the_one_whose_credential_rests_is_not_asked() {
    let upstream = taking(&[], json(402, UNPAID)).await;
    let other = Upstream::always(json(200, CHOICE)).await;
    let more = second(&other, "");
    let ours = "credential = { env = \"OTHER_KEY\" }";
    let file = Wishes { upstream: ours, more: &more, ..Wishes::default() }.file(&upstream.url());
    let equals = "upstream = [{ name = \"first\", weight = 9 }, \"second\"]";
    let rig = Rig::start(config(&file.replace("upstream = \"first\"", equals)));
    while upstream.count() == 0 {
        assert_eq!(rig.chat("").await.status(), 200);
    }
    for _ in 0..12 {
        assert_eq!(rig.chat("").await.says("aplomb-attempts"), "1");
    }
    assert_eq!(upstream.count(), 1);
}

#[tokio::test(flavor = "local")]
async fn a_reload_keeps_a_token_and_what_rests() {
    let server = token_server().await;
    let upstream = taking(&["token-1"], json(401, REFUSED)).await;
    let fetched = oauth(&server, "").replace("credential = ", "");
    let list = format!("credential = [{{ env = \"KEY\" }}, {fetched}]");
    let text = Wishes { upstream: &list, ..Wishes::default() }.file(&upstream.url());
    let again = text.clone();
    let reload: aplomb_gateway::Reload = std::sync::Arc::new(move || super::rig::read(&again));
    let gateway = aplomb_gateway::Gateway::start(
        config(&text),
        aplomb_core::catalog(),
        |_| None,
        Some(reload),
        super::rig::token(),
    );
    let rig = Rig { gateway: gateway.unwrap() };
    for _ in 0..6 {
        assert_eq!(rig.chat("").await.status(), 200);
    }
    rig.gateway.reload().unwrap();
    for _ in 0..6 {
        assert_eq!(rig.chat("").await.status(), 200);
    }
    assert_eq!(keys(&upstream).iter().filter(|key| *key == OUR_KEY).count(), 1);
    assert_eq!(server.count(), 1);
}

/// What the admin port says of credentials.
async fn told(rig: &Rig) -> serde_json::Value {
    let mut wire = Wire::connect(rig.gateway.admin()).await;
    wire.send(get("/lanes", TOKEN)).await;
    let text = wire.answer().await.text();
    for secret in [OUR_KEY, OTHER_KEY, CLIENT_SECRET, "token-1", "refresh"] {
        assert!(!text.contains(secret), "{text}");
    }
    serde_json::from_str::<serde_json::Value>(&text).unwrap()["credentials"].clone()
}

#[tokio::test(flavor = "local")]
async fn the_admin_port_tells_which_credential_rests_and_why_and_when_tokens_run_out() {
    let server = token_server().await;
    let upstream = taking(&["token-1"], json(402, UNPAID)).await;
    let list =
        format!("credential = [{{ env = \"KEY\" }}, {}]", oauth(&server, "").replace("credential = ", ""));
    let rig = with(&upstream, &list);
    let before = told(&rig).await;
    let unused = |number, from, there| {
        serde_json::json!({
            "upstream": "first", "number": number, "from": from, "there": there, "rests_for_s": null,
            "rests_because": null, "renewed_in_s": null, "expires_in_s": null, "last_fetch": null,
        })
    };
    assert_eq!(before, serde_json::json!([unused(1, "configuration", true), unused(2, "oauth", false)]));
    while !keys(&upstream).contains(&OUR_KEY.to_owned()) {
        assert_eq!(rig.chat("").await.status(), 200);
    }
    let after = told(&rig).await;
    let within = |at: &str, bounds: std::ops::RangeInclusive<f64>| {
        assert!(
            after.pointer(at).unwrap().as_f64().is_some_and(|left| bounds.contains(&left)),
            "{at} {after}"
        );
    };
    assert_eq!(after[0]["rests_because"], "payment_required");
    within("/0/rests_for_s", 1.0..=60.0);
    assert_eq!((&after[1]["there"], &after[1]["rests_for_s"]), (&true.into(), &serde_json::Value::Null));
    within("/1/expires_in_s", 3000.0..=3600.0);
    within("/1/renewed_in_s", 2700.0..=3240.0);
}

#[tokio::test(flavor = "local")]
async fn the_admin_port_tells_why_no_token_could_be_fetched() {
    let body = format!(r#"{{"error":"invalid_client","error_description":"{CLIENT_SECRET} is unknown"}}"#);
    let server = Upstream::always(json(401, &body)).await;
    let upstream = Upstream::always(json(200, CHOICE)).await;
    let rig = with(&upstream, &oauth(&server, ""));
    rig.chat("").await;
    let fetch = told(&rig).await[0]["last_fetch"].clone();
    let failed = "the token server answered 401: invalid_client: [redacted] is unknown";
    assert_eq!(fetch["failed"], failed);
    assert!(fetch["again_in_s"].as_f64().is_some_and(|left| left <= 2.0), "{fetch}");
}
