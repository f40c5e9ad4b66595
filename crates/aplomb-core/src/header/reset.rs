//! When a limit is whole again: the many ways in which `x-ratelimit-reset` and its kin are written.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::{date, duration, number, retry_after};

/// How a reset is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ResetForm {
    /// A length of time with its unit (`6m0s`); a bare number is seconds.
    Duration,
    /// A number of seconds from now.
    Seconds,
    /// Seconds since 1970.
    EpochS,
    /// Milliseconds since 1970.
    EpochMs,
    /// An RFC 3339 date; an HTTP-date is taken too.
    Rfc3339,
    /// Whatever it looks like.
    ///
    /// A number below 30 days is seconds from now, a larger one seconds since 1970, a still larger one
    /// milliseconds since 1970; each range ends where the next one begins to make sense.
    #[default]
    Auto,
}

/// A number below this is a length in seconds (30 days), not a date (which would be in January 1970).
const LENGTHS_END: u128 = 30 * 24 * 60 * 60 * number::SECOND as u128;

/// A number below this is seconds since 1970 (until the year 5138), not milliseconds (until March 1973).
const EPOCH_SECONDS_END: u128 = 100_000_000_000 * number::SECOND as u128;

/// A number from this on is no date in milliseconds either (the year 5138 again).
const EPOCH_MILLISECONDS_END: u128 = 1_000 * EPOCH_SECONDS_END;

/// How long it is until the reset; zero if it is over.
pub fn parse(value: &str, form: ResetForm, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    match form {
        ResetForm::Duration => duration::parse(value),
        ResetForm::Seconds => number::nanos(value, number::SECOND).map(number::wait),
        ResetForm::EpochS => Some(since_epoch(number::nanos(value, number::SECOND)?, now)),
        ResetForm::EpochMs => Some(since_epoch(number::nanos(value, number::MILLISECOND)?, now)),
        ResetForm::Rfc3339 => Some(date::until(date::parse(value)?, now)),
        ResetForm::Auto => match number::nanos(value, number::SECOND) {
            Some(number) => by_size(number, now),
            None => duration::parse(value).or_else(|| Some(date::until(date::parse(value)?, now))),
        },
    }
}

/// The value for a reset `wait` from `now`, rounded up to the form's precision; `Auto` writes seconds.
pub fn write(wait: Duration, form: ResetForm, now: SystemTime) -> String {
    match form {
        ResetForm::Duration => duration::write(wait),
        ResetForm::Seconds | ResetForm::Auto => retry_after::write(wait),
        ResetForm::EpochS => date::epoch(now, wait).to_string(),
        ResetForm::EpochMs => {
            let then = now.duration_since(UNIX_EPOCH).unwrap_or_default().saturating_add(wait);
            then.as_nanos().div_ceil(u128::from(number::MILLISECOND)).to_string()
        }
        ResetForm::Rfc3339 => date::write_rfc3339(now, wait),
    }
}

/// How long it is until this many nanoseconds after 1970.
fn since_epoch(nanos: u128, now: SystemTime) -> Duration {
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    number::wait(nanos.saturating_sub(now))
}

/// What a bare number means, read as seconds and given in nanoseconds.
fn by_size(nanos: u128, now: SystemTime) -> Option<Duration> {
    match nanos {
        ..LENGTHS_END => Some(number::wait(nanos)),
        LENGTHS_END..EPOCH_SECONDS_END => Some(since_epoch(nanos, now)),
        EPOCH_SECONDS_END..EPOCH_MILLISECONDS_END => Some(since_epoch(nanos / 1_000, now)),
        EPOCH_MILLISECONDS_END.. => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::MAX_WAIT;
    use super::*;
    use proptest::prelude::*;

    const FORMS: [ResetForm; 6] = [
        ResetForm::Duration,
        ResetForm::Seconds,
        ResetForm::EpochS,
        ResetForm::EpochMs,
        ResetForm::Rfc3339,
        ResetForm::Auto,
    ];

    /// 1 January 2026, midnight.
    fn now() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_767_225_600)
    }

    #[test]
    fn every_form_of_one_minute_is_read() {
        for (value, form) in [
            ("1m0s", ResetForm::Duration),
            ("60", ResetForm::Duration),
            ("60", ResetForm::Seconds),
            ("60.0", ResetForm::Seconds),
            ("1767225660", ResetForm::EpochS),
            ("1767225660.0", ResetForm::EpochS),
            ("1767225660000", ResetForm::EpochMs),
            ("2026-01-01T00:01:00Z", ResetForm::Rfc3339),
            ("60", ResetForm::Auto),
            ("1m0s", ResetForm::Auto),
            ("60s", ResetForm::Auto),
            ("1767225660", ResetForm::Auto),
            ("1767225660000", ResetForm::Auto),
            ("2026-01-01T00:01:00Z", ResetForm::Auto),
            ("Thu, 01 Jan 2026 00:01:00 GMT", ResetForm::Auto),
        ] {
            assert_eq!(parse(value, form, now()), Some(Duration::from_secs(60)), "{value} as {form:?}");
        }
    }

    #[test]
    fn what_is_over_is_no_wait() {
        for (value, form) in [
            ("1767225599", ResetForm::EpochS),
            ("0", ResetForm::EpochS),
            ("1767225599999", ResetForm::EpochMs),
            ("2025-12-31T23:59:59Z", ResetForm::Rfc3339),
            ("1767225599", ResetForm::Auto),
            ("0", ResetForm::Auto),
        ] {
            assert_eq!(parse(value, form, now()), Some(Duration::ZERO), "{value} as {form:?}");
        }
    }

    #[test]
    fn hostile_values_are_nothing_or_bounded() {
        for form in FORMS {
            for value in ["", "-1", "NaN", "inf", "soon", "1s2", "9999-99-99T00:00:00Z"] {
                assert_eq!(parse(value, form, now()), None, "{value} as {form:?}");
            }
        }
        assert_eq!(parse("1000000000000000000", ResetForm::Seconds, now()), Some(MAX_WAIT));
        assert_eq!(parse("1000000000000000000", ResetForm::EpochS, now()), Some(MAX_WAIT));
        assert_eq!(parse("1000000000000000000", ResetForm::Auto, now()), None);
        assert_eq!(parse("2592001", ResetForm::Auto, now()), Some(Duration::ZERO));
    }

    #[test]
    fn a_form_is_named_in_snake_case() {
        assert_eq!(serde_json::from_str::<ResetForm>("\"epoch_ms\"").unwrap(), ResetForm::EpochMs);
    }

    proptest! {
        #[test]
        fn any_text_is_harmless(value in "\\PC*", likely in "[0-9.hmsTZ:+-]{0,30}", form in 0usize..6, now in 0u64..1 << 50) {
            let now = UNIX_EPOCH + Duration::from_secs(now);
            prop_assert!(parse(&value, FORMS[form], now).is_none_or(|wait| wait <= MAX_WAIT));
            prop_assert!(parse(&likely, FORMS[form], now).is_none_or(|wait| wait <= MAX_WAIT));
        }

        #[test]
        fn what_is_written_reads_back_as_no_less(millis in 0u64..2_500_000_000, form in 0usize..6) {
            let wait = Duration::from_millis(millis);
            let back = parse(&write(wait, FORMS[form], now()), FORMS[form], now()).unwrap();
            prop_assert!(back >= wait && back < wait + Duration::from_secs(1), "{:?} {back:?}", FORMS[form]);
        }
    }
}
