//! When something ends: a time, a day, or how long from now.

use jiff::civil::Date;
use jiff::{Timestamp, ToSpan as _, tz::TimeZone};

/// Reads an end: `90d`, `12h`, `2027-01-31` (the day's last moment in UTC is the next midnight), or RFC 3339.
///
/// # Errors
/// A sentence that says what would be right.
pub(crate) fn end(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    let told = || {
        "expected how long, such as `90d` or `12h`, a day such as `2027-01-31`, or a time in RFC 3339"
            .to_owned()
    };
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(time);
    }
    if let Ok(day) = text.parse::<Date>() {
        let next = day.tomorrow().and_then(|day| day.to_zoned(TimeZone::UTC));
        return next.map(|zoned| zoned.timestamp()).map_err(|_| told());
    }
    let (count, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(told)?;
    let count: i64 = count.parse().ok().filter(|count| (1..=1_000_000).contains(count)).ok_or_else(told)?;
    let hours = match unit {
        "h" => count,
        "d" => count * 24,
        "w" => count * 24 * 7,
        _ => return Err(told()),
    };
    now.checked_add(hours.hours()).map_err(|_| told())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_a_time_a_day_or_a_while() {
        let now: Timestamp = "2026-11-28T00:00:00Z".parse().unwrap();
        let read = |text: &str| end(text, now).map(|end| end.to_string()).ok();
        for (text, is) in [
            ("90d", Some("2027-02-26T00:00:00Z")),
            ("12h", Some("2026-11-28T12:00:00Z")),
            ("2w", Some("2026-12-12T00:00:00Z")),
            ("2027-01-31", Some("2027-02-01T00:00:00Z")),
            ("2027-01-31T10:00:00+01:00", Some("2027-01-31T09:00:00Z")),
            ("90", None),
            ("0d", None),
            ("-1d", None),
            ("d", None),
            ("", None),
            ("ä", None),
            ("99999999999d", None),
            ("soon", None),
        ] {
            assert_eq!(read(text).as_deref(), is, "{text}");
        }
    }
}
