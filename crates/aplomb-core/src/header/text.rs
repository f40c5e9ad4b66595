//! The wait that stands only in a sentence: "Please try again in 26.604s".
//!
//! First come the words that announce a wait, then a length, a time of day to count down, or a date.
//! Other numbers (limits, counts, windows) are not announced that way and stay unread.

use std::sync::LazyLock;
use std::time::{Duration, SystemTime};

use regex::{Captures, Regex};

use super::amount::{self, Bare};
use super::{date, number};

/// How much of a message is looked at, in bytes.
const LONGEST: usize = 16 * 1024;

/// How much before such a word may belong to it, in bytes.
const CONTEXT: usize = 24;

/// The words that announce a wait, up to where it begins.
///
/// - `wait`: "please wait for about"; only where it asks for it, not in "lock wait" or "waited"
/// - `again`: "try again in", "retry your request after", "resets at"
/// - `field`: a header or member that got into the text, "Retry-After: ", "retry_after_ms=", "'retryDelay': '"
static ANNOUNCED: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r#"(?xi-u)
        (?:
            (?P<field> retry[-_\ ]?(?:after|delay) [-_]? (?P<ms>ms|milliseconds)? (?:s|secs|seconds)? \b ["'\\]* \s* [:={] [\s"'\\{]*
                (?: seconds ["'\\]* \s* : \s* )? )
          |
            \b (?: again | retry(?:ing)? | resets? | reset \s at | replenished | refreshe[sd] | regain\ access | expected\ available )
            (?: \s+ (?: your | the | this | that | request | requests | operation | call | query | it | later | automatically ) ){0,4}
            [,:]? \s+ (?: (?:in|after) | (?P<at>at|on|until) ) \b :?
          |
            (?: ^ | [.!?,;:(\n]\s* | \b(?:please|kindly|must|should|need\ to|needs\ to|have\ to|then|and|or|just)\s+ )
            wait (?: \s+ (?: for | (?P<until>until|till) ) \b )?
        )
        \s* (?: about | approximately | approx\.? | around | roughly | at\ least | another | (?:the\ )?next | an?\ (?:further|additional) | ~ )? \s*
        "#,
    )
    .expect("the pattern is fixed, and a test uses it")
});

/// Reads the longest wait that the message announces.
///
/// ```
/// use aplomb_core::header::text;
/// use std::time::{Duration, SystemTime};
///
/// let now = SystemTime::UNIX_EPOCH;
/// assert_eq!(text::parse("Please retry after 86400 seconds.", now), Some(Duration::from_secs(86_400)));
/// assert_eq!(text::parse("Your rate limit is 60 queries per minute", now), None);
/// ```
pub fn parse(message: &str, now: SystemTime) -> Option<Duration> {
    let message = &message[..message.floor_char_boundary(LONGEST)];
    let message = &message[message.floor_char_boundary(may_announce(message)?.saturating_sub(CONTEXT))..];
    ANNOUNCED.captures_iter(message).filter_map(|words| announced(message, &words, now)).max()
}

/// The wait after these words.
fn announced(message: &str, words: &Captures<'_>, now: SystemTime) -> Option<Duration> {
    let rest = &message[words.get(0)?.end()..];
    if let Some(then) = amount::date(rest) {
        return Some(date::until(then, now));
    }
    if words.name("at").is_some() || words.name("until").is_some() {
        return None;
    }
    let bare = match (words.name("field"), words.name("ms")) {
        (Some(_), Some(_)) => Bare::Anywhere(number::MILLISECOND),
        (Some(_), None) => Bare::Anywhere(number::SECOND),
        (None, _) => Bare::AtTheEnd(number::SECOND),
    };
    amount::length(rest, bare).map(number::wait)
}

/// Where the first word that may announce a wait stands: a single pass without a regular expression.
fn may_announce(message: &str) -> Option<usize> {
    const STEMS: [&[u8; 4]; 8] = [b"agai", b"retr", b"wait", b"rese", b"repl", b"refr", b"rega", b"avai"];
    message.as_bytes().windows(4).position(|window| {
        matches!(window[0] | 0x20, b'a' | b'r' | b'w')
            && STEMS.iter().any(|stem| window.eq_ignore_ascii_case(*stem))
    })
}

#[cfg(test)]
mod tests {
    use super::super::MAX_WAIT;
    use super::*;
    use proptest::prelude::*;
    use std::time::UNIX_EPOCH;

    /// 1 January 2026, midnight.
    fn read(message: &str) -> Option<Duration> {
        parse(message, UNIX_EPOCH + Duration::from_secs(1_767_225_600))
    }

    #[test]
    fn waits_in_the_wild() {
        for (message, millis) in [
            (
                "Rate limit reached for model `m` on tokens per minute (TPM): Limit 6000, Used 5981, Requested 2680. Please try again in 26.604s. Visit https://x.y/ for more",
                26_604,
            ),
            ("Limit 3, Used 3, Requested 1. Please try again in 644ms.", 644),
            ("Please try again in 9m38.016s.", 578_016),
            ("Please try again in 23m58.56s. Need more tokens?", 1_438_560),
            ("Please try again in 1h2m3s", 3_723_000),
            ("Please try again in 1d2h", 93_600_000),
            ("Please retry after 86400 seconds. To increase your quota …", 86_400_000),
            ("have exceeded call rate limit of your current tier. Please retry after 1 second.", 1_000),
            ("Try again in 2 seconds.", 2_000),
            ("* limit: 20, model: m\nPlease retry in 20.04466179s.", 20_045),
            ("Too fast! Please wait 60 seconds before retrying", 60_000),
            ("wait for 5s", 5_000),
            ("You should wait at least 10 secs.", 10_000),
            ("please retry in 5 minutes", 300_000),
            ("You can try again in about 1 hour", 3_600_000),
            ("Try again in an hour", 3_600_000),
            ("retry in a minute", 60_000),
            ("Retry-After: 30", 30_000),
            ("429 Too Many Requests\nretry-after: 7\ncontent-type: text/html", 7_000),
            ("retry_after=2.5", 2_500),
            (r#"{"message": "slow down", "retry_after": 12}"#, 12_000),
            (r#"{"retryAfterMs":1500}"#, 1_500),
            (r#"{\"retry_after_ms\": \"250\"}"#, 250),
            (r#"{'@type': 'x/google.rpc.RetryInfo', 'retryDelay': '40s'}"#, 40_000),
            ("retry_delay {\n  seconds: 54\n}", 54_000),
            ("Rate limited, retry after 30", 30_000),
            ("retry after 30.", 30_000),
            ("Please retry your request after 20 seconds", 20_000),
            ("Request was throttled. Expected available in 59 seconds.", 59_000),
            ("Your quota will reset after 18h31m10s.", 66_670_000),
            ("Limit resets in: 45s", 45_000),
            ("Your rate limit resets in ~30s.", 30_000),
            ("Out of call volume quota. Quota will be replenished in 00:27:30.", 1_650_000),
            ("Quota will be replenished in 2.12:54:34.", 219_274_000),
            ("Please wait 1 minute and 30 seconds", 90_000),
            ("Try again in 1 hour, 5 minutes.", 3_900_000),
            ("Try again in 90 second(s)", 90_000),
            ("wait 30-60 seconds", 60_000),
            ("try again in 1,500 seconds", 1_500_000),
            ("PLEASE TRY AGAIN IN 5 MIN", 300_000),
            ("Try again after 2 weeks", 1_209_600_000),
            ("Please try again at 2026-01-01T00:00:30Z", 30_000),
            ("You will regain access on 2026-01-02 at 00:00 UTC.", 86_400_000),
            ("The limit resets at 2026-01-01 00:01:00 UTC", 60_000),
            ("Please wait until 2026-01-01T00:00:05+00:00.", 5_000),
            ("Try again at 2025-06-01T00:00:00Z", 0),
        ] {
            let wait = read(message).map(|wait| wait.as_nanos().div_ceil(1_000_000));
            assert_eq!(wait, Some(millis), "{message}");
        }
    }

    #[test]
    fn other_numbers_are_no_waits() {
        for message in [
            "You have been rate limited. Your rate limit is 60 queries per minute",
            "Limit 6000, Requested 12328, please reduce your message size and try again. Need more tokens?",
            "Limit of 5 requests per 1 minute exceeded, try again later",
            "Please try again later.",
            "Please try again in a few minutes.",
            "Request timed out after 30 seconds. Please retry.",
            "gave up after retrying for 60 seconds",
            "We waited 30 seconds for an answer",
            "Lock wait 50 seconds exceeded; try restarting transaction",
            "max wait 30 seconds exceeded",
            "retry up to 3 times",
            "Retry after 3 attempts",
            "try again with 3 fewer images",
            "Try again in 2 steps",
            "Please retry in 4096 tokens or fewer",
            "again in 5 million years",
            "wait for 5 requests to finish",
            "The model is available in 3 regions",
            "retries: 5, retry-attempt: 3",
            "maximum context length is 8192 tokens. However, you requested 9000",
            "Please retry after 2026 is over",
            "Retry-After: soon",
            "Retry-After: -5",
            "try again in NaN seconds",
            "wait until 5 workers are free",
            "resets at 5",
            "awaiting 30 seconds",
            "in 5 seconds",
            "",
        ] {
            assert_eq!(read(message), None, "{message}");
        }
    }

    #[test]
    fn of_several_waits_the_longest_counts() {
        assert_eq!(
            read("RPM: try again in 20s. TPM: try again in 1m. RPD: try again in 3s"),
            Some(Duration::from_secs(60))
        );
    }

    #[test]
    fn hostile_messages_are_nothing_or_bounded() {
        assert_eq!(read("try again in 1000000000000000000s"), Some(MAX_WAIT));
        assert_eq!(read("wait 99999999999999999999999999999999999999999 weeks"), Some(MAX_WAIT));
        assert_eq!(read(&format!("{} try again in 5s", "ä".repeat(LONGEST))), None);
        assert_eq!(read(&"retry after ".repeat(10_000)), None);
        assert_eq!(read(&format!("retry after {}", "1,".repeat(5_000))), None);
    }

    proptest! {
        #[test]
        fn any_text_is_harmless(message in "\\PC*", rest in "[0-9.,:hmsdTZ +-]{0,40}") {
            let announced = format!("please wait {rest} or try again in {rest}, retry_after: {rest}");
            prop_assert!(read(&message).is_none_or(|wait| wait <= MAX_WAIT));
            prop_assert!(read(&announced).is_none_or(|wait| wait <= MAX_WAIT));
        }

        #[test]
        fn every_length_that_go_writes_is_read(millis in 1u64..2_600_000_000) {
            let wait = Duration::from_millis(millis);
            let message = format!("Please try again in {}. Thank you", super::super::duration::write(wait));
            prop_assert_eq!(read(&message), Some(wait));
        }
    }
}
