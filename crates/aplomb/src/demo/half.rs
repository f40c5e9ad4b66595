//! One half of the demo: the whole job, by one way, and what came of it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::call::{Call, Fate};
use super::client;

/// How many calls run at once.
pub(super) const WORKERS: usize = 30;

/// What came of the job.
#[derive(Debug, Default)]
pub(super) struct Half {
    pub(super) right: usize,
    pub(super) refused: usize,
    pub(super) broken_off: usize,
    pub(super) given_up: usize,
    pub(super) wrong: usize,
    /// Requests that the API saw.
    pub(super) requests: u64,
    pub(super) time: Duration,
    /// What callers were told, and how often.
    pub(super) told: BTreeMap<String, usize>,
}

impl Half {
    /// Runs the job; `progress` is told of every call that is over.
    pub(super) fn run(address: SocketAddr, path: &str, job: &[Call], progress: impl Fn() + Sync) -> Self {
        let next = AtomicUsize::new(0);
        let half = Mutex::new(Self::default());
        let begun = Instant::now();
        std::thread::scope(|scope| {
            for _ in 0..WORKERS {
                scope.spawn(|| {
                    while let Some((number, call)) = take(&next, job) {
                        let fate = client::call(address, path, call, |attempt| jitter(number, attempt));
                        half.lock().expect("no worker panics while it counts").count(fate);
                        progress();
                    }
                });
            }
        });
        let mut half = half.into_inner().expect("no worker panics while it counts");
        half.time = begun.elapsed();
        half
    }

    fn count(&mut self, fate: Fate) {
        let told = match fate {
            Fate::Right => return self.right += 1,
            Fate::Refused(told) => {
                self.refused += 1;
                told
            }
            Fate::BrokenOff(told) => {
                self.broken_off += 1;
                told
            }
            Fate::GivenUp(told) => {
                self.given_up += 1;
                told
            }
            Fate::Wrong(_) => {
                self.wrong += 1;
                "200: something that is no answer, or half of one".to_owned()
            }
        };
        *self.told.entry(told).or_default() += 1;
    }

    /// Every call ended right, or was refused in truth.
    pub(super) fn is_honest(&self) -> bool {
        self.given_up == 0 && self.wrong == 0
    }

    /// Requests that the API saw for each right answer.
    pub(super) fn requests_per_answer(&self) -> f64 {
        self.requests as f64 / self.right.max(1) as f64
    }

    pub(super) fn to_json(&self) -> Value {
        json!({
            "right": self.right,
            "refused": self.refused,
            "broken_off": self.broken_off,
            "given_up": self.given_up,
            "wrong": self.wrong,
            "requests": self.requests,
            "requests_per_answer": (self.requests_per_answer() * 100.0).round() / 100.0,
            "seconds": (self.time.as_secs_f64() * 10.0).round() / 10.0,
            "told": self.told,
        })
    }
}

fn take<'a>(next: &AtomicUsize, job: &'a [Call]) -> Option<(usize, &'a Call)> {
    let number = next.fetch_add(1, Ordering::Relaxed);
    Some((number, job.get(number)?))
}

/// Spread evenly over the calls, and the same in every run.
fn jitter(number: usize, attempt: u32) -> f64 {
    (number as f64 * 0.618 + f64::from(attempt) * 0.382).fract()
}
