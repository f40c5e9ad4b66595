//! What a request says, and what the mock says back.

use serde_json::Value;

/// The most characters that are said back.
const LONGEST: usize = 64 * 1024;

/// The last words of a request, wherever its API puts them.
pub(super) fn last_words(json: &Value) -> String {
    let places = ["messages", "input", "contents", "prompt", "message"];
    let found = places.iter().find_map(|place| json.get(place)).map(text).unwrap_or_default();
    let end = found.floor_char_boundary(LONGEST);
    found[..end].to_owned()
}

/// The text in a value: of a list its last element's, of an object its content's.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.last().map(text).unwrap_or_default(),
        Value::Object(members) => {
            let places = ["content", "parts", "text"];
            places.iter().find_map(|place| members.get(*place)).map(text).unwrap_or_default()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => String::new(),
    }
}

/// What is answered to these words.
pub(super) fn reply(words: &str) -> String {
    format!("This is a mock; it heard you say: {words}")
}

/// The reply in the pieces in which a stream brings it.
pub(super) fn pieces(reply: &str) -> Vec<&str> {
    reply.split_inclusive(' ').collect()
}

/// About how many tokens a text has.
pub(in crate::mock) fn tokens(bytes: usize) -> u64 {
    (bytes as u64).div_ceil(4)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_last_words_are_found_in_every_apis_shape() {
        for request in [
            json!({"messages": [{"role": "system", "content": "x"}, {"role": "user", "content": "hi"}]}),
            json!({"messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}]}),
            json!({"input": "hi"}),
            json!({"input": [{"role": "user", "content": [{"type": "input_text", "text": "hi"}]}]}),
            json!({"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}),
            json!({"message": "hi"}),
        ] {
            assert_eq!(last_words(&request), "hi", "{request}");
        }
        assert_eq!(last_words(&json!({"messages": 5})), "");
    }

    #[test]
    fn a_stream_brings_the_whole_reply() {
        let whole = reply("a  b");
        assert_eq!(pieces(&whole).concat(), whole);
        assert!(pieces(&whole).len() > 8);
    }
}
