//! What becomes of a request's idempotency key when the request is over: its answer is kept, or the key is free again.

use crate::failure::Failure;
use crate::kind::Kind;

/// How a request ended.
#[derive(Clone, Copy, Debug)]
pub struct Ended<'a> {
    /// The status of its answer.
    pub status: u16,
    /// The failure that the answer tells of, if it does.
    pub failure: Option<&'a Failure>,
    /// Whether anybody was asked.
    pub sent: bool,
    /// Whether an upstream may have acted although no answer says so.
    pub outcome_unknown: bool,
}

/// What becomes of the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Whoever asks under it gets the same answer.
    Keep,
    /// It is as if the request had never been made.
    Release,
    /// Nobody knows whether it was carried out.
    Unknown,
}

/// Decides by what happened, not by the status: what was refused without an effect, or may succeed later, is nothing
/// that a caller should be told again.
pub fn fate(ended: &Ended<'_>) -> Fate {
    let Some(failure) = ended.failure.filter(|_| ended.status >= 400) else { return Fate::Keep };
    if !ended.sent {
        return Fate::Release;
    }
    if ended.outcome_unknown {
        return Fate::Unknown;
    }
    let refused = matches!(
        failure.kind,
        Kind::Authentication
            | Kind::PaymentRequired
            | Kind::RateLimit
            | Kind::QuotaExhausted
            | Kind::Overloaded
    );
    let is_final = (400..500).contains(&ended.status) && !refused && !failure.retryable;
    if is_final { Fate::Keep } else { Fate::Release }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(status: u16, kind: Kind, sent: bool, outcome_unknown: bool) -> Fate {
        fate(&Ended { status, failure: Some(&Failure::new(kind)), sent, outcome_unknown })
    }

    #[test]
    fn a_success_is_kept_and_so_is_a_refusal_that_stands() {
        let success = Ended { status: 201, failure: None, sent: true, outcome_unknown: false };
        assert_eq!(fate(&success), Fate::Keep);
        for (status, kind) in [
            (400, Kind::InvalidRequest),
            (403, Kind::Permission),
            (404, Kind::NotFound),
            (409, Kind::Conflict),
            (422, Kind::Validation),
        ] {
            assert_eq!(of(status, kind, true, false), Fate::Keep, "{kind}");
        }
        assert_eq!(of(200, Kind::Internal, true, false), Fate::Keep, "an error inside a 200, by design");
    }

    #[test]
    fn what_was_never_sent_or_refused_for_now_frees_the_key() {
        assert_eq!(of(422, Kind::Validation, false, false), Fate::Release);
        assert_eq!(of(504, Kind::GatewayTimeout, false, false), Fate::Release);
        for (status, kind) in [
            (401, Kind::Authentication),
            (402, Kind::PaymentRequired),
            (429, Kind::RateLimit),
            (429, Kind::QuotaExhausted),
            (503, Kind::Overloaded),
            (503, Kind::Unavailable),
            (502, Kind::BadGateway),
        ] {
            assert_eq!(of(status, kind, true, false), Fate::Release, "{kind}");
        }
        let mut running = Failure::new(Kind::Conflict);
        running.retryable = true;
        let ended = Ended { status: 409, failure: Some(&running), sent: true, outcome_unknown: false };
        assert_eq!(fate(&ended), Fate::Release, "another request is in progress");
    }

    #[test]
    fn what_may_have_been_carried_out_is_unknown_whatever_it_says() {
        for (status, kind) in [
            (500, Kind::Internal),
            (502, Kind::BadGateway),
            (504, Kind::GatewayTimeout),
            (429, Kind::RateLimit),
        ] {
            assert_eq!(of(status, kind, true, true), Fate::Unknown, "{kind}");
        }
    }
}
