//! The caller's own patience: how long it waits before it gives up, as its SDK tells.

use std::time::Duration;

use crate::header::number;

/// What is kept back at least, so that our answer is there before the caller leaves.
const MARGIN: Duration = Duration::from_millis(100);

/// How long there is to answer, counted from the arrival of the request: the shorter of the two, less a margin.
///
/// `stainless` is the value of `x-stainless-read-timeout`, `grpc` that of `grpc-timeout`.
pub fn patience(stainless: Option<&str>, grpc: Option<&str>) -> Option<Duration> {
    let stainless = stainless.and_then(parse_stainless);
    let grpc = grpc.and_then(parse_grpc);
    stainless.into_iter().chain(grpc).min().map(less_margin)
}

/// Reads `x-stainless-read-timeout`: seconds, with decimals; nobody waits for zero seconds.
pub fn parse_stainless(value: &str) -> Option<Duration> {
    number::nanos(value.trim(), number::SECOND).map(number::wait).filter(|wait| !wait.is_zero())
}

/// Reads `grpc-timeout`: up to eight digits and one letter for the unit.
pub fn parse_grpc(value: &str) -> Option<Duration> {
    let (digits, unit) = value.trim().split_at_checked(value.trim().len().checked_sub(1)?)?;
    let unit = match unit {
        "H" => 3_600 * number::SECOND,
        "M" => 60 * number::SECOND,
        "S" => number::SECOND,
        "m" => number::MILLISECOND,
        "u" => 1_000,
        "n" => 1,
        _ => return None,
    };
    let whole = digits.len() <= 8 && digits.bytes().all(|byte| byte.is_ascii_digit());
    let nanos = if whole { number::nanos(digits, unit)? } else { return None };
    Some(number::wait(nanos)).filter(|wait| !wait.is_zero())
}

/// Less 100 ms or 2 %, whichever is more, but never less than half of it.
pub fn less_margin(patience: Duration) -> Duration {
    patience - MARGIN.max(patience / 50).min(patience / 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn both_headers_are_read() {
        assert_eq!(parse_stainless("600"), Some(Duration::from_secs(600)));
        assert_eq!(parse_stainless("0.5"), Some(Duration::from_millis(500)));
        for (value, nanos) in [
            ("1H", 3_600_000_000_000),
            ("1M", 60_000_000_000),
            ("30S", 30_000_000_000),
            ("500m", 500_000_000),
            ("7u", 7_000),
            ("9n", 9),
        ] {
            assert_eq!(parse_grpc(value), Some(Duration::from_nanos(nanos)), "{value}");
        }
    }

    #[test]
    fn nonsense_is_no_patience() {
        for value in ["", "0", "-1", "None", "NaN", "inf"] {
            assert_eq!(parse_stainless(value), None, "{value}");
        }
        for value in ["", "S", "0S", "-1S", "1", "1s", "1.5S", "123456789S", "1é", "é"] {
            assert_eq!(parse_grpc(value), None, "{value}");
        }
    }

    #[test]
    fn the_shorter_one_counts_and_a_margin_is_kept_back() {
        assert_eq!(patience(Some("600"), Some("1S")), Some(Duration::from_millis(900)));
        assert_eq!(patience(Some("600"), None), Some(Duration::from_secs(588)));
        assert_eq!(patience(Some("0.1"), None), Some(Duration::from_millis(50)));
        assert_eq!(patience(Some("soon"), None), None);
        assert_eq!(patience(None, None), None);
    }

    proptest! {
        #[test]
        fn any_text_is_harmless(a in "\\PC*", b in "[0-9]{0,10}\\PC?") {
            let _ = patience(Some(&a), Some(&b));
            let _ = patience(Some(&b), Some(&a));
        }

        #[test]
        fn something_is_always_kept_back(nanos in 2u64..) {
            let all = Duration::from_nanos(nanos);
            prop_assert!(less_margin(all) < all && less_margin(all) >= all / 2);
        }
    }
}
