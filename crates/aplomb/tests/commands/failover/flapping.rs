//! The first provider is down for a while and comes back.

use std::thread::park_timeout;
use std::time::{Duration, Instant};

use super::stand::Stand;

/// The outage, and what is between two requests: a tenth of the benchmark's.
const OUTAGE: Duration = Duration::from_secs(6);
const EVERY: Duration = Duration::from_millis(400);
const REQUESTS: u32 = 20;
/// How soon it is asked again, and how long a request may take.
const SOON: Duration = Duration::from_secs(3);

#[test]
fn s15_a_provider_that_comes_back_is_found_by_a_few_probes() {
    let stand = Stand::start("s15");
    let begun = Instant::now();
    let mut met = 0;
    for number in 0..REQUESTS {
        let due = begun + EVERY * number;
        while let Some(left) = due.checked_duration_since(Instant::now()) {
            park_timeout(left);
        }
        met += usize::from(begun.elapsed() < OUTAGE);
        let heard = stand.ask("outage:6s");
        heard.assert_whole();
        assert!(heard.took < SOON, "{:?}", heard.took);
    }
    let seen = stand.primary();
    let since = |at: Duration| at - seen[0].at;
    let again = seen.iter().find(|one| one.status == Some(200)).expect("it is asked again");
    assert!(since(again.at) < OUTAGE + SOON, "{:?}", since(again.at));
    let tried = seen.iter().filter(|one| since(one.at) < OUTAGE).count();
    assert!(tried <= met, "{tried} attempts for {met} requests");
}
