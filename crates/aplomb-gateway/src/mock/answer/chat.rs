//! Chat completions as OpenAI writes them, and everyone after it.

use serde_json::{Value, json};

use super::prompt;
use super::shape::Subject;
use super::streamed::Streamed;

pub(super) fn whole(subject: &Subject<'_>) -> Value {
    json!({
        "id": subject.id("chatcmpl"),
        "object": "chat.completion",
        "created": subject.created,
        "model": subject.model,
        "choices": [{
            "index": 0,
            "message": {"role": "assistant", "content": subject.reply, "refusal": null},
            "logprobs": null,
            "finish_reason": "stop",
        }],
        "usage": usage(subject),
        "system_fingerprint": "fp_mock",
    })
}

pub(super) fn stream(subject: &Subject<'_>) -> Streamed {
    let chunk = |choices: Value| {
        json!({
            "id": subject.id("chatcmpl"),
            "object": "chat.completion.chunk",
            "created": subject.created,
            "model": subject.model,
            "system_fingerprint": "fp_mock",
            "choices": choices,
        })
    };
    let delta = |delta: Value, finish: Value| {
        chunk(json!([{"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish}]))
    };
    let mut events = vec![delta(json!({"role": "assistant", "content": ""}), Value::Null)];
    events.extend(
        prompt::pieces(&subject.reply).into_iter().map(|text| delta(json!({"content": text}), Value::Null)),
    );
    events.push(delta(json!({}), json!("stop")));
    let mut closing = 2;
    if subject.json.pointer("/stream_options/include_usage") == Some(&Value::Bool(true)) {
        let mut last = chunk(json!([]));
        last["usage"] = usage(subject);
        events.push(last);
        closing += 1;
    }
    Streamed::unnamed(&events, Some("[DONE]"), closing)
}

fn usage(subject: &Subject<'_>) -> Value {
    json!({
        "prompt_tokens": subject.tokens_in,
        "completion_tokens": subject.tokens_out,
        "total_tokens": subject.tokens_in + subject.tokens_out,
    })
}
