//! The breaker in small worlds: what an outage costs, and how seldom chance is taken for one.

use std::collections::VecDeque;
use std::time::Duration;

use super::breaker::{Admit, Breaker, State};

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A lane before an upstream that is down for a while.
struct World {
    /// When the upstream is down, on a clock on which calls began to arrive long before.
    outage: std::ops::Range<Duration>,
    /// How long a call takes, and how long until it is known to have failed.
    took: (Duration, Duration),
    in_flight: usize,
    state: u64,
}

/// What became of it.
#[derive(Debug, Default)]
struct Report {
    failed: u32,
    recovered: Option<Duration>,
    left: usize,
}

impl World {
    fn random(&mut self) -> f64 {
        self.state =
            self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.state >> 11) as f64 / (1u64 << 53) as f64
    }

    /// 20 calls a second arrive, queue, and are tried again when they failed. A step takes 5 ms.
    fn run(mut self) -> Report {
        let (mut breaker, mut report, mut waiting) = (Breaker::new(), Report::default(), 0);
        let mut flying: Vec<(Duration, bool, bool, Duration)> = Vec::new();
        let until = self.outage.end + secs(20);
        for now in (0..).map(|step| ms(5 * step)).take_while(|now| *now < until) {
            waiting += usize::from(now.as_millis() % 50 == 0);
            for (began, probe, fails, _) in flying.extract_if(.., |call| call.3 <= now) {
                if fails {
                    waiting += 1;
                    report.failed += 1;
                    let random = self.random();
                    breaker.failed(now, began, probe, None, random);
                } else {
                    breaker.answered(now, began, probe);
                }
            }
            if now >= self.outage.end && breaker.state() == State::Closed {
                report.recovered.get_or_insert(now - self.outage.end);
            }
            while waiting > 0 && flying.len() < self.in_flight {
                let probe = match breaker.admit(now) {
                    Admit::Pass => false,
                    Admit::Probe => true,
                    Admit::NotBefore(_) | Admit::Busy => break,
                };
                waiting -= 1;
                let fails = self.outage.contains(&now);
                flying.push((now, probe, fails, now + if fails { self.took.1 } else { self.took.0 }));
            }
        }
        report.left = waiting;
        report
    }
}

#[test]
fn an_outage_of_ten_seconds_costs_twenty_calls_and_a_second() {
    for failing in [0, 5, 20, 50, 100, 200] {
        for state in 0..200 {
            let took = (ms(100), ms(failing));
            let report = World { outage: secs(5)..secs(15), took, in_flight: 4, state }.run();
            assert!(report.failed <= 20, "{failing} ms: {report:?}");
            let recovered = report.recovered.expect("it recovers");
            assert!(recovered <= ms(1_100) + took.0 + took.1, "{failing} ms: {report:?}");
            assert!(report.left < 10, "{failing} ms: {report:?}");
        }
    }
}

#[test]
fn an_outage_of_an_hour_costs_a_call_in_ten_seconds() {
    let took = (ms(180), ms(20));
    let report = World { outage: secs(5)..secs(3_605), took, in_flight: 4, state: 7 }.run();
    assert!((400..450).contains(&report.failed), "{report:?}");
    assert!(report.recovered.expect("it recovers") < ms(10_300), "{report:?}");
}

/// How often it opens in so many seconds of a thousand calls each that fail by chance alone. An answer takes a second.
fn false_openings(seconds: u64, percent: u64, failing: Duration) -> u32 {
    let (mut breaker, mut openings) = (Breaker::new(), 0);
    let mut chance =
        World { outage: secs(0)..secs(0), took: (secs(1), failing), in_flight: 0, state: percent };
    let mut flying = VecDeque::new();
    for now in (0..seconds * 1_000).map(ms) {
        let fails = chance.random() * 100.0 < percent as f64;
        flying.push_back((now, fails));
        let lasted = |began: Duration, took: Duration| began + took == now;
        let answers = flying.front().filter(|(began, fails)| lasted(*began, secs(1)) && !fails).copied();
        let failures = match failing.is_zero() {
            true => flying.back().filter(|(_, fails)| *fails).copied(),
            false => flying.front().filter(|(began, fails)| lasted(*began, failing) && *fails).copied(),
        };
        if flying.front().is_some_and(|(began, _)| lasted(*began, secs(1))) {
            flying.pop_front();
        }
        if let Some((began, _)) = answers {
            breaker.answered(now, began, false);
        }
        if let Some((began, _)) = failures {
            breaker.failed(now, began, false, None, 0.5);
        }
        if breaker.state() == State::Open {
            // In the first second nothing but failures is heard of.
            openings += u32::from(now > secs(2));
            breaker.answered(now, now + ms(1), true);
        }
    }
    openings
}

#[test]
fn failures_by_chance_open_it_hardly_ever_even_at_a_thousand_calls_a_second() {
    for percent in [2, 5, 20] {
        for failing in [secs(0), secs(1)] {
            let openings = false_openings(1_000, percent, failing);
            assert_eq!(openings, 0, "{percent} % failing after {failing:?}");
        }
    }
}

#[test]
fn an_outage_is_noticed_while_long_answers_from_before_it_still_come() {
    let (mut breaker, mut failed) = (Breaker::new(), 0);
    for now in (0..).map(ms) {
        if let Some(began) = now.checked_sub(secs(1)).filter(|began| *began < secs(5)) {
            breaker.answered(now, began, false);
        }
        if now >= secs(5) {
            breaker.failed(now, now, false, None, 0.5);
            failed += 1;
        }
        if breaker.state() == State::Open {
            break;
        }
    }
    assert_eq!(failed, 6);
}
