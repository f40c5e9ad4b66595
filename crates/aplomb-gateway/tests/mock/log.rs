//! What the mock says about what it saw.

use super::client::{CHAT, chat, post, request, start};

#[test]
fn the_log_counts_attempts_and_keeps_no_credential() {
    let mock = start("openai");
    let headers = [("authorization", "Bearer very-secret"), ("mock-scenario", "503,ok")];
    let path = "/v1/chat/completions?key=very-secret";
    for _ in 0..2 {
        post(&mock, path, &headers, r#"{"model": "m"}"#);
    }
    post(&mock, CHAT, &[], r#"{"model": "other"}"#);
    let got = request(&mock, "GET", "/_mock/log", &[], "");
    assert!(!got.text().contains("very-secret"));
    let rows = got.json();
    let of =
        |member: &str| rows.as_array().unwrap().iter().map(|row| row[member].clone()).collect::<Vec<_>>();
    assert_eq!(of("attempt"), [1, 2, 1]);
    assert_eq!(of("status"), [503, 200, 200]);
    assert_eq!(of("act"), ["503", "ok", "ok"]);
    assert_eq!(of("model"), ["m", "m", "other"]);
    assert_eq!(of("connection"), [0, 1, 2]);
    assert_eq!(of("hung_up"), [false; 3]);
    assert_eq!(rows[0]["body_bytes"], 14);
    assert_eq!(rows[0]["headers"]["authorization"], rows[1]["headers"]["authorization"]);
    let (at, until) = (rows[1]["at_ms"].as_f64().unwrap(), rows[1]["until_ms"].as_f64().unwrap());
    assert!(rows[0]["at_ms"].as_f64().unwrap() < at && at <= until);
}

#[test]
fn a_client_that_goes_away_is_noticed() {
    let mock = start("openai");
    assert_eq!(chat(&mock, "slow:30s", false).status, 0);
    assert_eq!(chat(&mock, "stall:2", true).status, 200);
    let begun = std::time::Instant::now();
    while mock.tally().hung_up < 2 {
        assert!(begun.elapsed().as_secs() < 10, "{:?}", mock.log());
        std::thread::yield_now();
    }
    assert!(mock.log().iter().all(|seen| seen.hung_up));
}

#[test]
fn clearing_forgets_requests_and_sequences() {
    let mock = start("openai");
    assert_eq!(chat(&mock, "503,ok", false).status, 503);
    let stats = request(&mock, "GET", "/_mock/stats", &[], "").json();
    assert_eq!((&stats["requests"], &stats["statuses"]["503"]), (&1.into(), &1.into()));
    assert_eq!(request(&mock, "DELETE", "/_mock/log", &[], "").status, 200);
    assert!(mock.log().is_empty());
    assert_eq!(mock.tally().requests, 0);
    assert_eq!(chat(&mock, "503,ok", false).status, 503);
    assert_eq!(request(&mock, "PUT", "/_mock/log", &[], "").status, 405);
    assert_eq!(request(&mock, "GET", "/_mock/nothing", &[], "").status, 404);
}
