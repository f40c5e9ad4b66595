//! Whole jobs on a virtual clock: callers, a lane, and a provider with a limit that nobody tells the lane.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::time::Duration;

use super::*;
use crate::failure::Limit;

const MS: fn(u64) -> Duration = Duration::from_millis;

/// What a provider tells when it refuses.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Hints {
    None,
    /// `retry-after` in whole seconds.
    Seconds,
    /// The exact wait, and the state of the limit on every answer.
    Full,
}

/// How a provider counts.
#[derive(Clone, Copy, Debug)]
enum Counting {
    Bucket { rate: f64, burst: f64 },
    Window { count: f64, seconds: f64 },
}

#[derive(Debug)]
struct Provider {
    counting: Counting,
    level: f64,
    at: f64,
    hints: Hints,
    latency: Duration,
    /// A refusal takes as long as an answer.
    slow_refusals: bool,
    outage: Option<(Duration, Duration)>,
    calls: usize,
    refused: usize,
    in_outage: usize,
}

impl Provider {
    fn new(counting: Counting, hints: Hints) -> Self {
        let level = match counting {
            Counting::Bucket { burst, .. } => burst,
            Counting::Window { count, .. } => count,
        };
        Self {
            counting,
            level,
            at: 0.0,
            hints,
            latency: MS(200),
            slow_refusals: false,
            outage: None,
            calls: 0,
            refused: 0,
            in_outage: 0,
        }
    }

    fn call(&mut self, now: Duration) -> (Duration, Heard, Vec<Limit>) {
        self.calls += 1;
        if self.outage.is_some_and(|(from, to)| now >= from && now < to) {
            self.in_outage += 1;
            return (MS(5), Heard::Failed { hint: None }, Vec::new());
        }
        let t = now.as_secs_f64();
        let (most, wait) = match self.counting {
            Counting::Bucket { rate, burst } => {
                self.level = (self.level + (t - self.at) * rate).min(burst);
                (burst, ((1.0 - self.level) / rate).max(0.0))
            }
            Counting::Window { count, seconds } => {
                if (t / seconds).floor() > (self.at / seconds).floor() {
                    self.level = count;
                }
                (count, seconds - t % seconds)
            }
        };
        self.at = t;
        let pass = self.level >= 1.0;
        if pass {
            self.level -= 1.0;
        } else {
            self.refused += 1;
        }
        let mut limits = Vec::new();
        if self.hints == Hints::Full {
            let mut limit = Limit::new("requests");
            limit.limit = Some(most as u64);
            limit.remaining = Some(self.level.max(0.0) as u64);
            let reset = match self.counting {
                Counting::Bucket { rate, burst } => (burst - self.level) / rate,
                Counting::Window { seconds, .. } => seconds - t % seconds,
            };
            limit.reset = Some(Duration::from_secs_f64((reset * 1000.0).ceil() / 1000.0));
            limits.push(limit);
        }
        let hint = match self.hints {
            Hints::None => None,
            Hints::Seconds => Some(Duration::from_secs_f64(wait.ceil().max(1.0))),
            Hints::Full => Some(Duration::from_secs_f64((wait * 1000.0).ceil() / 1000.0)),
        };
        let took = if pass || self.slow_refusals { self.latency } else { MS(2) };
        (took, if pass { Heard::Answer } else { Heard::Limited { hint } }, limits)
    }
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Arrive(usize),
    Answer(usize),
    Poll,
    /// A call that failed asks again.
    Again(usize),
}

struct Running {
    pass: Pass,
    heard: Heard,
    limits: Vec<Limit>,
}

#[derive(Debug, Default)]
struct Outcome {
    done: usize,
    lost: usize,
    end: Duration,
    waits: Vec<(Duration, Duration)>,
}

struct World {
    lane: Lane,
    provider: Provider,
    events: BinaryHeap<Reverse<(Duration, u64, Event)>>,
    order: u64,
    running: BTreeMap<usize, Running>,
    waiting: BTreeMap<u64, usize>,
    numbers: BTreeMap<usize, u64>,
    sends: BTreeMap<usize, u32>,
    arrived: BTreeMap<usize, Duration>,
    random: u64,
    outcome: Outcome,
    /// Workers that begin the next call when one ends: jobs left.
    left: usize,
    next: usize,
    patience: Duration,
}

impl World {
    fn new(provider: Provider) -> Self {
        Self {
            lane: Lane::new(Settings { quotas: Vec::new(), size: 10_000 }, Duration::ZERO),
            provider,
            events: BinaryHeap::new(),
            order: 0,
            running: BTreeMap::new(),
            waiting: BTreeMap::new(),
            numbers: BTreeMap::new(),
            sends: BTreeMap::new(),
            arrived: BTreeMap::new(),
            random: 1,
            outcome: Outcome::default(),
            left: 0,
            next: 0,
            patience: Duration::from_secs(60),
        }
    }

    fn at(&mut self, when: Duration, event: Event) {
        self.order += 1;
        self.events.push(Reverse((when, self.order, event)));
    }

    fn chance(&mut self) -> f64 {
        self.random =
            self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 11) as f64 / (1u64 << 53) as f64
    }

    fn job(mut self, calls: usize, workers: usize) -> Self {
        self.left = calls - workers.min(calls);
        self.next = workers;
        for worker in 0..workers.min(calls) {
            self.at(Duration::ZERO, Event::Arrive(worker));
        }
        self.run();
        self
    }

    fn arrivals(mut self, per_second: u64, seconds: u64) -> Self {
        for number in 0..per_second * seconds {
            self.at(MS(number * 1_000 / per_second), Event::Arrive(number as usize));
        }
        self.run();
        self
    }

    fn run(&mut self) {
        while let Some(Reverse((now, _, event))) = self.events.pop() {
            match event {
                Event::Arrive(job) => {
                    self.arrived.insert(job, now);
                    self.ask(job, now);
                }
                Event::Again(job) => self.ask(job, now),
                Event::Answer(job) => self.answered(job, now),
                Event::Poll => {}
            }
            self.poll(now);
        }
    }

    fn ask(&mut self, job: usize, now: Duration) {
        let call = Call {
            number: self.numbers.get(&job).copied(),
            caller: (job % 4) as u64,
            priority: Priority::Interactive,
            cost: Cost::default(),
            deadline: self.arrived[&job] + self.patience,
            sends: self.sends.get(&job).copied().unwrap_or(0),
            last: self.sends.get(&job).is_some_and(|sends| *sends >= 2),
        };
        let random = self.chance();
        match self.lane.ask(now, &call, None, random) {
            Asked::Go(pass) => self.send(job, pass, now),
            Asked::Wait(entry) => {
                self.numbers.insert(job, entry.number);
                self.waiting.insert(entry.number, job);
            }
            Asked::Refuse(_) => self.over(job, now, false),
        }
    }

    fn send(&mut self, job: usize, pass: Pass, now: Duration) {
        self.numbers.insert(job, pass.number);
        *self.sends.entry(job).or_default() += 1;
        let (took, heard, limits) = self.provider.call(now);
        self.running.insert(job, Running { pass, heard, limits });
        self.at(now + took, Event::Answer(job));
    }

    fn answered(&mut self, job: usize, now: Duration) {
        let Running { mut pass, heard, limits } = self.running.remove(&job).unwrap();
        let random = self.chance();
        self.lane.tell(&pass, &limits, now);
        self.lane.hear(&mut pass, heard, now, random);
        self.lane.end(&pass, None, None, now);
        if heard == Heard::Answer {
            return self.over(job, now, true);
        }
        let throttled = matches!(heard, Heard::Limited { .. });
        if self.sends[&job] >= 3 || !self.lane.spend(throttled) {
            return self.over(job, now, false);
        }
        let after = if throttled { Duration::ZERO } else { Duration::from_secs_f64(0.05 * self.chance()) };
        self.at(now + after, Event::Again(job));
    }

    fn over(&mut self, job: usize, now: Duration, done: bool) {
        self.outcome.end = self.outcome.end.max(now);
        self.outcome.waits.push((self.arrived[&job], now - self.arrived[&job]));
        if done {
            self.outcome.done += 1
        } else {
            self.outcome.lost += 1
        }
        if self.left > 0 {
            self.left -= 1;
            let job = self.next;
            self.next += 1;
            self.at(now, Event::Arrive(job));
        }
    }

    fn poll(&mut self, now: Duration) {
        loop {
            let random = self.chance();
            match self.lane.poll(now, None, random) {
                Polled::Go(entry, pass) => {
                    let job = self.waiting.remove(&entry.number).unwrap();
                    self.send(job, pass, now);
                }
                Polled::Expired(entry) => {
                    let job = self.waiting.remove(&entry.number).unwrap();
                    self.over(job, now, false);
                }
                Polled::Later(when) => {
                    assert!(when > now, "{when:?} {now:?}");
                    let soon = self.events.peek().is_some_and(|Reverse((next, _, _))| *next <= when);
                    // Rounded up as a timer would.
                    if !soon {
                        self.at(when + MS(1), Event::Poll);
                    }
                    return;
                }
                Polled::Full | Polled::Idle => return,
            }
        }
    }

    fn report(&mut self, name: &str, optimum: f64) -> (f64, f64) {
        let per = self.provider.calls as f64 / self.outcome.done.max(1) as f64;
        let speed = optimum / self.outcome.end.as_secs_f64();
        println!(
            "{name}: done {} lost {} calls/success {per:.3} end {:.2} speed {speed:.3} refused {} outage {} lane {:?}",
            self.outcome.done,
            self.outcome.lost,
            self.outcome.end.as_secs_f64(),
            self.provider.refused,
            self.provider.in_outage,
            self.lane.state(self.outcome.end)
        );
        (per, speed)
    }
}

const FORTY: Counting = Counting::Bucket { rate: 40.0, burst: 40.0 };

#[test]
fn a_job_against_a_limit_loses_nothing_and_wastes_little() {
    for slow in [false, true] {
        for (hints, most, least) in
            [(Hints::Full, 1.02, 0.98), (Hints::Seconds, 1.02, 0.98), (Hints::None, 1.10, 0.95)]
        {
            let provider = Provider { slow_refusals: slow, ..Provider::new(FORTY, hints) };
            let mut world = World::new(provider).job(1_200, 200);
            let (per, speed) = world.report(&format!("{hints:?} slow {slow}"), 29.2);
            assert_eq!(world.outcome.lost, 0);
            // A refusal that takes as long as an answer lets a whole round trip of calls run into it.
            let (most, least) = if slow { (1.10, 0.94) } else { (most, least) };
            assert!(per <= most, "{hints:?} {per}");
            assert!(speed >= least, "{hints:?} {speed}");
        }
    }
}

/// Calls in an outage of so long, and how much later than by a perfect client the queue is empty again, in seconds.
fn outage(seed: u64, long: Duration) -> (usize, f64) {
    let (from, to) = (MS(5_000), MS(5_000) + long);
    let provider = Provider { outage: Some((from, to)), ..Provider::new(FORTY, Hints::Full) };
    let world = World { random: seed, ..World::new(provider) }.arrivals(20, 30);
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

#[test]
fn other_ways_of_counting_are_found_out_too() {
    for (name, counting, hints, calls, optimum) in [
        (
            "window 600/min hints s",
            Counting::Window { count: 600.0, seconds: 60.0 },
            Hints::Seconds,
            1_500,
            120.0,
        ),
        ("window 600/min full", Counting::Window { count: 600.0, seconds: 60.0 }, Hints::Full, 1_500, 120.0),
        ("window 40/s none", Counting::Window { count: 40.0, seconds: 1.0 }, Hints::None, 1_200, 29.2),
        ("window 40/s s", Counting::Window { count: 40.0, seconds: 1.0 }, Hints::Seconds, 1_200, 29.2),
        ("small burst", Counting::Bucket { rate: 40.0, burst: 5.0 }, Hints::None, 1_200, 30.0),
        ("small burst full", Counting::Bucket { rate: 40.0, burst: 5.0 }, Hints::Full, 1_200, 30.0),
        ("small burst s", Counting::Bucket { rate: 40.0, burst: 5.0 }, Hints::Seconds, 1_200, 30.0),
        ("fast", Counting::Bucket { rate: 400.0, burst: 400.0 }, Hints::None, 6_000, 14.0),
        ("slow", Counting::Bucket { rate: 2.0, burst: 2.0 }, Hints::None, 100, 49.0),
    ] {
        let mut world = World::new(Provider::new(counting, hints));
        world.patience = Duration::from_secs(600);
        let mut world = world.job(calls, 200);
        world.report(name, optimum);
    }
}
