//! Limits, outages and chance, where a request names no scenario.

use std::time::Duration;

use aplomb_gateway::mock::{Hints, Mock, MockHandle, Rate};

use super::client::{CHAT, Got, post, settings};

fn ask(mock: &MockHandle, words: &str) -> Got {
    let body = format!(r#"{{"model": "m", "messages": [{{"role": "user", "content": "{words}"}}]}}"#);
    post(mock, CHAT, &[], &body)
}

#[test]
fn a_limit_tells_of_itself_on_every_answer_and_of_the_wait_on_a_refusal() {
    let mut settings = settings("groq");
    settings.limit = Some(Rate { count: 2, window: Duration::from_secs(60) });
    let mock = Mock::start(settings).unwrap();
    let first = ask(&mock, "a");
    assert_eq!((first.status, first.header("x-ratelimit-limit-requests")), (200, Some("2")));
    assert_eq!(first.header("x-ratelimit-remaining-requests"), Some("1"));
    assert_eq!(ask(&mock, "b").status, 200);
    let third = ask(&mock, "c");
    assert_eq!((third.status, third.header("x-ratelimit-remaining-requests")), (429, Some("0")));
    let wait: u64 = third.header("retry-after").unwrap().parse().unwrap();
    assert!((29..=30).contains(&wait), "{wait}");
    let reset = third.header("x-ratelimit-reset-requests").unwrap();
    assert!(reset.starts_with("59.") || reset == "1m0s", "{reset}");
}

#[test]
fn tokens_are_limited_apart_and_what_never_fits_is_too_large() {
    let mut settings = settings("openai");
    settings.tokens_limit = Some(Rate { count: 100, window: Duration::from_secs(60) });
    let mock = Mock::start(settings).unwrap();
    let first = ask(&mock, "a");
    assert_eq!((first.status, first.header("x-ratelimit-limit-tokens")), (200, Some("100")));
    assert_eq!(ask(&mock, &"word ".repeat(60)).status, 429);
    assert_eq!(ask(&mock, &"word ".repeat(200)).status, 413);
}

#[test]
fn without_hints_a_refusal_says_nothing_of_waits_and_limits() {
    let mut settings = settings("openai");
    settings.limit = Some(Rate::per_second(1));
    settings.hints = Hints::None;
    let mock = Mock::start(settings).unwrap();
    assert_eq!(ask(&mock, "a").header("x-ratelimit-limit-requests"), None);
    let refused = ask(&mock, "b");
    assert_eq!(refused.status, 429);
    for name in ["retry-after", "retry-after-ms", "x-ratelimit-remaining-requests"] {
        assert_eq!(refused.header(name), None, "{name}");
    }
}

#[test]
fn with_retry_after_alone_a_refusal_says_its_wait_and_nothing_tells_of_limits() {
    let mut settings = settings("openai");
    settings.limit = Some(Rate::per_second(1));
    settings.hints = Hints::RetryAfter;
    let mock = Mock::start(settings).unwrap();
    assert_eq!(ask(&mock, "a").header("x-ratelimit-limit-requests"), None);
    let refused = ask(&mock, "b");
    assert_eq!((refused.status, refused.header("retry-after")), (429, Some("1")));
    for name in ["retry-after-ms", "x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"] {
        assert_eq!(refused.header(name), None, "{name}");
    }
}

#[test]
fn an_outage_ends() {
    let mut settings = settings("openai");
    settings.outage = Some("0s..400ms:html:503".parse().unwrap());
    let mock = Mock::start(settings).unwrap();
    let begun = std::time::Instant::now();
    let down = ask(&mock, "a");
    assert_eq!((down.status, down.header("content-type")), (503, Some("text/html")));
    while ask(&mock, "a").status != 200 {
        assert!(begun.elapsed() < Duration::from_secs(10));
    }
    assert!(begun.elapsed() >= Duration::from_millis(350));
}

#[test]
fn chance_repeats_with_the_seed() {
    let fates = |seed| {
        let mut settings = settings("openai");
        settings.seed = seed;
        settings.fail = vec!["503:50%".parse().unwrap()];
        let mock = Mock::start(settings).unwrap();
        (0..24).map(|n| ask(&mock, &n.to_string()).status).collect::<Vec<_>>()
    };
    assert_eq!(fates(1), fates(1));
    assert_ne!(fates(1), fates(2));
    assert!(fates(1).contains(&503) && fates(1).contains(&200));
}
