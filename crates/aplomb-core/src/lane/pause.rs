//! A pause: the upstream asked for patience.
//!
//! Until it ends nothing is sent, but a long one is probed, because hints are often guesses and wrong on the long side.

use std::time::Duration;

/// A hint is trusted for so long; the official SDKs of AI providers draw the line at 60 s and at 120 s.
const LONGEST_TRUST: Duration = Duration::from_secs(120);

/// Between two probes of a long pause at least; else a tenth of its age, so that trying costs little however long it is.
const PAUSE_PROBE: Duration = Duration::from_secs(10);

/// A pause of one lane.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pause {
    since: Duration,
    pub(super) until: Duration,
    /// When it may be probed next, if it is long.
    probe: Duration,
}

impl Pause {
    /// A pause from now on.
    pub(super) fn new(now: Duration, until: Duration) -> Self {
        Self { since: now, until, probe: now.saturating_add(LONGEST_TRUST) }
    }

    /// The next moment at which a call may start.
    pub(super) fn next(&self, now: Duration) -> Duration {
        if now >= self.until { now } else { self.until.min(self.probe) }
    }

    /// A call is sent, before the end to see whether the hint was true.
    pub(super) fn probed(&mut self, now: Duration) {
        if now < self.until {
            let age = now.saturating_sub(self.since);
            self.probe = now + (age / 10).max(PAUSE_PROBE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: fn(u64) -> Duration = Duration::from_secs;

    #[test]
    fn a_hint_of_two_minutes_is_kept_to_the_end() {
        for hint in [1, 60, 120] {
            let pause = Pause::new(S(10), S(10 + hint));
            assert_eq!(pause.next(S(10)), S(10 + hint));
            assert_eq!(pause.next(S(10 + hint)), S(10 + hint));
        }
    }

    #[test]
    fn a_longer_one_is_probed_at_gaps_of_a_tenth_of_its_age() {
        let mut pause = Pause::new(S(0), S(3_600));
        let mut probes = Vec::new();
        while pause.next(Duration::ZERO) < S(3_600) {
            let now = pause.next(Duration::ZERO);
            probes.push(now.as_secs());
            pause.probed(now);
        }
        assert_eq!(probes[..4], [120, 132, 145, 159]);
        assert!(probes.len() < 40, "{probes:?}");
    }
}
