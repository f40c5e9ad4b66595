//! What understanding and rendering one error of 500 bytes costs: `cargo xtask bench core`.
//!
//! Medians of many batches, in nanoseconds; the goal is decoding and rendering together in less than 5 µs.
#![expect(clippy::disallowed_methods, reason = "a stopwatch reads the clock; what it measures doesn't")]
#![expect(clippy::print_stdout, reason = "its output is the result")]

use std::hint::black_box;
use std::time::{Instant, SystemTime};

use aplomb_core::{Catalog, Dialect, Evidence, Headers, catalog, decode, render};

const BATCHES: usize = 301;
const BATCH: u32 = 200;
const BODY_SIZE: usize = 500;

fn main() {
    let catalog = catalog();
    let now = SystemTime::UNIX_EPOCH;
    let body = body();
    let headers =
        [("content-type", "application/json"), ("retry-after", "2"), ("x-request-id", "req_0123456789")];
    let evidence = Evidence { status: Some(429), headers: Headers(&headers), body: &body, host: None, now };
    let openai = dialect(catalog, "openai");
    let failure = decode(catalog, Some(openai), &evidence).failure.expect("the body is an error");

    println!("one error of {} bytes, medians of {BATCHES} batches of {BATCH}, in nanoseconds", body.len());
    let decoding = report("decode, dialect named", || decode(catalog, Some(openai), black_box(&evidence)));
    report("decode, dialect detected", || decode(catalog, None, black_box(&evidence)));
    let rendering = report("render as openai", || render(openai, black_box(&failure), Some("req_own"), now));
    for name in ["anthropic", "groq", "agenthuman"] {
        let answer = dialect(catalog, name);
        report(&format!("render as {name}"), || render(answer, black_box(&failure), Some("req_own"), now));
    }
    println!("{:>8}  decode and render as openai", decoding + rendering);
}

/// OpenAI's envelope around a sentence that fills it up.
fn body() -> Vec<u8> {
    let head = r#"{"error": {"message": "Rate limit reached for gpt-4o in organization org-bench on tokens per min (TPM): Limit 30000, Used 29000, Requested 1500. Please try again in 2s."#;
    let tail = r#"", "type": "tokens", "param": null, "code": "rate_limit_exceeded"}}"#;
    let more = " Visit the page about rate limits to learn more.".chars().cycle();
    let filler: String = more.take(BODY_SIZE - head.len() - tail.len()).collect();
    format!("{head}{filler}{tail}").into_bytes()
}

fn dialect<'a>(catalog: &'a Catalog, name: &str) -> &'a Dialect {
    catalog.get(name).expect("a bundled dialect")
}

/// Times it and prints the median of one call in nanoseconds.
fn report<T>(what: &str, mut act: impl FnMut() -> T) -> u128 {
    let mut times: Vec<u128> = (0..BATCHES)
        .map(|_| {
            let started = Instant::now();
            for _ in 0..BATCH {
                black_box(act());
            }
            started.elapsed().as_nanos() / u128::from(BATCH)
        })
        .collect();
    times.sort_unstable();
    let median = times[BATCHES / 2];
    println!("{median:>8}  {what}");
    median
}
