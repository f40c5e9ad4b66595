//! Lengths of time with their unit: Go's (`6m0s`, `20ms`), protobuf's (`3.5s`), ISO 8601's (`PT20S`), or bare seconds.

use std::fmt::Write as _;
use std::time::Duration;

use super::number;

/// The longest text that is looked at; every form is much shorter.
const LONGEST: usize = 128;

/// The units in nanoseconds; a longer name stands before those that it begins with.
const UNITS: [(&str, u64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", number::MILLISECOND),
    ("s", number::SECOND),
    ("m", 60 * number::SECOND),
    ("h", 3_600 * number::SECOND),
];

/// Reads a length of time; a number without a unit is seconds, and `d` is a day.
pub fn parse(value: &str) -> Option<Duration> {
    let value = value.trim();
    if value.len() > LONGEST {
        return None;
    }
    if value.starts_with(['P', 'p']) {
        return iso(value);
    }
    let bare = number::nanos(value, number::SECOND);
    bare.or_else(|| sum_of_parts(value)).map(number::wait)
}

/// The length as Go writes it: `1h2m3.5s`, `6m0s`, `20ms`, `0s`.
pub fn write(length: Duration) -> String {
    let nanos = length.subsec_nanos();
    if length < Duration::from_secs(1) {
        return match nanos {
            0 => "0s".to_owned(),
            1..1_000 => format!("{nanos}ns"),
            1_000..1_000_000 => decimal(u64::from(nanos), 1_000, "µs"),
            _ => decimal(u64::from(nanos), number::MILLISECOND, "ms"),
        };
    }
    let (hours, minutes) = (length.as_secs() / 3600, length.as_secs() / 60 % 60);
    let mut text = String::new();
    if hours > 0 {
        write!(text, "{hours}h").expect("a string takes everything");
    }
    if hours > 0 || minutes > 0 {
        write!(text, "{minutes}m").expect("a string takes everything");
    }
    text + &decimal(length.as_secs() % 60 * number::SECOND + u64::from(nanos), number::SECOND, "s")
}

/// `count` nanoseconds in a unit of `unit` nanoseconds, with as many decimals as it needs.
fn decimal(count: u64, unit: u64, name: &str) -> String {
    let (whole, rest) = (count / unit, count % unit);
    number::with_fraction(whole.to_string(), rest, unit) + name
}

fn sum_of_parts(value: &str) -> Option<u128> {
    let mut rest = value.strip_prefix('+').unwrap_or(value);
    if rest.is_empty() {
        return None;
    }
    let mut sum = 0u128;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at(end);
        let (unit, after) = unit(after)?;
        sum = sum.saturating_add(number::nanos(number, unit)?);
        rest = after;
    }
    Some(sum)
}

/// The unit at the beginning of the text, and what follows it.
fn unit(text: &str) -> Option<(u64, &str)> {
    if let Some(rest) = text.strip_prefix('d') {
        return Some((24 * 3_600 * number::SECOND, rest));
    }
    UNITS.iter().find_map(|(name, nanos)| Some((*nanos, text.strip_prefix(name)?)))
}

/// An ISO 8601 duration of hours, minutes and seconds.
fn iso(value: &str) -> Option<Duration> {
    let length: jiff::SignedDuration = value.parse().ok()?;
    Some(Duration::try_from(length).ok()?.min(number::MAX_WAIT))
}

#[cfg(test)]
mod tests {
    use super::super::MAX_WAIT;
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_forms_that_apis_send_are_read() {
        for (value, millis) in [
            ("1s", 1_000),
            ("6m0s", 360_000),
            ("20ms", 20),
            ("2m59.56s", 179_560),
            ("7.66s", 7_660),
            ("1h2m", 3_720_000),
            ("23h59m59s", 86_399_000),
            ("1d", 86_400_000),
            ("40s", 40_000),
            ("3.5s", 3_500),
            ("0s", 0),
            ("12.5", 12_500),
            ("30", 30_000),
            ("PT20S", 20_000),
            ("PT1H2M3.5S", 3_723_500),
            ("pt5m", 300_000),
            (" 1s ", 1_000),
        ] {
            assert_eq!(parse(value), Some(Duration::from_millis(millis)), "{value}");
        }
    }

    #[test]
    fn small_units_are_read_exactly() {
        for (value, nanos) in
            [("1.984999999s", 1_984_999_999), ("5µs", 5_000), ("5μs", 5_000), ("5us", 5_000), ("9ns", 9)]
        {
            assert_eq!(parse(value), Some(Duration::from_nanos(nanos)), "{value}");
        }
    }

    #[test]
    fn hostile_values_are_nothing_or_bounded() {
        for value in [
            "", "s", "-1s", "-5", "1x", "1s2", "1 s", "NaN", "inf", "1..5s", "P", "PT", "-PT1S", "PT-1S",
            "soon", ".",
        ] {
            assert_eq!(parse(value), None, "{value}");
        }
        for value in ["1000000000000000000s", "1000000000000000000", "1e300", "999999999999h9m"] {
            assert_eq!(parse(value), Some(MAX_WAIT), "{value}");
        }
        assert_eq!(parse(&"1s".repeat(1_000)), None);
    }

    #[test]
    fn writing_is_what_go_writes() {
        for (nanos, text) in [
            (0, "0s"),
            (1, "1ns"),
            (1_100, "1.1µs"),
            (2_200_000, "2.2ms"),
            (20_000_000, "20ms"),
            (3_300_000_000, "3.3s"),
            (245_000_000_000, "4m5s"),
            (245_001_000_000, "4m5.001s"),
            (360_000_000_000, "6m0s"),
            (18_367_001_000_000, "5h6m7.001s"),
            (480_000_000_001, "8m0.000000001s"),
        ] {
            assert_eq!(write(Duration::from_nanos(nanos)), text);
        }
    }

    proptest! {
        #[test]
        fn any_text_is_harmless(value in "\\PC*", likely in "[0-9.hmsuµnPTd+-]{0,30}") {
            prop_assert!(parse(&value).is_none_or(|wait| wait <= MAX_WAIT));
            prop_assert!(parse(&likely).is_none_or(|wait| wait <= MAX_WAIT));
        }

        #[test]
        fn what_is_written_reads_back_exactly(nanos in prop_oneof![0u64..5_000_000_000, 0u64..2_600_000_000_000_000]) {
            let length = Duration::from_nanos(nanos);
            prop_assert_eq!(parse(&write(length)), Some(length));
        }
    }
}
