//! Requests that are not what their route asks for: refused before the upstream hears of them, each field told.

use std::io::Write;

use aplomb_core::catalog;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use super::caller::Message;
use super::rig::{Rig, Wishes, get, post};
use super::upstream::{Upstream, json as answer};

const BUNDLED: &str = "validate = \"bundled:mimo\"";
const DOCUMENT: &str = "validate = \"openapi.yaml\"";
const CHAT: &str = "/v1/chat/completions";
const GOOD: &str = r#"{"model":"mimo-v2-pro","messages":[{"role":"user","content":"hi"}]}"#;

async fn rig(route: &str, name: &str) -> (Upstream, Rig) {
    let upstream = Upstream::always(answer(200, "{}")).await;
    let route = format!("{route}\nanswer = \"{name}\"\nreplay_bytes = \"64KiB\"");
    let rig = Rig::with(&upstream, Wishes { route: &route, ..Wishes::default() });
    (upstream, rig)
}

fn body(told: &Message) -> Value {
    serde_json::from_str(&told.text()).unwrap()
}

async fn refused(name: &str, request: &str) -> (u16, Value) {
    let (upstream, rig) = rig(BUNDLED, name).await;
    let told = rig.ask(post(CHAT, "", request)).await;
    assert_eq!(upstream.count(), 0);
    assert_eq!((told.says("aplomb-fault"), told.says("x-should-retry")), ("caller", "false"));
    (told.status(), body(&told))
}

#[tokio::test(flavor = "local")]
async fn what_fits_passes_byte_for_byte() {
    let (upstream, rig) = rig(BUNDLED, "mimo").await;
    assert_eq!(rig.ask(post(CHAT, "", GOOD)).await.status(), 200);
    assert_eq!(upstream.only().text(), GOOD);
}

#[tokio::test(flavor = "local")]
async fn all_fields_are_told_in_the_form_of_each_dialect() {
    let wrong = r#"{"messages":[{"role":"user"}],"temperature":9}"#;
    let (status, told) = refused("mimo", wrong).await;
    let error = &told["error"];
    assert_eq!((status, &error["code"], &error["type"]), (400, &json!("invalid_request"), &json!("error")));
    assert_eq!(error["message"], "The 'model' field is required");
    assert_eq!(error["details"]["field_errors"][1]["param"], "temperature");

    let (status, told) = refused("fastapi", wrong).await;
    assert_eq!(status, 422);
    assert_eq!(
        told,
        json!({ "detail": [
            { "type": "missing", "loc": ["body", "model"], "msg": "The 'model' field is required" },
            { "type": "less_than_equal", "loc": ["body", "temperature"], "msg": "The 'temperature' field must be at most 2" },
        ] })
    );

    let (status, told) = refused("openai", wrong).await;
    assert_eq!((status, &told["error"]["param"]), (422, &json!("model")));
    assert_eq!(told["error"]["field_errors"].as_array().unwrap().len(), 2);

    let (status, told) = refused("agenthuman", r#"{"model":"mimo-v2-pro"}"#).await;
    assert_eq!(status, 400);
    assert_eq!(
        told,
        json!({ "error": { "code": "invalid_parameters", "message": "The 'messages' field is required",
            "details": { "field": "messages", "requirement": "required", "request_id": told["error"]["details"]["request_id"] } } })
    );
}

#[tokio::test(flavor = "local")]
async fn every_dialect_tells_every_field_and_reads_it_back() {
    let upstream = Upstream::always(answer(200, "{}")).await;
    for dialect in catalog().dialects() {
        let route = format!("{BUNDLED}\nanswer = \"{}\"", dialect.name);
        let rig = Rig::with(&upstream, Wishes { route: &route, ..Wishes::default() });
        let told = rig.ask(post(CHAT, "", r#"{"model":"mimo-v2-pr","messages":[]}"#)).await;
        let name = &dialect.name;
        assert!(told.status() >= 400 && told.status() < 500, "{name}: {}", told.status());
        for part in ["model", "messages", "did you mean"] {
            assert!(told.text().contains(part), "{name}: {part} in {}", told.text());
        }
    }
    assert_eq!(upstream.count(), 0);
}

#[tokio::test(flavor = "local")]
async fn what_is_no_json_is_told_with_line_and_column() {
    let (status, told) = refused("meibel", "{\n  \"model\": }").await;
    assert_eq!(status, 400);
    assert_eq!(told["message"], "the body is not valid JSON: expected value at line 2 column 12");
}

#[tokio::test(flavor = "local")]
async fn a_packed_body_is_unpacked_and_a_bomb_is_not() {
    let (upstream, rig) = rig(BUNDLED, "openai").await;
    let packed = |text: &str| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    let send = |encoding: &str, body: Vec<u8>| {
        let head = format!(
            "POST {CHAT} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-encoding: {encoding}\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        [head.into_bytes(), body].concat()
    };
    assert_eq!(rig.ask(send("gzip", packed(GOOD))).await.status(), 200);
    let heard = upstream.only();
    assert_eq!((heard.text().as_str(), heard.header("content-encoding")), (GOOD, None));
    assert_eq!(rig.ask(send("gzip", packed(&" ".repeat(1 << 20)))).await.status(), 413);
    assert_eq!(rig.ask(send("gzip", b"no".to_vec())).await.status(), 400);
    let told = rig.ask(send("compress", b"no".to_vec())).await;
    assert_eq!((told.status(), told.says("accept-encoding")), (415, "gzip, deflate, br, zstd"));
    assert_eq!(rig.ask(post(CHAT, "", &" ".repeat(70_000))).await.status(), 413);
    assert_eq!(upstream.count(), 1);
}

#[tokio::test(flavor = "local")]
async fn a_document_says_which_paths_methods_parameters_and_answers_there_are() {
    let (upstream, rig) = rig(DOCUMENT, "fastapi").await;
    assert_eq!(rig.ask(get("/items/5?limit=10", "accept: application/json\r\n")).await.status(), 200);
    let told = rig.ask(get("/items/x?limit=500", "")).await;
    assert_eq!(told.status(), 422);
    let locs: Vec<_> =
        body(&told)["detail"].as_array().unwrap().iter().map(|one| one["loc"].clone()).collect();
    assert_eq!(locs, [json!(["path", "id"]), json!(["query", "limit"])]);
    assert_eq!(rig.ask(get("/gone", "")).await.status(), 404);
    let told = rig.ask(post("/items/5", "", "{}")).await;
    assert_eq!((told.status(), told.says("allow")), (405, "GET, HEAD"));
    assert_eq!(rig.ask(get("/items/5", "accept: text/html\r\n")).await.status(), 406);
    assert_eq!(upstream.count(), 1);
}
