//! Exceptions as the SDKs of many languages print them: the status and the body that are found in them.

use aplomb_core::capture::Capture;
use serde_json::{Value, json};

/// The text of an exception, the status in it, and the body: JSON, or the API's sentence.
#[expect(clippy::too_many_lines, reason = "one table")]
fn cases() -> Vec<(&'static str, Option<u16>, Value)> {
    let quota = json!({"error": {"message": "You exceeded your quota", "type": "insufficient_quota", "param": null, "code": "insufficient_quota"}});
    vec![
        // Python, Stainless: openai, anthropic, groq, mixedbread.
        (
            "Error code: 429 - {'error': {'message': 'You exceeded your quota', 'type': 'insufficient_quota', 'param': None, 'code': 'insufficient_quota'}}",
            Some(429),
            quota.clone(),
        ),
        (
            "openai.RateLimitError: Error code: 429 - {'error': {'message': 'You exceeded your quota', 'type': 'insufficient_quota', 'param': None, 'code': 'insufficient_quota'}}",
            Some(429),
            quota.clone(),
        ),
        (
            "Traceback (most recent call last):\n  File \"/app/main.py\", line 3, in <module>\n    raise X({'a': 1}) from None\ngroq.NotFoundError: Error code: 404 - {'error': {'message': \"The model `x` doesn't exist\"}}\n",
            Some(404),
            json!({"error": {"message": "The model `x` doesn't exist"}}),
        ),
        (
            "openai.InternalServerError: Error code: 502 - <html><title>502</title></html>",
            Some(502),
            json!("<html><title>502</title></html>"),
        ),
        ("openai.InternalServerError: upstream connect error", Some(500), json!("upstream connect error")),
        (
            "Error code: 400 - [{'error': {'message': 'x', 'code': 400}}]",
            Some(400),
            json!([{"error": {"message": "x", "code": 400}}]),
        ),
        (
            "2026-01-02 10:00:00,123 ERROR worker: Error code: 401 - {'detail': 'No key'} (attempt 2)",
            Some(401),
            json!({"detail": "No key"}),
        ),
        // Python, Fern: cohere and others.
        (
            "cohere.errors.unauthorized_error.UnauthorizedError: headers: {'date': 'Sat', 'x-debug-trace-id': 'ab'}, status_code: 401, body: {'id': 'x', 'message': 'invalid api token'}",
            Some(401),
            json!({"id": "x", "message": "invalid api token"}),
        ),
        ("status_code: 429, body: Too Many Requests", Some(429), json!("Too Many Requests")),
        // Python: mistralai, old and new.
        (
            "API error occurred: Status 401. Body: {\"detail\":\"Unauthorized\"}",
            Some(401),
            json!({"detail": "Unauthorized"}),
        ),
        (
            "mistralai.models.sdkerror.SDKError: API error occurred: Status 429 Content-Type application/json. Body: {\"message\":\"Requests rate limit exceeded\"}",
            Some(429),
            json!({"message": "Requests rate limit exceeded"}),
        ),
        (
            "API error occurred: Status 502 Content-Type text/html. Body: bad gateway",
            Some(502),
            json!("bad gateway"),
        ),
        (
            "mistralai.exceptions.MistralAPIException: Status: 429. Message: {\"message\":\"slow\"}",
            Some(429),
            json!({"message": "slow"}),
        ),
        // Python: Google, three generations.
        (
            "google.genai.errors.ClientError: 429 RESOURCE_EXHAUSTED. {'error': {'code': 429, 'message': 'Quota', 'status': 'RESOURCE_EXHAUSTED'}}",
            Some(429),
            json!({"error": {"code": 429, "message": "Quota", "status": "RESOURCE_EXHAUSTED"}}),
        ),
        (
            "google.api_core.exceptions.ResourceExhausted: 429 Resource has been exhausted (e.g. check quota).",
            Some(429),
            json!("Resource has been exhausted (e.g. check quota)."),
        ),
        // Python: requests, httpx, boto3, LiteLLM.
        (
            "requests.exceptions.HTTPError: 429 Client Error: Too Many Requests for url: https://api.openai.com/v1/chat/completions",
            Some(429),
            json!(""),
        ),
        (
            "httpx.HTTPStatusError: Client error '429 Too Many Requests' for url 'https://api.openai.com/v1/models'\nFor more information check: https://developer.mozilla.org/en-US/docs/Web/HTTP/Status/429",
            Some(429),
            json!(""),
        ),
        (
            "botocore.errorfactory.ThrottlingException: An error occurred (ThrottlingException) when calling the InvokeModel operation (reached max retries: 4): Too many tokens, please wait before trying again.",
            Some(429),
            json!({"message": "Too many tokens, please wait before trying again."}),
        ),
        (
            "litellm.RateLimitError: RateLimitError: OpenAIException - You exceeded your quota. Received Model Group=gpt-4\nAvailable Model Group Fallbacks=None",
            Some(429),
            json!("You exceeded your quota"),
        ),
        (
            "litellm.exceptions.BadRequestError: litellm.BadRequestError: GroqException - {\"error\":{\"message\":\"bad\",\"type\":\"x\"}}\n",
            Some(400),
            json!({"error": {"message": "bad", "type": "x"}}),
        ),
        (
            "litellm.InternalServerError: AnthropicException - Overloaded. Handle with `litellm.InternalServerError`.",
            Some(500),
            json!("Overloaded. Handle with `litellm.InternalServerError`."),
        ),
        // Node: messages, and what `console.error` prints.
        (
            "RateLimitError: 429 You exceeded your quota\n    at APIError.generate (/app/error.js:63:20)",
            Some(429),
            json!("You exceeded your quota"),
        ),
        (
            "BadRequestError: 400 {\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":\"x\"}}",
            Some(400),
            json!({"type": "error", "error": {"type": "invalid_request_error", "message": "x"}}),
        ),
        (
            "RateLimitError: 429 You exceeded your quota\n    at APIError.generate (file:///app/error.mjs:63:20) {\n  status: 429,\n  headers: Headers { 'retry-after': '7' },\n  request_id: 'req_1',\n  error: {\n    message: 'You exceeded ' +\n      'your quota',\n    type: 'insufficient_quota',\n    param: null,\n    code: 'insufficient_quota'\n  },\n  code: 'insufficient_quota'\n}",
            Some(429),
            quota.clone(),
        ),
        (
            "AxiosError: Request failed with status code 429 {\n  code: 'ERR_BAD_REQUEST',\n  config: { url: 'x' },\n  response: {\n    status: 429,\n    headers: { 'retry-after': '3' },\n    data: { error: { message: 'slow' } }\n  }\n}",
            Some(429),
            json!({"error": {"message": "slow"}}),
        ),
        (
            "[GoogleGenerativeAI Error]: Error fetching from https://generativelanguage.googleapis.com/v1beta/models/x:generateContent: [429 Too Many Requests] You exceeded your quota. [{\"@type\":\"type.googleapis.com/google.rpc.RetryInfo\",\"retryDelay\":\"17s\"}]",
            Some(429),
            json!({"error": {"code": 429, "message": "You exceeded your quota.", "details": [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "17s"}]}}),
        ),
        // Go, Rust, Java, Ruby, C#, PHP.
        (
            "POST \"https://api.openai.com/v1/chat/completions\": 429 Too Many Requests {\"message\": \"slow\", \"type\": \"tokens\", \"code\": null}",
            Some(429),
            json!({"error": {"message": "slow", "type": "tokens", "code": null}}),
        ),
        (
            "POST \"https://api.anthropic.com/v1/messages\": 529  {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}",
            Some(529),
            json!({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}),
        ),
        (
            "error, status code: 429, status: 429 Too Many Requests, message: slow down",
            Some(429),
            json!("error, status code: 429, status: 429 Too Many Requests, message: slow down"),
        ),
        (
            "Error: HTTP status server error (503 Service Unavailable) for url (https://api.x.ai/v1/models)",
            Some(503),
            json!(""),
        ),
        (
            "com.openai.errors.RateLimitException: 429: You exceeded your quota",
            Some(429),
            json!("You exceeded your quota"),
        ),
        (
            "com.anthropic.errors.BadRequestException: 400: {type=error, error={type=invalid_request_error, message=max_tokens: must be greater, than 0}}",
            Some(400),
            json!({"type": "error", "error": {"type": "invalid_request_error", "message": "max_tokens: must be greater, than 0"}}),
        ),
        (
            "OpenAI::Errors::RateLimitError: {url: \"https://api.openai.com/v1/x\", status: 429, body: {error: {message: \"slow\", code: nil}}}",
            Some(429),
            json!({"error": {"message": "slow", "code": null}}),
        ),
        (
            "Azure.RequestFailedException: Slow down\nStatus: 429 (Too Many Requests)\nErrorCode: TooMany\n\nContent:\n{\"error\":{\"code\":\"429\",\"message\":\"slow\"}}\n\nHeaders:\nRetry-After: 5\n",
            Some(429),
            json!({"error": {"code": "429", "message": "slow"}}),
        ),
        (
            "GuzzleHttp\\Exception\\ClientException: Client error: `POST https://api.openai.com/v1/chat/completions` resulted in a `429 Too Many Requests` response:\n{\n    \"error\": {\n        \"message\": \"You exceeded (truncated...)\n",
            Some(429),
            json!({"error": {"message": "You exceeded (truncated...)\n"}}),
        ),
        ("HTTP 503: Service Unavailable", Some(503), json!("Service Unavailable")),
        ("curl: (22) The requested URL returned error: 429", Some(429), json!("")),
    ]
}

#[test]
fn the_exceptions_of_many_sdks_give_status_and_body() {
    let mut wrong = Vec::new();
    for (text, status, body) in cases() {
        let capture = Capture::read(text.as_bytes());
        let seen = serde_json::from_slice(&capture.body)
            .unwrap_or_else(|_| Value::from(String::from_utf8(capture.body.clone()).unwrap()));
        if (capture.status, &seen) != (status, &body) {
            wrong.push(format!("{text}\n  gives {:?} {seen}\n  not   {status:?} {body}", capture.status));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_an_exception_says_besides_is_kept() {
    let read = |text: &str| Capture::read(text.as_bytes());
    let header = |capture: &Capture, name: &str| {
        let found = capture.headers.iter().find(|(own, _)| own.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.clone()).unwrap_or_default()
    };
    let node = cases().into_iter().find(|(text, ..)| text.contains("Headers {")).unwrap().0;
    assert_eq!(header(&read(node), "retry-after"), "7");
    assert_eq!(header(&read(node), "x-request-id"), "req_1");
    let cohere = cases().into_iter().find(|(text, ..)| text.contains("x-debug-trace-id")).unwrap().0;
    assert_eq!(header(&read(cohere), "x-debug-trace-id"), "ab");
    let requests = read("429 Client Error: Too Many Requests for url: https://api.openai.com/v1/models");
    assert_eq!(requests.host.as_deref(), Some("api.openai.com"));
    let hub = read(
        "huggingface_hub.errors.HfHubHTTPError: 429 Client Error: Too Many Requests for url: https://huggingface.co/api (Request ID: Root=1-67a)\n\nYou have been rate limited.",
    );
    assert_eq!(
        (header(&hub, "x-request-id").as_str(), hub.body.as_slice()),
        ("Root=1-67a", &b"You have been rate limited."[..])
    );
    let google = read(
        "google.api_core.exceptions.ResourceExhausted: 429 Quota [violations {\n}\n, retry_delay {\n  seconds: 45\n}\n]",
    );
    assert_eq!((header(&google, "retry-after").as_str(), google.body.as_slice()), ("45", &b"Quota"[..]));
    assert_eq!(read("groq.APIError: x").package.as_deref(), Some("groq"));
}

#[test]
fn what_is_no_exception_is_a_body() {
    for text in [
        "error code: 522",
        "upstream connect error or disconnect/reset before headers. reset reason: overflow",
        "hello",
        "{\"error\": {\"message\": \"Rate lim",
    ] {
        let capture = Capture::read(text.as_bytes());
        assert_eq!(String::from_utf8(capture.body).unwrap(), text);
    }
}
