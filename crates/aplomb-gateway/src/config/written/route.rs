//! A row of `[[route]]` as written.

use std::time::Duration;

use toml::de::DeValue;

use crate::config::written::value::{bytes, choice, line, patience, switch, text, wait, whole};
use crate::config::written::{At, Section, Spot, WrittenProtect};
use crate::config::{Disclose, Priorities, Queue, Repeat, Retry, SharedQuota, Streaming, Trail, path};

/// What is said about a route; [`Route`](crate::config::Route) has the page of every key.
#[derive(Debug)]
pub(crate) struct WrittenRoute {
    pub(crate) spot: Spot,
    pub(crate) path: Option<At<String>>,
    pub(crate) upstream: Vec<WrittenEqual>,
    pub(crate) fallback: Vec<WrittenFallback>,
    pub(crate) answer: Option<At<String>>,
    pub(crate) open: bool,
    pub(crate) retry: Retry,
    pub(crate) queue: Queue,
    pub(crate) hedge: bool,
    pub(crate) disclose: Option<Disclose>,
    pub(crate) trail: Option<Trail>,
    pub(crate) shared_quota: Option<SharedQuota>,
    pub(crate) stream: Option<Streaming>,
    pub(crate) keepalive: Option<Duration>,
    pub(crate) replay_bytes: Option<At<u64>>,
    pub(crate) protect: WrittenProtect,
}

/// One of those who are asked first.
#[derive(Debug)]
pub(crate) struct WrittenEqual {
    /// Whom to ask.
    pub(crate) upstream: At<String>,
    /// How much of the load it takes.
    pub(crate) weight: u32,
}

/// What is said about a fallback.
#[derive(Debug)]
pub(crate) struct WrittenFallback {
    /// Whom to ask.
    pub(crate) upstream: At<String>,
    /// The model to name.
    pub(crate) model: Option<String>,
    /// How many tokens fit.
    pub(crate) context: Option<u64>,
}

impl WrittenRoute {
    /// Reads a row.
    pub(super) fn read(mut row: Section<'_>) -> Self {
        let disclose = [("full", Disclose::Full), ("safe", Disclose::Safe), ("none", Disclose::None)];
        let trail = [("headers", Trail::Headers), ("body", Trail::Body)];
        let stream = [("live", Streaming::Live), ("hold", Streaming::Hold)];
        let shared_quota = [("429", SharedQuota::RateLimit), ("503", SharedQuota::Unavailable)];
        let written = Self {
            spot: row.spot().clone(),
            path: row.required("path", "the prefix of the paths that it serves", prefix),
            upstream: read_equals(&mut row),
            fallback: read_fallbacks(&mut row),
            answer: row.take("answer", line),
            open: row.take("open", switch).is_some_and(|at| at.value),
            retry: row.section("retry").map(read_retry).unwrap_or_default(),
            queue: row.section("queue").map(read_queue).unwrap_or_default(),
            hedge: row.take("hedge", choice(&[("off", false), ("on", true)])).is_some_and(|at| at.value),
            disclose: row.take("disclose", choice(&disclose)).map(|at| at.value),
            trail: row.take("trail", choice(&trail)).map(|at| at.value),
            shared_quota: row.take("shared_quota", choice(&shared_quota)).map(|at| at.value),
            stream: row.take("stream", choice(&stream)).map(|at| at.value),
            keepalive: row.take("keepalive", wait).map(|at| at.value),
            replay_bytes: row.take("replay_bytes", bytes(0..=1 << 40)),
            protect: WrittenProtect::read(&mut row),
        };
        row.finish();
        written
    }
}

/// Where the gateway itself may answer one day.
const RESERVED: &str = "/_aplomb";

/// A path that a route may have.
fn prefix(value: &DeValue<'_>) -> Result<String, String> {
    let path = text(value)?;
    if !path.starts_with('/') {
        return Err(format!("begin it with a slash: `/{}`", path.trim_end_matches('/')));
    }
    if path != "/" && path.ends_with('/') {
        return Err(format!("end it without a slash: `{}`", path.trim_end_matches('/')));
    }
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"/-._~!$&'()*+,;=:@".contains(&b);
    if path.len() > 256 || path.contains("//") || !path.bytes().all(is_plain) || !path::is_sound(path) {
        return Err("a path has segments of `A-Z a-z 0-9 - . _ ~`, up to 256 bytes, no query".to_owned());
    }
    if path.strip_prefix(RESERVED).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')) {
        return Err(format!("`{RESERVED}` belongs to the gateway itself"));
    }
    Ok(path.to_owned())
}

/// One upstream, or a list of equals.
fn read_equals(row: &mut Section<'_>) -> Vec<WrittenEqual> {
    let is_list = row.raw("upstream").is_some_and(|found| found.value.is_array());
    if !is_list {
        let one = row.required("upstream", "the name of the upstream to ask", one_upstream);
        return one.map(|upstream| WrittenEqual { upstream, weight: 1 }).into_iter().collect();
    }
    let list = row.list("upstream", "[\"a\", { name = \"b\", weight = 2 }]");
    list.into_iter().filter_map(|one| read_equal(row, one)).collect()
}

fn read_equal<'p>(row: &Section<'p>, one: At<&'p DeValue<'p>>) -> Option<WrittenEqual> {
    if let Some(name) = one.value.as_str() {
        return Some(WrittenEqual { upstream: At { value: name.to_owned(), spot: one.spot }, weight: 1 });
    }
    let mut table = row.open(one, "expected a name, or a table such as `{ name = \"b\", weight = 2 }`")?;
    let upstream = table.required("name", "the name of the upstream to ask", one_upstream);
    let weight = table.take("weight", whole(1..=1_000));
    table.finish();
    let weight = weight.and_then(|at| at.value.try_into().ok()).unwrap_or(1);
    Some(WrittenEqual { upstream: upstream?, weight })
}

fn one_upstream(value: &DeValue<'_>) -> Result<String, String> {
    text(value).map(str::to_owned)
}

fn read_fallbacks(row: &mut Section<'_>) -> Vec<WrittenFallback> {
    let list = row.list("fallback", "[{ upstream = \"backup\" }]");
    list.into_iter().filter_map(|one| read_fallback(row, one)).collect()
}

/// A table, or the name of an upstream alone.
fn read_fallback<'p>(row: &Section<'p>, one: At<&'p DeValue<'p>>) -> Option<WrittenFallback> {
    if let Some(name) = one.value.as_str() {
        let upstream = At { value: name.to_owned(), spot: one.spot };
        return Some(WrittenFallback { upstream, model: None, context: None });
    }
    let mut table = row.open(one, "expected a table such as `{ upstream = \"backup\" }`")?;
    let upstream = table.required("upstream", "the name of the upstream to ask", one_upstream);
    let model = table.take("model", line).map(|at| at.value);
    let context = table.take("context", whole(1..=1 << 40)).map(|at| at.value);
    table.finish();
    Some(WrittenFallback { upstream: upstream?, model, context })
}

fn read_retry(mut table: Section<'_>) -> Retry {
    let default = Retry::default();
    let repeat = [("auto", Repeat::Auto), ("always", Repeat::Always), ("never", Repeat::Never)];
    let attempts = table.take("attempts", whole(1..=20));
    let retry = Retry {
        attempts: attempts.and_then(|at| at.value.try_into().ok()).unwrap_or(default.attempts),
        deadline: table.take("deadline", patience).map_or(default.deadline, |at| at.value),
        repeat: table.take("repeat", choice(&repeat)).map_or(default.repeat, |at| at.value),
    };
    table.finish();
    retry
}

fn read_queue(mut table: Section<'_>) -> Queue {
    let default = Queue::default();
    let priority = [("none", Priorities::None), ("header", Priorities::Header)];
    let size = table.take("size", whole(0..=1_000_000));
    let queue = Queue {
        max_wait: table.take("max_wait", wait).map_or(default.max_wait, |at| at.value),
        size: size.and_then(|at| at.value.try_into().ok()).unwrap_or(default.size),
        prefer_fallback_after: table
            .take("prefer_fallback_after", wait)
            .map_or(default.prefer_fallback_after, |at| at.value),
        priority: table.take("priority", choice(&priority)).map_or(default.priority, |at| at.value),
    };
    table.finish();
    queue
}
