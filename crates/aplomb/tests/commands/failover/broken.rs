//! The first provider's stream breaks, or is not quite as it should be.

use std::time::Duration;

use super::stand::{Stand, body};

#[test]
fn s08_a_stream_that_is_cut_never_passes_for_an_answer() {
    let stand = Stand::start("s08");
    stand.ask("cut:40").assert_whole();
    assert!((1..=6).contains(&stand.primary().len()));
    assert_eq!(stand.fallback().len(), 1);
}

#[test]
fn s10_an_event_that_cannot_be_read_costs_nothing_but_itself() {
    let stand = Stand::start("s10");
    stand.ask("malformed:9").assert_whole();
    assert_eq!(stand.attempts(), (1, 0));
    stand.ask("ok").assert_whole();
    assert_eq!(stand.attempts(), (2, 0));
}

#[test]
fn s11_a_stream_is_complete_without_its_last_word() {
    let stand = Stand::start("s11");
    let heard = stand.ask("no-terminal:1");
    heard.assert_whole();
    assert!(heard.took < Duration::from_secs(8), "{:?}", heard.took);
    assert_eq!(stand.attempts(), (1, 0));
}

#[test]
fn s14_a_fallback_begins_anew_and_is_given_no_half_answer() {
    let stand = Stand::start("s14");
    stand.ask("cut:40,cut:39,cut:38,cut:37,cut:36,cut:35").assert_whole();
    assert!((1..=6).contains(&stand.primary().len()));
    let fallback = stand.fallback();
    assert_eq!(fallback.len(), 1);
    // The same messages, and nothing after them.
    assert_eq!(fallback[0].body_bytes, body("gpt-4o-mini").len() as u64);
}
