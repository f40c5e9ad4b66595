//! Explanations: what a failure means for a developer, a user and a program, from one decoded answer.
//!
//! ```
//! use aplomb_core::{Explanation, capture::Capture, catalog};
//!
//! let capture = Capture::read(b"HTTP/1.1 429 Too Many Requests\r\nretry-after: 7\r\n\r\n");
//! let explanation = Explanation::of(catalog(), None, &capture, std::time::SystemTime::UNIX_EPOCH);
//! assert_eq!(explanation.to_json()["kind"], "rate_limit");
//! assert_eq!(explanation.to_json()["retry_after_s"], 7);
//! ```

use std::time::{Duration, SystemTime};

use serde_json::{Number, Value, json};

use crate::capture::Capture;
use crate::dialect::{self, Decoded};
use crate::failure::{FieldError, Limit};
use crate::kind::Kind;
use crate::spec::{Catalog, Dialect, StatusFacts};

/// How the dialect of an answer is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Certainty {
    /// It was named.
    Named,
    /// Nothing else fits nearly as well.
    Certain,
    /// Others fit nearly as well.
    Guessed,
}

/// What an answer means, in all the words that there are for it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Explanation<'a> {
    /// The answer as decoded.
    pub decoded: Decoded<'a>,
    /// How its dialect is known.
    pub certainty: Certainty,
    /// The HTTP status, when it is known or the answer says it.
    pub status: Option<u16>,
}

impl<'a> Explanation<'a> {
    /// Explains a capture: in the named dialect, else in the one that is detected.
    pub fn of(catalog: &'a Catalog, named: Option<&'a Dialect>, capture: &Capture, now: SystemTime) -> Self {
        let headers = capture.header_pairs();
        let mut evidence = capture.evidence(&headers, now);
        evidence.host = evidence.host.or_else(|| host_of_package(catalog, capture.package.as_deref()?));
        let decoded = dialect::decode(catalog, named, &evidence);
        let certainty = match (named, decoded.certain) {
            (Some(_), _) => Certainty::Named,
            (None, true) => Certainty::Certain,
            (None, false) => Certainty::Guessed,
        };
        let status = decoded.failure.as_ref().map_or(capture.status, |failure| failure.status);
        Self { decoded, certainty, status }
    }

    /// What it means, for a developer: the API's own documentation of the status before the kind's general one.
    pub fn meaning(&self) -> Option<&'a str> {
        let own = self.documented().map(|facts| facts.meaning.as_str());
        own.or_else(|| Some(self.kind()?.facts().meaning.as_str()))
    }

    /// What a developer can do.
    pub fn remedy(&self) -> Option<&'a str> {
        let own = self.documented().and_then(|facts| facts.remedy.as_deref());
        own.or_else(|| Some(self.kind()?.facts().remedy.as_str()))
    }

    /// A sentence to show an end user.
    pub fn user_message(&self) -> Option<&'static str> {
        Some(self.kind()?.facts().user.as_str())
    }

    /// The object that `aplomb explain --json` prints: every member always there, absent facts null, lists empty.
    pub fn to_json(&self) -> Value {
        let failure = self.decoded.failure.as_ref();
        let dialect = self.decoded.dialect;
        json!({
            "dialect": dialect.name,
            "kind": failure.map(|failure| failure.kind.as_str()),
            "status": self.status,
            "fault": failure.map(|failure| failure.fault.as_str()),
            "advice": failure.map(|failure| failure.advice.as_str()),
            "retryable": failure.map(|failure| failure.retryable),
            "retry_after_s": failure.and_then(|failure| failure.wait).map(seconds),
            "message": failure.and_then(|failure| failure.message.as_deref()),
            "code": failure.and_then(|failure| failure.code.as_deref()),
            "type": failure.and_then(|failure| failure.type_.as_deref()),
            "param": failure.and_then(|failure| failure.param.as_deref()),
            "request_id": failure.and_then(|failure| failure.request_id.as_deref()),
            "limits": failure.map_or_else(Vec::new, |failure| failure.limits.iter().map(limit).collect()),
            "meaning": self.meaning(),
            "remedy": self.remedy(),
            "user_message": self.user_message(),
            "docs": dialect.docs,
            "status_page": dialect.status_page,
            "support": dialect.support,
            "errors": failure.map_or_else(Vec::new, |failure| failure.errors.iter().map(field_error).collect()),
        })
    }

    fn kind(&self) -> Option<Kind> {
        Some(self.decoded.failure.as_ref()?.kind)
    }

    /// What the dialect documents of this status, if it stands for the same kind there.
    fn documented(&self) -> Option<&'a StatusFacts> {
        let status = self.status?;
        let facts = self.decoded.dialect.statuses.get(&status)?;
        (facts.kind.or_else(|| Kind::from_status(status)) == self.kind()).then_some(facts)
    }
}

/// A host of the one dialect whose SDK has this name; a package that several share says nothing.
fn host_of_package<'a>(catalog: &'a Catalog, package: &str) -> Option<&'a str> {
    let is_its = |dialect: &&Dialect| {
        dialect.is_named(package) || dialect.sdk.values().any(|sdk| sdk.package.eq_ignore_ascii_case(package))
    };
    let mut its = catalog.dialects().filter(is_its);
    let only = its.next().filter(|_| its.next().is_none())?;
    only.detect.hosts.first().map(|host| host.trim_start_matches('.'))
}

/// Seconds as a number: whole ones without a fraction, others to the millisecond.
fn seconds(wait: Duration) -> Value {
    if wait.subsec_millis() == 0 {
        return Value::from(wait.as_secs());
    }
    let exact = (wait.as_secs_f64() * 1000.0).round() / 1000.0;
    Number::from_f64(exact).map_or(Value::Null, Value::Number)
}

fn limit(limit: &Limit) -> Value {
    json!({
        "unit": limit.unit,
        "window_s": limit.window.map(seconds),
        "limit": limit.limit,
        "remaining": limit.remaining,
        "reset_s": limit.reset.map(seconds),
    })
}

fn field_error(error: &FieldError) -> Value {
    json!({ "param": error.param, "message": error.message, "code": error.code })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn explain(text: &str) -> Value {
        let catalog = crate::catalog();
        Explanation::of(catalog, catalog.get("groq"), &Capture::read(text.as_bytes()), SystemTime::UNIX_EPOCH)
            .to_json()
    }

    #[test]
    fn the_members_stand_in_their_order() {
        let object = explain("HTTP/1.1 500 Oops\n\n");
        let names: Vec<&str> = object.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(
            names.join(" "),
            "dialect kind status fault advice retryable retry_after_s message code type param request_id limits \
             meaning remedy user_message docs status_page support errors"
        );
    }

    #[test]
    fn what_the_api_documents_comes_before_the_kinds_own_words() {
        let flex = explain("HTTP/1.1 498 x\n\n");
        assert_eq!(flex["kind"], "overloaded");
        assert_eq!(flex["meaning"], "The flex tier is at its capacity.");
        let quota = explain(
            "HTTP/1.1 429 x\n\n{\"error\":{\"message\":\"You exceeded your current quota\",\"type\":\"x\"}}",
        );
        assert_eq!(quota["kind"], "quota_exhausted");
        assert_eq!(quota["meaning"], Kind::QuotaExhausted.facts().meaning);
    }

    #[test]
    fn a_success_has_no_kind() {
        let success = explain("HTTP/1.1 200 OK\ncontent-type: application/json\n\n{\"choices\": [{}]}");
        assert_eq!(
            [&success["kind"], &success["fault"], &success["advice"], &success["retryable"]],
            [&Value::Null; 4]
        );
        assert_eq!(success["status"], 200);
        assert_eq!(success["limits"], json!([]));
    }

    #[test]
    fn waits_are_whole_where_they_can_be() {
        assert_eq!(seconds(Duration::from_secs(7)).to_string(), "7");
        assert_eq!(seconds(Duration::from_millis(1_250)).to_string(), "1.25");
    }
}
