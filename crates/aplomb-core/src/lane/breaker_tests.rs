//! The breaker: its rules with plain values.

use std::time::Duration;

use proptest::prelude::*;

use super::breaker::{Admit, Breaker, State};

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A call that fails the moment it was sent.
fn fail(breaker: &mut Breaker, now: Duration) {
    breaker.failed(now, now, false, None, 0.5);
}

/// Opened at the moment given.
fn open(now: Duration) -> Breaker {
    let mut breaker = Breaker::new();
    for _ in 0..5 {
        fail(&mut breaker, now);
    }
    assert_eq!(breaker.state(), State::Open);
    breaker
}

/// A call that is answered the moment it was sent.
fn answer(breaker: &mut Breaker, now: Duration) {
    breaker.answered(now, now, false);
}

/// How many failures it takes, one in each step of so many milliseconds.
fn failures_until_open(breaker: &mut Breaker, from: Duration, step: u64) -> u32 {
    (1..)
        .find(|failure| {
            fail(breaker, from + ms(step) * (failure - 1));
            breaker.state() == State::Open
        })
        .unwrap()
}

/// How many failures in a row, 50 ms apart, open it after calls of which every `n`th failed.
fn streak_after_one_in(n: u32) -> u32 {
    let mut breaker = Breaker::new();
    for call in 1..=400 {
        if call % n == 0 {
            fail(&mut breaker, ms(0));
        } else {
            answer(&mut breaker, ms(0));
        }
    }
    answer(&mut breaker, ms(0));
    failures_until_open(&mut breaker, secs(1), 50)
}

#[test]
fn three_failures_in_a_row_open_it() {
    let mut breaker = Breaker::new();
    for at in [1_000, 1_050] {
        fail(&mut breaker, ms(at));
        assert_eq!((breaker.admit(ms(at)), breaker.state()), (Admit::Pass, State::Closed));
    }
    fail(&mut breaker, ms(1_300));
    assert_eq!(breaker.state(), State::Open);
    assert_eq!(breaker.since(), Some(secs(1)));
    assert_eq!(breaker.admit(ms(1_300)), Admit::NotBefore(ms(2_015)));
    assert_eq!(breaker.next_probe(), Some(ms(2_015)));
}

#[test]
fn the_faster_calls_fail_the_more_it_takes() {
    for (step, failures) in [(0, 5), (1, 5), (10, 4), (50, 4), (200, 3), (60_000, 3)] {
        assert_eq!(failures_until_open(&mut Breaker::new(), secs(1), step), failures, "{step} ms");
    }
}

#[test]
fn a_success_ends_the_streak() {
    let mut breaker = Breaker::new();
    for second in 0..100 {
        for _ in 0..2 {
            fail(&mut breaker, secs(second));
        }
        answer(&mut breaker, secs(second));
    }
    assert_eq!(breaker.state(), State::Closed);
}

#[test]
fn an_answer_to_a_call_from_before_the_streak_does_not_end_it() {
    let mut breaker = Breaker::new();
    fail(&mut breaker, ms(1_000));
    breaker.answered(ms(1_100), ms(999), false);
    fail(&mut breaker, ms(1_200));
    fail(&mut breaker, ms(1_400));
    assert_eq!(breaker.state(), State::Closed, "four calls of which three failed");
    fail(&mut breaker, ms(1_600));
    assert_eq!(breaker.state(), State::Open);
}

#[test]
fn the_more_calls_from_before_are_answered_the_more_failures_it_takes() {
    for (earlier, failures) in [(0, 3), (1, 4), (5, 5), (20, 7), (64, 11)] {
        let mut breaker = Breaker::new();
        fail(&mut breaker, secs(1));
        for _ in 0..earlier {
            breaker.answered(secs(1), ms(999), false);
        }
        assert_eq!(failures_until_open(&mut breaker, ms(1_200), 200) + 1, failures, "{earlier} answers");
    }
}

#[test]
fn where_failures_are_common_it_takes_more_of_them() {
    assert_eq!(streak_after_one_in(1_000), 4);
    assert_eq!(streak_after_one_in(10), 6);
    assert_eq!(streak_after_one_in(4), 9);
    assert!((18..=20).contains(&streak_after_one_in(2)), "{}", streak_after_one_in(2));
}

#[test]
fn twenty_failures_in_a_row_are_always_enough() {
    let mut breaker = Breaker::new();
    for round in 0..50 {
        answer(&mut breaker, ms(0));
        for _ in 0..round.min(4) {
            fail(&mut breaker, ms(0));
        }
    }
    answer(&mut breaker, ms(0));
    assert_eq!(failures_until_open(&mut breaker, ms(0), 0), 20);
}

#[test]
fn an_outage_does_not_make_failures_usual() {
    let mut breaker = open(secs(1));
    for outage in 1..10 {
        let at = secs(100 * outage);
        assert_eq!(breaker.admit(at), Admit::Probe);
        breaker.answered(at, at, true);
        assert_eq!(breaker.state(), State::Closed);
        assert_eq!(failures_until_open(&mut breaker, at, 0), 5);
    }
}

#[test]
fn one_probe_tries_and_the_others_wait_for_it() {
    let mut breaker = open(secs(1));
    assert_eq!(breaker.admit(secs(2)), Admit::Probe);
    assert_eq!((breaker.admit(secs(2)), breaker.state()), (Admit::Busy, State::HalfOpen));
    breaker.answered(secs(3), secs(2), true);
    assert_eq!((breaker.admit(secs(3)), breaker.state()), (Admit::Pass, State::Closed));
    assert_eq!((breaker.since(), breaker.next_probe()), (None, None));
}

#[test]
fn gaps_grow_with_the_age() {
    for (age, gap) in [(1, 715), (10, 715), (14, 1_000), (70, 5_000), (1_000, 9_800)] {
        let mut breaker = open(secs(1));
        let now = secs(1 + age);
        assert_eq!(breaker.admit(now), Admit::Probe);
        breaker.failed(now, now, true, None, 0.5);
        assert_eq!(breaker.next_probe(), Some(now + ms(gap)), "{age} s");
    }
}

#[test]
fn gaps_are_jittered_by_a_fiftieth_and_never_shorter_than_700_ms() {
    for (random, next) in [(0.0, 1_700_700), (1.0, 1_729_300), (f64::NAN, 1_715_000)] {
        let mut breaker = Breaker::new();
        for _ in 0..5 {
            breaker.failed(secs(1), secs(1), false, None, random);
        }
        assert_eq!(breaker.next_probe(), Some(Duration::from_micros(next)));
    }
}

#[test]
fn a_hint_is_kept_up_to_two_minutes() {
    for (hint, wait) in [(30, 30), (3_600, 120)] {
        let mut breaker = Breaker::new();
        breaker.failed(secs(1), secs(1), false, Some(secs(hint)), 0.5);
        for _ in 0..4 {
            fail(&mut breaker, secs(1));
        }
        assert_eq!(breaker.admit(secs(10)), Admit::NotBefore(secs(1 + wait)));
        assert_eq!(breaker.admit(secs(1 + wait)), Admit::Probe);
        breaker.failed(secs(200), secs(1 + wait), true, Some(secs(hint)), 0.5);
        assert_eq!(breaker.next_probe(), Some(secs(200 + wait)));
    }
}

#[test]
fn what_began_before_the_change_concludes_nothing_by_failing() {
    let mut breaker = open(secs(5));
    breaker.failed(secs(6), secs(4), false, None, 0.5);
    assert_eq!(breaker.next_probe(), Some(ms(5_715)));
    assert_eq!(breaker.admit(secs(7)), Admit::Probe);
    breaker.failed(secs(8), secs(4), false, None, 0.5);
    assert_eq!(breaker.state(), State::HalfOpen);
    breaker.answered(secs(8), secs(7), true);
    for _ in 0..100 {
        breaker.failed(secs(9), secs(4), false, None, 0.5);
    }
    assert_eq!(breaker.state(), State::Closed);
}

#[test]
fn only_what_began_after_the_last_failure_closes_it() {
    let mut breaker = open(secs(5));
    breaker.answered(secs(6), secs(5), false);
    assert_eq!(breaker.state(), State::Open);
    breaker.answered(secs(6), ms(5_001), false);
    assert_eq!(breaker.state(), State::Closed);
}

#[test]
fn a_probe_without_a_conclusion_gives_its_place_back() {
    let mut breaker = open(secs(1));
    assert_eq!(breaker.admit(secs(2)), Admit::Probe);
    breaker.released(secs(2), false);
    assert_eq!(breaker.state(), State::HalfOpen);
    breaker.released(secs(2), true);
    assert_eq!(breaker.admit(ms(2_100)), Admit::NotBefore(ms(2_715)));
    assert_eq!(breaker.admit(secs(4)), Admit::Probe);
    breaker.released(secs(4), true);
    assert_eq!(breaker.admit(secs(6)), Admit::Probe);
}

#[test]
fn a_probe_that_hangs_keeps_others_away_for_ten_seconds() {
    let mut breaker = open(secs(1));
    assert_eq!(breaker.admit(secs(2)), Admit::Probe);
    assert_eq!(breaker.admit(ms(11_999)), Admit::Busy);
    assert_eq!(breaker.next_probe(), Some(secs(12)));
    assert_eq!(breaker.admit(secs(12)), Admit::Probe);
    breaker.failed(secs(13), secs(2), true, None, 0.5);
    breaker.released(secs(2), true);
    assert_eq!(breaker.state(), State::HalfOpen, "the first probe no longer speaks for the second");
    breaker.answered(secs(14), secs(2), true);
    assert_eq!(breaker.state(), State::Closed, "an answer is an answer");
}

#[test]
fn a_clock_that_goes_back_breaks_nothing() {
    let mut breaker = open(secs(100));
    assert_eq!(breaker.admit(secs(50)), Admit::NotBefore(ms(100_715)));
    assert_eq!(breaker.admit(secs(101)), Admit::Probe);
    assert_eq!(breaker.admit(secs(50)), Admit::Busy);
    breaker.failed(secs(50), secs(101), true, None, 0.5);
    assert_eq!(breaker.next_probe(), Some(ms(50_715)));
}

/// What may happen to a breaker.
#[derive(Clone, Debug)]
enum Event {
    Admit,
    End { which: usize, how: u8, hint: Option<u64> },
}

fn event() -> impl Strategy<Value = (u64, Event)> {
    let end = (0usize..8, 0u8..4, proptest::option::weighted(0.2, 0u64..300));
    let end = end.prop_map(|(which, how, hint)| Event::End { which, how, hint });
    (0u64..2_000, prop_oneof![Just(Event::Admit), end])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn no_probe_comes_too_early_and_none_is_kept_away_for_ever(
        events in proptest::collection::vec(event(), 0..400),
        random in 0.0..1.0,
    ) {
        let (mut breaker, mut now, mut hinted, mut last) = (Breaker::new(), Duration::ZERO, Duration::ZERO, None);
        let mut flying: Vec<(Duration, bool)> = Vec::new();
        for (gap, event) in events {
            now += ms(gap);
            match event {
                Event::Admit => match breaker.admit(now) {
                    Admit::Pass => {
                        prop_assert_eq!(breaker.state(), State::Closed);
                        flying.push((now, false));
                    }
                    Admit::Probe => {
                        prop_assert_eq!(breaker.state(), State::HalfOpen);
                        prop_assert!(now >= hinted);
                        prop_assert!(last.is_none_or(|last| now >= last + ms(700)));
                        last = Some(now);
                        flying.push((now, true));
                    }
                    Admit::NotBefore(moment) => {
                        prop_assert!(now < moment && moment <= now + secs(120));
                        prop_assert_eq!(breaker.next_probe(), Some(moment));
                    }
                    Admit::Busy => {
 let at = breaker.next_probe().unwrap();
 prop_assert!(now < at && at <= (now + secs(10)).max(hinted));
 }
                },
                Event::End { which, how, hint } if which < flying.len() => {
                    let (began, probe) = flying.swap_remove(which);
                    match how {
                        0 => breaker.answered(now, began, probe),
                        1 => breaker.released(began, probe),
                        _ => breaker.failed(now, began, probe, hint.map(secs), random),
                    }
                    if breaker.state() == State::Closed {
                        (hinted, last) = (Duration::ZERO, None);
                    } else if let (2.., Some(hint)) = (how, hint) {
                        hinted = hinted.max(now + secs(hint.min(120)));
                    }
                }
                Event::End { .. } => {}
            }
        }
    }
}
