//! Decimal numbers of some unit, read exactly and bounded.

use std::time::Duration;

/// The longest wait that is ever reported: 31 days, the longest month.
///
/// A longer one is nobody's plan; it means "not in this request's lifetime" all the same.
pub const MAX_WAIT: Duration = Duration::from_secs(31 * 24 * 60 * 60);

/// One second in nanoseconds.
pub(crate) const SECOND: u64 = 1_000_000_000;

/// One millisecond in nanoseconds.
pub(crate) const MILLISECOND: u64 = 1_000_000;

/// The wait that this many nanoseconds make.
pub(crate) fn wait(nanos: u128) -> Duration {
    match u64::try_from(nanos) {
        Ok(nanos) => Duration::from_nanos(nanos).min(MAX_WAIT),
        Err(_) => MAX_WAIT,
    }
}

/// A whole or decimal number of `unit` nanoseconds, in nanoseconds, rounded up; it saturates.
///
/// A sign other than `+`, a name (`NaN`, `inf`) or anything around the number makes it `None`.
pub(crate) fn nanos(text: &str, unit: u64) -> Option<u128> {
    let text = text.strip_prefix('+').unwrap_or(text);
    if !text.starts_with(|first: char| first.is_ascii_digit() || first == '.') {
        return None;
    }
    if text.contains(['e', 'E']) {
        return scientific(text, unit);
    }
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let whole = digits(whole)?.saturating_mul(u128::from(unit));
    Some(whole.saturating_add(part(fraction, unit)?))
}

/// The number that these digits write, saturated; an empty text is zero.
fn digits(text: &str) -> Option<u128> {
    text.bytes().try_fold(0u128, |sum, byte| {
        byte.is_ascii_digit().then(|| sum.saturating_mul(10).saturating_add(u128::from(byte - b'0')))
    })
}

/// What stands after the decimal point, as nanoseconds of the unit.
fn part(fraction: &str, unit: u64) -> Option<u128> {
    const PRECISE: usize = 18;
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (kept, beyond) = fraction.split_at(fraction.len().min(PRECISE));
    let scale = 10u128.pow(u32::try_from(kept.len()).ok()?);
    let nanos = (digits(kept)? * u128::from(unit)).div_ceil(scale);
    let sticky =
        u128::from(beyond.bytes().any(|byte| byte != b'0') && digits(kept)? * u128::from(unit) % scale == 0);
    Some(nanos + sticky)
}

/// A number with an exponent, as some languages write small floats.
fn scientific(text: &str, unit: u64) -> Option<u128> {
    let number: f64 = text.parse().ok()?;
    // A float cast saturates, and what overflowed to infinity becomes the largest number.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "saturates, and is never negative"
    )]
    Some((number * unit as f64).ceil() as u128)
}

/// A whole number, and so much of a unit beside it, which is a power of ten: `1.05` for `1` and 5 of 100.
pub(super) fn with_fraction(mut whole: String, rest: u64, unit: u64) -> String {
    if rest > 0 {
        // With a one before it a number has the zeros that a fraction begins with.
        let digits = (unit + rest).to_string();
        whole.push('.');
        whole.push_str(digits[1..].trim_end_matches('0'));
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn decimals_are_read_exactly() {
        assert_eq!(nanos("26.604", SECOND), Some(26_604_000_000));
        assert_eq!(nanos("1.984999999", SECOND), Some(1_984_999_999));
        assert_eq!(nanos("20.04466179", SECOND), Some(20_044_661_790));
        assert_eq!(nanos(".5", SECOND), Some(500_000_000));
        assert_eq!(nanos("5.", SECOND), Some(5_000_000_000));
        assert_eq!(nanos("+7", SECOND), Some(7_000_000_000));
        assert_eq!(nanos("1.5e-3", SECOND), Some(1_500_000));
    }

    #[test]
    fn a_part_of_a_nanosecond_is_rounded_up() {
        assert_eq!(nanos("0.0000000001", SECOND), Some(1));
        assert_eq!(nanos("0.0000000000000000000000001", SECOND), Some(1));
        assert_eq!(nanos("1.0000000000000000000000000", SECOND), Some(1_000_000_000));
    }

    #[test]
    fn what_is_no_number_is_nothing() {
        for text in
            ["", ".", "-1", "NaN", "inf", "Infinity", "1_000", "0x10", "1.2.3", "1e", "e5", " 1", "1 ", "١"]
        {
            assert_eq!(nanos(text, SECOND), None, "{text}");
        }
    }

    #[test]
    fn huge_numbers_become_the_longest_wait() {
        for text in ["1000000000000000000", "1e400", "9".repeat(500).as_str()] {
            assert_eq!(nanos(text, SECOND).map(wait), Some(MAX_WAIT), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_harmless(text in "\\PC*", digits in "[0-9.eE+-]{0,40}") {
            let _ = nanos(&text, SECOND);
            let _ = nanos(&digits, u64::MAX);
        }
    }
}
