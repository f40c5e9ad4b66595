//! Formats of text that services read more loosely than their standards are: times with and without an offset.
//!
//! Whatever a careful reader of such a time could take is let through; what is no time at all is refused.

/// A day and a time of day: RFC 3339, and the same with a space between them or without an offset.
pub(super) fn is_date_time(text: &str) -> bool {
    let Some((day, rest)) = text.split_at_checked(10) else { return false };
    let mut rest = rest.chars();
    is_date(day) && matches!(rest.next(), Some('T' | 't' | ' ' | '_')) && is_time(rest.as_str())
}

/// A time of day: hours and minutes at least, an offset at most.
pub(super) fn is_time(text: &str) -> bool {
    let (time, offset) = match text.find(['Z', 'z', '+', '-']) {
        Some(at) => text.split_at(at),
        None => (text, ""),
    };
    is_clock(time.trim_end()) && is_offset(offset)
}

/// A length of time: ISO 8601, or a clock's, with days before it.
pub(super) fn is_duration(text: &str) -> bool {
    let text = text.strip_prefix(['+', '-']).unwrap_or(text);
    match text.strip_prefix(['P', 'p']) {
        Some(iso) => is_iso(iso),
        None => is_clock(text.rsplit(' ').next().unwrap_or_default()),
    }
}

fn is_date(text: &str) -> bool {
    let mut parts = text.split('-').map(|part| number(part, if part.len() == 4 { 4 } else { 2 }));
    let (Some(year), Some(month), Some(day), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    let (Some(year), Some(month), Some(day)) = (year, month, day) else { return false };
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    (1..=12).contains(&month) && (1..=days).contains(&day)
}

/// `12:34`, `12:34:56`, `12:34:56.789`.
fn is_clock(text: &str) -> bool {
    let (whole, fraction) = text.split_once(['.', ',']).map_or((text, None), |(a, b)| (a, Some(b)));
    let parts: Vec<_> = whole.split(':').map(|part| number(part, 2)).collect();
    let fits = match parts[..] {
        [Some(hour), Some(minute)] => hour < 24 && minute < 60 && fraction.is_none(),
        // A leap second is one.
        [Some(hour), Some(minute), Some(second)] => hour < 24 && minute < 60 && second <= 60,
        _ => false,
    };
    fits && fraction
        .is_none_or(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
}

fn is_offset(text: &str) -> bool {
    let Some(offset) = text.strip_prefix(['+', '-']) else { return matches!(text, "" | "Z" | "z") };
    let (hours, minutes) = match offset.split_once(':') {
        Some(both) => both,
        None => offset.split_at_checked(2).unwrap_or((offset, "")),
    };
    let minutes = if minutes.is_empty() { Some(0) } else { number(minutes, 2) };
    number(hours, 2).is_some_and(|hours| hours < 24) && minutes.is_some_and(|minutes| minutes < 60)
}

/// Numbers with units, those of days before a `T` and those of hours behind it.
fn is_iso(text: &str) -> bool {
    let text = text.to_ascii_uppercase();
    let (days, hours) = text.split_once('T').map_or((&*text, None), |(days, hours)| (days, Some(hours)));
    let rows = |part: &str, units: &str| {
        let mut left = units;
        let numbers = part.split_inclusive(|c: char| c.is_ascii_alphabetic());
        numbers.into_iter().all(|row| {
            let (Some(unit), Some(count)) = (row.chars().last(), row.get(..row.len().saturating_sub(1)))
            else {
                return false;
            };
            let Some(at) = left.find(unit) else { return false };
            left = &left[at + 1..];
            let is_digit = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'.' | b',');
            count.starts_with(|c: char| c.is_ascii_digit()) && count.bytes().all(is_digit)
        })
    };
    match hours {
        None => !days.is_empty() && rows(days, "YMWD"),
        Some(hours) => !hours.is_empty() && rows(days, "YMWD") && rows(hours, "HMS"),
    }
}

/// A number of exactly so many digits.
fn number(text: &str, digits: usize) -> Option<u32> {
    let fits = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
    fits.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_time_has_an_offset_or_has_none() {
        for text in [
            "2026-11-28T09:00:00Z",
            "2026-11-28t09:00:00.123456+01:00",
            "2026-11-28 09:00:00",
            "2024-02-29T23:59:60-0530",
            "2026-11-28T09:00",
        ] {
            assert!(is_date_time(text), "{text}");
        }
        for text in [
            "",
            "tomorrow",
            "2026-11-28",
            "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "28-11-2026T00:00:00",
            "2026-11-28T24:00:00Z",
            "2026-11-28T09:00:00 CET",
            "2026-11-28T09:00:00.Z",
            "2026-11-28T09:00:00+1",
        ] {
            assert!(!is_date_time(text), "{text}");
        }
        assert!(is_time("09:00") && is_time("09:00:00.5Z") && !is_time("9 o'clock") && !is_time("09"));
    }

    #[test]
    fn a_length_of_time_is_iso_s_or_a_clock_s() {
        for text in ["P1D", "PT1H30M", "P1Y2M3W4DT5H6M7.5S", "-PT5S", "01:02:03", "3 days, 04:05:06", "p1w"] {
            assert!(is_duration(text), "{text}");
        }
        for text in ["", "P", "PT", "P1", "P1H", "PT1D", "P1D2Y", "an hour", "5"] {
            assert!(!is_duration(text), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_breaks_it(text in "\\PC{0,40}") {
            let _any = (is_date_time(&text), is_time(&text), is_duration(&text));
        }
    }
}
