//! Points in time as headers write them: the three HTTP-date forms, and RFC 3339 with the freedom of ISO 8601.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::number::MAX_WAIT;

/// The longest text that is looked at; every form is much shorter.
const LONGEST: usize = 64;

/// Reads an HTTP-date in any of its three forms, or an RFC 3339 date.
///
/// A date without an offset is taken as UTC, one without a time as its midnight.
pub fn parse(value: &str) -> Option<SystemTime> {
    let value = value.trim();
    if value.len() > LONGEST {
        return None;
    }
    if !value.starts_with(|first: char| first.is_ascii_digit()) {
        return httpdate::parse_http_date(value).ok();
    }
    if let Ok(stamp) = value.parse::<jiff::Timestamp>() {
        return Some(stamp.into());
    }
    let civil: jiff::civil::DateTime = value.parse().ok()?;
    Some(civil.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().into())
}

/// How long it is from `now` until `then`: zero if it is over, at most [`MAX_WAIT`].
pub fn until(then: SystemTime, now: SystemTime) -> Duration {
    then.duration_since(now).unwrap_or_default().min(MAX_WAIT)
}

/// Whole seconds since 1970 of the moment `wait` after `now`, rounded up so that nobody comes too early.
pub(super) fn epoch(now: SystemTime, wait: Duration) -> u64 {
    let then = now.duration_since(UNIX_EPOCH).unwrap_or_default().saturating_add(wait.min(MAX_WAIT));
    then.as_secs().saturating_add(u64::from(then.subsec_nanos() > 0))
}

/// The moment `wait` after `now` in RFC 3339, in UTC and whole seconds, rounded up.
///
/// A moment after the year 9999 is written as the last one before it.
pub fn write_rfc3339(now: SystemTime, wait: Duration) -> String {
    let second = i64::try_from(epoch(now, wait)).unwrap_or(i64::MAX);
    jiff::Timestamp::from_second(second).unwrap_or(jiff::Timestamp::MAX).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn all_forms_of_one_moment_are_the_same() {
        for value in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
            "1994-11-06T08:49:37Z",
            "1994-11-06t08:49:37z",
            "1994-11-06T10:49:37+02:00",
            "1994-11-06T08:49:37+00:00",
            "1994-11-06T08:49:37",
            "1994-11-06 08:49:37",
            " 1994-11-06T08:49:37.000Z ",
        ] {
            assert_eq!(parse(value), Some(at(784_111_777)), "{value}");
        }
        assert_eq!(parse("1994-11-06"), Some(at(784_080_000)));
    }

    #[test]
    fn what_is_no_date_is_nothing() {
        for value in [
            "",
            "30",
            "Sun",
            "Sun, 99 Nov 1994 08:49:37 GMT",
            "1994-13-06T08:49:37Z",
            "-1",
            "1994",
            "tomorrow",
        ] {
            assert_eq!(parse(value), None, "{value}");
        }
    }

    #[test]
    fn the_past_is_no_wait_and_the_far_future_the_longest() {
        assert_eq!(until(at(10), at(20)), Duration::ZERO);
        assert_eq!(until(at(20), at(10)), Duration::from_secs(10));
        assert_eq!(until(at(1 << 40), at(10)), MAX_WAIT);
    }

    #[test]
    fn writing_rounds_up_to_the_whole_second() {
        assert_eq!(write_rfc3339(at(784_111_776), Duration::from_millis(1)), "1994-11-06T08:49:37Z");
        assert_eq!(write_rfc3339(at(1 << 50), Duration::MAX), jiff::Timestamp::MAX.to_string());
    }

    proptest! {
        #[test]
        fn any_text_is_harmless(value in "\\PC*", digits in "[0-9TZ:. +-]{0,40}") {
            let _ = parse(&value);
            let _ = parse(&digits);
        }

        #[test]
        fn what_is_written_reads_back(now in 0u64..4_000_000_000, wait in 0u64..2_600_000) {
            let wait = Duration::from_secs(wait);
            let written = write_rfc3339(at(now), wait);
            prop_assert_eq!(parse(&written).map(|then| until(then, at(now))), Some(wait));
        }
    }
}
