//! Idempotency keys: a request is done once, and whoever asks again under its key gets the answer.

use std::path::PathBuf;
use std::time::Duration;

use tokio::task::JoinHandle;

use super::caller::Message;
use super::rig::{CHAT, CHOICE, Rig, STREAMED, Wishes, config, post};
use super::upstream::{Act, Gate, Script, Upstream, answer, busy, chunk, events, json, last};

const PATH: &str = "/v1/chat/completions";
const TOKEN: &str =
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"},\"finish_reason\":null}]}\n\n";
const STOP: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
const DONE: &str = "data: [DONE]\n\n";
const ONCE: &str = "retry = { attempts = 1 }";

/// A folder for a store that goes with the test.
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn new() -> Self {
        let name = format!("aplomb-store-{}", uuid::Uuid::now_v7().simple());
        Self(std::env::temp_dir().join(name))
    }

    /// Lines that name the store.
    pub(super) fn lines(&self) -> String {
        format!("[store]\nurl = \"sqlite:{}/store.db\"\n", self.0.display())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _never_made = std::fs::remove_dir_all(&self.0);
    }
}

fn rig(upstream: &Upstream, folder: &Folder, route: &str) -> Rig {
    Rig::with(upstream, Wishes { more: &folder.lines(), route, ..Wishes::default() })
}

async fn ask(rig: &Rig, key: &str) -> Message {
    rig.chat(&format!("authorization: Bearer sk-a\r\nidempotency-key: {key}\r\n")).await
}

fn with(mut script: Script, ends: impl IntoIterator<Item = Act>) -> Script {
    script.extend(ends);
    script
}

/// What two answers to the same request have in common, whenever they are given.
fn common(message: &Message) -> (u16, Vec<(String, String)>, Vec<u8>) {
    let own = ["aplomb-request-id", "aplomb-attempts", "date", "idempotent-replayed", "transfer-encoding"];
    let headers = message.headers_but(&[&own[..], &["content-length"]].concat());
    (message.status(), headers, message.body.clone())
}

#[tokio::test(flavor = "local")]
async fn the_same_answer_is_given_again_and_nobody_is_asked() {
    let (upstream, folder) = (
        Upstream::always(answer(201, "content-type: application/json\r\nx-own: 1\r\nx-own: 2\r\n", CHOICE))
            .await,
        Folder::new(),
    );
    let rig = rig(&upstream, &folder, "");
    let first = ask(&rig, "k-1").await;
    assert_eq!((first.status(), first.header("idempotent-replayed")), (201, None));
    let again = ask(&rig, "k-1").await;
    assert_eq!((again.says("idempotent-replayed"), again.says("aplomb-attempts")), ("true", "0"));
    assert_eq!(common(&again), common(&first));
    assert_ne!(again.says("aplomb-request-id"), first.says("aplomb-request-id"));
    assert_eq!(upstream.only().says("idempotency-key"), "k-1", "the upstream may know keys too");
    assert_eq!(ask(&rig, "k-2").await.header("idempotent-replayed"), None);
    rig.chat("").await;
    rig.chat("").await;
    assert_eq!(upstream.count(), 4, "without a key each one is a request of its own");
}

#[tokio::test(flavor = "local")]
async fn another_caller_s_key_is_another_key() {
    let (upstream, folder) = (Upstream::always(json(200, CHOICE)).await, Folder::new());
    let rig = rig(&upstream, &folder, "");
    for key in ["sk-a", "sk-b"] {
        for _ in 0..2 {
            rig.chat(&format!("authorization: Bearer {key}\r\nidempotency-key: k\r\n")).await;
        }
    }
    rig.chat("idempotency-key: k\r\n").await;
    rig.chat("idempotency-key: k\r\n").await;
    assert_eq!(upstream.count(), 3);
}

#[tokio::test(flavor = "local")]
async fn another_request_under_a_used_key_is_refused_as_the_contract_says() {
    for (dialect, status) in [("openai", 422), ("meibel", 409)] {
        let (upstream, folder) = (Upstream::always(json(200, CHOICE)).await, Folder::new());
        let more = folder.lines();
        let rig = Rig::with(&upstream, Wishes { dialect, more: &more, ..Wishes::default() });
        assert_eq!(ask(&rig, "k").await.status(), 200);
        for (path, body) in [(PATH, "{\"other\":1}"), ("/v1/chat/completions?a=1", CHAT), ("/v1/other", CHAT)]
        {
            let lines = "authorization: Bearer sk-a\r\nidempotency-key: k\r\n";
            let told = rig.ask(post(path, lines, body)).await;
            assert_eq!((told.status(), told.says("x-should-retry")), (status, "false"), "{told:?}");
            assert!(told.text().contains("idempotency key was used for another request"), "{told:?}");
        }
        assert_eq!(upstream.count(), 1);
    }
}

#[tokio::test(flavor = "local")]
async fn a_second_one_hears_409_while_the_first_runs_or_waits_for_it() {
    for (route, waits) in [("", false), ("idempotency = { while_running = \"wait\" }", true)] {
        let gate = Gate::default();
        let script = with(vec![Act::Until(gate.clone())], json(200, CHOICE));
        let (upstream, folder) = (Upstream::always(script).await, Folder::new());
        let rig = rig(&upstream, &folder, route);
        let mut first = rig.connect().await;
        let lines = "authorization: Bearer sk-a\r\nidempotency-key: k\r\n";
        first.send(post(PATH, lines, CHAT)).await;
        upstream.hears(1).await;
        let mut second = rig.connect().await;
        second.send(post(PATH, lines, CHAT)).await;
        if waits {
            gate.open();
            let told = second.answer().await;
            assert_eq!((told.status(), told.says("idempotent-replayed")), (200, "true"));
        } else {
            let told = second.answer().await;
            assert_eq!(
                (told.status(), told.says("retry-after"), told.says("x-should-retry")),
                (409, "1", "true")
            );
            assert_eq!((told.says("aplomb-kind"), told.says("aplomb-fault")), ("conflict", "caller"));
            gate.open();
        }
        assert_eq!(first.answer().await.status(), 200);
        assert_eq!(ask(&rig, "k").await.says("idempotent-replayed"), "true");
        assert_eq!(upstream.count(), 1);
    }
}

#[tokio::test(flavor = "local")]
async fn a_key_that_is_missing_or_can_not_be_one_is_told() {
    let (upstream, folder) = (Upstream::always(json(200, CHOICE)).await, Folder::new());
    let rig = rig(&upstream, &folder, "idempotency = \"required\"");
    let long = format!("idempotency-key: {}\r\n", "k".repeat(256));
    for lines in [
        "",
        "idempotency-key:\r\n",
        "idempotency-key: a b\r\n",
        "idempotency-key: a\r\nidempotency-key: b\r\n",
        &long,
    ] {
        let told = rig.chat(lines).await;
        assert_eq!((told.status(), told.says("aplomb-kind")), (400, "invalid_request"), "{told:?}");
        assert!(told.text().to_lowercase().contains("idempotency-key"), "{told:?}");
    }
    assert_eq!(upstream.count(), 0);
    assert_eq!(ask(&rig, &"k".repeat(255)).await.status(), 200);
    let get = rig.ask(super::rig::get("/v1/models", "")).await;
    assert_eq!(get.status(), 200, "a method that needs none");
}

#[tokio::test(flavor = "local")]
async fn a_stream_is_replayed_as_a_stream() {
    let script = with(events(&[TOKEN, STOP, DONE]), [last()]);
    let (upstream, folder) = (Upstream::always(script).await, Folder::new());
    let rig = rig(&upstream, &folder, "");
    let lines = "authorization: Bearer sk-a\r\nidempotency-key: k\r\n";
    let first = rig.ask(post(PATH, lines, STREAMED)).await;
    assert_eq!((first.text(), first.whole), ([TOKEN, STOP, DONE].concat(), true));
    let again = rig.ask(post(PATH, lines, STREAMED)).await;
    assert_eq!(
        (again.says("idempotent-replayed"), again.says("content-type")),
        ("true", "text/event-stream")
    );
    assert_eq!(common(&again), common(&first));
    assert_eq!(upstream.count(), 1);
}

#[tokio::test(flavor = "local")]
async fn each_event_of_a_keyed_stream_leaves_at_once_but_for_its_end() {
    let gates = [Gate::default(), Gate::default()];
    let mut script = events(&[TOKEN]);
    for gate in &gates {
        script.extend([Act::Until(gate.clone()), chunk(TOKEN)]);
    }
    script.extend([chunk(STOP), chunk(DONE), last()]);
    let (upstream, folder) = (Upstream::always(script).await, Folder::new());
    let rig = rig(&upstream, &folder, "");
    let mut wire = rig.connect().await;
    wire.send(post(PATH, "idempotency-key: k\r\n", STREAMED)).await;
    let mut told = wire.head().await.unwrap();
    for gate in gates {
        assert_eq!(wire.chunk().await.unwrap(), TOKEN.as_bytes());
        gate.open();
    }
    wire.body(&mut told).await;
    assert_eq!((told.text(), told.whole), ([TOKEN, STOP, DONE].concat(), true));
}

#[tokio::test(flavor = "local")]
async fn an_answer_beyond_the_bound_is_told_of_and_not_given_again() {
    let big = format!("{{\"choices\":[{{\"text\":\"{}\"}}]}}", "x".repeat(3000));
    let long = with(events(&[&TOKEN.repeat(30), STOP, DONE]), [last()]);
    for (script, body) in [(json(200, &big), CHAT), (long, STREAMED)] {
        let (upstream, folder) = (Upstream::always(script).await, Folder::new());
        let rig = rig(&upstream, &folder, "idempotency = { record = \"1KiB\" }");
        let first = rig.ask(post(PATH, "idempotency-key: k\r\n", body)).await;
        assert_eq!((first.status(), first.whole), (200, true));
        let again = rig.ask(post(PATH, "idempotency-key: k\r\n", body)).await;
        assert_eq!((again.status(), again.says("idempotent-replayed")), (409, "true"));
        assert_eq!(again.says("x-should-retry"), "false");
        assert!(again.text().contains("too large to be kept"), "{again:?}");
        assert_eq!(upstream.count(), 1);
    }
}

#[tokio::test(flavor = "local")]
async fn what_was_refused_for_now_or_never_sent_frees_the_key() {
    let refusals = [
        json(
            401,
            r#"{"error":{"message":"no","type":"invalid_request_error","param":null,"code":"invalid_api_key"}}"#,
        ),
        json(
            402,
            r#"{"error":{"message":"no","type":"insufficient_quota","param":null,"code":"insufficient_quota"}}"#,
        ),
        busy(429, 60_000),
        busy(503, 60_000),
    ];
    for refusal in refusals {
        let (upstream, folder) = (Upstream::answering([refusal, json(200, CHOICE)]).await, Folder::new());
        let rig = rig(&upstream, &folder, "retry = { attempts = 1 }\nqueue = { max_wait = \"1ms\" }");
        let first = ask(&rig, "k").await;
        assert!(first.status() >= 400, "{first:?}");
        drop(rig);
        let rig = self::rig(&upstream, &folder, ONCE);
        let again = ask(&rig, "k").await;
        assert_eq!((again.status(), again.header("idempotent-replayed")), (200, None), "{again:?}");
    }
    let (_kept, address) = super::upstream::nobody();
    let folder = Folder::new();
    let more = folder.lines();
    let file = Wishes { more: &more, route: ONCE, ..Wishes::default() }.file(&format!("http://{address}"));
    let rig = Rig::start(config(&file));
    for _ in 0..2 {
        let told = ask(&rig, "k").await;
        assert_eq!((told.status(), told.header("idempotent-replayed")), (502, None), "{told:?}");
    }
}

#[tokio::test(flavor = "local")]
async fn a_refusal_that_stands_is_given_again() {
    let script = json(
        404,
        r#"{"error":{"message":"The model `m-1` does not exist","type":"invalid_request_error","param":null,"code":"model_not_found"}}"#,
    );
    let (upstream, folder) = (Upstream::always(script).await, Folder::new());
    let rig = rig(&upstream, &folder, "");
    let first = ask(&rig, "k").await;
    let again = ask(&rig, "k").await;
    assert_eq!((again.status(), again.says("idempotent-replayed")), (404, "true"));
    assert_eq!(common(&again), common(&first));
    assert_eq!(upstream.count(), 1);
}

#[tokio::test(flavor = "local")]
async fn an_unknown_outcome_is_told_again_or_tried_again_as_the_route_says() {
    let error =
        r#"{"error":{"message":"The server had an error","type":"server_error","param":null,"code":null}}"#;
    for again_allowed in [false, true] {
        let (upstream, folder) =
            (Upstream::answering([json(500, error), json(200, CHOICE)]).await, Folder::new());
        let route = if again_allowed { "idempotency = { on_unknown = \"run\" }\n" } else { "" };
        let rig = rig(&upstream, &folder, &format!("{route}{ONCE}"));
        let first = ask(&rig, "k").await;
        assert_eq!((first.status(), first.says("aplomb-outcome")), (500, "unknown"), "{first:?}");
        let again = ask(&rig, "k").await;
        if again_allowed {
            assert_eq!((again.status(), again.header("idempotent-replayed")), (200, None));
        } else {
            assert_eq!((again.status(), again.says("idempotent-replayed")), (500, "true"));
            assert_eq!((again.says("aplomb-outcome"), again.says("x-should-retry")), ("unknown", "false"));
            assert_eq!((again.body == first.body, upstream.count()), (true, 1));
        }
    }
}

#[tokio::test(flavor = "local")]
async fn a_stream_that_was_cut_is_unknown_and_replayed_as_far_as_it_came() {
    let script = with(events(&[TOKEN]), [Act::Close]);
    let (upstream, folder) = (Upstream::always(script).await, Folder::new());
    let rig = rig(&upstream, &folder, "");
    let first = rig.ask(post(PATH, "idempotency-key: k\r\n", STREAMED)).await;
    let again = rig.ask(post(PATH, "idempotency-key: k\r\n", STREAMED)).await;
    assert!(first.text().starts_with(TOKEN) && first.text().contains("error"), "{first:?}");
    assert_eq!((again.status(), again.text()), (200, first.text()));
    assert_eq!((again.says("idempotent-replayed"), again.says("aplomb-outcome")), ("true", "unknown"));
    assert_eq!(upstream.count(), 1);
}

#[tokio::test(flavor = "local")]
async fn a_keyed_request_runs_on_after_its_caller_hung_up() {
    for (script, body, text) in [
        (json(200, CHOICE), CHAT, CHOICE.to_owned()),
        (with(events(&[TOKEN, STOP, DONE]), [last()]), STREAMED, [TOKEN, STOP, DONE].concat()),
    ] {
        let gate = Gate::default();
        let script = with(vec![Act::Until(gate.clone())], script);
        let (upstream, folder) = (Upstream::always(script).await, Folder::new());
        let rig = rig(&upstream, &folder, "idempotency = { while_running = \"wait\" }");
        let mut wire = rig.connect().await;
        wire.send(post(PATH, "idempotency-key: k\r\n", body)).await;
        upstream.hears(1).await;
        drop(wire);
        // The gateway has noticed once it serves somebody else.
        assert_eq!(rig.ask(super::rig::get("/..", "")).await.status(), 400);
        gate.open();
        let fetched = rig.ask(post(PATH, "idempotency-key: k\r\n", body)).await;
        assert_eq!((fetched.says("idempotent-replayed"), fetched.text()), ("true", text));
        assert_eq!(upstream.count(), 1);
    }
}

#[tokio::test(flavor = "local")]
async fn an_end_of_the_gateway_waits_for_a_keyed_request_whose_caller_hung_up() {
    let gate = Gate::default();
    let script = with(vec![Act::Until(gate.clone())], json(200, CHOICE));
    let (upstream, folder) = (Upstream::always(script).await, Folder::new());
    let ended = leave_and_stop(&upstream, &folder, Duration::from_secs(20)).await;
    gate.open();
    ended.await.unwrap();
    let fetched = ask(&rig(&upstream, &folder, ""), "k").await;
    assert_eq!((fetched.says("idempotent-replayed"), fetched.text()), ("true", CHOICE.to_owned()));
    assert_eq!(upstream.count(), 1);
}

#[tokio::test(flavor = "local")]
async fn an_end_of_the_gateway_waits_no_longer_than_it_may_for_whom_nobody_waits() {
    let (upstream, folder) = (Upstream::always(vec![Act::Silence]).await, Folder::new());
    leave_and_stop(&upstream, &folder, Duration::from_millis(50)).await.await.unwrap();
    upstream.is_left(1).await;
}

/// Asks under a key, hangs up, and ends the gateway; it listens no more when this is over.
async fn leave_and_stop(upstream: &Upstream, folder: &Folder, grace: Duration) -> JoinHandle<()> {
    let rig = rig(upstream, folder, "");
    let address = rig.address();
    let mut wire = rig.connect().await;
    wire.send(post(PATH, "authorization: Bearer sk-a\r\nidempotency-key: k\r\n", CHAT)).await;
    upstream.hears(1).await;
    drop(wire);
    // The gateway has noticed once it serves somebody else.
    assert_eq!(rig.ask(super::rig::get("/..", "")).await.status(), 400);
    let ended = tokio::task::spawn_blocking(move || {
        rig.gateway.stop(grace);
    });
    while tokio::net::TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    ended
}

#[tokio::test(flavor = "local")]
async fn answers_outlive_a_restart() {
    let (upstream, folder) = (Upstream::always(json(200, CHOICE)).await, Folder::new());
    let first = {
        let rig = rig(&upstream, &folder, "");
        ask(&rig, "k").await
    };
    let rig = rig(&upstream, &folder, "");
    let again = ask(&rig, "k").await;
    assert_eq!(common(&again), common(&first));
    assert_eq!((again.says("idempotent-replayed"), upstream.count()), ("true", 1));
}

#[tokio::test(flavor = "local")]
async fn equal_requests_within_the_window_are_one_without_any_key() {
    let (upstream, folder) = (Upstream::always(json(200, CHOICE)).await, Folder::new());
    let rig = rig(&upstream, &folder, "dedupe = \"60s\"");
    let lines = "authorization: Bearer sk-a\r\n";
    let first = rig.chat(lines).await;
    let again = rig.chat(lines).await;
    assert_eq!((again.says("idempotent-replayed"), again.text()), ("true", first.text()));
    assert_eq!(rig.chat("authorization: Bearer sk-b\r\n").await.header("idempotent-replayed"), None);
    let other = rig.ask(post(PATH, lines, "{\"other\":1}")).await;
    assert_eq!((other.header("idempotent-replayed"), upstream.count()), (None, 3));
}

#[tokio::test(flavor = "local")]
async fn a_store_that_can_not_be_written_is_what_the_route_says_and_heals_by_itself() {
    use sqlx::{ConnectOptions as _, Executor as _};
    let upstream = Upstream::always(json(200, CHOICE)).await;
    let folders = [Folder::new(), Folder::new()];
    let [open, closed] = ["open", "closed"].map(|how| format!("on_store_down = \"{how}\""));
    let rigs = [rig(&upstream, &folders[0], &open), rig(&upstream, &folders[1], &closed)];
    let mut others = Vec::new();
    for folder in &folders {
        let file = sqlx::sqlite::SqliteConnectOptions::new().filename(folder.0.join("store.db"));
        let mut other = file.connect().await.unwrap();
        // Another program that writes, and doesn't come to an end.
        other.execute("BEGIN IMMEDIATE").await.unwrap();
        others.push(other);
    }
    let (passed, refused) = tokio::join!(ask(&rigs[0], "k"), ask(&rigs[1], "k"));
    assert_eq!((passed.status(), passed.says("aplomb-store")), (200, "down"));
    assert_eq!(
        (refused.status(), refused.says("retry-after"), refused.says("aplomb-store")),
        (503, "1", "down")
    );
    assert_eq!((refused.says("aplomb-kind"), refused.says("aplomb-fault")), ("unavailable", "gateway"));
    assert!(refused.text().contains("store_down"), "{refused:?}");
    for (rig, ready) in rigs.iter().zip([200, 503]) {
        let told = super::keys::ask(rig, "GET", "/readyz", serde_json::json!({})).await;
        assert_eq!((told.status(), &told.json()["store"]), (ready, &serde_json::json!("down")));
        let metrics = super::keys::ask(rig, "GET", "/metrics", serde_json::json!({})).await.text();
        assert!(metrics.contains("aplomb_store_up 0") && metrics.contains("aplomb_store_outages_total 1"));
    }
    for other in &mut others {
        other.execute("ROLLBACK").await.unwrap();
    }
    for rig in &rigs {
        while ask(rig, "k2").await.header("aplomb-store").is_some() {}
        assert_eq!(ask(rig, "k2").await.says("idempotent-replayed"), "true");
    }
}

#[tokio::test(flavor = "local")]
async fn without_a_store_a_key_passes_through_as_it_came() {
    let upstream = Upstream::always(json(200, CHOICE)).await;
    let rig = Rig::before(&upstream);
    ask(&rig, "k").await;
    ask(&rig, "k").await;
    assert_eq!(upstream.count(), 2);
    assert_eq!(upstream.heard()[1].request.says("idempotency-key"), "k");
}
