//! OpenAI's Responses API.

use serde_json::{Value, json};

use super::prompt;
use super::shape::Subject;
use super::streamed::Streamed;

pub(super) fn whole(subject: &Subject<'_>) -> Value {
    response(subject, "completed", json!([message(subject, "completed")]))
}

pub(super) fn stream(subject: &Subject<'_>) -> Streamed {
    let item = subject.id("msg");
    let begun = response(subject, "in_progress", json!([]));
    let at = |kind: &str| json!({"type": kind, "item_id": item, "output_index": 0, "content_index": 0});
    let with = |mut event: Value, name: &str, value: Value| {
        event[name] = value;
        event
    };
    let mut empty = message(subject, "in_progress");
    empty["content"] = json!([]);
    let mut events = vec![
        json!({"type": "response.created", "response": begun}),
        json!({"type": "response.in_progress", "response": begun}),
        json!({"type": "response.output_item.added", "output_index": 0, "item": empty}),
        with(at("response.content_part.added"), "part", part("")),
    ];
    let delta = |text: &str| {
        with(with(at("response.output_text.delta"), "delta", json!(text)), "logprobs", json!([]))
    };
    events.extend(prompt::pieces(&subject.reply).into_iter().map(delta));
    events.extend([
        with(with(at("response.output_text.done"), "text", json!(subject.reply)), "logprobs", json!([])),
        with(at("response.content_part.done"), "part", part(&subject.reply)),
        json!({"type": "response.output_item.done", "output_index": 0, "item": message(subject, "completed")}),
        json!({"type": "response.completed", "response": whole(subject)}),
    ]);
    for (number, event) in events.iter_mut().enumerate() {
        event["sequence_number"] = json!(number);
    }
    Streamed::named(&events, 1)
}

fn response(subject: &Subject<'_>, status: &str, output: Value) -> Value {
    json!({
        "id": subject.id("resp"),
        "object": "response",
        "created_at": subject.created,
        "status": status,
        "error": null,
        "incomplete_details": null,
        "instructions": null,
        "metadata": {},
        "model": subject.model,
        "output": output,
        "parallel_tool_calls": true,
        "temperature": 1.0,
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "usage": {
            "input_tokens": subject.tokens_in,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": subject.tokens_out,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": subject.tokens_in + subject.tokens_out,
        },
    })
}

fn message(subject: &Subject<'_>, status: &str) -> Value {
    json!({
        "type": "message",
        "id": subject.id("msg"),
        "status": status,
        "role": "assistant",
        "content": [part(&subject.reply)],
    })
}

fn part(text: &str) -> Value {
    json!({"type": "output_text", "text": text, "annotations": [], "logprobs": []})
}
