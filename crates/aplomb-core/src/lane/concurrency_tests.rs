//! The guard on calls in flight, before upstreams that queue, that slow down by themselves, and that refuse.

use std::collections::VecDeque;
use std::time::Duration;

use proptest::prelude::*;

use super::concurrency::Adaptive;

const STEP: Duration = Duration::from_millis(5);

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// What is asked for: so many callers at a time, each calling again at once, or so many calls a second.
#[derive(Clone, Copy)]
enum Load {
    Callers(u32),
    Rate(u32),
}

/// A first-in-first-out queue before `servers` equal servers, and the guard before it.
struct World {
    guard: Adaptive,
    servers: usize,
    /// The mean time of a call that is served at once; the times are spread exponentially.
    mean: Duration,
    now: Duration,
    state: u64,
    queue: VecDeque<Duration>,
    served: Vec<(Duration, Duration)>,
    waiting: f64,
}

/// What was seen while a load lasted.
#[derive(Debug, Default)]
struct Seen {
    /// The mean of the limit, where there was one, and of those kept waiting by it.
    limit: Option<f64>,
    waiting: f64,
    /// The lowest limit.
    lowest: Option<u32>,
    /// Answers in a second.
    rate: f64,
}

impl World {
    fn new(servers: usize, mean: Duration, state: u64) -> Self {
        Self {
            guard: Adaptive::new(),
            servers,
            mean,
            now: Duration::ZERO,
            state,
            queue: VecDeque::new(),
            served: Vec::new(),
            waiting: 0.0,
        }
    }

    fn random(&mut self) -> f64 {
        self.state =
            self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.state >> 11) as f64 / (1u64 << 53) as f64
    }

    fn in_flight(&self) -> u32 {
        (self.queue.len() + self.served.len()) as u32
    }

    fn run(&mut self, load: Load, time: Duration) -> Seen {
        let (until, mut answers) = (self.now + time, 0u32);
        let (mut limits, mut waiting, mut steps) = (Vec::new(), 0.0, 0.0);
        while self.now < until {
            self.now += STEP;
            let now = self.now;
            let over: Vec<_> = self.served.extract_if(.., |call| call.1 <= now).collect();
            for (left, (began, _)) in (1..=over.len() as u32).rev().zip(over) {
                let in_flight = self.in_flight() + left;
                self.guard.first_byte(self.now, self.now - began, in_flight);
                answers += 1;
            }
            match load {
                Load::Callers(callers) => self.waiting = f64::from(callers.saturating_sub(self.in_flight())),
                Load::Rate(rate) => self.waiting += self.arrivals(f64::from(rate) * STEP.as_secs_f64()),
            }
            while self.waiting >= 1.0 && self.guard.limit().is_none_or(|limit| self.in_flight() < limit) {
                self.waiting -= 1.0;
                self.queue.push_back(self.now);
            }
            while self.served.len() < self.servers && !self.queue.is_empty() {
                let took = self.mean.mul_f64(-(1.0 - self.random()).ln());
                self.served.extend(self.queue.pop_front().map(|began| (began, now + took)));
            }
            limits.extend(self.guard.limit());
            waiting += self.waiting;
            steps += 1.0;
        }
        let mean = limits.iter().copied().map(f64::from).sum::<f64>() / limits.len() as f64;
        Seen {
            limit: Some(mean).filter(|_| !limits.is_empty()),
            waiting: waiting / steps,
            lowest: limits.into_iter().min(),
            rate: f64::from(answers) / time.as_secs_f64(),
        }
    }

    /// How many calls arrive in a step in which `mean` are expected (Poisson).
    fn arrivals(&mut self, mean: f64) -> f64 {
        let (mut count, mut left) = (0.0, self.random());
        while left > (-mean).exp() {
            left *= self.random();
            count += 1.0;
        }
        count
    }
}

#[test]
fn without_evidence_there_is_no_limit() {
    let mut world = World::new(1_000, Duration::from_millis(100), 1);
    for callers in [1, 50, 400, 3, 200] {
        let seen = world.run(Load::Callers(callers), secs(60));
        assert_eq!((seen.limit, seen.waiting), (None, 0.0), "{callers}");
    }
}

#[test]
fn before_an_upstream_that_queues_the_limit_settles_near_what_it_can_serve() {
    for (servers, mean) in [(8, 200), (20, 100), (50, 400), (100, 100)] {
        for state in 0..2 {
            let mut world = World::new(servers, Duration::from_millis(mean), state);
            world.run(Load::Callers(servers as u32 / 2), secs(40));
            world.run(Load::Callers(5 * servers as u32), secs(60));
            let seen = world.run(Load::Callers(5 * servers as u32), secs(120));
            let (limit, can) = (seen.limit.expect("it is limited"), servers as f64);
            assert!(0.7 * can < limit && limit < 2.0 * can, "{servers} servers: {seen:?}");
            assert!(seen.rate > 0.9 * can / (mean as f64 / 1e3), "{servers} servers: {seen:?}");
        }
    }
}

#[test]
fn a_load_that_grows_slowly_does_not_take_the_usual_time_along() {
    for state in 0..3 {
        let mut world = World::new(20, Duration::from_millis(100), state);
        for callers in 5..100 {
            world.run(Load::Callers(callers), secs(6));
        }
        let seen = world.run(Load::Callers(100), secs(120));
        assert!(seen.limit.is_some_and(|limit| 14.0 < limit && limit < 40.0), "{seen:?}");
    }
}

#[test]
fn a_time_that_doubles_by_itself_keeps_nobody_waiting() {
    for state in 0..6 {
        let mut world = World::new(10_000, Duration::from_millis(100), state);
        world.run(Load::Callers(20), secs(30));
        world.mean *= 2;
        let seen = world.run(Load::Callers(20), secs(60));
        assert_eq!((seen.limit, seen.waiting), (None, 0.0));

        // By Little's law twice as many are in flight; here and there a crowd of them meets the limit.
        let mut world = World::new(10_000, Duration::from_millis(100), state);
        world.run(Load::Rate(200), secs(30));
        world.mean *= 2;
        let seen = world.run(Load::Rate(200), secs(60));
        assert!(seen.waiting < 0.5 && seen.lowest.is_none_or(|limit| limit >= 40), "{seen:?}");
    }
}

#[test]
fn a_load_that_grows_after_the_time_doubled_is_served() {
    for state in 0..3 {
        let mut world = World::new(10_000, Duration::from_millis(100), state);
        world.run(Load::Rate(100), secs(60));
        world.mean *= 2;
        world.run(Load::Rate(100), secs(60));
        world.run(Load::Callers(150), secs(120));
        let seen = world.run(Load::Callers(150), secs(60));
        assert!(seen.rate > 0.9 * 150.0 / 0.2, "{seen:?}");
    }
}

#[test]
fn a_drop_takes_a_tenth_once_a_second() {
    let mut guard = Adaptive::new();
    guard.dropped(secs(1), 100);
    assert_eq!(guard.limit(), Some(90));
    (0..50).for_each(|_| guard.dropped(secs(1), 90));
    assert_eq!(guard.limit(), Some(90));
    guard.dropped(secs(2), 90);
    assert_eq!(guard.limit(), Some(81));
    (3..100).for_each(|second| guard.dropped(secs(second), 80));
    assert_eq!(guard.limit(), Some(1));
}

#[test]
fn one_drop_among_few_calls_changes_nothing() {
    let mut guard = Adaptive::new();
    guard.dropped(secs(1), 4);
    assert_eq!(guard.limit(), Some(4));
}

#[test]
fn it_grows_only_while_half_used_and_is_forgotten_when_it_binds_nobody() {
    let mut guard = Adaptive::new();
    guard.dropped(secs(0), 100);
    let mut answer = |millis: u64, in_flight| {
        guard.first_byte(Duration::from_millis(millis), Duration::from_millis(100), in_flight);
        guard.limit()
    };
    (0..1_000).for_each(|step| _ = answer(10 * step, 40));
    assert_eq!(answer(10_000, 40), Some(90));
    (1_000..3_000).for_each(|step| _ = answer(10 * step, 60));
    let grown = answer(30_000, 60).unwrap();
    assert!((120..=131).contains(&grown), "{grown}");
    (3_000..11_990).for_each(|step| _ = answer(10 * step, 40));
    assert_eq!(answer(119_900, 40), Some(grown));
    assert_eq!(answer(121_000, 40), None);
}

#[test]
fn a_lane_with_few_calls_recovers_too() {
    let mut guard = Adaptive::new();
    (0..20).for_each(|second| guard.dropped(secs(second), 10));
    assert_eq!(guard.limit(), Some(1));
    (4..20).for_each(|step| guard.first_byte(secs(5 * step), secs(3), 1));
    assert_eq!(guard.limit(), Some(2));
}

proptest! {
    #[test]
    fn no_history_breaks_the_bounds(
        events in proptest::collection::vec((0u64..20_000, 0u64..u64::MAX, any::<u32>(), 0u8..10), 0..600),
    ) {
        let mut guard = Adaptive::new();
        for (now, took, in_flight, kind) in events {
            let now = Duration::from_millis(now);
            match kind {
                0 => guard.dropped(now, in_flight),
                1..4 => guard.first_byte(now, Duration::from_nanos(took), in_flight % 50),
                _ => guard.first_byte(now, Duration::from_nanos(took % 1_000_000_000), in_flight),
            }
            prop_assert!(guard.limit().is_none_or(|limit| (1..=10_000).contains(&limit)));
        }
    }
}
