//! The value of `x-should-retry`: whether the caller's own SDK should try once more.
//!
//! One layer owns retries.
//! Where we retried, the caller must not; where we could not, it may.

/// Why a request is answered with a failure now, instead of being sent once more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Why {
    /// The same request can't succeed later.
    NotRetryable,
    /// The upstream may have acted, and a second time could do harm.
    OutcomeUnknown,
    /// The upstream said nothing in time; asking it again would cost as much time.
    Silent,
    /// The body was too large to keep for a second time.
    BodyGone,
    /// Every attempt that is allowed was made.
    Attempts,
    /// The upstream asked for a longer wait than there is time for, or than anybody should wait here.
    HintTooLong,
    /// There is no time left.
    Deadline,
    /// Too many retries failed lately: the budget for them is spent.
    Budget,
}

impl Why {
    /// Every one.
    pub const ALL: [Self; 8] = [
        Self::NotRetryable,
        Self::OutcomeUnknown,
        Self::Silent,
        Self::BodyGone,
        Self::Attempts,
        Self::HintTooLong,
        Self::Deadline,
        Self::Budget,
    ];

    /// Its name, for logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotRetryable => "not_retryable",
            Self::OutcomeUnknown => "outcome_unknown",
            Self::Silent => "silent",
            Self::BodyGone => "body_gone",
            Self::Attempts => "attempts",
            Self::HintTooLong => "hint_too_long",
            Self::Deadline => "deadline",
            Self::Budget => "budget",
        }
    }
}

/// What `x-should-retry` says.
///
/// `retryable` is the failure's, `attempts` how many we made, fallbacks included.
pub fn should_retry(retryable: bool, attempts: u32, why: Why) -> bool {
    let ours_to_refuse = match why {
        Why::NotRetryable | Why::OutcomeUnknown => true,
        Why::Silent | Why::BodyGone | Why::Attempts | Why::HintTooLong | Why::Deadline | Why::Budget => false,
    };
    retryable && !ours_to_refuse && attempts < 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caller_may_retry_what_we_did_not() {
        for why in [Why::Attempts, Why::BodyGone, Why::HintTooLong, Why::Deadline, Why::Silent] {
            assert!(should_retry(true, 1, why), "{why:?}");
            assert!(should_retry(true, 0, why), "{why:?}");
        }
    }

    #[test]
    fn the_caller_must_not_retry_what_we_did() {
        for why in [Why::Attempts, Why::BodyGone, Why::HintTooLong, Why::Deadline, Why::Silent] {
            assert!(!should_retry(true, 2, why), "{why:?}");
        }
    }

    #[test]
    fn nobody_retries_what_cannot_help_or_may_do_harm() {
        assert!(!should_retry(false, 1, Why::NotRetryable));
        assert!(!should_retry(false, 1, Why::Attempts));
        assert!(!should_retry(true, 1, Why::OutcomeUnknown));
    }
}
