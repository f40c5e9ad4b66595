//! Keys of ours: made on the admin port, let in, told apart when they aren't, and never passed on.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::caller::{Message, Wire};
use super::logs;
use super::rig::{CHAT, CHOICE, OUR_KEY, Rig, TOKEN, Wishes, get, post, second};
use super::upstream::{Upstream, busy, json as answer};

const OURS: &str = "credential = { env = \"KEY\" }";
const REQUIRED: &str = "keys = \"required\"";

/// A store that is gone with the test.
pub(super) struct Store(PathBuf);

impl Store {
    pub(super) fn new() -> Self {
        Self(std::env::temp_dir().join(format!("aplomb-keys-{}", uuid::Uuid::now_v7())))
    }

    /// What the file says of it.
    pub(super) fn lines(&self) -> String {
        format!("[store]\nurl = \"sqlite:{}\"\n", self.0.join("store.db").display())
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        let _gone = std::fs::remove_dir_all(&self.0);
    }
}

/// Asks the admin port.
pub(super) async fn ask(rig: &Rig, method: &str, target: &str, body: Value) -> Message {
    ask_with(rig, method, target, TOKEN, "application/json", &body.to_string()).await
}

/// The same, with other header lines.
pub(super) async fn ask_with(
    rig: &Rig,
    method: &str,
    target: &str,
    lines: &str,
    kind: &str,
    body: &str,
) -> Message {
    let mut wire = Wire::connect(rig.gateway.admin()).await;
    let length = body.len();
    wire.send(format!(
        "{method} {target} HTTP/1.1\r\nhost: localhost\r\n{lines}content-type: {kind}\r\ncontent-length: {length}\r\n\r\n{body}"
    ))
    .await;
    wire.answer().await
}

/// An account by this name, and a key of it with these wishes.
pub(super) async fn key(rig: &Rig, account: &str, wishes: Value) -> (String, String) {
    let made = ask(rig, "POST", "/accounts", json!({ "name": account })).await;
    assert!([201, 409].contains(&made.status()), "{made:?}");
    let mut wish = json!({ "account": account });
    wish.as_object_mut().unwrap().extend(wishes.as_object().unwrap().clone());
    let made = ask(rig, "POST", "/keys", wish).await;
    assert_eq!((made.status(), made.says("cache-control")), (201, "no-store"), "{made:?}");
    let text = |name: &str| made.json()[name].as_str().unwrap().to_owned();
    (text("key"), text("id"))
}

fn bearer(key: &str) -> String {
    format!("authorization: Bearer {key}\r\n")
}

/// The code of a refusal in OpenAI's words.
pub(super) fn code(told: &Message) -> String {
    told.json()["error"]["code"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "local")]
async fn a_key_lets_in_and_goes_no_further() {
    let store = Store::new();
    let upstream = Upstream::always(answer(200, CHOICE)).await;
    for (credential, heard) in
        [(OURS, Some(format!("Bearer {OUR_KEY}"))), ("", None), ("credential = \"none\"", None)]
    {
        let rig = Rig::with(
            &upstream,
            Wishes { server: &store.lines(), upstream: credential, route: REQUIRED, ..Wishes::default() },
        );
        let (key, _) = key(&rig, "acme", json!({})).await;
        for (path, lines) in [
            ("/v1/chat/completions", bearer(&key)),
            ("/v1/chat/completions", format!("authorization: {key}\r\n")),
            ("/v1/chat/completions", format!("x-api-key: {key}\r\ncookie: a=b\r\n")),
            ("/v1/chat/completions", format!("authorization: Bearer sk-0123456789\r\napi-key: {key}\r\n")),
            (&*format!("/v1/chat/completions?key={key}&x=1"), String::new()),
        ] {
            let told = rig.ask(post(path, &lines, CHAT)).await;
            assert_eq!(told.status(), 200, "{lines} {told:?}");
            let last = upstream.heard().last().unwrap().request.clone();
            assert_eq!(last.header("authorization").map(str::to_owned), heard, "{credential} {lines}");
            let all = format!("{last:?}");
            assert!(
                !all.contains("apl_") && !all.contains("sk-0123456789") && !all.contains("cookie"),
                "{all}"
            );
        }
    }
}

#[tokio::test(flavor = "local")]
async fn whoever_isnt_let_in_is_told_why_and_nobody_is_asked() {
    let store = Store::new();
    let upstream = Upstream::always(answer(200, CHOICE)).await;
    let rig = Rig::with(
        &upstream,
        Wishes { server: &store.lines(), upstream: OURS, route: REQUIRED, ..Wishes::default() },
    );
    let (good, _) = key(&rig, "acme", json!({})).await;
    let (revoked, id) = key(&rig, "acme", json!({"name": "old"})).await;
    assert_eq!(ask(&rig, "DELETE", &format!("/keys/{id}"), json!({})).await.json()["status"], "revoked");
    let (disabled, _) = key(&rig, "gone", json!({})).await;
    assert_eq!(
        ask(&rig, "PATCH", "/accounts/gone", json!({"disabled": true})).await.json()["status"],
        "disabled"
    );
    // As good a form as any, but nobody's.
    let unknown = aplomb_core::NewKey::make(&[7; aplomb_core::KEY_BYTES]).text().to_owned();
    let mut wrong = aplomb_core::NewKey::make(&[8; aplomb_core::KEY_BYTES]).text().to_owned();
    wrong.replace_range(4..15, &good[4..15]);
    for (lines, status, told) in [
        (String::new(), 401, "missing_api_key"),
        ("authorization: Bearer\r\n".to_owned(), 401, "missing_api_key"),
        ("authorization: Basic dTpw\r\n".to_owned(), 401, "malformed_api_key"),
        (bearer(&good[..40]), 401, "malformed_api_key"),
        (bearer(&good.to_ascii_uppercase()), 401, "malformed_api_key"),
        (bearer("YOUR_API_KEY"), 401, "malformed_api_key"),
        (bearer("sk-proj-0123456789"), 401, "malformed_api_key"),
        (bearer("eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0."), 401, "malformed_api_key"),
        (bearer(&unknown), 401, "invalid_api_key"),
        (bearer(&wrong), 401, "malformed_api_key"),
        (bearer(&revoked), 401, "revoked_api_key"),
        (bearer(&disabled), 403, "account_disabled"),
    ] {
        let answer = rig.chat(&lines).await;
        assert_eq!((answer.status(), code(&answer).as_str()), (status, told), "{lines} {answer:?}");
        assert_eq!((answer.says("aplomb-fault"), answer.says("x-should-retry")), ("policy", "false"));
        assert!(!format!("{answer:?}").contains(&good[16..40]), "nothing of a key is repeated");
    }
    assert!(rig.chat("").await.text().contains("`authorization: Bearer apl_…`"));
    assert_eq!(rig.chat("").await.says("www-authenticate"), "Bearer");
    assert_eq!(upstream.count(), 0);
    assert_eq!(rig.chat(&bearer(&good)).await.status(), 200);
}

#[tokio::test(flavor = "local")]
async fn a_key_ends_when_it_was_to_end() {
    let store = Store::new();
    let upstream = Upstream::always(answer(200, CHOICE)).await;
    let rig = Rig::with(
        &upstream,
        Wishes { server: &store.lines(), upstream: OURS, route: REQUIRED, ..Wishes::default() },
    );
    let soon = (jiff::Timestamp::now() + Duration::from_secs(1)).to_string();
    let (key, id) = key(&rig, "acme", json!({ "expires": soon })).await;
    assert_eq!(rig.chat(&bearer(&key)).await.status(), 200);
    let over = loop {
        let told = rig.chat(&bearer(&key)).await;
        if told.status() != 200 {
            break told;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!((over.status(), code(&over).as_str()), (401, "expired_api_key"));
    assert_eq!(ask(&rig, "GET", &format!("/keys/{id}"), json!({})).await.json()["status"], "expired");
    let told = ask(&rig, "POST", "/keys", json!({"account": "acme", "expires": soon})).await;
    assert_eq!((told.status(), told.says("content-type")), (422, "application/problem+json"));
}

#[tokio::test(flavor = "local")]
async fn a_revocation_counts_within_a_second() {
    let store = Store::new();
    let upstream = Upstream::always(answer(200, CHOICE)).await;
    let rig = Rig::with(
        &upstream,
        Wishes { server: &store.lines(), upstream: OURS, route: REQUIRED, ..Wishes::default() },
    );
    let (key, id) = key(&rig, "acme", json!({})).await;
    let began = Instant::now();
    // Long enough for the key to be remembered.
    while began.elapsed() < Duration::from_millis(600) {
        assert_eq!(rig.chat(&bearer(&key)).await.status(), 200);
    }
    ask(&rig, "DELETE", &format!("/keys/{id}"), json!({})).await;
    let revoked = Instant::now();
    while rig.chat(&bearer(&key)).await.status() == 200 {
        assert!(revoked.elapsed() < Duration::from_secs(1), "it went on");
    }
    assert_eq!(code(&rig.chat(&bearer(&key)).await), "revoked_api_key");
}

#[tokio::test(flavor = "local")]
async fn a_key_is_for_its_routes_methods_and_models_only() {
    let store = Store::new();
    let upstream = Upstream::always(answer(200, CHOICE)).await;
    let rig = Rig::with(
        &upstream,
        Wishes { server: &store.lines(), upstream: OURS, route: REQUIRED, ..Wishes::default() },
    );
    let (elsewhere, _) = key(&rig, "acme", json!({"scopes": {"routes": ["/other"]}})).await;
    let (reader, _) = key(&rig, "acme", json!({"scopes": {"methods": ["GET"]}})).await;
    let (models, _) = key(&rig, "acme", json!({"scopes": {"models": ["m-*"]}})).await;
    let refused = |told: &Message, words: &str| {
        assert_eq!((told.status(), code(told).as_str()), (403, "key_out_of_scope"), "{told:?}");
        assert!(told.text().contains(words), "{told:?}");
    };
    refused(&rig.chat(&bearer(&elsewhere)).await, "only be used on the routes `/other`");
    refused(&rig.chat(&bearer(&reader)).await, "only be used with the methods `GET`");
    assert_eq!(rig.ask(get("/v1/models", &bearer(&reader))).await.status(), 200);
    assert_eq!(rig.chat(&bearer(&models)).await.status(), 200);
    let other = CHAT.replace("m-1", "gpt-9");
    refused(
        &rig.ask(post("/v1/chat/completions", &bearer(&models), &other)).await,
        "for the models `m-*`, not for `gpt-9`",
    );
    refused(&rig.ask(post("/v1/chat/completions", &bearer(&models), "{}")).await, "names none");
    assert_eq!(upstream.count(), 2);
}

#[tokio::test(flavor = "local")]
async fn a_key_of_ours_reaches_no_fallback() {
    let store = Store::new();
    let first = Upstream::always(busy(503, 1)).await;
    let other = Upstream::always(answer(200, CHOICE)).await;
    let more = second(&other, "");
    let route = "keys = \"required\"\nfallback = [\"second\"]\nretry = { attempts = 1 }";
    let rig = Rig::with(&first, Wishes { server: &store.lines(), more: &more, route, ..Wishes::default() });
    let (key, _) = key(&rig, "acme", json!({})).await;
    assert_eq!(rig.chat(&bearer(&key)).await.status(), 200);
    for upstream in [&first, &other] {
        assert!(!format!("{:?}", upstream.only()).contains("apl_"));
    }
    assert_eq!(other.only().says("authorization"), format!("Bearer {OUR_KEY}"));
}

#[tokio::test(flavor = "local")]
async fn who_guesses_is_slowed_and_then_refused_while_others_go_on() {
    let store = Store::new();
    let upstream = Upstream::always(answer(200, CHOICE)).await;
    let rig = Rig::with(
        &upstream,
        Wishes { server: &store.lines(), upstream: OURS, route: REQUIRED, ..Wishes::default() },
    );
    let (good, _) = key(&rig, "acme", json!({})).await;
    let began = Instant::now();
    // Until it is remembered: that it was made is a change that is heard of first.
    while began.elapsed() < Duration::from_millis(600) {
        assert_eq!(rig.chat(&bearer(&good)).await.status(), 200);
    }
    let guess = |n: u8| bearer(aplomb_core::NewKey::make(&[n; aplomb_core::KEY_BYTES]).text());
    let lines: Vec<_> = (0..90).map(guess).collect();
    let began = Instant::now();
    let told = join_all(lines.iter().map(|lines| rig.chat(lines))).await;
    assert!(began.elapsed() >= Duration::from_millis(500), "the later ones had to wait");
    assert!(told.iter().all(|told| [401, 429].contains(&told.status())));
    let refused = rig.chat(&guess(200)).await;
    assert_eq!((refused.status(), code(&refused).as_str()), (429, "too_many_failed_attempts"), "{refused:?}");
    assert!(refused.says("retry-after").parse::<u64>().unwrap() <= 120);
    let began = Instant::now();
    assert_eq!(rig.chat(&bearer(&good)).await.status(), 200, "a good key from the same address");
    assert!(began.elapsed() < Duration::from_millis(500));
}

#[tokio::test(flavor = "local")]
async fn the_log_and_the_metrics_name_account_and_key_and_never_the_secret() {
    logs::listen();
    let store = Store::new();
    let upstream = Upstream::always(answer(200, CHOICE)).await;
    let rig = Rig::with(
        &upstream,
        Wishes { server: &store.lines(), upstream: OURS, route: REQUIRED, ..Wishes::default() },
    );
    let (good, id) = key(&rig, "acme", json!({})).await;
    assert_eq!(rig.chat(&bearer(&good)).await.status(), 200);
    assert_eq!(rig.chat(&bearer(&good[..48])).await.status(), 401);
    let page = loop {
        let page = rig_page(&rig).await;
        if page.contains("aplomb_callers_refused_total{reason=\"malformed\"} 1")
            && page.contains("aplomb_caller_requests_total")
        {
            break page;
        }
        tokio::task::yield_now().await;
    };
    assert!(page.contains(&format!("key=\"{id}\"")), "{page}");
    let logged = logs::all();
    assert!(logged.contains(&format!("key=\"{id}\"")));
    for told in [&page, &logged] {
        assert!(!told.contains(&good[16..]), "the secret is told nowhere");
    }
}

async fn rig_page(rig: &Rig) -> String {
    let mut wire = Wire::connect(rig.gateway.admin()).await;
    wire.send(get("/metrics", TOKEN)).await;
    wire.answer().await.text()
}

#[tokio::test(flavor = "local")]
async fn the_office_is_open_to_the_token_alone_and_to_no_page() {
    let store = Store::new();
    let upstream = Upstream::always(answer(200, CHOICE)).await;
    let rig = Rig::with(
        &upstream,
        Wishes { server: &store.lines(), upstream: OURS, route: REQUIRED, ..Wishes::default() },
    );
    let wish = r#"{"name":"evil"}"#;
    let with_token = |lines: &str| format!("{TOKEN}{lines}");
    for (lines, kind, status) in [
        (String::new(), "application/json", 401),
        ("authorization: Bearer guess\r\n".to_owned(), "application/json", 401),
        (with_token("origin: https://evil.test\r\n"), "application/json", 403),
        (with_token("sec-fetch-site: cross-site\r\n"), "application/json", 403),
        (with_token(""), "text/plain", 415),
        (with_token(""), "application/x-www-form-urlencoded", 415),
    ] {
        let told = ask_with(&rig, "POST", "/accounts", &lines, kind, wish).await;
        assert_eq!(told.status(), status, "{lines} {kind} {told:?}");
    }
    let mut wire = Wire::connect(rig.gateway.admin()).await;
    wire.send(format!("GET /accounts HTTP/1.1\r\nhost: evil.test\r\n{TOKEN}\r\n")).await;
    assert_eq!(wire.answer().await.status(), 403, "a name of somebody else's that leads here");
    assert_eq!(ask(&rig, "GET", "/accounts", json!({})).await.json()["data"], json!([]));
    let large = format!("{{\"name\": \"{}\"}}", "x".repeat(100_000));
    assert_eq!(ask_with(&rig, "POST", "/accounts", TOKEN, "application/json", &large).await.status(), 413);
    assert_eq!(rig.ask(get("/accounts", TOKEN)).await.status(), 401, "the callers' port has no office");
}

#[tokio::test(flavor = "local")]
async fn the_office_keeps_accounts_money_and_who_changed_what() {
    let store = Store::new();
    let upstream = Upstream::always(answer(200, CHOICE)).await;
    let server = format!("{}[tier.gold]\nrequests = \"100/s\"\n", store.lines());
    let rig = Rig::with(
        &upstream,
        Wishes { server: &server, upstream: OURS, route: REQUIRED, ..Wishes::default() },
    );
    let made = ask(&rig, "POST", "/accounts", json!({"name": "acme", "tier": "gold"})).await;
    assert_eq!((made.status(), &made.json()["tier"]), (201, &json!("gold")));
    assert_eq!(ask(&rig, "POST", "/accounts", json!({"name": "acme"})).await.status(), 409);
    let told = ask(&rig, "PATCH", "/accounts/acme", json!({"tier": "silver"})).await;
    assert!(told.status() == 422 && told.text().contains("configured are `gold`"), "{told:?}");
    assert_eq!(ask(&rig, "PATCH", "/accounts/acme", json!({"tier": null})).await.json()["tier"], Value::Null);
    let paid = json!({"kind": "top_up", "amount": 5_000_000, "reference": "inv-1"});
    let first = ask(&rig, "POST", "/accounts/acme/ledger", paid.clone()).await;
    assert_eq!((first.status(), first.json()), (201, json!({"balance": 5_000_000, "counted": true})));
    let again = ask(&rig, "POST", "/accounts/acme/ledger", paid).await;
    assert_eq!((again.status(), again.json()), (200, json!({"balance": 5_000_000, "counted": false})));
    let mended = json!({"kind": "correction", "amount": -1, "note": "rounding"});
    assert_eq!(ask(&rig, "POST", "/accounts/acme/ledger", mended).await.json()["balance"], 4_999_999);
    let ledger = ask(&rig, "GET", "/accounts/acme/ledger", json!({})).await.json();
    assert_eq!(ledger["data"][0]["note"], "rounding");
    let events = ask(&rig, "GET", "/audit", json!({})).await.json();
    let what: Vec<_> =
        events["data"].as_array().unwrap().iter().map(|event| event["what"].as_str().unwrap()).collect();
    assert_eq!(what, ["account.correction", "account.top_up", "account.update", "account.create"]);
    assert_eq!(ask(&rig, "GET", "/tiers", json!({})).await.json()["data"][0]["requests"], json!(["100/s"]));
    for (method, target, status) in [
        ("GET", "/accounts/nobody", 404),
        ("DELETE", "/accounts/acme", 405),
        ("GET", "/keys/none", 404),
        ("GET", "/keys/none/more", 404),
        ("GET", "/audit?before=x", 422),
        ("GET", "/idempotency/acc_1/none", 404),
        ("DELETE", "/idempotency/acc_1/none", 404),
        ("GET", "/idempotency?after=x", 422),
        ("POST", "/accounts/acme/ledger", 400),
    ] {
        let told = ask(&rig, method, target, json!({})).await;
        assert_eq!(
            (told.status(), told.says("content-type")),
            (status, "application/problem+json"),
            "{method} {target}"
        );
    }
    assert_eq!(ask(&rig, "GET", "/idempotency?scope=acc_1", json!({})).await.json()["data"], json!([]));
    let document = ask(&rig, "GET", "/openapi.json", json!({})).await.json();
    assert!(document["paths"]["/keys/{id}"]["delete"].is_object());
}

#[tokio::test(flavor = "local")]
async fn a_gateway_without_keys_has_no_office_and_opens_no_store() {
    let upstream = Upstream::always(answer(200, CHOICE)).await;
    let rig = Rig::before(&upstream);
    let told = ask(&rig, "GET", "/keys", json!({})).await;
    assert!(told.status() == 404 && told.text().contains("keeps no accounts"), "{told:?}");
}
