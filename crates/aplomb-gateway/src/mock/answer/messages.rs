//! Anthropic's messages.

use serde_json::{Value, json};

use super::prompt;
use super::shape::Subject;
use super::streamed::Streamed;

pub(super) fn whole(subject: &Subject<'_>) -> Value {
    message(subject, json!([{"type": "text", "text": subject.reply}]), json!("end_turn"), subject.tokens_out)
}

pub(super) fn stream(subject: &Subject<'_>) -> Streamed {
    let mut events = vec![
        json!({"type": "message_start", "message": message(subject, json!([]), Value::Null, 1)}),
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
        json!({"type": "ping"}),
    ];
    events.extend(prompt::pieces(&subject.reply).into_iter().map(
        |text| json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}),
    ));
    events.extend([
        json!({"type": "content_block_stop", "index": 0}),
        json!({
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn", "stop_sequence": null},
            "usage": {"output_tokens": subject.tokens_out},
        }),
        json!({"type": "message_stop"}),
    ]);
    Streamed::named(&events, 2)
}

fn message(subject: &Subject<'_>, content: Value, stop: Value, tokens_out: u64) -> Value {
    json!({
        "id": subject.id("msg"),
        "type": "message",
        "role": "assistant",
        "model": subject.model,
        "content": content,
        "stop_reason": stop,
        "stop_sequence": null,
        "usage": {
            "input_tokens": subject.tokens_in,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "output_tokens": tokens_out,
        },
    })
}
