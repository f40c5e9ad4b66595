//! The first provider says nothing, or nothing more.

use std::time::Duration;

use super::stand::{Stand, TIMEOUT};

/// Beyond the timeout, for a machine that is busy.
const SOON: Duration = Duration::from_secs(5);

#[test]
fn s05_a_connection_that_is_reset_before_an_answer_is_tried_again() {
    let stand = Stand::start("s05");
    stand.ask("reset,ok").assert_whole();
    assert_eq!(stand.attempts(), (2, 0));
}

#[test]
fn s06_a_silent_provider_is_waited_for_once() {
    let stand = Stand::start("s06");
    let heard = stand.ask("silence");
    heard.assert_whole();
    assert!(heard.took >= TIMEOUT && heard.took < TIMEOUT + SOON, "{:?}", heard.took);
    assert_eq!(stand.attempts(), (1, 1));
}

#[test]
fn s07_a_head_without_a_first_event_is_silence_too() {
    let stand = Stand::start("s07");
    let heard = stand.ask("stall:0");
    heard.assert_whole();
    assert!(heard.took >= TIMEOUT && heard.took < TIMEOUT + SOON, "{:?}", heard.took);
    assert_eq!(stand.attempts(), (1, 1));
}

#[test]
fn s09_a_stream_that_stalls_is_given_up_and_the_next_one_is_well() {
    let stand = Stand::start("s09");
    let heard = stand.ask("stall:20");
    heard.assert_whole();
    assert!(heard.took >= TIMEOUT && heard.took < TIMEOUT + SOON, "{:?}", heard.took);
    assert_eq!(stand.attempts(), (1, 1));
    stand.ask("ok").assert_whole();
    assert_eq!(stand.attempts(), (2, 1));
}
