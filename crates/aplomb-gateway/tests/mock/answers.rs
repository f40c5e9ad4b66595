//! Good answers, in the shape of each API.

use super::client::{chat, post, request, start};

#[test]
fn chat_completions_repeat_the_last_words() {
    let mock = start("openai");
    let got = chat(&mock, "ok", false);
    assert_eq!((got.status, got.whole), (200, true));
    assert_eq!(got.header("x-request-id"), Some("req_mock_00000000"));
    let json = got.json();
    assert_eq!(json["choices"][0]["message"]["content"], "This is a mock; it heard you say: hello there");
    assert_eq!(json["choices"][0]["finish_reason"], "stop");
    assert_eq!(json["model"], "m");
}

#[test]
fn every_shape_has_a_member_by_which_its_dialect_knows_a_success() {
    let bodies = r#"{"model": "m", "input": "x", "messages": [{"role": "user", "content": "x"}], "contents": [{"parts": [{"text": "x"}]}]}"#;
    let mut asked = 0;
    for dialect in aplomb_core::catalog().dialects() {
        let mock = start(&dialect.name);
        for endpoint in dialect.endpoints.iter().filter(|endpoint| endpoint.mock.is_some()) {
            if endpoint.path.last().is_some_and(|last| last.contains("stream")) {
                continue;
            }
            let path = format!("/{}", endpoint.path.join("/").replace('*', "m"));
            let json = post(&mock, &path, &[], bodies).json();
            let known = endpoint.result.iter().any(|name| !json[name].is_null());
            assert!(known, "{}: {path} gave {json}", dialect.name);
            asked += 1;
        }
    }
    assert!(asked > 5);
}

#[test]
fn embeddings_come_as_numbers_or_in_base64() {
    let mock = start("openai");
    let ask = |more: &str| {
        let body = format!(r#"{{"model": "e", "input": ["a", "b"], "dimensions": 3{more}}}"#);
        post(&mock, "/v1/embeddings", &[], &body).json()
    };
    let json = ask("");
    assert_eq!(json["data"].as_array().unwrap().len(), 2);
    assert_eq!(json["data"][0]["embedding"].as_array().unwrap().len(), 3);
    assert_ne!(json["data"][0]["embedding"], json["data"][1]["embedding"]);
    assert_eq!(ask(r#", "encoding_format": "base64""#)["data"][0]["embedding"].as_str().unwrap().len(), 16);
}

#[test]
fn any_other_endpoint_says_back_what_it_was_asked_without_the_credential() {
    let mock = start("agenthuman");
    let headers = [("x-api-key", "very-secret"), ("x-own", "1")];
    let got = request(&mock, "PUT", "/v1/things/7?a=b", &headers, r#"{"k": [1]}"#);
    let json = got.json();
    assert_eq!((json["method"].as_str(), json["path"].as_str()), (Some("PUT"), Some("/v1/things/7?a=b")));
    assert_eq!((&json["body"]["k"][0], &json["headers"]["x-own"]), (&1.into(), &"1".into()));
    assert!(!got.text().contains("very-secret"));
}

#[test]
fn a_body_that_is_no_json_is_refused_where_json_is_needed() {
    let mock = start("openai");
    let got = post(&mock, "/v1/chat/completions", &[], "{\"model\": ");
    assert_eq!((got.status, &got.json()["error"]["message"]), (400, &"the body is no JSON".into()));
}
