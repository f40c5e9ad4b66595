//! Cohere's second chat.

use serde_json::{Value, json};

use super::prompt;
use super::shape::Subject;
use super::streamed::Streamed;

pub(super) fn whole(subject: &Subject<'_>) -> Value {
    json!({
        "id": subject.id("chat"),
        "finish_reason": "COMPLETE",
        "message": {"role": "assistant", "content": [{"type": "text", "text": subject.reply}]},
        "usage": usage(subject),
    })
}

pub(super) fn stream(subject: &Subject<'_>) -> Streamed {
    let content = |text: &str| json!({"message": {"content": {"type": "text", "text": text}}});
    let mut events = vec![
        json!({
            "type": "message-start",
            "id": subject.id("chat"),
            "delta": {"message": {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []}},
        }),
        json!({"type": "content-start", "index": 0, "delta": content("")}),
    ];
    events.extend(
        prompt::pieces(&subject.reply)
            .into_iter()
            .map(|text| json!({"type": "content-delta", "index": 0, "delta": {"message": {"content": {"text": text}}}})),
    );
    events.extend([
        json!({"type": "content-end", "index": 0}),
        json!({"type": "message-end", "delta": {"finish_reason": "COMPLETE", "usage": usage(subject)}}),
    ]);
    Streamed::named(&events, 1)
}

fn usage(subject: &Subject<'_>) -> Value {
    let counts = json!({"input_tokens": subject.tokens_in, "output_tokens": subject.tokens_out});
    json!({"billed_units": counts, "tokens": counts})
}
