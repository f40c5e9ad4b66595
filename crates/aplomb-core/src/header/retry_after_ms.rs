//! `retry-after-ms` and `x-ms-retry-after-ms`: milliseconds, decimals allowed.

use std::time::Duration;

use super::number;

/// Reads a number of milliseconds.
pub fn parse(value: &str) -> Option<Duration> {
    number::nanos(value.trim(), number::MILLISECOND).map(number::wait)
}

/// The value for this wait, exact: decimals only where it isn't whole milliseconds.
pub fn write(wait: Duration) -> String {
    let rest = u64::from(wait.subsec_nanos()) % number::MILLISECOND;
    number::with_fraction(wait.as_millis().to_string(), rest, number::MILLISECOND)
}

#[cfg(test)]
mod tests {
    use super::super::MAX_WAIT;
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn milliseconds_are_read_whole_or_not() {
        assert_eq!(parse("26604"), Some(Duration::from_millis(26_604)));
        assert_eq!(parse(" 0.5 "), Some(Duration::from_micros(500)));
        assert_eq!(parse("1000000000000000000"), Some(MAX_WAIT));
        for value in ["", "-1", "NaN", "inf", "5ms", "soon"] {
            assert_eq!(parse(value), None, "{value}");
        }
    }

    #[test]
    fn writing_is_exact() {
        assert_eq!(write(Duration::ZERO), "0");
        assert_eq!(write(Duration::from_secs(30)), "30000");
        assert_eq!(write(Duration::from_nanos(1_500)), "0.0015");
    }

    proptest! {
        #[test]
        fn any_text_is_harmless(value in "\\PC*", likely in "[0-9.eE+-]{0,40}") {
            prop_assert!(parse(&value).is_none_or(|wait| wait <= MAX_WAIT));
            prop_assert!(parse(&likely).is_none_or(|wait| wait <= MAX_WAIT));
        }

        #[test]
        fn what_is_written_reads_back_exactly(nanos in 0u64..2_600_000_000_000_000) {
            let wait = Duration::from_nanos(nanos);
            prop_assert_eq!(parse(&write(wait)), Some(wait));
        }
    }
}
