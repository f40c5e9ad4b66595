//! A problem: a failure on its way to the caller, with everything that the answer must say about it.

use std::time::Duration;

use aplomb_core::{Advice, Dialect, Failure, Fault, Kind};
use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use crate::config::{Disclose, Trail as TrailPlace};

/// A failure, and how to tell it.
#[derive(Debug)]
pub(crate) struct Problem {
    /// What happened.
    pub(crate) failure: Failure,
    /// The dialect in which to tell it.
    pub(crate) answer: Option<&'static Dialect>,
    /// What `x-should-retry` says.
    pub(crate) should_retry: bool,
    /// An upstream may have acted (`aplomb-outcome: unknown`).
    pub(crate) outcome_unknown: bool,
    /// The request's body was too large to be kept, so that it could be sent once only (`aplomb-replay`).
    pub(crate) sent_once: bool,
    /// The upstream's own answer, which passes as it is when it speaks the answer dialect.
    pub(crate) original: Option<Original>,
    /// How much of it the caller sees.
    pub(crate) disclose: Disclose,
    /// Whether the body carries the trail too.
    pub(crate) trail: TrailPlace,
    /// A status that the answer keeps whatever the dialect lists, such as 414 and 508.
    pub(crate) status: Option<StatusCode>,
    /// Headers that belong to the failure, such as `allow`.
    pub(crate) headers: HeaderMap,
}

/// An upstream's answer as it came.
#[derive(Debug)]
pub(crate) struct Original {
    /// Its status.
    pub(crate) status: StatusCode,
    /// Its headers, hop-by-hop ones removed.
    pub(crate) headers: HeaderMap,
    /// Its body, whole.
    pub(crate) body: Bytes,
    /// The dialect whose envelope it fits, when it is known whose words these are.
    pub(crate) speaks: Option<&'static Dialect>,
}

impl Problem {
    /// A failure that was found before anything was sent: repeating it can't help.
    pub(crate) fn local(failure: Failure) -> Self {
        Self {
            failure,
            answer: None,
            should_retry: false,
            outcome_unknown: false,
            sent_once: false,
            original: None,
            disclose: Disclose::Full,
            trail: TrailPlace::Headers,
            status: None,
            headers: HeaderMap::new(),
        }
    }

    /// A request that Aplomb itself refuses, with the sentence for it.
    pub(crate) fn refused(kind: Kind, message: &str) -> Self {
        Self::local(Failure::new(kind).message(message))
    }

    /// The store can't be reached, and nobody is let in who needs it.
    pub(crate) fn store_down(what: &str) -> Self {
        let failure = Failure::new(Kind::Unavailable)
            .fault(Fault::Gateway)
            .message(format!(
                "the gateway's store of {what} can't be reached now; send the request again in a moment"
            ))
            .code("store_down")
            .wait(Duration::from_secs(1));
        Self { should_retry: true, ..Self::local(failure) }
    }

    /// The same, told in this dialect.
    #[must_use]
    pub(crate) fn answer_in(mut self, dialect: Option<&'static Dialect>) -> Self {
        self.answer = self.answer.or(dialect);
        self
    }

    /// The same, with a status of its own.
    #[must_use]
    pub(crate) fn status(mut self, status: StatusCode) -> Self {
        self.status = Some(status);
        self
    }
}

/// What a caller is told of a failure on a credential of ours.
///
/// A refused or exhausted credential of ours is not the caller's: the route is unavailable, and repeating doesn't help.
pub(crate) fn on_our_credential(failure: &mut Failure, disclose: Disclose, as_unavailable: bool) {
    match failure.kind {
        Kind::Authentication | Kind::PaymentRequired | Kind::QuotaExhausted => {
            let cause = failure.message.take();
            let status = failure.status;
            let mut told =
                Failure::new(Kind::Unavailable).fault(Fault::Gateway).not_retryable(Advice::GiveUp);
            if disclose == Disclose::Full {
                told.message = Some(match cause {
                    Some(cause) => {
                        format!("the gateway's own credential was refused by the upstream: {cause}")
                    }
                    None => "the gateway's own credential was refused by the upstream".to_owned(),
                });
                told.code.clone_from(&failure.code);
                told.type_.clone_from(&failure.type_);
                told.request_id.clone_from(&failure.request_id);
                told.details.extend(status.map(|status| ("upstream_status".to_owned(), status.into())));
            }
            *failure = told;
        }
        Kind::RateLimit => {
            failure.fault = Fault::Upstream;
            if as_unavailable {
                failure.kind = Kind::Unavailable;
                failure.status = None;
                failure.limits.clear();
                (failure.code, failure.type_) = (None, None);
            }
        }
        _ => {}
    }
}

/// Takes a credential out of everything that an upstream said, whatever the route discloses.
pub(crate) fn hide_key(failure: &mut Failure, key: &str) {
    let hide = |text: &mut String| {
        if text.contains(key) {
            *text = text.replace(key, "[redacted]");
        }
    };
    let texts = [
        &mut failure.message,
        &mut failure.code,
        &mut failure.type_,
        &mut failure.param,
        &mut failure.request_id,
    ];
    texts.into_iter().flatten().for_each(hide);
    for error in &mut failure.errors {
        hide(&mut error.message);
        [&mut error.param, &mut error.code].into_iter().flatten().for_each(hide);
    }
    failure.details.retain(|_, value| !value.to_string().contains(key));
}

/// The most bytes of a message that is told anew; no API says more, but an endless page could.
const MESSAGE: usize = 16 << 10;

/// Bounds the message of a failure: some pages that came instead of an error are nothing but text.
pub(crate) fn shorten(failure: &mut Failure) {
    let Some(message) = failure.message.as_mut().filter(|message| message.len() > MESSAGE) else { return };
    message.truncate(message.floor_char_boundary(MESSAGE));
    message.push('…');
}

/// Takes out of a failure what the route doesn't disclose.
pub(crate) fn withhold(failure: &mut Failure, disclose: Disclose, names: &[&str]) {
    match disclose {
        Disclose::Full => {}
        Disclose::Safe => {
            let hide = |text: &mut Option<String>| {
                if let Some(text) = text {
                    for name in names.iter().filter(|name| !name.is_empty()) {
                        *text = text.replace(name, "[upstream]");
                    }
                }
            };
            hide(&mut failure.message);
            for error in &mut failure.errors {
                let mut message = Some(std::mem::take(&mut error.message));
                hide(&mut message);
                error.message = message.unwrap_or_default();
            }
            failure.details.retain(|_, value| {
                let text = value.to_string();
                !names.iter().any(|name| !name.is_empty() && text.contains(name))
            });
        }
        Disclose::None => {
            failure.message = Some(failure.kind.facts().user.clone());
            (failure.code, failure.type_, failure.param) = (None, None, None);
            failure.details.clear();
            failure.errors.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_credential_of_ours_is_the_gateways_fault_and_not_worth_a_retry() {
        let mut failure = Failure::new(Kind::Authentication).message("Incorrect API key provided");
        on_our_credential(&mut failure, Disclose::Safe, false);
        assert_eq!((failure.kind, failure.fault), (Kind::Unavailable, Fault::Gateway));
        assert!(!failure.retryable);
        assert_eq!(failure.message, None);
        let mut failure = Failure::new(Kind::QuotaExhausted).message("no money");
        on_our_credential(&mut failure, Disclose::Full, false);
        assert!(failure.message.unwrap().ends_with("no money"));
    }

    #[test]
    fn a_shared_limit_is_shown_as_the_route_says() {
        let mut failure = Failure::new(Kind::RateLimit);
        on_our_credential(&mut failure, Disclose::Safe, true);
        assert_eq!(
            (failure.kind, failure.fault, failure.retryable),
            (Kind::Unavailable, Fault::Upstream, true)
        );
    }

    #[test]
    fn an_endless_message_is_cut_between_letters() {
        let mut failure = Failure::new(Kind::Internal).message("\u{e9}".repeat(MESSAGE));
        shorten(&mut failure);
        assert_eq!(failure.message.unwrap(), format!("{}…", "\u{e9}".repeat(MESSAGE / 2)));
        let mut failure = Failure::new(Kind::Internal).message("short");
        shorten(&mut failure);
        assert_eq!(failure.message.as_deref(), Some("short"));
    }

    #[test]
    fn safe_hides_names_and_none_hides_all() {
        let mut failure = Failure::new(Kind::Internal).message("node7.inner.example failed").code("E7");
        withhold(&mut failure, Disclose::Safe, &["inner.example"]);
        assert_eq!(failure.message.as_deref(), Some("node7.[upstream] failed"));
        withhold(&mut failure, Disclose::None, &[]);
        assert_eq!(failure.code, None);
        assert_eq!(failure.message.as_deref(), Some(Kind::Internal.facts().user.as_str()));
    }
}
