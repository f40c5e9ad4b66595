//! The traps: the same token with two meanings, and bodies that are not what they seem. One test each.

use std::time::{Duration, SystemTime};

use aplomb_core::dialect::StreamReader;
use aplomb_core::{Advice, Evidence, Failure, Headers, Kind, catalog, decode};

/// What an answer means; a name of `""` lets the dialect be detected.
fn read(dialect: &str, status: u16, headers: &[(&str, &str)], body: &[u8]) -> Option<Failure> {
    let evidence = Evidence {
        status: Some(status),
        headers: Headers(headers),
        body,
        host: None,
        now: SystemTime::UNIX_EPOCH,
    };
    let named = (!dialect.is_empty()).then(|| catalog().get(dialect).expect("a bundled dialect"));
    decode(catalog(), named, &evidence).failure
}

fn failure(dialect: &str, status: u16, body: &str) -> Failure {
    read(dialect, status, &[], body.as_bytes()).expect("a failure")
}

fn kind(dialect: &str, status: u16, body: &str) -> Kind {
    failure(dialect, status, body).kind
}

#[test]
fn a_498_is_capacity_at_groq_and_blocked_content_at_cohere() {
    let groq = failure(
        "groq",
        498,
        r#"{"error":{"message":"Flex tier capacity exceeded","type":"capacity_exceeded"}}"#,
    );
    assert_eq!((groq.kind, groq.retryable), (Kind::Overloaded, true));
    let cohere = failure("cohere", 498, r#"{"message":"blocked token"}"#);
    assert_eq!((cohere.kind, cohere.retryable), (Kind::ContentBlocked, false));
}

#[test]
fn a_429_is_not_always_a_rate_limit() {
    let quota = r#"{"error":{"message":"You exceeded your current quota, please check your plan and billing details.","type":"insufficient_quota","param":null,"code":"insufficient_quota"}}"#;
    assert_eq!(kind("openai", 429, quota), Kind::QuotaExhausted);
    assert_eq!(kind("", 429, quota), Kind::QuotaExhausted);
    let too_large = r#"{"error":{"message":"Request too large for gpt-4 in organization org-x on tokens per min (TPM): Limit 10000, Requested 25000. The input or output tokens must be reduced in order to run successfully.","type":"tokens","param":null,"code":"rate_limit_exceeded"}}"#;
    assert_eq!(kind("openai", 429, too_large), Kind::PayloadTooLarge);
    let capacity = r#"{"error":{"code":429,"message":"No capacity available for model gemini-3-pro on the server","status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"MODEL_CAPACITY_EXHAUSTED","domain":"cloudcode-pa.googleapis.com"}]}}"#;
    assert_eq!(kind("gemini", 429, capacity), Kind::Overloaded);
    let cold = read(
        "bedrock",
        429,
        &[("x-amzn-errortype", "ModelNotReadyException:http://x")],
        br#"{"message":"Model is not ready"}"#,
    );
    assert_eq!(cold.unwrap().kind, Kind::Unavailable);
}

#[test]
fn a_413_with_the_code_of_a_rate_limit_is_a_request_that_never_fits() {
    let body = r#"{"error":{"message":"Request too large for model `x` on tokens per minute (TPM): Limit 6000, Requested 12328, please reduce your message size and try again.","type":"tokens","code":"rate_limit_exceeded"}}"#;
    let failure = failure("groq", 413, body);
    assert_eq!((failure.kind, failure.retryable), (Kind::PayloadTooLarge, false));
    assert_eq!(failure.code.as_deref(), Some("rate_limit_exceeded"));
}

#[test]
fn a_bad_key_may_come_as_a_400() {
    let body = r#"{"error":{"code":400,"message":"API key not valid. Please pass a valid API key.","status":"INVALID_ARGUMENT","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"API_KEY_INVALID","domain":"googleapis.com"}]}}"#;
    let named = failure("gemini", 400, body);
    assert_eq!((named.kind, named.advice), (Kind::Authentication, Advice::Authenticate));
    assert_eq!(kind("", 400, body), Kind::Authentication);
}

#[test]
fn money_may_come_as_a_400_and_a_quota_as_a_401() {
    let credit = r#"{"type":"error","error":{"type":"invalid_request_error","message":"Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or purchase credits."}}"#;
    assert_eq!(kind("anthropic", 400, credit), Kind::PaymentRequired);
    let quota = r#"{"detail":{"status":"quota_exceeded","message":"This request exceeds your quota. You have 10 credits remaining, while 100 credits are required for this request."}}"#;
    assert_eq!(kind("elevenlabs", 401, quota), Kind::QuotaExhausted);
}

#[test]
fn a_403_may_be_a_limit() {
    let body = r#"{"message":"You have exceeded a secondary rate limit. Please wait a few minutes before you try again.","documentation_url":"https://docs.github.com"}"#;
    let failure = read("github", 403, &[("retry-after", "60")], body.as_bytes()).unwrap();
    assert_eq!((failure.kind, failure.retryable), (Kind::RateLimit, true));
    assert_eq!(failure.wait, Some(Duration::from_secs(60)));
}

#[test]
fn a_402_may_be_worth_repeating() {
    let body = r#"{"error":{"code":402,"message":"In-flight budget exceeded","metadata":{"limit_source":"openrouter_in_flight_budget"}}}"#;
    let held = read("openrouter", 402, &[("retry-after", "3")], body.as_bytes()).unwrap();
    assert_eq!((held.retryable, held.wait), (true, Some(Duration::from_secs(3))));
    let plain = failure("openrouter", 402, r#"{"error":{"code":402,"message":"Insufficient credits"}}"#);
    assert_eq!((plain.kind, plain.retryable), (Kind::PaymentRequired, false));
}

#[test]
fn an_error_quoted_in_a_message_is_found_one_to_five_deep() {
    let mut body = r#"{"error":{"code":429,"message":"Resource has been exhausted. Please retry in 7s.","status":"RESOURCE_EXHAUSTED"}}"#.to_owned();
    for depth in 1..=5 {
        body = serde_json::json!({"error": {"message": body, "code": 429, "status": "Too Many Requests"}})
            .to_string();
        for dialect in ["gemini", "openai", ""] {
            let failure = failure(dialect, 429, &body);
            assert_eq!(failure.kind, Kind::RateLimit, "{depth} deep, {dialect}");
        }
        let gemini = failure("gemini", 429, &body);
        assert_eq!(
            gemini.message.as_deref(),
            Some("Resource has been exhausted. Please retry in 7s."),
            "{depth} deep"
        );
        assert_eq!(gemini.wait, Some(Duration::from_secs(7)), "{depth} deep");
    }
}

#[test]
fn a_quoted_error_refines_a_status_that_says_nothing() {
    let body = r#"{"error":{"message":"litellm.BadRequestError: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}. Received Model Group=x","type":"None","param":"None","code":"500"}}"#;
    let failure = failure("", 500, body);
    assert_eq!((failure.kind, failure.retryable), (Kind::Overloaded, true));
    assert_eq!((failure.type_, failure.param), (None, None));
    assert_eq!(failure.code.as_deref(), Some("500"));
}

#[test]
fn a_message_may_be_an_object() {
    let body = r#"{"object":"error","message":{"detail":[{"type":"missing","loc":["body","model"],"msg":"Field required","input":{}}]},"type":"invalid_request_error","param":null,"code":null}"#;
    for dialect in ["mistral", ""] {
        let failure = failure(dialect, 422, body);
        assert_eq!(failure.kind, Kind::Validation);
        assert_eq!(failure.message.as_deref(), Some("Field required"));
        assert_eq!(failure.param.as_deref(), Some("model"));
    }
}

#[test]
fn a_code_may_be_a_number_and_the_word_none_is_no_fact() {
    let numbers =
        failure("openai", 400, r#"{"error":{"message":"m","type":"None","param":"None","code":1234}}"#);
    assert_eq!(numbers.code.as_deref(), Some("1234"));
    assert_eq!((numbers.type_, numbers.param), (None, None));
    let mistral = failure(
        "mistral",
        429,
        r#"{"object":"error","message":"Rate limit exceeded","type":"rate_limited","param":null,"code":"1300","raw_status_code":429}"#,
    );
    assert_eq!((mistral.kind, mistral.code.as_deref()), (Kind::RateLimit, Some("1300")));
}

#[test]
fn the_reason_behind_provider_returned_error_is_in_its_metadata() {
    for raw in [
        r#""{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}""#,
        r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#,
    ] {
        let body = format!(
            r#"{{"error":{{"message":"Provider returned error","code":502,"metadata":{{"raw":{raw},"provider_name":"Anthropic"}}}},"user_id":"u"}}"#
        );
        let failure = failure("openrouter", 502, &body);
        assert_eq!((failure.kind, failure.retryable), (Kind::Overloaded, true));
        assert_eq!(failure.message.as_deref(), Some("Provider returned error"));
        assert_eq!(failure.details["provider_name"], "Anthropic");
    }
}

#[test]
fn an_error_inside_a_200_is_a_failure_and_an_answer_about_errors_is_not() {
    let body = r#"{"error":{"message":"Provider returned error","code":429},"user_id":"u"}"#;
    for dialect in ["openrouter", "openai", ""] {
        let failure = failure(dialect, 200, body);
        assert_eq!(failure.kind, Kind::RateLimit, "{dialect}");
    }
    let healthy = [
        r#"{"id":"x","choices":[{"message":{"content":"{\"error\": {\"message\": \"no\"}}"},"finish_reason":"stop"}]}"#,
        r#"{"id":"x","error":null,"output":[{"type":"message"}]}"#,
        r#"{"choices":[{"index":0}],"error":{"note":"of a part"}}"#,
        r#"{"data":[{"embedding":[0.1]}]}"#,
        "just text about an error",
        "",
    ];
    for body in healthy {
        assert_eq!(read("openai", 200, &[], body.as_bytes()), None, "{body}");
    }
    let blocked =
        r#"{"promptFeedback":{"blockReason":"PROHIBITED_CONTENT"},"usageMetadata":{"promptTokenCount":7}}"#;
    assert_eq!(kind("gemini", 200, blocked), Kind::ContentBlocked);
}

#[test]
fn pages_and_plain_text_of_edges_speak_in_every_dialects_name() {
    let pages = [
        (
            502,
            "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n<hr><center>nginx/1.25.3</center>\r\n</body>\r\n</html>\r\n",
            Kind::BadGateway,
        ),
        (
            503,
            "upstream connect error or disconnect/reset before headers. reset reason: connection termination",
            Kind::Unavailable,
        ),
        (504, "stream timeout", Kind::GatewayTimeout),
        (503, "no healthy upstream", Kind::Unavailable),
        (522, "error code: 522", Kind::GatewayTimeout),
        (
            413,
            "<html><head><title>413 Request Entity Too Large</title></head><body></body></html>",
            Kind::PayloadTooLarge,
        ),
        (429, "Too Many Requests", Kind::RateLimit),
    ];
    for dialect in catalog().names() {
        for (status, page, expected) in pages {
            let failure = failure(dialect, status, page);
            assert_eq!((failure.kind, failure.status), (expected, Some(status)), "{dialect}: {page}");
        }
    }
}

#[test]
fn a_502_page_inside_a_500_is_a_bad_gateway() {
    let page = "<html><head><title>502 Bad Gateway</title></head><body><center><h1>502 Bad Gateway</h1></center></body></html>";
    for dialect in ["", "openai", "mixedbread"] {
        assert_eq!(kind(dialect, 500, page), Kind::BadGateway);
    }
    let quoted = serde_json::json!({"error": {"message": page, "type": "api_error"}}).to_string();
    assert_eq!(kind("openai", 500, &quoted), Kind::BadGateway);
}

#[test]
fn an_empty_body_leaves_the_status() {
    for dialect in catalog().names() {
        for body in ["", " \n", "null", "{}", "[]"] {
            let failure = failure(dialect, 503, body);
            let expected = matches!(failure.kind, Kind::Unavailable | Kind::Overloaded);
            assert!(expected, "{dialect} {body:?}: {}", failure.kind);
            assert_eq!(failure.message, None, "{dialect} {body:?}");
        }
    }
}

#[test]
fn a_cut_body_keeps_the_message_that_was_complete() {
    let body =
        r#"{"error":{"message":"Rate limit reached","type":"tokens","param":null,"code":"rate_limit_exc"#;
    let failure = failure("openai", 429, body);
    assert_eq!(failure.message.as_deref(), Some("Rate limit reached"));
    assert_eq!(failure.type_.as_deref(), Some("tokens"));
}

#[test]
fn bare_json_in_the_middle_of_a_stream_is_an_error_in_every_dialect() {
    let healthy =
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"},\"finish_reason\":null}]}\n\n";
    let bare = "{\n  \"error\": {\n    \"message\": \"The server is overloaded\",\n    \"type\": \"overloaded_error\"\n  }\n}\n\n";
    for dialect in catalog().dialects() {
        for form in std::iter::once(None).chain(dialect.streams.iter().map(Some)) {
            let mut reader = StreamReader::new(catalog(), dialect, form);
            let seen = reader.feed(format!("{healthy}{bare}").into(), SystemTime::UNIX_EPOCH);
            let failure = seen.failure.unwrap_or_else(|| panic!("{}: unseen", dialect.name));
            assert_eq!(failure.kind, Kind::Overloaded, "{}", dialect.name);
            assert_eq!(seen.pass.concat(), healthy.as_bytes(), "{}", dialect.name);
        }
    }
}

#[test]
fn an_error_in_a_chunk_that_also_has_choices_ends_the_stream() {
    let chunk = "data: {\"id\":\"gen-1\",\"object\":\"chat.completion.chunk\",\"provider\":\"x\",\"error\":{\"code\":\"server_error\",\"message\":\"Provider disconnected\"},\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\"},\"finish_reason\":\"error\"}]}\n\n";
    for name in ["openrouter", "openai"] {
        let dialect = catalog().get(name).unwrap();
        let mut reader = StreamReader::new(catalog(), dialect, dialect.stream("chat"));
        let seen = reader.feed(chunk.into(), SystemTime::UNIX_EPOCH);
        let failure = seen.failure.unwrap_or_else(|| panic!("{name}: unseen"));
        assert_eq!(failure.message.as_deref(), Some("Provider disconnected"), "{name}");
        assert!(failure.retryable, "{name}: {}", failure.kind);
    }
}

#[test]
fn hostile_waits_are_harmless() {
    let longest = Duration::from_secs(366 * 86_400);
    for value in [
        "-1",
        "1e18",
        "1000000000000000000",
        "NaN",
        "inf",
        "-inf",
        "Thu, 01 Jan 1970 00:00:00 GMT",
        "",
        "0x10",
        "1e-400",
        "٣",
    ] {
        for name in [
            "retry-after",
            "retry-after-ms",
            "x-ratelimit-reset-requests",
            "x-ratelimit-reset",
            "ratelimit-reset",
        ] {
            let headers = [(name, value), ("retry-after", "nonsense"), ("x-ratelimit-remaining", "0")];
            for dialect in catalog().names() {
                let failure = read(dialect, 429, &headers, b"{}").unwrap();
                assert!(
                    failure.wait.is_none_or(|wait| wait <= longest),
                    "{name}: {value}: {:?}",
                    failure.wait
                );
            }
        }
    }
    let both = [("retry-after", "2"), ("retry-after-ms", "1500")];
    assert_eq!(read("openai", 429, &both, b"").unwrap().wait, Some(Duration::from_millis(1500)));
}
