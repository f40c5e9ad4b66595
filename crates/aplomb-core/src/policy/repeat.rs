//! May a request be sent a second time? What is known about the first, and what the second could spoil.

use serde::{Deserialize, Serialize};

use crate::failure::Failure;
use crate::kind::Fault;

/// How far a failed attempt came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// The upstream never got it: connection refused, DNS, TLS, a refused stream.
    Never,
    /// The upstream got it and did nothing: it said so, or there was nothing to do.
    Refused,
    /// The upstream may have acted on it.
    Unknown,
}

impl Sent {
    /// Classifies an attempt that was sent.
    ///
    /// `body`: an answer with a body came. An empty 503 is some machine's on the way and proves nothing; a 429 does.
    /// `safe`: the method is one that changes nothing ([`is_safe`]).
    pub fn classify(failure: &Failure, body: bool, safe: bool) -> Self {
        let said = body || failure.status == Some(429);
        let refused = failure.kind.facts().refused || (!failure.retryable && failure.fault != Fault::Network);
        let in_progress = failure.status == Some(409);
        if safe || (said && (refused || in_progress)) { Self::Refused } else { Self::Unknown }
    }
}

/// What a route says about repeating requests whose outcome is unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RepeatRule {
    /// If method, endpoint or idempotency key make it harmless.
    #[default]
    Auto,
    /// Always: the route's owner knows that it is harmless.
    Always,
    /// Never; what was refused or never sent is still retried.
    Never,
}

/// What makes a second sending harmless.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RepeatFacts {
    /// The method promises it ([`is_idempotent`]).
    pub idempotent: bool,
    /// The dialect marks the endpoint as repeatable.
    pub endpoint: bool,
    /// The request carries an idempotency key that this upstream honours.
    pub key: bool,
}

/// Whether a request whose outcome is unknown may be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeatable {
    /// No.
    No,
    /// To the same upstream only, which knows its idempotency key; another one would do the work a second time.
    Here,
    /// To any upstream.
    Anywhere,
}

impl Repeatable {
    /// Decides from the route's rule and the facts.
    pub fn new(rule: RepeatRule, facts: RepeatFacts) -> Self {
        match rule {
            RepeatRule::Always => Self::Anywhere,
            RepeatRule::Never => Self::No,
            RepeatRule::Auto if facts.idempotent || facts.endpoint => Self::Anywhere,
            RepeatRule::Auto if facts.key => Self::Here,
            RepeatRule::Auto => Self::No,
        }
    }
}

/// Whether the method changes nothing (RFC 9110, 9.2.1).
pub fn is_safe(method: &str) -> bool {
    matches!(method, "GET" | "HEAD" | "OPTIONS" | "TRACE")
}

/// Whether doing it twice is the same as doing it once (RFC 9110, 9.2.2).
pub fn is_idempotent(method: &str) -> bool {
    is_safe(method) || matches!(method, "PUT" | "DELETE")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind::{Advice, Kind};

    fn sent(kind: Kind) -> Sent {
        Sent::classify(&Failure::new(kind), true, false)
    }

    #[test]
    fn an_error_body_that_refuses_proves_that_nothing_was_done() {
        for kind in
            [Kind::RateLimit, Kind::QuotaExhausted, Kind::Unavailable, Kind::Overloaded, Kind::Validation]
        {
            assert_eq!(sent(kind), Sent::Refused, "{kind}");
        }
        for kind in [Kind::Internal, Kind::BadGateway, Kind::GatewayTimeout, Kind::Timeout, Kind::Unknown] {
            assert_eq!(sent(kind), Sent::Unknown, "{kind}");
        }
    }

    #[test]
    fn an_empty_answer_proves_nothing_unless_it_is_a_429() {
        let mut failure = Failure::new(Kind::Unavailable);
        failure.status = Some(503);
        assert_eq!(Sent::classify(&failure, false, false), Sent::Unknown);
        let mut failure = Failure::new(Kind::RateLimit);
        failure.status = Some(429);
        assert_eq!(Sent::classify(&failure, false, false), Sent::Refused);
    }

    #[test]
    fn a_conflict_with_a_request_in_progress_did_nothing_more() {
        let mut failure = Failure::new(Kind::Conflict);
        (failure.status, failure.retryable, failure.advice) = (Some(409), true, Advice::Retry);
        assert_eq!(Sent::classify(&failure, true, false), Sent::Refused);
    }

    #[test]
    fn a_safe_method_has_nothing_to_do_twice() {
        assert_eq!(Sent::classify(&Failure::new(Kind::Internal), true, is_safe("GET")), Sent::Refused);
        assert_eq!(Sent::classify(&Failure::new(Kind::Internal), true, is_safe("DELETE")), Sent::Unknown);
    }

    #[test]
    fn the_rule_comes_before_the_facts() {
        let all = RepeatFacts { idempotent: true, endpoint: true, key: true };
        let key = RepeatFacts { key: true, ..RepeatFacts::default() };
        let none = RepeatFacts::default();
        assert_eq!(Repeatable::new(RepeatRule::Never, all), Repeatable::No);
        assert_eq!(Repeatable::new(RepeatRule::Always, none), Repeatable::Anywhere);
        assert_eq!(Repeatable::new(RepeatRule::Auto, none), Repeatable::No);
        assert_eq!(Repeatable::new(RepeatRule::Auto, key), Repeatable::Here);
        assert_eq!(Repeatable::new(RepeatRule::Auto, all), Repeatable::Anywhere);
        let put = RepeatFacts { idempotent: is_idempotent("PUT"), ..key };
        assert_eq!(Repeatable::new(RepeatRule::Auto, put), Repeatable::Anywhere);
    }
}
