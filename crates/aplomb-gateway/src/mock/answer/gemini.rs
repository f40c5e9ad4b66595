//! Gemini's generateContent, and its stream as events or as one JSON array.

use serde_json::{Value, json};

use super::prompt;
use super::shape::Subject;
use super::streamed::Streamed;

pub(super) fn whole(subject: &Subject<'_>) -> Value {
    chunk(subject, &subject.reply, Some("STOP"))
}

/// `?alt=sse` asks for events; without it the chunks are the elements of an array.
pub(super) fn stream(subject: &Subject<'_>, as_events: bool) -> Streamed {
    let mut pieces = prompt::pieces(&subject.reply);
    let last = pieces.pop().unwrap_or_default();
    let mut chunks: Vec<_> = pieces.into_iter().map(|text| chunk(subject, text, None)).collect();
    chunks.push(chunk(subject, last, Some("STOP")));
    if as_events { Streamed::unnamed(&chunks, None, 1) } else { Streamed::array(&chunks) }
}

fn chunk(subject: &Subject<'_>, text: &str, finish: Option<&str>) -> Value {
    let mut candidate = json!({"content": {"parts": [{"text": text}], "role": "model"}, "index": 0});
    if let Some(finish) = finish {
        candidate["finishReason"] = json!(finish);
    }
    json!({
        "candidates": [candidate],
        "usageMetadata": {
            "promptTokenCount": subject.tokens_in,
            "candidatesTokenCount": subject.tokens_out,
            "totalTokenCount": subject.tokens_in + subject.tokens_out,
        },
        "modelVersion": subject.model,
        "responseId": subject.id("resp"),
    })
}
