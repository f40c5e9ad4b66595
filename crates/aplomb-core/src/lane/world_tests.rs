//! Whole jobs: what is lost, what is wasted, and how near to the limit they run.

use std::time::Duration;

use super::world::{Counting, Hints, Provider, World};

const MS: fn(u64) -> Duration = Duration::from_millis;

const FORTY: Counting = Counting::Bucket { rate: 40.0, burst: 40.0 };

#[test]
fn a_job_against_a_limit_loses_nothing_and_wastes_little() {
    for slow in [false, true] {
        for (hints, most, least) in
            [(Hints::Full, 1.02, 0.98), (Hints::Seconds, 1.02, 0.98), (Hints::None, 1.10, 0.95)]
        {
            let provider = Provider { slow_refusals: slow, ..Provider::new(FORTY, hints) };
            let world = World::new(provider).job(1_200, 200);
            let (per, speed) = (world.calls_per_success(), world.speed(29.2));
            assert_eq!(world.outcome.lost, 0);
            // A refusal that takes as long as an answer lets a whole round trip of calls run into it.
            let (most, least) = if slow { (1.10, 0.90) } else { (most, least) };
            assert!(per <= most, "{hints:?} {per}");
            assert!(speed >= least, "{hints:?} {speed}");
        }
    }
}

/// Calls in an outage of so long, and how much later than by a perfect client the queue is empty again, in seconds.
fn outage(seed: u64, long: Duration) -> (usize, f64) {
    let (from, to) = (MS(5_000), MS(5_000) + long);
    let provider = Provider { outage: Some((from, to)), ..Provider::new(FORTY, Hints::Full) };
    let mut world = World::new(provider);
    world.random = seed;
    let world = world.arrivals(20, 30);
    assert_eq!(world.outcome.lost, 0);
    let late = world.outcome.waits.iter().filter(|(at, wait)| *at > to && *wait > MS(400));
    let clear = late.map(|(at, wait)| *at + *wait).max().unwrap();
    let perfect = (20.0 * long.as_secs_f64() - 40.0) / (40.0 - 20.0);
    (world.provider.in_outage, (clear - to).as_secs_f64() - perfect)
}

/// A perfect client knows the moment at which an outage ends.
/// This one loses the time until its next probe and the time that the probe takes, and as much again while it catches up
/// with those who arrived meanwhile: up to 2 × (0.73 + 0.2) s, whatever the length.
#[test]
fn an_outage_costs_a_probe_now_and_then() {
    for (spread, mean, worst) in [(0, 0.9, 1.1), (1_400, 1.3, 2.0)] {
        let outages: Vec<(usize, f64)> =
            (0..50).map(|seed| outage(seed, MS(10_000 - spread / 2 + spread * seed / 50))).collect();
        assert!(outages.iter().all(|(calls, late)| *calls <= 20 && *late <= worst), "{outages:.2?}");
        let late = outages.iter().map(|(_, late)| late).sum::<f64>() / 50.0;
        assert!(late <= mean, "{late} s");
    }
}

/// Means over jobs of 150 to 260 workers and latencies from 0.1 to 0.43 s: calls per success, and speed.
fn jobs(counting: Counting, hints: Hints, calls: usize, shortest: f64) -> (f64, f64) {
    let (mut per, mut speed) = (0.0, 0.0);
    for seed in 0..4 {
        let latency = MS(100 + 110 * seed);
        let mut world = World::new(Provider { latency, ..Provider::new(counting, hints) });
        world.random = seed;
        world.patience = Duration::from_secs(600);
        let world = world.job(calls, 150 + 37 * seed as usize);
        // A call in a hundred may find three refusals where two calls a second are all there is.
        assert!(world.outcome.lost * 100 <= calls, "{counting:?} {hints:?}: {} lost", world.outcome.lost);
        per += world.calls_per_success() / 4.0;
        speed += world.speed(shortest + latency.as_secs_f64()) / 4.0;
    }
    (per, speed)
}

#[test]
fn other_ways_of_counting_are_found_out_too() {
    let window = |count, seconds| Counting::Window { count, seconds };
    let bucket = |rate, burst| Counting::Bucket { rate, burst };
    for (counting, hints, calls, shortest, most, least) in [
        (window(600.0, 60.0), Hints::Seconds, 1_500, 120.0, 1.01, 0.98),
        (window(600.0, 60.0), Hints::Full, 1_500, 120.0, 1.01, 0.98),
        (window(40.0, 1.0), Hints::None, 1_200, 29.0, 1.02, 0.88),
        (window(40.0, 1.0), Hints::Seconds, 1_200, 29.0, 1.01, 0.73),
        (window(40.0, 1.0), Hints::Full, 1_200, 29.0, 1.02, 0.97),
        (bucket(40.0, 5.0), Hints::None, 1_200, 29.875, 1.01, 0.93),
        (bucket(40.0, 5.0), Hints::Seconds, 1_200, 29.875, 1.01, 0.82),
        (bucket(40.0, 5.0), Hints::Full, 1_200, 29.875, 1.01, 0.98),
        (bucket(400.0, 400.0), Hints::None, 6_000, 14.0, 1.01, 0.92),
        (bucket(2.0, 2.0), Hints::None, 100, 49.0, 1.13, 0.97),
    ] {
        let (per, speed) = jobs(counting, hints, calls, shortest);
        println!("{counting:?} {hints:?}: {per:.3} calls per success, speed {speed:.3}");
        assert!(per <= most, "{counting:?} {hints:?} {per}");
        assert!(speed >= least, "{counting:?} {hints:?} {speed}");
    }
}
