//! Embeddings: numbers that depend on the text alone.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::shape::Subject;
use crate::mock::dice;

/// How many dimensions an embedding has when nothing is asked.
const DIMENSIONS: u64 = 8;

/// The most texts and dimensions that are answered.
const MOST: u64 = 4_096;

pub(super) fn whole(subject: &Subject<'_>) -> Value {
    let dimensions = subject.json["dimensions"].as_u64().unwrap_or(DIMENSIONS).clamp(1, MOST);
    let in_base64 = subject.json["encoding_format"] == "base64";
    let texts = match &subject.json["input"] {
        Value::Array(items) if !items.iter().all(Value::is_number) => items.clone(),
        one => vec![one.clone()],
    };
    let data: Vec<_> = texts
        .iter()
        .take(MOST as usize)
        .enumerate()
        .map(|(index, text)| {
            let numbers = embed(&text.to_string(), dimensions);
            let embedding = if in_base64 { json!(base64(&numbers)) } else { json!(numbers) };
            json!({"object": "embedding", "index": index, "embedding": embedding})
        })
        .collect();
    json!({
        "id": subject.id("embd"),
        "object": "list",
        "data": data,
        "model": subject.model,
        "usage": {"prompt_tokens": subject.tokens_in, "total_tokens": subject.tokens_in},
    })
}

/// A direction of length one.
fn embed(text: &str, dimensions: u64) -> Vec<f32> {
    let raw: Vec<f64> = (0..dimensions).map(|i| dice::draw(0, (text, i)) * 2.0 - 1.0).collect();
    let length = raw.iter().map(|x| x * x).sum::<f64>().sqrt().max(f64::MIN_POSITIVE);
    raw.iter().map(|x| (x / length) as f32).collect()
}

fn base64(numbers: &[f32]) -> String {
    let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
    STANDARD.encode(bytes)
}
