//! A length or a date at the beginning of a piece of prose: `1h2m3s`, `5 minutes`, `an hour`, `00:27:30`.

use std::sync::LazyLock;
use std::time::SystemTime;

use regex::Regex;

use super::{date, number};

/// What a number without a unit means.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Bare {
    /// That many of this unit, in nanoseconds, wherever it stands.
    Anywhere(u64),
    /// The same, but only where the sentence ends after it.
    AtTheEnd(u64),
}

/// The names of the units, longest unit first, in nanoseconds.
const UNITS: [(&[&str], u64); 8] = [
    (&["w", "wk", "wks", "week", "weeks"], 7 * 24 * 3_600 * number::SECOND),
    (&["d", "day", "days"], 24 * 3_600 * number::SECOND),
    (&["h", "hr", "hrs", "hour", "hours"], 3_600 * number::SECOND),
    (&["m", "min", "mins", "minute", "minutes"], 60 * number::SECOND),
    (&["s", "sec", "secs", "second", "seconds"], number::SECOND),
    (&["ms", "msec", "msecs", "millis", "millisecond", "milliseconds"], number::MILLISECOND),
    (&["µs", "μs", "us", "microsecond", "microseconds"], 1_000),
    (&["ns", "nanosecond", "nanoseconds"], 1),
];

/// A date and a time in prose, down to the minute at least.
static DATE: LazyLock<Regex> = LazyLock::new(|| {
    let pattern = r"(?i)^(\d{4}-\d\d-\d\d)(?:t|,?\s+(?:at\s+)?)(\d\d:\d\d)(:\d\d(?:\.\d{1,9})?)?\s?(z|utc|gmt|[+-]\d\d:?\d\d)?\b";
    Regex::new(pattern).expect("the pattern is fixed, and a test uses it")
});

/// A countdown in hours, minutes and seconds, with days before a dot.
static CLOCK: LazyLock<Regex> = LazyLock::new(|| {
    let pattern = r"^(?:(\d{1,4})\.)?(\d{1,3}):(\d\d):(\d\d(?:\.\d{1,9})?)\b";
    Regex::new(pattern).expect("the pattern is fixed, and a test uses it")
});

/// The date that the text begins with; UTC unless it says otherwise.
pub(super) fn date(text: &str) -> Option<SystemTime> {
    if text.as_bytes().get(4) != Some(&b'-') {
        return None;
    }
    let parts = DATE.captures(text)?;
    let part = |index| parts.get(index).map_or("", |part| part.as_str());
    let zone = match part(4).to_ascii_lowercase().as_str() {
        "" | "z" | "utc" | "gmt" => "Z".to_owned(),
        offset => offset.to_owned(),
    };
    let seconds = if part(3).is_empty() { ":00" } else { part(3) };
    date::parse(&format!("{}T{}{seconds}{zone}", part(1), part(2)))
}

/// The length that the text begins with, in nanoseconds.
pub(super) fn length(text: &str, bare: Bare) -> Option<u128> {
    if let Some(nanos) = clock(text) {
        return Some(nanos);
    }
    if let Some(rest) = article(text) {
        let (_, unit, _) = unit(rest)?;
        return Some(u128::from(unit));
    }
    let (count, rest) = count(text)?;
    let Some((rank, unit, rest)) = unit(rest.trim_start_matches([' ', '\u{a0}', '-'])) else {
        return bare_number(&count, rest, bare);
    };
    let first = number::nanos(&count, unit)?;
    Some(first.saturating_add(smaller_parts(rest, rank)))
}

/// A number whose unit must be guessed.
fn bare_number(count: &str, rest: &str, bare: Bare) -> Option<u128> {
    let unit = match bare {
        Bare::Anywhere(unit) if !rest.starts_with(|next: char| next.is_alphanumeric()) => unit,
        Bare::AtTheEnd(unit) if ends(rest) => unit,
        Bare::Anywhere(_) | Bare::AtTheEnd(_) => return None,
    };
    number::nanos(count, unit)
}

/// Whether nothing that belongs to the number follows it.
fn ends(rest: &str) -> bool {
    let mut rest = rest.chars();
    match rest.next() {
        None | Some('\n' | '\r' | '"' | '\'' | ')' | ']' | '}' | '!' | ';') => true,
        Some('.' | ',') => rest.next().is_none_or(char::is_whitespace),
        Some(_) => false,
    }
}

/// What else belongs to the length: "and 30 seconds" after minutes, `30s` after `9m`.
fn smaller_parts(mut text: &str, mut rank: usize) -> u128 {
    let mut sum = 0u128;
    loop {
        let next = text.trim_start_matches([' ', ',']);
        let next = next.strip_prefix("and ").unwrap_or(next);
        let Some((count, rest)) = count(next) else { return sum };
        let Some((smaller, unit, rest)) = unit(rest.trim_start_matches(' ')) else { return sum };
        let Some(nanos) = number::nanos(&count, unit).filter(|_| smaller > rank) else { return sum };
        sum = sum.saturating_add(nanos);
        (text, rank) = (rest, smaller);
    }
}

fn clock(text: &str) -> Option<u128> {
    if !text.as_bytes().iter().take(9).any(|byte| *byte == b':') {
        return None;
    }
    let parts = CLOCK.captures(text)?;
    let part = |index, unit| parts.get(index).map_or(Some(0), |part| number::nanos(part.as_str(), unit));
    let hour = 3_600 * number::SECOND;
    Some(part(1, 24 * hour)? + part(2, hour)? + part(3, 60 * number::SECOND)? + part(4, number::SECOND)?)
}

/// What follows "a", "an" or "one".
fn article(text: &str) -> Option<&str> {
    let strip = |article: &str| {
        let (word, rest) = text.split_at_checked(article.len())?;
        word.eq_ignore_ascii_case(article).then_some(rest)
    };
    ["a ", "an ", "one "].into_iter().find_map(strip)
}

/// The number at the beginning without its thousands separators, and what follows it; of a range its upper end.
fn count(text: &str) -> Option<(String, &str)> {
    let (count, rest) = one_count(text)?;
    let upper = rest.trim_start_matches(' ');
    let upper = upper.strip_prefix(['-', '–']).or_else(|| upper.strip_prefix("to "));
    match upper.and_then(|upper| one_count(upper.trim_start_matches(' '))) {
        Some(upper) => Some(upper),
        None => Some((count, rest)),
    }
}

fn one_count(text: &str) -> Option<(String, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (whole, mut rest) = text.split_at(end);
    if whole.is_empty() {
        return None;
    }
    let mut count = whole.to_owned();
    while let Some((group, after)) = thousands(rest).filter(|_| whole.len() <= 3) {
        count.push_str(group);
        rest = after;
    }
    let fraction = rest.strip_prefix('.').unwrap_or_default();
    let end = fraction.find(|c: char| !c.is_ascii_digit()).unwrap_or(fraction.len());
    if end > 0 {
        count.push('.');
        count.push_str(&fraction[..end]);
        rest = &fraction[end..];
    }
    Some((count, rest))
}

/// A comma and exactly three digits.
fn thousands(text: &str) -> Option<(&str, &str)> {
    let (group, rest) = text.strip_prefix(',')?.split_at_checked(3)?;
    let whole =
        group.bytes().all(|byte| byte.is_ascii_digit()) && !rest.starts_with(|c: char| c.is_ascii_digit());
    whole.then_some((group, rest))
}

/// The unit at the beginning: its place in the table, its nanoseconds, and what follows it.
fn unit(text: &str) -> Option<(usize, u64, &str)> {
    let end = text.find(|c: char| !c.is_alphabetic()).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let rank = UNITS.iter().position(|(names, _)| names.iter().any(|one| name.eq_ignore_ascii_case(one)))?;
    Some((rank, UNITS[rank].1, rest.strip_prefix("(s)").unwrap_or(rest)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    fn seconds(text: &str) -> Option<u128> {
        length(text, Bare::AtTheEnd(number::SECOND)).map(|nanos| nanos / u128::from(number::SECOND))
    }

    #[test]
    fn parts_add_up_only_while_their_units_shrink() {
        assert_eq!(seconds("1h2m3s"), Some(3_723));
        assert_eq!(seconds("1 hour, 2 minutes and 3 seconds"), Some(3_723));
        assert_eq!(seconds("5 seconds, 3 days of quota are left"), Some(5));
        assert_eq!(seconds("5 minutes 5 minutes"), Some(300));
    }

    #[test]
    fn a_bare_number_counts_only_at_the_end() {
        assert_eq!(seconds("30"), Some(30));
        assert_eq!(seconds("30. Or not."), Some(30));
        for text in ["30 things", "30/60", "30:15", "30.x", "30,x", "3rd", "30%"] {
            assert_eq!(seconds(text), None, "{text}");
        }
    }

    #[test]
    fn a_date_may_stand_in_prose() {
        for text in [
            "1970-01-02T00:00:00Z.",
            "1970-01-02 00:00 UTC",
            "1970-01-02 at 00:00",
            "1970-01-02T02:00:00+02:00 or so",
        ] {
            assert_eq!(date(text), Some(UNIX_EPOCH + Duration::from_secs(86_400)), "{text}");
        }
        assert_eq!(date("1970-01-02"), None);
    }
}
