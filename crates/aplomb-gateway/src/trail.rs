//! The trail: what happened to one request, for its headers and its log line.

use std::sync::Arc;
use std::time::{Duration, Instant};

use aplomb_core::Failure;
use http::{Method, Uri};

use crate::caller::Caller;
use crate::id::RequestId;
use crate::limits::Admission;
use crate::metrics::Refusal;
use crate::money::Money;
use crate::setup::Way;

/// One request's story so far.
#[derive(Debug)]
pub(crate) struct Trail {
    /// The id that is on every answer and every log line.
    pub(crate) id: RequestId,
    /// When the request arrived.
    pub(crate) began: Instant,
    /// With which method.
    pub(crate) method: Method,
    /// What was asked for; its query is told to nobody.
    pub(crate) uri: Uri,
    /// The route, once it is known.
    pub(crate) way: Option<Arc<Way>>,
    /// Who asks, once that is known.
    pub(crate) caller: Caller,
    /// The attempts in order.
    pub(crate) attempts: Vec<Attempt>,
    /// How long it waited for its turn.
    pub(crate) queued: Duration,
    /// What kept it from being sent once more.
    pub(crate) refused: Option<Refusal>,
    /// What was put aside for it, given back when the story is over.
    pub(crate) money: Option<Money>,
    /// The store couldn't be reached, and it went on without.
    pub(crate) store_down: bool,
    /// Its limits couldn't be counted together with other gateways.
    pub(crate) shared_down: bool,
    /// What was taken from its caller's limits, given back when the story is over.
    pub(crate) admission: Option<Admission>,
}

/// One request sent upstream.
#[derive(Debug)]
pub(crate) struct Attempt {
    /// Whom.
    pub(crate) upstream: Arc<str>,
    /// When, counted from the request's arrival.
    pub(crate) began: Duration,
    /// How long until its head or its failure was known.
    pub(crate) took: Duration,
    /// The answer's status, when one came.
    pub(crate) status: Option<u16>,
    /// What went wrong, if something did.
    pub(crate) failure: Option<Box<Failure>>,
}

impl Trail {
    /// A story that begins now.
    pub(crate) fn new(id: RequestId, began: Instant, method: Method, uri: Uri) -> Self {
        Self {
            id,
            began,
            method,
            uri,
            way: None,
            caller: Caller::default(),
            attempts: Vec::new(),
            queued: Duration::ZERO,
            refused: None,
            money: None,
            store_down: false,
            shared_down: false,
            admission: None,
        }
    }

    /// Method and path.
    pub(crate) fn asked(&self) -> String {
        format!("{} {}", self.method, self.uri.path())
    }

    /// The route's path, as far as it is known.
    pub(crate) fn route(&self) -> &str {
        self.way.as_ref().map_or("-", |way| &way.route.path)
    }

    /// The account that asks, if it is known.
    pub(crate) fn account(&self) -> Option<&str> {
        self.caller.account.as_deref()
    }

    /// The public id of its key, if it has one.
    pub(crate) fn key(&self) -> Option<&str> {
        self.caller.key.as_deref()
    }

    /// An attempt begins; gives its line.
    pub(crate) fn begin(&mut self, upstream: &Arc<str>) -> usize {
        let began = self.began.elapsed();
        let upstream = Arc::clone(upstream);
        self.attempts.push(Attempt { upstream, began, took: Duration::ZERO, status: None, failure: None });
        self.attempts.len() - 1
    }

    /// The attempt of that line has its answer or its failure.
    pub(crate) fn end(&mut self, line: usize, status: Option<u16>, failure: Option<Failure>) {
        let now = self.began.elapsed();
        if let Some(attempt) = self.attempts.get_mut(line) {
            attempt.took = now.saturating_sub(attempt.began);
            (attempt.status, attempt.failure) = (status, failure.map(Box::new));
        }
    }

    /// The attempts in one line: `groq 429 rate_limit 120ms, backup 200 80ms`.
    pub(crate) fn line(&self) -> String {
        let one = |attempt: &Attempt| {
            let status = attempt.status.map(|status| format!(" {status}")).unwrap_or_default();
            let kind =
                attempt.failure.as_ref().map(|failure| format!(" {}", failure.kind)).unwrap_or_default();
            format!("{}{status}{kind} {}ms", attempt.upstream, attempt.took.as_millis())
        };
        self.attempts.iter().map(one).collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aplomb_core::Kind;

    #[test]
    fn the_line_tells_every_attempt() {
        let mut trail = Trail::new(
            RequestId::new(uuid::Uuid::nil()),
            Instant::now(),
            Method::POST,
            Uri::from_static("/"),
        );
        let millis = Duration::from_millis;
        let failure = Some(Box::new(Failure::new(Kind::RateLimit)));
        trail.attempts.push(Attempt {
            upstream: "groq".into(),
            began: millis(0),
            took: millis(12),
            status: Some(429),
            failure,
        });
        trail.attempts.push(Attempt {
            upstream: "backup".into(),
            began: millis(20),
            took: millis(8),
            status: Some(200),
            failure: None,
        });
        assert_eq!(trail.line(), "groq 429 rate_limit 12ms, backup 200 8ms");
    }
}
