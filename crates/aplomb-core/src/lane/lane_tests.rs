//! The lane as a whole, with plain values and with whatever may happen to it.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;

use super::*;

const MS: fn(u64) -> Duration = Duration::from_millis;
const S: fn(u64) -> Duration = Duration::from_secs;

fn lane(quotas: &[Quota]) -> Lane {
    Lane::new(Settings { quotas: quotas.to_vec(), concurrency: None, size: 100 }, Duration::ZERO)
}

fn per_second(amount: f64) -> Quota {
    Quota { unit: Unit::Requests, amount, window: S(1), burst: Some(1.0) }
}

fn call(deadline: Duration) -> Call {
    let (priority, cost) = (Priority::Interactive, Cost::default());
    Call { number: None, caller: 1, priority, cost, deadline, sends: 0, last: false }
}

fn go(lane: &mut Lane, now: Duration) -> Pass {
    match lane.ask(now, &call(now + S(60)), None, 0.5) {
        Asked::Go(pass) => pass,
        other => panic!("{other:?}"),
    }
}

fn wait(lane: &mut Lane, now: Duration, call: &Call) -> Entry {
    match lane.ask(now, call, None, 0.5) {
        Asked::Wait(entry) => entry,
        other => panic!("{other:?}"),
    }
}

/// A call that is heard of and ends at once.
fn finish(lane: &mut Lane, mut pass: Pass, heard: Heard, now: Duration) {
    lane.hear(&mut pass, heard, now, 0.5);
    lane.end(&pass, None, None, now);
}

fn later(lane: &mut Lane, now: Duration) -> Duration {
    match lane.poll(now, None, 0.5) {
        Polled::Later(when) => when,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_lone_refusal_without_a_hint_stops_nobody_and_three_in_a_row_do() {
    let mut lane = lane(&[]);
    let refused = Heard::Limited { hint: None };
    for call in 0..100 {
        let pass = go(&mut lane, MS(call * 20));
        finish(&mut lane, pass, Heard::Answer, MS(call * 20 + 10));
    }
    let mut pass = go(&mut lane, MS(2_000));
    lane.hear(&mut pass, refused, MS(2_005), 0.5);
    lane.end(&pass, None, None, MS(2_005));
    assert!(pass.by_chance);
    for at in [2_010, 2_020] {
        let mut pass = go(&mut lane, MS(at));
        lane.hear(&mut pass, refused, MS(at + 5), 0.5);
        lane.end(&pass, None, None, MS(at + 5));
        assert_eq!(pass.by_chance, at == 2_010);
    }
    wait(&mut lane, MS(2_030), &call(S(60)));
    assert!(later(&mut lane, MS(2_030)) > MS(2_050), "the lane pauses");
}

#[test]
fn a_refusal_with_a_hint_stops_the_lane_until_then() {
    let mut lane = lane(&[]);
    let (first, second) = (go(&mut lane, S(1)), go(&mut lane, S(1)));
    finish(&mut lane, first, Heard::Limited { hint: Some(S(30)) }, S(2));
    wait(&mut lane, S(2), &call(S(60)));
    assert_eq!(later(&mut lane, S(2)), S(32));
    // A shorter hint doesn't shorten it, and neither does an answer.
    finish(&mut lane, second, Heard::Overloaded { hint: Some(S(1)) }, S(3));
    assert_eq!(later(&mut lane, S(3)), S(32));
    assert_eq!(lane.state(S(12)).paused_for, Some(S(20)));
    assert!(matches!(lane.poll(S(32), None, 0.5), Polled::Go(..)));
}

#[test]
fn a_call_that_cannot_start_in_time_is_refused_at_once_with_the_wait() {
    let mut lane = lane(&[]);
    let pass = go(&mut lane, S(1));
    finish(&mut lane, pass, Heard::Limited { hint: Some(S(30)) }, S(1));
    match lane.ask(S(11), &call(S(20)), None, 0.5) {
        Asked::Refuse(refusal) => assert_eq!(refusal, Refusal { full: false, wait: S(20) }),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_known_limit_tells_the_first_in_the_queue_how_long_it_waits() {
    let mut lane = lane(&[Quota { unit: Unit::Requests, amount: 1.0, window: S(60), burst: None }]);
    go(&mut lane, S(0));
    let asked = lane.ask(S(10), &call(S(40)), None, 0.5);
    assert!(
        matches!(asked, Asked::Refuse(Refusal { full: false, wait }) if wait.as_secs() == 50),
        "{asked:?}"
    );
}

#[test]
fn a_full_queue_refuses_but_takes_back_what_was_in_it_before() {
    let mut lane =
        Lane::new(Settings { quotas: vec![per_second(1.0)], concurrency: None, size: 1 }, Duration::ZERO);
    go(&mut lane, S(0));
    wait(&mut lane, S(0), &call(S(60)));
    let asked = lane.ask(S(0), &call(S(60)), None, 0.5);
    assert!(matches!(asked, Asked::Refuse(Refusal { full: true, .. })), "{asked:?}");
    wait(&mut lane, S(0), &Call { number: Some(1), sends: 1, ..call(S(60)) });
    assert_eq!(lane.waiting(), 2);
}

#[test]
fn a_call_that_comes_back_goes_before_those_that_came_after_it() {
    let mut lane = lane(&[per_second(1.0)]);
    let first = go(&mut lane, S(0));
    let number = first.number;
    let second = wait(&mut lane, S(0), &call(S(60)));
    finish(&mut lane, first, Heard::Answer, S(0));
    wait(&mut lane, S(0), &Call { number: Some(number), sends: 1, ..call(S(60)) });
    let mut order = Vec::new();
    for now in [MS(1_001), MS(2_002)] {
        if let Polled::Go(entry, _) = lane.poll(now, None, 0.5) {
            order.push(entry.number);
        }
    }
    assert_eq!(order, [number, second.number]);
}

#[test]
fn who_waits_past_its_time_is_told_then_and_never_starts() {
    let mut lane = lane(&[per_second(0.1)]);
    let first = go(&mut lane, S(0));
    let late = wait(&mut lane, S(0), &call(S(15)));
    wait(&mut lane, S(0), &Call { number: Some(first.number), sends: 1, ..call(S(60)) });
    let when = later(&mut lane, S(1));
    assert!(matches!(lane.poll(when, None, 0.5), Polled::Go(back, _) if back.number == first.number));
    assert_eq!(later(&mut lane, when), S(15));
    assert!(matches!(lane.poll(S(15), None, 0.5), Polled::Expired(over) if over.number == late.number));
}

#[test]
fn the_last_attempt_of_a_call_waits_until_others_find_out_what_is_the_matter() {
    let mut lane = lane(&[]);
    let pass = go(&mut lane, S(1));
    finish(&mut lane, pass, Heard::Failed { hint: None }, S(1));
    let last = Call { number: Some(1), sends: 2, last: true, ..call(S(60)) };
    // Alone there is nobody else who could find out.
    assert!(matches!(lane.clone().ask(S(1), &last, None, 0.5), Asked::Go(_)));
    let _under_way = go(&mut lane, S(1));
    let entry = wait(&mut lane, S(1), &last);
    assert_eq!(later(&mut lane, S(1)), MS(1_700));
    // Somebody who has more attempts left goes before it.
    let other = wait(&mut lane, S(1), &call(S(60)));
    assert!(matches!(lane.poll(S(1), None, 0.5), Polled::Go(first, _) if first.number == other.number));
    assert!(matches!(lane.poll(MS(1_700), None, 0.5), Polled::Go(then, _) if then.number == entry.number));
}

#[test]
fn an_open_breaker_queues_and_its_probe_is_who_was_sent_least_often() {
    let mut lane = lane(&[]);
    for _ in 0..5 {
        let pass = go(&mut lane, S(1));
        finish(&mut lane, pass, Heard::Failed { hint: None }, S(1));
    }
    assert_eq!(lane.state(S(1)).breaker, State::Open);
    wait(&mut lane, S(1), &Call { number: Some(1), sends: 1, ..call(S(60)) });
    let fresh = wait(&mut lane, S(1), &call(S(60)));
    let probe = later(&mut lane, S(1));
    let Polled::Go(entry, pass) = lane.poll(probe, None, 0.5) else { panic!("it is time for a probe") };
    assert!(pass.trial);
    assert_eq!(entry.number, fresh.number);
    assert_eq!(later(&mut lane, probe), probe + S(10));
    finish(&mut lane, pass, Heard::Answer, probe + MS(200));
    assert!(matches!(lane.poll(probe + MS(200), None, 0.5), Polled::Go(..)));
}

#[test]
fn a_lane_is_idle_when_nothing_is_under_way_waits_or_is_known() {
    let mut lane = lane(&[]);
    let pass = go(&mut lane, S(1));
    assert_eq!(lane.idle_since(S(100)), None);
    finish(&mut lane, pass, Heard::Limited { hint: Some(S(10)) }, S(2));
    assert_eq!(lane.idle_since(S(11)), None);
    assert_eq!(lane.idle_since(S(12)), Some(S(2)));
}

#[test]
fn changed_limits_hold_for_who_waits_already() {
    let mut lane = lane(&[per_second(0.001)]);
    go(&mut lane, S(0));
    wait(&mut lane, S(0), &call(S(6_000)));
    lane.configure(Settings { quotas: vec![per_second(1.0)], concurrency: None, size: 100 }, S(1));
    assert!(later(&mut lane, S(1)) <= S(2) + MS(1));
}

/// What may happen to a lane.
#[derive(Clone, Debug)]
enum Event {
    Ask { caller: u64, batch: bool, patience: u64 },
    Heard { which: usize, heard: u8, hint: Option<u64> },
    Leave { which: usize },
}

fn event() -> impl Strategy<Value = (u64, Event)> {
    let ask = (0u64..3, any::<bool>(), 1u64..40_000);
    let ask = ask.prop_map(|(caller, batch, patience)| Event::Ask { caller, batch, patience });
    let heard = (0usize..8, 0u8..12, proptest::option::of(1u64..60_000));
    let heard = heard.prop_map(|(which, heard, hint)| Event::Heard { which, heard, hint });
    let leave = (0usize..8).prop_map(|which| Event::Leave { which });
    (0u64..400, prop_oneof![4 => ask, 4 => heard, 1 => leave])
}

/// A lane, whoever drives it, and what must hold.
struct Drive {
    lane: Lane,
    now: Duration,
    /// The limit that is configured, and what was taken of it and not given back.
    limit: Option<f64>,
    taken: f64,
    /// No start before.
    hinted: Duration,
    running: Vec<(u64, Pass)>,
    waiting: BTreeMap<u64, Entry>,
    sends: BTreeMap<u64, u32>,
    asked: usize,
    ended: usize,
    random: u64,
}

impl Drive {
    fn new(limit: Option<f64>) -> Self {
        Self {
            lane: lane(&limit.map(per_second).into_iter().collect::<Vec<_>>()),
            now: Duration::ZERO,
            limit,
            taken: 0.0,
            hinted: Duration::ZERO,
            running: Vec::new(),
            waiting: BTreeMap::new(),
            sends: BTreeMap::new(),
            asked: 0,
            ended: 0,
            random: 1,
        }
    }

    fn chance(&mut self) -> f64 {
        self.random =
            self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 11) as f64 / (1u64 << 53) as f64
    }

    fn ask(&mut self, call: &Call) {
        let chance = self.chance();
        match self.lane.ask(self.now, call, None, chance) {
            Asked::Go(pass) => self.starts(pass),
            Asked::Wait(entry) => assert!(self.waiting.insert(entry.number, entry).is_none(), "twice"),
            Asked::Refuse(_) => self.ended += 1,
        }
    }

    fn starts(&mut self, pass: Pass) {
        assert!(self.now >= self.hinted, "{:?} is before {:?}", self.now, self.hinted);
        self.taken += 1.0;
        if let Some(limit) = self.limit {
            let most = 1.0 + limit * self.now.as_secs_f64() + 1e-3;
            assert!(self.taken <= most, "{} of {most} after {:?}", self.taken, self.now);
        }
        *self.sends.entry(pass.number).or_default() += 1;
        self.running.push((pass.number, pass));
    }

    fn hear(&mut self, which: usize, heard: Heard) {
        let (number, mut pass) = self.running.remove(which);
        let chance = self.chance();
        self.lane.hear(&mut pass, heard, self.now, chance);
        self.lane.end(&pass, None, None, self.now);
        let again = match heard {
            Heard::Answer => false,
            Heard::Limited { hint } | Heard::Overloaded { hint } => {
                self.taken -= 1.0;
                self.hinted = self.hinted.max(self.now + hint.unwrap_or_default());
                true
            }
            Heard::Failed { .. } => true,
        };
        let sends = self.sends[&number];
        if again && sends < 3 && self.lane.spend(false) {
            let deadline = self.now + S(30);
            self.ask(&Call { number: Some(number), sends, last: sends == 2, ..call(deadline) });
        } else {
            self.ended += 1;
        }
        assert!(self.lane.state(self.now).budget <= 500);
    }

    /// Polls until nothing more can be done now, and says when that changes by itself.
    fn poll(&mut self) -> Option<Duration> {
        loop {
            let chance = self.chance();
            match self.lane.poll(self.now, None, chance) {
                Polled::Go(entry, pass) => {
                    assert!(self.now < entry.deadline, "too late");
                    assert!(self.waiting.remove(&entry.number).is_some(), "it didn't wait");
                    self.starts(pass);
                }
                Polled::Expired(entry) => {
                    assert!(self.now >= entry.deadline, "too early");
                    assert!(self.waiting.remove(&entry.number).is_some(), "it didn't wait");
                    self.ended += 1;
                }
                Polled::Later(when) => {
                    assert!(when > self.now && when <= self.now + S(120), "{when:?} at {:?}", self.now);
                    return Some(when);
                }
                Polled::Full => {
                    assert!(!self.running.is_empty(), "full of nothing");
                    return None;
                }
                Polled::Idle => {
                    assert!(self.waiting.is_empty(), "forgotten: {:?}", self.waiting);
                    return None;
                }
            }
        }
    }

    fn happens(&mut self, event: Event) {
        match event {
            Event::Ask { caller, batch, patience } => {
                self.asked += 1;
                let priority = if batch { Priority::Batch } else { Priority::Interactive };
                self.ask(&Call { caller, priority, ..call(self.now + MS(patience)) });
            }
            Event::Heard { which, heard, hint } if which < self.running.len() => {
                let hint = hint.map(MS);
                let heard = match heard {
                    0 | 1 => Heard::Limited { hint },
                    2 => Heard::Overloaded { hint },
                    3 | 4 => Heard::Failed { hint },
                    _ => Heard::Answer,
                };
                self.hear(which, heard);
            }
            Event::Leave { which } => {
                if let Some(number) = self.waiting.keys().nth(which).copied() {
                    let entry = self.waiting.remove(&number).unwrap();
                    assert!(self.lane.remove(&entry) && !self.lane.remove(&entry));
                    self.ended += 1;
                }
            }
            Event::Heard { .. } => {}
        }
    }

    /// From now on every call is answered: then everybody's call ends, whatever happened before.
    fn drain(&mut self) {
        for _ in 0..20_000 {
            let wake = self.poll();
            if self.waiting.is_empty() && self.running.is_empty() {
                assert_eq!(self.asked, self.ended);
                return;
            }
            if self.running.is_empty() {
                self.now = wake.expect("somebody waits, and nothing will ever happen");
            } else {
                self.now += MS(50);
                self.hear(0, Heard::Answer);
            }
        }
        panic!("it never ends: {:?}", self.waiting);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn every_call_ends_once_and_none_starts_too_early_or_too_late(
        events in proptest::collection::vec(event(), 0..200),
        limit in proptest::option::of(1.0f64..50.0),
    ) {
        let mut drive = Drive::new(limit);
        for (gap, event) in events {
            // Whoever drives a lane comes when it was told to.
            let until = drive.now + MS(gap);
            while let Some(wake) = drive.poll().filter(|wake| *wake <= until) {
                drive.now = wake;
            }
            drive.now = until;
            drive.happens(event);
        }
        drive.drain();
    }
}
