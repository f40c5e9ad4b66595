//! The retry decision of one request: after every failed attempt, again, the next upstream, or an answer.

use std::time::Duration;

use super::credential::CredentialRest;
use super::delay;
use super::repeat::{Repeatable, Sent};
use super::should_retry::{Why, should_retry};
use crate::failure::Failure;
use crate::kind::{Fallback, Kind};

/// What a route allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// How often a request is sent to one upstream at most, the first time included; 3 by default.
    pub attempts: u32,
    /// How long after the request's arrival the last attempt may begin, fallbacks included; 60 s by default.
    ///
    /// It never cuts an attempt that runs.
    pub deadline: Duration,
    /// How long one wait may be; 60 s by default.
    pub max_wait: Duration,
    /// With a fallback at hand, longer hints than this are not waited for; 2 s by default.
    pub prefer_fallback_after: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            attempts: 3,
            deadline: Duration::from_secs(60),
            max_wait: Duration::from_secs(60),
            prefer_fallback_after: Duration::from_secs(2),
        }
    }
}

/// An attempt that failed before anything was delivered, and what there is to know when deciding.
#[derive(Clone, Copy, Debug)]
pub struct Failed<'a> {
    /// What happened.
    pub failure: &'a Failure,
    /// How far it came.
    pub sent: Sent,
    /// The upstream said nothing in time.
    pub silent: bool,
    /// Whether it may be sent again although it may have been acted on.
    pub repeatable: Repeatable,
    /// The body can be sent once more.
    pub replayable: bool,
    /// Whose credential it was sent with.
    pub credential: Whose,
    /// The next upstream of the plan, if there is one.
    pub next: Option<NextUpstream>,
    /// Time since the request arrived.
    pub elapsed: Duration,
    /// A random number from `[0, 1)`, a new one each time.
    pub random: f64,
}

/// Whose credential a request was sent with, and what can be done if it is refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Whose {
    /// The caller's own, or none at all.
    #[default]
    Callers,
    /// Ours.
    Ours {
        /// It can be read or fetched anew.
        renewable: bool,
        /// There is another one for the upstream, or an equal upstream, and it didn't refuse this request yet.
        others: bool,
    },
}

/// What matters about the next upstream of the plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NextUpstream {
    /// Its context is declared to be no larger than the one of the upstream that was asked.
    pub no_larger: bool,
}

/// What to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Send it to the same upstream again.
    Again {
        /// But not before this.
        after: Duration,
    },
    /// Renew the credential and send it with that once more, at once; [`Retry::not_renewed`] if there is no newer one.
    Renew,
    /// Send it with another credential of the upstream, or to an equal upstream, at once.
    Other,
    /// Send it to the next upstream, at once.
    Next,
    /// Answer with the failure.
    Answer(Answer),
}

/// How to answer with a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Why it isn't sent once more.
    pub why: Why,
    /// How many attempts were made, fallbacks included.
    pub attempts: u32,
    /// Some upstream may have acted on one of them (`aplomb-outcome: unknown`).
    pub outcome_unknown: bool,
    /// What `x-should-retry` says.
    pub should_retry: bool,
}

/// The state of one request between its attempts.
#[derive(Clone, Debug)]
pub struct Retry {
    policy: RetryPolicy,
    /// Attempts on all upstreams.
    attempts: u32,
    /// Attempts on the present one.
    here: u32,
    outcome_unknown: bool,
    /// An upstream may have acted, and only that one would notice a repetition.
    bound: bool,
    /// The present credential was renewed for this request already.
    renewed: bool,
}

impl Retry {
    /// The state of a request that hasn't been sent yet.
    pub fn new(policy: RetryPolicy) -> Self {
        Self { policy, attempts: 0, here: 0, outcome_unknown: false, bound: false, renewed: false }
    }

    /// How many attempts have failed so far.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// Whether some upstream may have acted on one of them.
    pub fn outcome_unknown(&self) -> bool {
        self.outcome_unknown
    }

    /// How often the present upstream was asked.
    pub fn here(&self) -> u32 {
        self.here
    }

    /// Whether only the upstream that was asked may be asked again: it alone would notice a repetition.
    pub fn is_bound(&self) -> bool {
        self.bound
    }

    /// Whether the next upstream may be asked although nothing failed: the present one has no room for now.
    pub fn may_pass(&self, replayable: bool) -> bool {
        !self.bound && (replayable || self.attempts == 0)
    }

    /// The next upstream is asked instead.
    pub fn pass(&mut self) {
        self.here = 0;
        self.renewed = false;
    }

    /// Decides anew after [`Decision::Again`], because no budget pays for one more attempt.
    pub fn unpaid(&mut self, failed: &Failed<'_>) -> Decision {
        self.next_or(failed, Why::Budget)
    }

    /// Decides anew after [`Decision::Renew`], because there is no newer credential.
    pub fn not_renewed(&mut self, failed: &Failed<'_>) -> Decision {
        self.here = self.here.saturating_add(1);
        self.decide(failed)
    }

    /// Decides what comes after a failed attempt.
    ///
    /// First the same upstream, as long as its hints are short; then the next one; an answer if neither helps.
    /// Where it is our credential that was refused, that one renewed comes first, then another one of the same rank;
    /// neither counts as an attempt of the upstream: what it refused was not the request.
    pub fn failed(&mut self, failed: &Failed<'_>) -> Decision {
        self.attempts = self.attempts.saturating_add(1);
        self.here = self.here.saturating_add(1);
        if failed.sent == Sent::Unknown {
            self.outcome_unknown = true;
            match failed.repeatable {
                Repeatable::No => return self.answer(failed, Why::OutcomeUnknown),
                Repeatable::Here => self.bound = true,
                Repeatable::Anywhere => {}
            }
        }
        if self.may_renew(failed) {
            self.renewed = true;
            self.here = self.here.saturating_sub(1);
            return Decision::Renew;
        }
        self.decide(failed)
    }

    fn decide(&mut self, failed: &Failed<'_>) -> Decision {
        if self.other_may_help(failed) {
            self.renewed = false;
            self.here = self.here.saturating_sub(1);
            return Decision::Other;
        }
        match self.again(failed) {
            Ok(after) => Decision::Again { after },
            Err(why) => self.next_or(failed, why),
        }
    }

    fn next_or(&mut self, failed: &Failed<'_>, why: Why) -> Decision {
        if !self.next_may_help(failed) {
            return self.answer(failed, why);
        }
        self.pass();
        Decision::Next
    }

    /// Whether a newer credential may do what this one didn't: once for each.
    fn may_renew(&self, failed: &Failed<'_>) -> bool {
        let renewable = matches!(failed.credential, Whose::Ours { renewable: true, .. });
        let refused = failed.failure.kind == Kind::Authentication;
        renewable && refused && !self.renewed && failed.replayable && self.time_left(failed).is_some()
    }

    /// Whether another credential of the same rank may do what this one can't for now.
    fn other_may_help(&self, failed: &Failed<'_>) -> bool {
        let others = matches!(failed.credential, Whose::Ours { others: true, .. });
        let spent = CredentialRest::is_for(failed.failure);
        others && spent && failed.replayable && !self.bound && self.time_left(failed).is_some()
    }

    /// When the same upstream may be asked again, or why not.
    fn again(&self, failed: &Failed<'_>) -> Result<Duration, Why> {
        if !failed.failure.retryable {
            return Err(Why::NotRetryable);
        }
        if failed.silent {
            return Err(Why::Silent);
        }
        if !failed.replayable {
            return Err(Why::BodyGone);
        }
        if self.here >= self.policy.attempts {
            return Err(Why::Attempts);
        }
        self.wait(failed)
    }

    /// How long to wait, if there is time for it.
    ///
    /// A hint is a floor: where it doesn't fit, nothing is sent sooner.
    /// Chance only adds to it, and only as much as fits; a hint of zero is none.
    fn wait(&self, failed: &Failed<'_>) -> Result<Duration, Why> {
        let left = self.time_left(failed).ok_or(Why::Deadline)?;
        let bound = left.min(self.policy.max_wait);
        let hint = failed.failure.wait.unwrap_or_default();
        let patience =
            if self.next_may_help(failed) { self.policy.prefer_fallback_after.min(bound) } else { bound };
        if hint > patience {
            return Err(Why::HintTooLong);
        }
        let delay = if hint.is_zero() {
            delay::backoff(self.here.saturating_sub(1), failed.failure.kind.facts().throttle, failed.random)
        } else {
            delay::after_hint(hint, failed.random)
        };
        Ok(delay.min(bound))
    }

    /// Whether the next upstream may do what this one didn't.
    fn next_may_help(&self, failed: &Failed<'_>) -> bool {
        let Some(next) = failed.next else { return false };
        let kind = failed.failure.kind;
        let ours = failed.credential != Whose::Callers
            && matches!(kind, Kind::Authentication | Kind::PaymentRequired);
        let helps = match kind.facts().fallback {
            Fallback::Always => true,
            Fallback::Larger => !next.no_larger,
            Fallback::Never => ours,
        };
        helps && failed.replayable && !self.bound && self.time_left(failed).is_some()
    }

    /// The time until the deadline, if there is any.
    fn time_left(&self, failed: &Failed<'_>) -> Option<Duration> {
        self.policy.deadline.checked_sub(failed.elapsed).filter(|left| !left.is_zero())
    }

    fn answer(&self, failed: &Failed<'_>, why: Why) -> Decision {
        Decision::Answer(Answer {
            why,
            attempts: self.attempts,
            outcome_unknown: self.outcome_unknown,
            should_retry: should_retry(failed.failure.retryable, self.attempts, why),
        })
    }
}
