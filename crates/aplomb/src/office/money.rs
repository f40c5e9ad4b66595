//! Money: whole units for people, millionths of them everywhere else, and nothing but integers in between.

/// A unit's millionths.
const UNIT: i64 = 1_000_000;

/// Reads an amount in units: `12`, `12.50`, `-0.000001`.
///
/// # Errors
/// A sentence that says what would be right.
pub(crate) fn millionths(text: &str) -> Result<i64, String> {
    let told =
        || "expected an amount such as `12` or `12.50`, with at most six digits behind the point".to_owned();
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text),
    };
    let (whole, part) = digits.split_once('.').unwrap_or((digits, "0"));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(whole) || !is_number(part) || part.len() > 6 {
        return Err(told());
    }
    let whole: i64 = whole.parse().map_err(|_| told())?;
    let part: i64 = format!("{part:0<6}").parse().map_err(|_| told())?;
    whole
        .checked_mul(UNIT)
        .and_then(|whole| whole.checked_add(part))
        .map(|amount| sign * amount)
        .ok_or_else(told)
}

/// Writes millionths as units, with two digits behind the point or as many as there are.
pub(crate) fn written(millionths: i64) -> String {
    let sign = if millionths < 0 { "-" } else { "" };
    let amount = millionths.unsigned_abs();
    let part = format!("{:06}", amount % UNIT.unsigned_abs());
    let part = part.trim_end_matches('0');
    format!("{sign}{}.{part:0<2}", amount / UNIT.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_amount_is_what_it_says_to_the_millionth() {
        for (text, amount, shown) in [
            ("12", 12_000_000, "12.00"),
            ("12.5", 12_500_000, "12.50"),
            ("0.000001", 1, "0.000001"),
            ("-3.07", -3_070_000, "-3.07"),
            ("0", 0, "0.00"),
        ] {
            assert_eq!(millionths(text), Ok(amount));
            assert_eq!(written(amount), shown);
        }
        for text in [
            "",
            ".",
            "1.",
            ".5",
            "1,5",
            "1.0000001",
            "+1",
            "--1",
            "1e3",
            "99999999999999999999",
            "9223372036855",
        ] {
            assert!(millionths(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(amount in -1_000_000_000_000_000i64..1_000_000_000_000_000) {
            prop_assert_eq!(millionths(&written(amount)), Ok(amount));
        }
    }
}
