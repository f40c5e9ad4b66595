//! The rules of retrying, each with plain values, and all of them together on arbitrary requests.

use std::time::Duration;

use proptest::prelude::*;

use super::repeat::{Repeatable, Sent};
use super::retry::{Answer, Decision, Failed, NextUpstream, Retry, RetryPolicy, Whose};
use super::should_retry::Why;
use crate::failure::Failure;
use crate::kind::Kind;

const FALLBACK: Option<NextUpstream> = Some(NextUpstream { no_larger: false });

fn ours(renewable: bool, others: bool) -> Whose {
    Whose::Ours { renewable, others }
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A refusal at the beginning of a request without a fallback; the largest delay that chance can give.
fn refused(failure: &Failure) -> Failed<'_> {
    Failed {
        failure,
        sent: Sent::Refused,
        silent: false,
        repeatable: Repeatable::No,
        replayable: true,
        credential: Whose::Callers,
        next: None,
        elapsed: Duration::ZERO,
        random: 1.0,
    }
}

fn unknown(failure: &Failure, repeatable: Repeatable) -> Failed<'_> {
    Failed { sent: Sent::Unknown, repeatable, ..refused(failure) }
}

fn first(failed: &Failed<'_>) -> Decision {
    Retry::new(RetryPolicy::default()).failed(failed)
}

fn why(decision: Decision) -> Option<Why> {
    match decision {
        Decision::Answer(answer) => Some(answer.why),
        Decision::Again { .. } | Decision::Renew | Decision::Other | Decision::Next => None,
    }
}

#[test]
fn an_upstream_is_sent_a_request_three_times() {
    let failure = Failure::new(Kind::Unavailable);
    let mut retry = Retry::new(RetryPolicy::default());
    assert_eq!(retry.failed(&refused(&failure)), Decision::Again { after: Duration::from_millis(50) });
    assert_eq!(retry.failed(&refused(&failure)), Decision::Again { after: Duration::from_millis(100) });
    let answer = Answer { why: Why::Attempts, attempts: 3, outcome_unknown: false, should_retry: false };
    assert_eq!(retry.failed(&refused(&failure)), Decision::Answer(answer));
}

#[test]
fn every_upstream_has_its_own_attempts() {
    let failure = Failure::new(Kind::Unavailable);
    let mut retry = Retry::new(RetryPolicy::default());
    let with = |next| Failed { next, ..refused(&failure) };
    let decisions: Vec<_> = [FALLBACK, FALLBACK, FALLBACK, None, None, None]
        .into_iter()
        .map(|next| matches!(retry.failed(&with(next)), Decision::Again { .. }))
        .collect();
    assert_eq!(decisions, [true, true, false, true, true, false]);
    assert_eq!(retry.attempts(), 6);
}

#[test]
fn a_throttled_retry_waits_for_seconds() {
    let failure = Failure::new(Kind::Overloaded);
    let mut retry = Retry::new(RetryPolicy::default());
    assert_eq!(retry.failed(&refused(&failure)), Decision::Again { after: secs(1) });
    assert_eq!(retry.failed(&refused(&failure)), Decision::Again { after: secs(2) });
}

#[test]
fn a_short_hint_is_waited_for_although_there_is_a_fallback() {
    let failure = Failure::new(Kind::RateLimit).wait(secs(2));
    let failed = Failed { next: FALLBACK, random: 0.0, ..refused(&failure) };
    assert_eq!(first(&failed), Decision::Again { after: secs(2) });
    assert_eq!(first(&Failed { random: 1.0, ..failed }), Decision::Again { after: secs(3) });
}

#[test]
fn a_long_hint_is_waited_for_only_without_a_fallback() {
    let failure = Failure::new(Kind::RateLimit).wait(secs(20));
    assert_eq!(first(&refused(&failure)), Decision::Again { after: secs(25) });
    assert_eq!(first(&Failed { next: FALLBACK, ..refused(&failure) }), Decision::Next);
}

#[test]
fn a_hint_beyond_the_deadline_or_the_longest_wait_is_passed_on() {
    let failure = Failure::new(Kind::RateLimit).wait(secs(30));
    let answer = Answer { why: Why::HintTooLong, attempts: 1, outcome_unknown: false, should_retry: true };
    let late = Failed { elapsed: secs(31), ..refused(&failure) };
    assert_eq!(first(&late), Decision::Answer(answer));
    let impatient = RetryPolicy { max_wait: secs(10), ..RetryPolicy::default() };
    assert_eq!(Retry::new(impatient).failed(&refused(&failure)), Decision::Answer(answer));
    assert_eq!(first(&Failed { next: FALLBACK, ..late }), Decision::Next);
}

#[test]
fn chance_never_pushes_a_fitting_hint_over_the_deadline() {
    let failure = Failure::new(Kind::RateLimit).wait(secs(30));
    let failed = Failed { elapsed: secs(29), ..refused(&failure) };
    assert_eq!(first(&failed), Decision::Again { after: secs(31) });
}

#[test]
fn a_hint_of_zero_does_not_make_a_tight_loop() {
    let failure = Failure::new(Kind::RateLimit).wait(Duration::ZERO);
    assert_eq!(first(&refused(&failure)), Decision::Again { after: secs(1) });
}

#[test]
fn nothing_begins_after_the_deadline() {
    let failure = Failure::new(Kind::Unavailable);
    let failed = Failed { elapsed: secs(60), next: FALLBACK, ..refused(&failure) };
    assert_eq!(why(first(&failed)), Some(Why::Deadline));
}

#[test]
fn an_unknown_outcome_is_neither_repeated_nor_sent_elsewhere() {
    let failure = Failure::new(Kind::Internal);
    let failed = Failed { next: FALLBACK, ..unknown(&failure, Repeatable::No) };
    let answer = Answer { why: Why::OutcomeUnknown, attempts: 1, outcome_unknown: true, should_retry: false };
    assert_eq!(first(&failed), Decision::Answer(answer));
}

#[test]
fn an_unknown_outcome_is_repeated_where_that_is_harmless() {
    let failure = Failure::new(Kind::Internal);
    for repeatable in [Repeatable::Here, Repeatable::Anywhere] {
        assert!(matches!(first(&unknown(&failure, repeatable)), Decision::Again { .. }), "{repeatable:?}");
    }
}

#[test]
fn a_key_protects_only_at_the_upstream_that_knows_it() {
    let (internal, limited) = (Failure::new(Kind::Internal), Failure::new(Kind::RateLimit).wait(secs(30)));
    let mut retry = Retry::new(RetryPolicy { attempts: 2, ..RetryPolicy::default() });
    let failed = Failed { next: FALLBACK, ..unknown(&internal, Repeatable::Here) };
    assert!(matches!(retry.failed(&failed), Decision::Again { .. }));
    let decision = retry.failed(&Failed { next: FALLBACK, ..refused(&limited) });
    let answer = Answer { why: Why::Attempts, attempts: 2, outcome_unknown: true, should_retry: false };
    assert_eq!(decision, Decision::Answer(answer));
}

#[test]
fn what_was_never_sent_is_always_retried() {
    let failure = Failure::new(Kind::BadGateway);
    let failed = Failed { sent: Sent::Never, ..refused(&failure) };
    assert!(matches!(first(&failed), Decision::Again { .. }));
}

#[test]
fn a_silent_upstream_is_not_asked_again() {
    let failure = Failure::new(Kind::GatewayTimeout);
    let failed = Failed { silent: true, ..unknown(&failure, Repeatable::Anywhere) };
    assert_eq!(why(first(&failed)), Some(Why::Silent));
    assert_eq!(first(&Failed { next: FALLBACK, ..failed }), Decision::Next);
}

#[test]
fn blocked_content_goes_nowhere_else() {
    let failure = Failure::new(Kind::ContentBlocked);
    assert_eq!(why(first(&Failed { next: FALLBACK, ..refused(&failure) })), Some(Why::NotRetryable));
}

#[test]
fn a_long_context_goes_only_where_it_may_fit() {
    let failure = Failure::new(Kind::ContextLength);
    assert_eq!(first(&Failed { next: FALLBACK, ..refused(&failure) }), Decision::Next);
    let no_larger = Some(NextUpstream { no_larger: true });
    assert_eq!(why(first(&Failed { next: no_larger, ..refused(&failure) })), Some(Why::NotRetryable));
}

#[test]
fn an_exhausted_quota_goes_to_the_fallback_at_once() {
    let failure = Failure::new(Kind::QuotaExhausted);
    assert_eq!(first(&Failed { next: FALLBACK, ..refused(&failure) }), Decision::Next);
    let answer = Answer { why: Why::NotRetryable, attempts: 1, outcome_unknown: false, should_retry: false };
    assert_eq!(first(&refused(&failure)), Decision::Answer(answer));
}

#[test]
fn a_bad_credential_of_ours_goes_to_the_fallback_and_the_callers_does_not() {
    for kind in [Kind::Authentication, Kind::PaymentRequired] {
        let failure = Failure::new(kind);
        let callers = Failed { next: FALLBACK, ..refused(&failure) };
        assert_eq!(why(first(&callers)), Some(Why::NotRetryable));
        assert_eq!(first(&Failed { credential: ours(false, false), ..callers }), Decision::Next);
    }
}

#[test]
fn a_refused_credential_is_renewed_once_and_the_call_repeated_beyond_its_attempts() {
    let (refusal, failure) = (Failure::new(Kind::Authentication), Failure::new(Kind::Unavailable));
    let mut retry = Retry::new(RetryPolicy { attempts: 2, ..RetryPolicy::default() });
    let failed = Failed { credential: ours(true, false), ..refused(&refusal) };
    assert_eq!(retry.failed(&failed), Decision::Renew);
    assert_eq!((retry.attempts(), retry.here()), (1, 0));
    let other = Failed { credential: ours(true, false), ..refused(&failure) };
    assert!(matches!(retry.failed(&other), Decision::Again { .. }));
    let decision = retry.failed(&failed);
    let answer = Answer { why: Why::NotRetryable, attempts: 3, outcome_unknown: false, should_retry: false };
    assert_eq!(decision, Decision::Answer(answer));
}

#[test]
fn only_a_refusal_is_worth_a_renewal() {
    for kind in [Kind::PaymentRequired, Kind::QuotaExhausted, Kind::Permission, Kind::RateLimit] {
        let failure = Failure::new(kind);
        assert_ne!(first(&Failed { credential: ours(true, false), ..refused(&failure) }), Decision::Renew);
    }
    let failure = Failure::new(Kind::Authentication);
    let failed = Failed { credential: ours(true, false), ..refused(&failure) };
    assert_eq!(why(first(&Failed { credential: Whose::Callers, ..failed })), Some(Why::NotRetryable));
    assert_eq!(why(first(&Failed { replayable: false, ..failed })), Some(Why::NotRetryable));
    assert_eq!(why(first(&Failed { elapsed: secs(60), ..failed })), Some(Why::NotRetryable));
}

#[test]
fn what_cannot_be_renewed_goes_to_another_credential_then_to_the_fallback() {
    let failure = Failure::new(Kind::Authentication);
    let mut retry = Retry::new(RetryPolicy::default());
    let failed = Failed { credential: ours(true, true), next: FALLBACK, ..refused(&failure) };
    assert_eq!(retry.failed(&failed), Decision::Renew);
    assert_eq!(retry.not_renewed(&failed), Decision::Other);
    let last = Failed { credential: ours(true, false), ..failed };
    assert_eq!(retry.failed(&last), Decision::Renew, "each credential once");
    assert_eq!(retry.failed(&last), Decision::Next);
    assert_eq!((retry.attempts(), retry.here()), (3, 0));
}

#[test]
fn a_spent_credential_gives_way_to_another_one_without_spending_an_attempt() {
    for kind in [Kind::Authentication, Kind::PaymentRequired, Kind::QuotaExhausted] {
        let failure = Failure::new(kind);
        let mut retry = Retry::new(RetryPolicy { attempts: 1, ..RetryPolicy::default() });
        let failed = Failed { credential: ours(false, true), ..refused(&failure) };
        assert_eq!(retry.failed(&failed), Decision::Other, "{kind}");
        assert_eq!((retry.attempts(), retry.here()), (1, 0));
        assert_eq!(why(first(&Failed { replayable: false, ..failed })), Some(Why::NotRetryable));
    }
    for kind in [Kind::RateLimit, Kind::Internal, Kind::Permission] {
        let failure = Failure::new(kind);
        assert_ne!(first(&Failed { credential: ours(false, true), ..refused(&failure) }), Decision::Other);
    }
}

#[test]
fn a_request_that_may_have_been_acted_on_changes_no_credential() {
    let (internal, refusal) = (Failure::new(Kind::Internal), Failure::new(Kind::QuotaExhausted));
    let mut retry = Retry::new(RetryPolicy::default());
    assert!(matches!(retry.failed(&unknown(&internal, Repeatable::Here)), Decision::Again { .. }));
    let failed = Failed { credential: ours(false, true), next: FALLBACK, ..refused(&refusal) };
    assert_eq!(why(retry.failed(&failed)), Some(Why::NotRetryable));
}

#[test]
fn a_body_that_was_not_kept_is_the_callers_to_send_again() {
    let failure = Failure::new(Kind::Unavailable);
    let failed = Failed { replayable: false, next: FALLBACK, ..refused(&failure) };
    let answer = Answer { why: Why::BodyGone, attempts: 1, outcome_unknown: false, should_retry: true };
    assert_eq!(first(&failed), Decision::Answer(answer));
}

#[test]
fn with_one_attempt_allowed_the_caller_retries() {
    let failure = Failure::new(Kind::Unavailable);
    let mut retry = Retry::new(RetryPolicy { attempts: 1, ..RetryPolicy::default() });
    let answer = Answer { why: Why::Attempts, attempts: 1, outcome_unknown: false, should_retry: true };
    assert_eq!(retry.failed(&refused(&failure)), Decision::Answer(answer));
}

/// One attempt of an arbitrary request.
#[derive(Clone, Debug)]
struct Attempt {
    failure: Failure,
    sent: Sent,
    silent: bool,
    flags: (bool, bool, bool, bool),
    took: Duration,
    random: f64,
}

fn attempt() -> impl Strategy<Value = Attempt> {
    let failure = (0..Kind::ALL.len(), proptest::option::of(0u64..90_000), any::<bool>());
    let sent = prop_oneof![Just(Sent::Never), Just(Sent::Refused), Just(Sent::Unknown)];
    let rest = (proptest::bool::weighted(0.1), any::<(bool, bool, bool, bool)>(), 0u64..20_000, 0.0..1.0);
    (failure, sent, rest).prop_map(|((kind, wait, retryable), sent, (silent, flags, took, random))| {
        let mut failure = Failure::new(Kind::ALL[kind]);
        failure.wait = wait.map(Duration::from_millis);
        failure.retryable |= retryable;
        Attempt { failure, sent, silent, flags, took: Duration::from_millis(took), random }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn no_request_breaks_a_rule(
        attempts in proptest::collection::vec(attempt(), 1..30),
        allowed in 1u32..5,
        upstreams in 1u32..4,
        repeatable in prop_oneof![Just(Repeatable::No), Just(Repeatable::Here), Just(Repeatable::Anywhere)],
    ) {
        let policy = RetryPolicy { attempts: allowed, ..RetryPolicy::default() };
        let mut retry = Retry::new(policy);
        let (mut elapsed, mut upstream, mut here, mut may_have_acted) = (Duration::ZERO, 1, 0, false);
        let (mut others, mut renewed) = (2, false);
        for (made, one) in attempts.iter().enumerate() {
            here += 1;
            elapsed += one.took;
            let (replayable, is_ours, renewable, no_larger) = one.flags;
            let credential = if is_ours { ours(renewable, others > 0) } else { Whose::Callers };
            let next = (upstream < upstreams).then_some(NextUpstream { no_larger });
            let Attempt { failure, sent, silent, random, .. } = one;
            let decision = retry.failed(&Failed {
                failure, sent: *sent, silent: *silent, repeatable, replayable, credential, next, elapsed,
                random: *random,
            });
            may_have_acted |= *sent == Sent::Unknown;
            match decision {
                Decision::Again { after } => {
                    prop_assert!(failure.retryable && replayable && !silent);
                    prop_assert!(here < allowed);
                    prop_assert!(after >= failure.wait.unwrap_or_default());
                    prop_assert!(elapsed + after <= policy.deadline && after <= policy.max_wait);
                    elapsed += after;
                }
                Decision::Next => {
                    prop_assert!(next.is_some() && replayable && elapsed < policy.deadline);
                    prop_assert!(!may_have_acted || repeatable == Repeatable::Anywhere);
                    prop_assert!(failure.kind != Kind::ContentBlocked);
                    (upstream, here, renewed) = (upstream + 1, 0, false);
                }
                Decision::Renew => {
                    prop_assert!(is_ours && renewable && replayable && elapsed < policy.deadline && !renewed);
                    prop_assert!(failure.kind == Kind::Authentication);
                    (here, renewed) = (here - 1, true);
                }
                Decision::Other => {
                    prop_assert!(is_ours && others > 0 && replayable && elapsed < policy.deadline);
                    prop_assert!(!failure.retryable);
                    prop_assert!(!may_have_acted || repeatable == Repeatable::Anywhere);
                    (here, others, renewed) = (here - 1, others - 1, false);
                }
                Decision::Answer(answer) => {
                    prop_assert_eq!(answer.attempts as usize, made + 1);
                    prop_assert_eq!(answer.outcome_unknown, may_have_acted);
                    prop_assert!(!answer.should_retry || (failure.retryable && made == 0));
                    return Ok(());
                }
            }
            prop_assert!(*sent != Sent::Unknown || repeatable != Repeatable::No);
        }
    }
}
