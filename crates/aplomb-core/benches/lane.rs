//! What one decision of a lane costs: `cargo xtask bench core`.
//!
//! `lane CASE ROUNDS` does it so often and ends, so that instructions can be counted by running it with more rounds and
//! with fewer; `lane CASE` times it.
#![expect(clippy::disallowed_methods, reason = "a stopwatch reads the clock; what it measures doesn't")]
#![expect(clippy::print_stdout, reason = "its output is the result")]

use std::collections::HashMap;
use std::hint::black_box;
use std::time::{Duration, Instant};

use aplomb_core::lane::{Asked, Call, Cost, Heard, Lane, Polled, Priority, Quota, Settings, Unit};

/// Rounds of a timed run.
const ROUNDS: u64 = 200_000;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let Some(case) = words.first() else { return println!("usual waiting lanes") };
    let rounds = words.get(1).and_then(|rounds| rounds.parse().ok());
    let started = Instant::now();
    run(case, rounds.unwrap_or(ROUNDS));
    if rounds.is_none() {
        println!("{}", started.elapsed().as_nanos() / u128::from(ROUNDS));
    }
}

fn run(case: &str, rounds: u64) {
    match case {
        "usual" => usual(rounds),
        "waiting" => waiting(rounds),
        _ => lanes(rounds),
    }
}

fn lane(per_second: f64) -> Lane {
    let quota = |unit, amount| Quota { unit, amount, window: Duration::from_secs(1), burst: None };
    let quotas = vec![quota(Unit::Requests, per_second), quota(Unit::Tokens, per_second * 1_000.0)];
    Lane::new(Settings { quotas, size: 20_000 }, Duration::ZERO)
}

fn call(caller: u64, now: Duration) -> Call {
    let (priority, cost) = (Priority::Interactive, Cost { input: 400, output: 100 });
    let deadline = now + Duration::from_secs(100_000);
    Call { number: None, caller, priority, cost, deadline, sends: 0, last: false }
}

/// A call that asks, goes, is answered and ends.
fn once(lane: &mut Lane, round: u64) {
    let now = Duration::from_micros(1_000 * round);
    let Asked::Go(mut pass) = lane.ask(now, &call(round % 4, now), None, 0.5) else { return };
    let then = now + Duration::from_micros(500);
    lane.hear(&mut pass, Heard::Answer, then, 0.5);
    lane.end(&pass, Some(Cost { input: 400, output: 80 }), None, then);
    black_box(lane.waiting());
}

fn usual(rounds: u64) {
    let mut lane = lane(1e6);
    (0..rounds).for_each(|round| once(&mut lane, round));
}

/// 10,000 callers wait; each round one goes and another one comes.
fn waiting(rounds: u64) {
    let mut lane = lane(1_000.0);
    for caller in 0..11_000 {
        lane.ask(Duration::ZERO, &call(caller, Duration::ZERO), None, 0.5);
    }
    for round in 1..=rounds {
        let now = Duration::from_micros(1_010 * round);
        if let Polled::Go(_, mut pass) = lane.poll(now, None, 0.5) {
            lane.hear(&mut pass, Heard::Answer, now, 0.5);
            lane.end(&pass, None, None, now);
            lane.ask(now, &call(20_000 + round, now), None, 0.5);
        }
    }
    assert!(lane.waiting() >= 9_000, "{}", lane.waiting());
}

/// One of 10,000 lanes, found in a map.
fn lanes(rounds: u64) {
    let mut lanes: HashMap<u64, Lane> = (0..10_000).map(|key| (key, lane(1e6))).collect();
    for round in 0..rounds {
        let key = round.wrapping_mul(7_919) % 10_000;
        once(lanes.get_mut(&key).expect("every key was put in"), round);
    }
}
