//! The bound on memory: what is held is counted from its first byte until it was handed over.

use serde_json::Value;
use tokio::io::AsyncReadExt;

use super::caller::Wire;
use super::rig::{CHAT, CHOICE, Rig, Wishes, get, post};
use super::upstream::{Act, Gate, Upstream, chunk, json, last, raw};

/// Bytes that the gateway holds now, as it says itself.
async fn held(rig: &Rig) -> u64 {
    let mut wire = Wire::connect(rig.gateway.admin()).await;
    wire.send(get("/readyz", "")).await;
    wire.answer().await.json()["held_bytes"].as_u64().unwrap()
}

async fn until_held(rig: &Rig, is: impl Fn(u64) -> bool) {
    while !is(held(rig).await) {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "local")]
async fn a_body_that_is_still_coming_counts_and_what_finds_no_room_is_told_to_come_back() {
    let upstream = Upstream::always(json(200, CHOICE)).await;
    let server = "memory = \"1MiB\"";
    let rig = Rig::with(&upstream, Wishes { server, dialect: "anthropic", ..Wishes::default() });
    let body = "x".repeat(700 << 10);
    let request = post("/v1/messages", "", &body);
    let (begin, end) = request.split_at(request.len() - 1);
    let mut slow = rig.connect().await;
    slow.send(begin).await;
    until_held(&rig, |held| held >= (699 << 10)).await;
    let told = rig.ask(&request).await;
    assert_eq!((told.status(), told.says("x-should-retry")), (503, "true"), "{told:?}");
    assert_eq!((told.says("retry-after"), &told.json()["type"]), ("1", &Value::from("error")), "{told:?}");
    slow.send(end).await;
    assert_eq!(slow.answer().await.status(), 200);
    until_held(&rig, |held| held == 0).await;
    assert_eq!(rig.ask(&request).await.status(), 200);
    assert_eq!(upstream.count(), 2, "what found no room was not sent");
}

#[tokio::test(flavor = "local")]
async fn an_answer_counts_until_its_caller_has_taken_it() {
    // More than the buffers of a connection on this machine take.
    let size = 24 << 20;
    let upstream = Upstream::always(json(200, &format!("\"{}\"", "x".repeat(size)))).await;
    let wishes = Wishes { upstream: "hold_bytes = \"32MiB\"", ..Wishes::default() };
    let rig = Rig::with(&upstream, wishes);
    let mut wire = rig.connect().await;
    wire.send(get("/v1/models", "")).await;
    let mut head = [0; 64];
    wire.stream.read_exact(&mut head).await.unwrap();
    assert!(held(&rig).await >= size as u64, "the head is here, the rest is held");
    let mut rest = 0;
    let mut buffer = vec![0; 1 << 20];
    while rest < size {
        rest += wire.stream.read(&mut buffer).await.unwrap();
    }
    until_held(&rig, |held| held == 0).await;
    let mut gone = rig.connect().await;
    gone.send(get("/v1/models", "")).await;
    gone.stream.read_exact(&mut head).await.unwrap();
    drop(gone);
    until_held(&rig, |held| held == 0).await;
}

#[tokio::test(flavor = "local")]
async fn the_body_of_an_error_counts_too_and_is_told_from_its_beginning_where_there_is_no_room() {
    let gate = Gate::default();
    let error =
        r#"{"error":{"message":"No such model: m-1","type":"t","param":null,"code":"model_not_found"}}"#;
    let piece = format!("{error}{}", " ".repeat(700 << 10));
    let mut script =
        raw("HTTP/1.1 404 Scripted\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n");
    script.extend([chunk(&piece), Act::Until(gate.clone()), last()]);
    let upstream = Upstream::always(script).await;
    let rig = Rig::with(&upstream, Wishes { server: "memory = \"1MiB\"", ..Wishes::default() });
    let mut slow = rig.connect().await;
    slow.send(post("/v1/chat/completions", "", CHAT)).await;
    until_held(&rig, |held| held >= (700 << 10)).await;
    let told = rig.chat("").await;
    assert_eq!((told.status(), told.says("aplomb-kind")), (404, "not_found"), "{told:?}");
    assert!(told.text().contains("No such model: m-1"), "{told:?}");
    assert!(told.body.len() < 1024, "what is no more than a part is told anew");
    gate.open();
    assert_eq!(slow.answer().await.body.len(), piece.len());
    until_held(&rig, |held| held == 0).await;
}
