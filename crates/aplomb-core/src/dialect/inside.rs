//! Errors inside a success: told from results without parsing what is healthy.

use std::sync::LazyLock;

use memchr::memmem::Finder;
use serde_json::Value;

/// Words without which no error stands in a body that came with a 200.
///
/// Searchers are made once: making one costs more than it takes to search a usual answer.
static WORDS: LazyLock<[Finder<'_>; 2]> =
    LazyLock::new(|| [Finder::new(b"\"error\""), Finder::new(b"\"blockReason\"")]);

/// Whether a body may hold an error at all: a look at its bytes, so that a healthy answer costs no parse.
pub fn may_hold_error(body: &[u8]) -> bool {
    WORDS.iter().any(|word| word.find(body).is_some())
}

/// Whether a JSON object has one of the members that a result of the endpoint has.
pub fn is_result(members: &[String], body: &[u8]) -> bool {
    if members.is_empty() {
        return false;
    }
    let Ok(Value::Object(object)) = serde_json::from_slice(body) else { return false };
    members.iter().any(|member| object.get(member).is_some_and(says_something))
}

/// A member that holds something: an error beside an empty list of choices is an error.
pub(super) fn says_something(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Array(items) => !items.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_quotes_an_error_is_not_looked_into() {
        assert!(!may_hold_error(br#"{"content": "say \"error\" twice"}"#));
        assert!(may_hold_error(br#"{"error": null}"#));
    }

    #[test]
    fn an_error_beside_a_result_is_a_result() {
        let members = ["choices".to_owned()];
        assert!(is_result(&members, br#"{"choices": [1], "error": {"x": 1}}"#));
        assert!(!is_result(&members, br#"{"choices": [], "error": {"x": 1}}"#));
        assert!(!is_result(&members, b"{"));
    }
}
