//! Whether an answer already speaks a dialect, so that it may pass as it is.

use serde_json::Value;

use crate::dialect::{body, read};
use crate::failure::Failure;
use crate::spec::Dialect;

/// Whether a body fits an envelope that the dialect itself writes, with nothing of the failure lost in it.
pub fn speaks(dialect: &Dialect, failure: &Failure, body: &[u8]) -> bool {
    let Ok(json) = serde_json::from_slice::<Value>(body) else { return false };
    body.len() <= body::MAX_BODY
        && dialect.envelopes.iter().filter(|envelope| !envelope.read_only).any(|envelope| {
            read::read(&envelope.node, &json).is_some_and(|(facts, _)| {
                facts.message == failure.message
                    && facts.code == failure.code
                    && facts.type_ == failure.type_
                    && facts.param == failure.param
            })
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind::Kind;

    #[test]
    fn a_body_speaks_a_dialect_when_its_facts_are_the_failures() {
        let openai = crate::catalog().get("openai").unwrap();
        let body = br#"{"error": {"message": "m", "type": "t", "code": "c"}}"#;
        let mut failure = Failure::new(Kind::Internal).message("m").code("c");
        failure.type_ = Some("t".to_owned());
        assert!(speaks(openai, &failure, body));
        failure.param = Some("p".to_owned());
        assert!(!speaks(openai, &failure, body));
        assert!(!speaks(openai, &failure, b"<html>"));
    }
}
