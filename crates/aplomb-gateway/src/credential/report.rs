//! Credentials of ours as JSON, for the admin port: whether they rest and when they run out, never what they are.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::own::Own;
use crate::config::KeySource;
use crate::setup::Target;

/// The credentials of these targets, each upstream's in its order; `now` is the time that lanes count in.
pub(crate) fn report(targets: &[&Target], now: Duration) -> Value {
    let mut all: Vec<(&str, u64, &Own)> = targets
        .iter()
        .filter_map(|target| Some((&*target.name, target.slot + 1, &**target.own.as_ref()?)))
        .collect();
    // Several routes may ask the same upstream.
    all.sort_by_key(|(upstream, number, _)| (*upstream, *number));
    all.dedup_by_key(|(upstream, number, _)| (*upstream, *number));
    all.into_iter().map(|(upstream, number, own)| one(upstream, number, own, now)).collect()
}

fn one(upstream: &str, number: u64, own: &Own, now: Duration) -> Value {
    let seconds = |time: Duration| (time.as_secs_f64() * 1e3).round() / 1e3;
    let left = |until: Instant| seconds(until.saturating_duration_since(Instant::now()));
    let rest = own.rest(now);
    let present = own.present();
    let times = present.as_ref().and_then(|present| present.times);
    let failed = own.keeper.fetcher().and_then(|fetcher| fetcher.failed());
    json!({
        "upstream": upstream,
        "number": number,
        "from": match own.keeper.key().source {
            KeySource::Given(_) => "configuration",
            KeySource::File(_) => "file",
            KeySource::OAuth(_) => "oauth",
        },
        "there": present.is_some(),
        "rests_for_s": rest.map(|(until, _)| seconds(until.saturating_sub(now))),
        "rests_because": rest.map(|(_, kind)| kind.as_str()),
        "renewed_in_s": times.map(|times| left(times.due)),
        "expires_in_s": times.map(|times| left(times.over)),
        "last_fetch": failed.map(|(told, wait)| json!({ "failed": told, "again_in_s": seconds(wait) })),
    })
}
