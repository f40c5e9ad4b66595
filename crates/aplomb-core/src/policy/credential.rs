//! The rest of a credential of ours that was refused or is exhausted: others are asked with until it is over.

use std::time::Duration;

use crate::failure::Failure;
use crate::kind::Kind;

/// How long it rests at first, when nobody says how long.
const REST: Duration = Duration::from_secs(60);

/// A credential that is refused again and again is tried this often at least: somebody may have mended it.
const LONGEST_REFUSED: Duration = Duration::from_secs(15 * 60);

/// No hint is believed beyond this: quotas are raised and bills paid before their time, and a try an hour costs little.
const LONGEST_HINT: Duration = Duration::from_secs(3_600);

/// Until when a credential rests and why, and how often it was refused in a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CredentialRest {
    rest: Option<(Duration, Kind)>,
    refusals: u32,
}

impl CredentialRest {
    /// Whether a failure is one of the credential alone: refused, or its money or quota used up.
    ///
    /// What the same request may overcome by waiting is none.
    pub fn is_for(failure: &Failure) -> bool {
        let kinds = [Kind::Authentication, Kind::PaymentRequired, Kind::QuotaExhausted];
        kinds.contains(&failure.kind) && !failure.retryable
    }

    /// The credential failed: one that is exhausted rests for a minute or as long as was said; one that is refused for a
    /// minute, and twice as long each time, up to a quarter of an hour.
    ///
    /// A failure that comes while it rests is of a call that began before, and tells nothing new.
    pub fn failed(&mut self, now: Duration, failure: &Failure) {
        if !Self::is_for(failure) || self.until(now).is_some() {
            return;
        }
        let hint = failure.wait.filter(|wait| !wait.is_zero()).map(|wait| wait.min(LONGEST_HINT));
        let rest = match failure.kind {
            Kind::Authentication => {
                let doubled = REST.saturating_mul(2u32.saturating_pow(self.refusals)).min(LONGEST_REFUSED);
                self.refusals = self.refusals.saturating_add(1);
                doubled.max(hint.unwrap_or_default())
            }
            _ => hint.unwrap_or(REST),
        };
        self.rest = Some((now.saturating_add(rest), failure.kind));
    }

    /// It was used with success.
    pub fn succeeded(&mut self) {
        *self = Self::default();
    }

    /// It was renewed: worth a try at once, but if it is refused again it rests for longer.
    pub fn renewed(&mut self) {
        self.rest = None;
    }

    /// Until when it rests, if it does.
    pub fn until(&self, now: Duration) -> Option<Duration> {
        self.rest(now).map(|(until, _)| until)
    }

    /// Until when it rests and what it was refused for, if it does.
    pub fn rest(&self, now: Duration) -> Option<(Duration, Kind)> {
        self.rest.filter(|(until, _)| *until > now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn refused() -> Failure {
        Failure::new(Kind::Authentication)
    }

    #[test]
    fn only_what_the_credential_lacks_makes_it_rest() {
        for kind in Kind::ALL {
            let spent = [Kind::Authentication, Kind::PaymentRequired, Kind::QuotaExhausted].contains(kind);
            let mut rest = CredentialRest::default();
            rest.failed(secs(1), &Failure::new(*kind));
            assert_eq!(rest.rest(secs(1)).map(|(_, why)| why), spent.then_some(*kind), "{kind}");
        }
        let mut in_flight = Failure::new(Kind::PaymentRequired);
        in_flight.retryable = true;
        assert!(!CredentialRest::is_for(&in_flight));
    }

    #[test]
    fn a_refused_one_rests_twice_as_long_each_time_up_to_a_quarter_of_an_hour() {
        let (mut rest, mut now) = (CredentialRest::default(), secs(10));
        let mut rests = Vec::new();
        for _ in 0..7 {
            rest.failed(now, &refused());
            let until = rest.until(now).unwrap();
            rests.push((until - now).as_secs());
            now = until;
        }
        assert_eq!(rests, [60, 120, 240, 480, 900, 900, 900]);
        rest.succeeded();
        rest.failed(now, &refused());
        assert_eq!(rest.until(now), Some(now + secs(60)));
    }

    #[test]
    fn calls_that_were_under_way_together_count_as_one_refusal() {
        let mut rest = CredentialRest::default();
        for second in 0..50 {
            rest.failed(secs(second), &refused());
        }
        assert_eq!(rest.until(secs(50)), Some(secs(60)));
        assert_eq!(rest.until(secs(60)), None);
        rest.failed(secs(60), &refused());
        assert_eq!(rest.until(secs(60)), Some(secs(180)));
    }

    #[test]
    fn an_exhausted_one_rests_as_long_as_was_said() {
        let until = |failure: Failure| {
            let mut rest = CredentialRest::default();
            rest.failed(secs(0), &failure);
            rest.until(secs(0)).unwrap().as_secs()
        };
        let exhausted = || Failure::new(Kind::QuotaExhausted);
        assert_eq!(until(exhausted()), 60);
        assert_eq!(until(exhausted().wait(secs(7))), 7);
        assert_eq!(until(exhausted().wait(secs(30 * 86_400))), 3_600);
        assert_eq!(until(exhausted().wait(Duration::ZERO)), 60);
        assert_eq!(until(Failure::new(Kind::PaymentRequired)), 60);
    }

    #[test]
    fn a_renewed_one_is_tried_at_once_and_rests_longer_if_that_was_in_vain() {
        let mut rest = CredentialRest::default();
        rest.failed(secs(0), &refused());
        rest.renewed();
        assert_eq!(rest.until(secs(1)), None);
        rest.failed(secs(1), &refused());
        assert_eq!(rest.until(secs(1)), Some(secs(121)));
    }

    proptest! {
        #[test]
        fn no_rest_is_endless(steps in proptest::collection::vec((0u64..5_000, 0u8..4, any::<u64>()), 1..60)) {
            let (mut rest, mut now) = (CredentialRest::default(), Duration::ZERO);
            for (later, what, hint) in steps {
                now += secs(later);
                match what {
                    0 => rest.failed(now, &refused().wait(secs(hint))),
                    1 => rest.failed(now, &Failure::new(Kind::QuotaExhausted).wait(secs(hint))),
                    2 => rest.renewed(),
                    _ => rest.succeeded(),
                }
                prop_assert!(rest.until(now).is_none_or(|until| until <= now + LONGEST_HINT));
            }
        }
    }
}
