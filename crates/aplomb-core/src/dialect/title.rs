//! Titles: a short name for what happened, beside the message. A few APIs have a place for one.

use serde_json::Value;

use crate::dialect::Facts;
use crate::dialect::status::phrase;
use crate::failure::Failure;
use crate::kind::Kind;
use crate::spec::{Node, SlotName};

/// The detail in which a title stands where there is no other place for it.
const TITLE: &str = "title";

/// Keeps the title that an API gave among the details, unless it says nothing that isn't said already.
pub(super) fn keep(title: Option<String>, failure: &mut Failure) {
    if let Some(title) = title.filter(|title| !is_said(title, failure)) {
        failure.details.entry(TITLE).or_insert_with(|| title.into());
    }
}

/// Whether the message says it, or it only names the status or a kind.
fn is_said(title: &str, failure: &Failure) -> bool {
    let is = |other: &str| title.trim().eq_ignore_ascii_case(other.trim());
    failure.message.as_deref().is_some_and(is)
        || failure.status.is_some_and(|status| is(phrase(status)))
        || Kind::ALL.iter().any(|kind| is(&kind.facts().title))
}

/// A title of the API's own takes the place that a template has for one; without a place it stays a detail.
pub(super) fn put(facts: &mut Facts, node: &Node) {
    if facts.details.get(TITLE).is_some_and(Value::is_string)
        && node.holds(SlotName::Title)
        && let Some(Value::String(title)) = facts.details.remove(TITLE)
    {
        facts.title = Some(title);
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::{Evidence, Headers, catalog, decode, render};

    fn failure(dialect: &str, status: u16, body: &Value) -> Failure {
        let body = body.to_string();
        let evidence = Evidence {
            status: Some(status),
            headers: Headers(&[]),
            body: body.as_bytes(),
            host: None,
            now: SystemTime::UNIX_EPOCH,
        };
        decode(catalog(), catalog().get(dialect), &evidence).failure.unwrap()
    }

    fn told(dialect: &str, failure: &Failure) -> Value {
        let dialect = catalog().get(dialect).unwrap();
        serde_json::from_slice(&render(dialect, failure, None, SystemTime::UNIX_EPOCH).body).unwrap()
    }

    #[test]
    fn a_title_that_says_more_is_told_in_every_dialect_and_read_back() {
        let problem = serde_json::json!({"type": "https://a.example/p", "title": "Out of luck", "detail": "Try another."});
        let first = failure("problem", 403, &problem);
        assert_eq!(first.message.as_deref(), Some("Try another."));
        for dialect in catalog().dialects().map(|dialect| dialect.name.as_str()) {
            let body = told(dialect, &first);
            assert!(body.to_string().contains("\"Out of luck\""), "{dialect}: {body}");
            if !matches!(dialect, "edge" | "problem") {
                let again = failure(dialect, 403, &body);
                assert_eq!(told("problem", &again)["title"], "Out of luck", "{dialect}: {body}");
            }
        }
    }

    #[test]
    fn a_title_that_says_nothing_new_is_no_detail() {
        for title in ["Not Found", "not found", " Try another. ", &Kind::NotFound.facts().title] {
            let body = serde_json::json!({"title": title, "detail": "Try another.", "status": 404});
            assert!(failure("problem", 404, &body).details.is_empty(), "{title}");
        }
    }

    #[test]
    fn a_title_alone_is_the_message() {
        let failure = failure("problem", 404, &serde_json::json!({"title": "No such pipe", "status": 404}));
        assert_eq!((failure.message.as_deref(), failure.details.len()), (Some("No such pipe"), 0));
    }
}
