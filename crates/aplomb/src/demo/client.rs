//! An ordinary SDK's retry loop: what openai-python does, written down once.

use std::net::SocketAddr;
use std::time::Duration;

use super::call::{Call, Fate, Outcome};
use super::wire::{self, Answer};

/// How often it asks again.
const RETRIES: u32 = 2;

/// The longest wait that it believes.
const LONGEST: f64 = 60.0;

/// Makes one call, retries included.
///
/// `chance` gives numbers in `0.0..1.0` for the jitter.
pub(super) fn call(address: SocketAddr, path: &str, call: &Call, chance: impl Fn(u32) -> f64) -> Fate {
    for attempt in 0..=RETRIES {
        let answer = wire::post(address, path, &call.body());
        let told = match call.judge(answer.as_ref()) {
            Outcome::Over(fate) => return fate,
            Outcome::Again(told) => told,
        };
        if attempt == RETRIES {
            return Fate::GivenUp(told);
        }
        let wait = answer.as_ref().and_then(stated).unwrap_or_else(|| backoff(attempt, chance(attempt)));
        std::thread::sleep(wait);
    }
    Fate::GivenUp("no attempt was made".to_owned())
}

/// The wait that an answer states, if it is one that SDKs believe.
fn stated(answer: &Answer) -> Option<Duration> {
    let number = |name| answer.header(name).and_then(|text| text.parse::<f64>().ok());
    let seconds = number("retry-after-ms").map(|wait| wait / 1_000.0).or_else(|| number("retry-after"))?;
    (seconds > 0.0 && seconds <= LONGEST).then(|| Duration::from_secs_f64(seconds))
}

/// Half a second, doubling up to eight, up to a quarter less by chance.
fn backoff(attempt: u32, chance: f64) -> Duration {
    let most = (0.5 * f64::from(2_u32.saturating_pow(attempt))).min(8.0);
    Duration::from_secs_f64(most * (1.0 - 0.25 * chance))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_grows_from_half_a_second_to_eight() {
        assert_eq!(backoff(0, 0.0), Duration::from_millis(500));
        assert_eq!(backoff(1, 1.0), Duration::from_millis(750));
        assert_eq!(backoff(30, 0.0), Duration::from_secs(8));
    }
}
