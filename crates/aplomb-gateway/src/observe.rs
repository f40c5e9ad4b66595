//! What is written to the log: one line for each request, and for a failure everything that helps to find its cause.
//!
//! Whatever looks like a secret is redacted on its way here; prompts and bodies never come here at all.

use std::io::IsTerminal;

use aplomb_core::Fault;
use tracing::{Level, enabled};
use tracing_subscriber::EnvFilter;

use crate::config::{Log, LogFormat, LogLevel};
use crate::redact::redact;
use crate::stage::settle::End;
use crate::trail::Trail;

/// Begins to write logs to standard error: for people on a terminal, as JSON otherwise.
///
/// `APLOMB_LOG` takes the same levels and filters as `RUST_LOG` and comes before the configuration.
pub fn start(log: Log, filter: Option<&str>) {
    let level = match log.level {
        LogLevel::Error => "error",
        LogLevel::Warn => "warn",
        LogLevel::Info => "info",
        LogLevel::Debug => "debug",
        LogLevel::Trace => "trace",
    };
    let filter =
        filter.and_then(|filter| EnvFilter::try_new(filter).ok()).unwrap_or_else(|| EnvFilter::new(level));
    let human = match log.format {
        LogFormat::Human => true,
        LogFormat::Json => false,
        LogFormat::Auto => std::io::stderr().is_terminal(),
    };
    let builder =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    // A second start in one process, as tests make it, keeps the first one's log.
    let _already_started = if human {
        builder.with_ansi(std::io::stderr().is_terminal()).try_init()
    } else {
        builder.json().flatten_event(true).try_init()
    };
}

/// The line of one request.
pub(crate) fn request(trail: &Trail, end: &End) {
    let level = match &end.failure {
        Some(failure) if matches!(failure.fault, Fault::Gateway) => Level::ERROR,
        Some(_) => Level::WARN,
        None if end.cut => Level::WARN,
        None => Level::INFO,
    };
    match level {
        Level::ERROR if enabled!(target: "aplomb::request", Level::ERROR) => line(
            trail,
            end,
            |fields| tracing::error!(target: "aplomb::request", id = fields.id, asked = fields.asked, route = fields.route, account = fields.account, key = fields.key, status = fields.status, ms = fields.ms, bytes = fields.bytes, attempts = fields.attempts, kind = fields.kind, fault = fields.fault, trail = fields.trail, error = fields.error, "failed"),
        ),
        Level::WARN if enabled!(target: "aplomb::request", Level::WARN) => line(
            trail,
            end,
            |fields| tracing::warn!(target: "aplomb::request", id = fields.id, asked = fields.asked, route = fields.route, account = fields.account, key = fields.key, status = fields.status, ms = fields.ms, bytes = fields.bytes, attempts = fields.attempts, kind = fields.kind, fault = fields.fault, trail = fields.trail, error = fields.error, "failed"),
        ),
        Level::INFO if enabled!(target: "aplomb::request", Level::INFO) => {
            tracing::info!(
                target: "aplomb::request",
                id = &*trail.id,
                asked = redact(&trail.asked()).as_ref(),
                route = trail.route(),
                account = trail.account(),
                key = trail.key(),
                status = end.status,
                ms = millis(trail),
                bytes = end.bytes,
                attempts = trail.attempts.len(),
                "answered"
            );
        }
        _ => {}
    }
}

/// A download was cut, and goes on.
pub(crate) fn resumed(id: &str, at: u64, total: u64) {
    tracing::info!(target: "aplomb::request", id, at, total, "resumed");
}

/// The fields of a failed request's line.
struct Fields<'a> {
    id: &'a str,
    asked: &'a str,
    route: &'a str,
    account: Option<&'a str>,
    key: Option<&'a str>,
    status: u16,
    ms: f64,
    bytes: u64,
    attempts: usize,
    kind: &'a str,
    fault: &'a str,
    trail: &'a str,
    error: &'a str,
}

fn line(trail: &Trail, end: &End, write: impl FnOnce(&Fields<'_>)) {
    let failure = end.failure.as_ref();
    write(&Fields {
        id: &trail.id,
        asked: &redact(&trail.asked()),
        route: trail.route(),
        account: trail.account(),
        key: trail.key(),
        status: end.status,
        ms: millis(trail),
        bytes: end.bytes,
        attempts: trail.attempts.len(),
        kind: failure.map_or("cut", |failure| failure.kind.as_str()),
        fault: failure.map_or("network", |failure| failure.fault.as_str()),
        trail: &trail.line(),
        error: &redact(&upstream_error(trail, end)),
    });
}

/// The most letters of one fact in a line: enough for a stack trace's beginning, too little to fill a disk.
const FACT: usize = 2_000;

/// The last upstream error as it came, before anything was withheld from the caller.
fn upstream_error(trail: &Trail, end: &End) -> String {
    let last =
        trail.attempts.iter().rev().find_map(|attempt| attempt.failure.as_ref()).or(end.failure.as_ref());
    let Some(failure) = last else { return String::new() };
    let facts = [
        ("message", &failure.message),
        ("code", &failure.code),
        ("type", &failure.type_),
        ("param", &failure.param),
        ("request_id", &failure.request_id),
    ];
    let bounded = |text: &str| text.chars().take(FACT).collect::<String>();
    let mut parts: Vec<String> =
        facts.iter().filter_map(|(name, fact)| Some(format!("{name}={}", bounded(fact.as_ref()?)))).collect();
    if !failure.details.is_empty() {
        let details = serde_json::to_string(&failure.details).unwrap_or_default();
        parts.push(format!("details={}", bounded(&details)));
    }
    parts.join(" ")
}

fn millis(trail: &Trail) -> f64 {
    trail.began.elapsed().as_secs_f64() * 1_000.0
}
