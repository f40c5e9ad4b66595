//! Moments as people and programs read them: RFC 3339, in UTC.

use jiff::Timestamp;

use super::trouble::Trouble;
use crate::store::Moment;

/// Writes a moment: `2026-11-28T09:30:00Z`.
pub(super) fn written(moment: Moment) -> String {
    let seconds = moment.0.div_euclid(1_000);
    Timestamp::from_second(seconds).map_or_else(|_| moment.0.to_string(), |time| time.to_string())
}

/// Reads one.
///
/// # Errors
/// It is none.
pub(super) fn read(field: &str, text: &str) -> Result<Moment, Trouble> {
    let wrong = |_| Trouble::field(field, "expected a time such as `2027-01-31T00:00:00Z`");
    text.parse::<Timestamp>().map(|time| Moment(time.as_millisecond())).map_err(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_reads_back() {
        assert_eq!(written(Moment(1_796_083_200_999)), "2026-12-01T00:00:00Z");
        assert_eq!(read("expires", "2026-12-01T01:00:00+01:00").unwrap(), Moment(1_796_083_200_000));
        assert!(read("expires", "tomorrow").is_err());
        assert_eq!(written(Moment(i64::MAX)), i64::MAX.to_string());
    }
}
