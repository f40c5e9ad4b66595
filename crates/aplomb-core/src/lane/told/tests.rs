//! What is learned of a limit from what answers tell, answer by answer.

use super::*;
use crate::lane::cost::{Amounts, Cost};
use crate::lane::together::Together;

const MS: fn(u64) -> Duration = Duration::from_millis;

fn call(sent: u64, later: f64) -> Counted {
    Counted { sent: MS(sent), later, ..Counted::default() }
}

fn limit(most: u64, remaining: u64, reset: Duration) -> Limit {
    let mut limit = Limit::new("requests");
    (limit.limit, limit.remaining, limit.reset) = (Some(most), Some(remaining), Some(reset));
    limit
}

#[test]
fn a_bucket_that_refills_is_known_by_resets_that_follow_what_was_spent() {
    let mut told = Told::new(Unit::Requests, &limit(40, 30, MS(250)), &call(0, 0.0), MS(10)).unwrap();
    assert_eq!(told.per_second(), None);
    told.update(&limit(40, 10, MS(750)), &call(0, 0.0), MS(20));
    let rate = told.per_second().unwrap();
    assert!((38.0..=42.0).contains(&rate), "{rate}");
    told.bucket(MS(20)).take(10.0, MS(20));
    let when = told.ready(1.0, MS(20)).saturating_sub(MS(20));
    assert!(when < MS(30), "{when:?}");
    assert!(told.ready(10.0, MS(20)) > MS(200));
}

#[test]
fn a_window_is_known_by_an_end_that_stays() {
    let end = Duration::from_secs(60);
    let mut told = Told::new(Unit::Requests, &limit(100, 99, end), &call(0, 0.0), MS(0)).unwrap();
    told.update(&limit(100, 60, end - MS(5_000)), &call(4_900, 0.0), MS(5_000));
    assert_eq!(told.comes, Comes::AtOnce);
    told.bucket(MS(5_000)).take(60.0, MS(5_000));
    assert_eq!(told.ready(1.0, MS(5_000)), end);
    assert_eq!(told.ready(1.0, end), end);
    told.bucket(end).take(1.0, end);
    assert!(told.level(end) >= 98.0);
}

#[test]
fn the_documented_window_tells_at_once_how_it_refills() {
    let mut told = limit(600, 500, Duration::from_secs(10));
    told.window = Some(Duration::from_secs(60));
    let told = Told::new(Unit::Requests, &told, &call(0, 0.0), MS(0)).unwrap();
    assert!(told.per_second().is_some());
}

#[test]
fn calls_under_way_are_accounted_for() {
    let mut told = Told::new(Unit::Requests, &limit(40, 30, MS(250)), &call(0, 10.0), MS(0)).unwrap();
    assert_eq!(told.level(MS(0)), 20.0);
    // Three more were spent after this call, and the answer can't know of them.
    told.update(&limit(40, 12, MS(700)), &call(0, 3.0), MS(0));
    let level = told.level(MS(0));
    assert!((9.0..10.0).contains(&level), "{level}");
}

#[test]
fn of_a_burst_the_first_answer_raises_no_hopes() {
    let (mut together, mut spent) = (Together::default(), Amounts::default());
    let mut calls = Vec::new();
    for _ in 0..40 {
        let before = spent;
        spent.add(Cost::default());
        together.add(before, spent, MS(1_000), || None);
        calls.push((before.of(Unit::Requests), spent.of(Unit::Requests)));
    }
    // The one that was sent last came first.
    let (before, with) = calls[39];
    let around = together.around(Unit::Requests, MS(1_000), before, with);
    let last = Counted { sent: MS(1_000), later: 0.0, around };
    let told = Told::new(Unit::Requests, &limit(40, 39, MS(25)), &last, MS(1_010)).unwrap();
    assert_eq!(told.level(MS(1_010)), 0.0);
}

#[test]
fn a_window_is_no_bucket_though_a_burst_looks_like_a_rate() {
    let mut told = Told::new(Unit::Requests, &limit(40, 4, MS(763)), &call(0, 0.0), MS(0)).unwrap();
    for left in (0..4).rev() {
        told.update(&limit(40, left, MS(762)), &call(0, 0.0), MS(1));
    }
    assert_eq!(told.per_second(), None);
}

#[test]
fn a_bucket_of_two_is_known_by_an_end_that_has_moved() {
    let mut told = Told::new(Unit::Requests, &limit(2, 1, MS(500)), &call(0, 0.0), MS(0)).unwrap();
    told.update(&limit(2, 0, MS(990)), &call(10, 0.0), MS(20));
    let rate = told.per_second().unwrap();
    assert!((1.0..=2.0).contains(&rate), "{rate}");
    // Each time it is full again before it is called: it comes faster than was thought.
    for second in 2..12 {
        let now = MS(second * 1_000);
        told.update(&limit(2, 1, MS(500)), &Counted { sent: now, ..Counted::default() }, now);
    }
    let rate = told.per_second().unwrap();
    assert!((1.9..=2.1).contains(&rate), "{rate}");
}

#[test]
fn who_was_refused_leaves_a_little_from_then_on() {
    let mut told = limit(40, 10, MS(750));
    told.window = Some(MS(1_000));
    let mut told = Told::new(Unit::Requests, &told, &call(0, 0.0), MS(0)).unwrap();
    told.bucket(MS(0)).take(10.0, MS(0));
    let before = told.ready(1.0, MS(0));
    told.refused(1.0, MS(0));
    told.refused(1.0, MS(100));
    let later = told.ready(1.0, MS(0)) - before;
    // Half a call was left before, twice that and a quarter is now.
    assert!(later > MS(18) && later < MS(20), "{later:?}");
    for second in 1..100 {
        told.refused(1.0, MS(second * 1_000));
    }
    assert!(told.ready(1.0, MS(0)) < before + MS(110));
}

#[test]
fn more_is_believed_when_more_is_told() {
    let mut told = Told::new(Unit::Requests, &limit(40, 0, MS(1_000)), &call(0, 0.0), MS(0)).unwrap();
    told.update(&limit(400, 390, MS(25)), &call(0, 0.0), MS(1));
    assert_eq!(told.level(MS(1)), 390.0);
    assert_eq!(told.capacity(), 400.0);
}

#[test]
fn what_says_too_little_is_not_paced_by() {
    let mut little = Limit::new("requests");
    little.limit = Some(100);
    assert!(Told::new(Unit::Requests, &little, &call(0, 0.0), MS(0)).is_none());
    little.remaining = Some(5);
    assert!(Told::new(Unit::Requests, &little, &call(0, 0.0), MS(0)).is_none());
}
