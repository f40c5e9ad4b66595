//! Times and sizes as people write them.

use std::time::Duration;

/// The longest time that is taken: longer ones are slips of the pen, and sums of them stay far from overflow.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Reads `250ms`, `5s`, `1.5s`, `1m30s`, `2h` or `1d`.
///
/// # Errors
/// A number without a unit, an unknown unit, a time of more than a year.
pub fn duration(text: &str) -> Result<Duration, String> {
    const UNITS: [(&str, f64); 5] = [("ms", 0.001), ("s", 1.0), ("m", 60.0), ("h", 3600.0), ("d", 86_400.0)];
    let wrong = || format!("`{text}` is no time; write `250ms`, `5s`, `1m30s` or `2h`");
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(wrong());
    }
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let (number, after) = number(rest).ok_or_else(wrong)?;
        let after = after.trim_start();
        let length = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, after) = after.split_at(length);
        if unit.is_empty() {
            return Err(format!("`{text}` has no unit; write `{text}s` if seconds are meant"));
        }
        let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?;
        seconds += number * factor;
        rest = after.trim_start();
    }
    let time = Duration::try_from_secs_f64(seconds).ok().filter(|time| *time <= LONGEST);
    time.ok_or_else(|| format!("`{text}` is more than a year"))
}

/// Reads `1MiB`, `64KiB`, `10MB` or a number of bytes.
///
/// # Errors
/// An unknown unit, a size beyond what fits into 64 bits.
pub fn size(text: &str) -> Result<u64, String> {
    const UNITS: [(&str, u64); 8] = [
        ("", 1),
        ("b", 1),
        ("kb", 1000),
        ("kib", 1 << 10),
        ("mb", 1_000_000),
        ("mib", 1 << 20),
        ("gb", 1_000_000_000),
        ("gib", 1 << 30),
    ];
    let wrong = || format!("`{text}` is no size; write `64KiB`, `10MiB` or a number of bytes");
    let (number, unit) = number(text.trim()).ok_or_else(wrong)?;
    let unit = unit.trim_start().to_ascii_lowercase();
    let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?;
    let bytes = number * *factor as f64;
    // Beyond 2⁵³ a float leaves out bytes; nothing that is bounded here is so large.
    if bytes > (1_u64 << 53) as f64 {
        Err(format!("`{text}` is too large"))
    } else {
        Ok(bytes.round() as u64)
    }
}

/// A size as a person would write it: in the largest unit of which it is a whole number.
pub fn show_size(bytes: u64) -> String {
    const UNITS: [(&str, u32); 5] = [("PiB", 50), ("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10)];
    let fits = |(_, power): &&(&str, u32)| bytes > 0 && bytes.trailing_zeros() >= *power;
    match UNITS.iter().find(fits) {
        Some((unit, power)) => format!("{}{unit}", bytes >> power),
        None => format!("{bytes} bytes"),
    }
}

/// The decimal number at the beginning, and what follows.
fn number(text: &str) -> Option<(f64, &str)> {
    let length = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (digits, rest) = text.split_at(length);
    Some((digits.parse().ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_with_their_units() {
        for (text, milliseconds) in [
            ("250ms", 250),
            ("5s", 5_000),
            ("1.5s", 1_500),
            ("1m", 60_000),
            ("1m30s", 90_000),
            ("1h 5m", 3_900_000),
            ("1d", 86_400_000),
            ("0s", 0),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
    }

    #[test]
    fn a_time_without_a_unit_is_told_what_to_write() {
        assert_eq!(duration("60").unwrap_err(), "`60` has no unit; write `60s` if seconds are meant");
        for text in ["", "s", "5 parsecs", "-5s", "5S", "1..5s", "NaNs", "infs", "5s!", "ü"] {
            assert!(duration(text).unwrap_err().contains("is no time"), "{text}");
        }
        for text in ["366d", "99999999999999999999999999h", &format!("{}s", "9".repeat(400))] {
            assert!(duration(text).unwrap_err().contains("more than a year"), "{text}");
        }
    }

    #[test]
    fn a_size_is_shown_as_it_would_be_written() {
        let sizes = [0, 1000, 1024, 1536, 512 << 20, 1 << 50];
        assert_eq!(sizes.map(show_size), ["0 bytes", "1000 bytes", "1KiB", "1536 bytes", "512MiB", "1PiB"]);
    }

    #[test]
    fn sizes_are_read_in_thousands_and_in_powers_of_two() {
        for (text, bytes) in [
            ("0", 0),
            ("1048576", 1_048_576),
            ("64KiB", 65_536),
            ("64 kib", 65_536),
            ("1MiB", 1 << 20),
            ("10MB", 10_000_000),
            ("1.5GiB", 1_610_612_736),
            ("7B", 7),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in ["", "MiB", "1M", "1 mebibyte", "-1", "1e3", "9999999999GiB"] {
            assert!(size(text).is_err(), "{text}");
        }
    }
}
