//! The first provider answers at once, with an error.

use std::time::Duration;

use super::stand::Stand;

#[test]
fn s01_a_wait_that_was_asked_for_is_taken_and_the_same_provider_answers() {
    let stand = Stand::start("s01");
    stand.ask("rate_limit;wait=2s,ok").assert_whole();
    assert_eq!(stand.attempts(), (2, 0));
    let seen = stand.primary();
    let gap = seen[1].at - seen[0].at;
    assert!(gap >= Duration::from_millis(1_990), "{gap:?}");
}

#[test]
fn s02_a_provider_that_limits_for_ever_is_not_hammered() {
    let stand = Stand::start("s02");
    stand.ask("rate_limit;wait=none").assert_whole();
    let seen = stand.primary();
    let soon = seen.iter().filter(|one| one.at - seen[0].at < Duration::from_secs(3));
    assert!(soon.count() <= 4 && seen.len() <= 6, "{} attempts", seen.len());
    assert_eq!(stand.fallback().len(), 1);
}

#[test]
fn s03_one_500_is_repeated_where_it_happened() {
    let stand = Stand::start("s03");
    stand.ask("500,ok").assert_whole();
    assert_eq!(stand.attempts(), (2, 0));
}

#[test]
fn s04_a_provider_that_is_down_is_passed_over() {
    let stand = Stand::start("s04");
    stand.ask("503").assert_whole();
    assert!((1..=6).contains(&stand.primary().len()));
    assert_eq!(stand.fallback().len(), 1);
}

#[test]
fn s12_what_is_too_long_is_asked_once_and_then_elsewhere() {
    let stand = Stand::start("s12");
    stand.ask("context_length").assert_whole();
    assert_eq!(stand.attempts(), (1, 1));
}

#[test]
fn s13_what_a_filter_blocked_is_told_and_asked_nowhere_else() {
    let stand = Stand::start("s13");
    let heard = stand.ask("content_blocked;code=content_policy_violation;message=Not%20that.");
    let error = heard.error.as_ref().unwrap();
    assert_eq!(
        (heard.status, &error["code"], &error["message"]),
        (400, &"content_policy_violation".into(), &"Not that.".into())
    );
    assert_eq!(stand.attempts(), (1, 0));
}

#[test]
fn s16_who_answered_is_named_and_only_its_usage_is_told() {
    let stand = Stand::start("s16");
    let heard = stand.ask("503;code=server_is_overloaded");
    heard.assert_whole();
    assert_eq!(heard.model.as_deref(), Some("gpt-4o-mini"));
    assert!((1..=6).contains(&stand.primary().len()));
    assert_eq!(stand.fallback().len(), 1);
}
