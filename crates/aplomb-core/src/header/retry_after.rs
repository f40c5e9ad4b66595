//! `Retry-After`: seconds or a date, as RFC 9110 has it and as APIs write it.

use std::time::{Duration, SystemTime};

use super::{date, number};

/// Reads a `Retry-After`: seconds (decimals too), an HTTP-date in any of its three forms, or an RFC 3339 date.
///
/// `answered` is the answer's own `Date`: a date is measured from there instead of `now`, so that a clock that goes
/// wrong there or here makes no wait wrong.
/// Of several values in one line the longest wait counts; `None` if any of them can't be meant.
pub fn parse(value: &str, now: SystemTime, answered: Option<SystemTime>) -> Option<Duration> {
    let mut longest = Duration::ZERO;
    let mut rest = value.trim();
    while let Some((first, more)) = rest.split_once(',') {
        let Some(wait) = seconds(first.trim_end()) else { break };
        longest = longest.max(wait);
        rest = more.trim_start();
    }
    let last = match seconds(rest) {
        Some(wait) => wait,
        None => date::until(date::parse(rest)?, answered.unwrap_or(now)),
    };
    Some(longest.max(last))
}

/// The value for this wait: whole seconds, rounded up so that nobody comes too early.
pub fn write(wait: Duration) -> String {
    wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0)).to_string()
}

fn seconds(text: &str) -> Option<Duration> {
    number::nanos(text, number::SECOND).map(number::wait)
}

#[cfg(test)]
mod tests {
    use super::super::MAX_WAIT;
    use super::*;
    use proptest::prelude::*;
    use std::time::UNIX_EPOCH;

    /// 6 November 1994, 08:49:37, the moment that the RFC's examples speak of.
    fn now() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(784_111_777)
    }

    fn read(value: &str) -> Option<Duration> {
        parse(value, now(), None)
    }

    #[test]
    fn seconds_are_read_whole_or_not() {
        assert_eq!(read("120"), Some(Duration::from_secs(120)));
        assert_eq!(read(" 0 "), Some(Duration::ZERO));
        assert_eq!(read("1.5"), Some(Duration::from_millis(1500)));
    }

    #[test]
    fn dates_are_measured_from_now() {
        for value in [
            "Sun, 06 Nov 1994 08:50:37 GMT",
            "Sunday, 06-Nov-94 08:50:37 GMT",
            "Sun Nov  6 08:50:37 1994",
            "1994-11-06T08:50:37Z",
            "1994-11-06T08:50:37",
        ] {
            assert_eq!(read(value), Some(Duration::from_secs(60)), "{value}");
        }
    }

    #[test]
    fn the_answers_own_date_corrects_a_wrong_clock() {
        let an_hour_ahead = now() + Duration::from_secs(3600);
        let value = "Sun, 06 Nov 1994 09:50:37 GMT";
        assert_eq!(parse(value, now(), Some(an_hour_ahead)), Some(Duration::from_secs(60)));
        assert_eq!(parse("60", now(), Some(an_hour_ahead)), Some(Duration::from_secs(60)));
    }

    #[test]
    fn a_date_in_the_past_is_no_wait() {
        assert_eq!(read("Sun, 06 Nov 1994 08:00:00 GMT"), Some(Duration::ZERO));
        assert_eq!(read("1970-01-01T00:00:00Z"), Some(Duration::ZERO));
    }

    #[test]
    fn several_values_mean_the_longest() {
        assert_eq!(read("10, 20"), Some(Duration::from_secs(20)));
        assert_eq!(read("120,120"), Some(Duration::from_secs(120)));
        assert_eq!(read("5, Sun, 06 Nov 1994 08:50:37 GMT"), Some(Duration::from_secs(60)));
    }

    #[test]
    fn hostile_values_are_nothing_or_bounded() {
        for value in ["", "-1", "NaN", "inf", "soon", ",", "1,", ",1", "1, soon", "30 seconds", "\u{0}"] {
            assert_eq!(read(value), None, "{value}");
        }
        for value in ["1000000000000000000", "1e300", "Fri, 31 Dec 9999 23:59:59 GMT"] {
            assert_eq!(read(value), Some(MAX_WAIT), "{value}");
        }
        assert_eq!(read(&"1,".repeat(100_000)), None);
    }

    #[test]
    fn writing_rounds_up() {
        assert_eq!(write(Duration::ZERO), "0");
        assert_eq!(write(Duration::from_millis(1)), "1");
        assert_eq!(write(Duration::from_secs(2)), "2");
        assert_eq!(write(Duration::MAX), u64::MAX.to_string());
    }

    proptest! {
        #[test]
        fn any_text_is_harmless(value in "\\PC*", likely in "[0-9A-Za-z,:. +-]{0,40}") {
            prop_assert!(read(&value).is_none_or(|wait| wait <= MAX_WAIT));
            prop_assert!(read(&likely).is_none_or(|wait| wait <= MAX_WAIT));
        }

        #[test]
        fn what_is_written_reads_back_as_no_less(millis in 0u64..2_000_000_000) {
            let wait = Duration::from_millis(millis);
            let back = read(&write(wait)).unwrap();
            prop_assert!(back >= wait && back < wait + Duration::from_secs(1));
        }
    }
}
