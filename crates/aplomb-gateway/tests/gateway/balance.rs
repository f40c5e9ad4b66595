//! Balances: what a request may cost is put aside, what was delivered is charged, and who has nothing hears so.

use serde_json::json;

use super::idempotency::Folder;
use super::keys::{ask, key};
use super::rig::{CHAT, Rig, STREAMED, Wishes, post};
use super::upstream::{Act, Gate, Script, Upstream, chunk, events, json as answer, last};

const PATH: &str = "/v1/chat/completions";
const TOKEN: &str =
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"},\"finish_reason\":null}]}\n\n";
const STOP: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
const USAGE: &str = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":30,\"completion_tokens\":20}}\n\n";
const DONE: &str = "data: [DONE]\n\n";
const PAID: &str = r#"{"id":"c-1","choices":[{"index":0,"message":{"role":"assistant","content":"Hello"},"finish_reason":"stop"}],"usage":{"prompt_tokens":30,"completion_tokens":20}}"#;

/// Ten for a request, one for a token of it, three for one of its answer.
const PRICE: &str = "keys = \"required\"\nprice = { request = 10, token_in = 1, token_out = 3 }\n";

/// At most a hundred tokens: what is put aside stays small.
const SMALL: &str = r#"{"model":"m-1","max_tokens":100,"messages":[{"role":"user","content":"hi"}]}"#;
const SMALL_STREAM: &str =
    r#"{"model":"m-1","stream":true,"max_tokens":100,"messages":[{"role":"user","content":"hi"}]}"#;

struct Shop {
    rig: Rig,
    lines: String,
    _folder: Folder,
}

impl Shop {
    /// A gateway with an account that has this much.
    async fn with(upstream: &Upstream, balance: i64, route: &str) -> Self {
        let folder = Folder::new();
        let (more, route) = (folder.lines(), format!("{PRICE}{route}"));
        let ours = "credential = { env = \"KEY\" }";
        let rig =
            Rig::with(upstream, Wishes { more: &more, upstream: ours, route: &route, ..Wishes::default() });
        let (key, _) = key(&rig, "ada", json!({})).await;
        top_up(&rig, balance).await;
        Self { rig, lines: format!("authorization: Bearer {key}\r\n"), _folder: folder }
    }

    /// What the account has, and what of it is put aside.
    async fn sums(&self) -> (i64, i64) {
        let account = ask(&self.rig, "GET", "/accounts/ada", json!({})).await.json();
        (account["balance"].as_i64().unwrap(), account["reserved"].as_i64().unwrap())
    }

    /// The same, once nothing is under way any more.
    async fn settled(&self) -> i64 {
        loop {
            let (balance, reserved) = self.sums().await;
            if reserved == 0 {
                return balance;
            }
        }
    }

    fn post(&self, lines: &str, body: &str) -> String {
        post(PATH, &format!("{}{lines}", self.lines), body)
    }
}

async fn top_up(rig: &Rig, amount: i64) {
    let wish = json!({ "kind": "top_up", "amount": amount });
    let paid = ask(rig, "POST", "/accounts/ada/ledger", wish).await;
    assert_eq!(paid.status(), 201, "{paid:?}");
}

fn with(mut script: Script, ends: impl IntoIterator<Item = Act>) -> Script {
    script.extend(ends);
    script
}

#[tokio::test(flavor = "local")]
async fn what_an_answer_took_is_charged_whole_or_streamed_with_a_key_or_without() {
    let stream = || with(events(&[TOKEN, STOP, USAGE, DONE]), [last()]);
    for (script, body) in [(answer(200, PAID), SMALL), (stream(), SMALL_STREAM)] {
        for keyed in ["", "idempotency-key: k\r\n"] {
            let upstream = Upstream::always(script.clone()).await;
            let shop = Shop::with(&upstream, 10_000, "").await;
            for _ in 0..2 {
                let told = shop.rig.ask(shop.post(keyed, body)).await;
                assert_eq!((told.status(), told.whole), (200, true), "{told:?}");
            }
            // A replay costs nothing.
            let times = if keyed.is_empty() { 2 } else { 1 };
            assert_eq!(shop.settled().await, 10_000 - times * (10 + 30 + 60), "{keyed}");
        }
    }
}

#[tokio::test(flavor = "local")]
async fn who_has_too_little_hears_what_ran_dry_and_nobody_is_asked() {
    let upstream = Upstream::always(answer(200, PAID)).await;
    let shop = Shop::with(&upstream, 300, "").await;
    let told = shop.rig.ask(shop.post("", SMALL)).await;
    assert_eq!((told.status(), upstream.count()), (402, 0), "{told:?}");
    assert_eq!((told.says("aplomb-kind"), told.says("aplomb-fault")), ("payment_required", "policy"));
    assert_eq!(told.says("x-should-retry"), "false");
    let error = &told.json()["error"];
    assert_eq!(error["code"], "insufficient_balance");
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("balance is 0.0003") && message.contains("may cost 0.000329"), "{message}");
    assert!(message.contains("top up"), "{message}");
    assert_eq!(shop.sums().await, (300, 0));
    top_up(&shop.rig, 100).await;
    assert_eq!(shop.rig.ask(shop.post("idempotency-key: k\r\n", SMALL)).await.status(), 200);
    assert_eq!(shop.settled().await, 300);
    // The same key after a 402 would be free again; after a success it is paid for.
    let again = shop.rig.ask(shop.post("idempotency-key: k\r\n", SMALL)).await;
    assert_eq!(
        (again.status(), again.says("idempotent-replayed")),
        (200, "true"),
        "a replay needs no balance"
    );
}

#[tokio::test(flavor = "local")]
async fn what_is_put_aside_is_no_one_else_s_and_what_fails_costs_nothing() {
    let gate = Gate::default();
    let script = with(vec![Act::Until(gate.clone())], answer(500, "{}"));
    let upstream = Upstream::always(script).await;
    let shop = Shop::with(&upstream, 400, "retry = { attempts = 1 }\n").await;
    let mut first = shop.rig.connect().await;
    first.send(shop.post("", SMALL)).await;
    upstream.hears(1).await;
    assert_eq!(shop.sums().await, (400, 329));
    let second = shop.rig.ask(shop.post("", SMALL)).await;
    assert_eq!(second.status(), 402);
    assert!(second.text().contains("put aside for requests under way"), "{second:?}");
    gate.open();
    assert_eq!(first.answer().await.status(), 500);
    assert_eq!(shop.settled().await, 400);
}

#[tokio::test(flavor = "local")]
async fn who_hangs_up_pays_for_what_was_delivered_and_nothing_before() {
    // Before anything was delivered.
    let upstream = Upstream::always(vec![Act::Silence]).await;
    let shop = Shop::with(&upstream, 1_000, "").await;
    let mut wire = shop.rig.connect().await;
    wire.send(shop.post("", SMALL_STREAM)).await;
    upstream.hears(1).await;
    drop(wire);
    assert_eq!(shop.settled().await, 1_000);
    // After two events.
    let script = with(events(&[TOKEN, TOKEN]), [Act::Silence]);
    let upstream = Upstream::always(script).await;
    let shop = Shop::with(&upstream, 1_000, "").await;
    let mut wire = shop.rig.connect().await;
    wire.send(shop.post("", SMALL_STREAM)).await;
    wire.head().await.unwrap();
    let mut heard = Vec::new();
    while heard.len() < 2 * TOKEN.len() {
        heard.extend(wire.chunk().await.unwrap());
    }
    drop(wire);
    let input = i64::try_from(SMALL_STREAM.len().div_ceil(4)).unwrap();
    assert_eq!(shop.settled().await, 1_000 - (10 + input + 2 * 3));
}

#[tokio::test(flavor = "local")]
async fn a_stream_that_is_cut_costs_what_was_delivered() {
    let script = with(events(&[TOKEN, TOKEN, TOKEN]), [chunk("data: {"), Act::Close]);
    for keyed in ["", "idempotency-key: k\r\n"] {
        let upstream = Upstream::always(script.clone()).await;
        let shop = Shop::with(&upstream, 1_000, "").await;
        let told = shop.rig.ask(shop.post(keyed, SMALL_STREAM)).await;
        assert!(told.text().contains("error"), "{told:?}");
        let input = i64::try_from(SMALL_STREAM.len().div_ceil(4)).unwrap();
        // Three events and the one that tells of the cut.
        assert_eq!(shop.settled().await, 1_000 - (10 + input + 4 * 3), "{keyed}");
    }
}

#[tokio::test(flavor = "local")]
async fn a_route_without_a_price_asks_no_account() {
    let upstream = Upstream::always(answer(200, PAID)).await;
    let folder = Folder::new();
    let more = folder.lines();
    let route = "keys = \"required\"";
    let ours = "credential = { env = \"KEY\" }";
    let rig = Rig::with(&upstream, Wishes { more: &more, upstream: ours, route, ..Wishes::default() });
    let (key, _) = key(&rig, "ada", json!({})).await;
    for body in [CHAT, STREAMED] {
        let told = rig.ask(post(PATH, &format!("authorization: Bearer {key}\r\n"), body)).await;
        assert_eq!(told.status(), 200);
    }
}
