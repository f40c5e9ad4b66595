//! The page of all metrics, in the text format of OpenMetrics.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};

use super::histogram::Histogram;
use super::meter::RouteMeter;
use crate::lanes::{Group, Tally};
use crate::setup::Setup;
use crate::worker::Shared;

/// What the page is.
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Everything that is counted, as it stands.
pub(crate) fn page(shared: &Arc<Shared>) -> String {
    let mut registry = Registry::with_prefix("aplomb");
    registry.register_collector(Box::new(Page(Arc::clone(shared))));
    let mut page = String::new();
    text::encode(&mut page, &registry).expect("a string takes whatever is written");
    page
}

#[derive(Debug)]
struct Page(Arc<Shared>);

type Row<const N: usize, V> = ([(&'static str, String); N], V);

impl Collector for Page {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let setup = self.0.setup();
        requests(&mut encoder, &setup)?;
        times(&mut encoder, &setup)?;
        callers(&mut encoder, &self.0)?;
        process(&mut encoder, &self.0)?;
        store(&mut encoder, &self.0)?;
        together(&mut encoder, &self.0)?;
        let lanes = self.0.lanes.tally();
        lanes_now(&mut encoder, &lanes)?;
        lanes_counted(&mut encoder, &lanes)
    }
}

/// The routes by their paths, and what is counted of requests without one.
fn routes(setup: &Setup) -> Vec<(&str, &RouteMeter)> {
    let ways = setup.ways().iter().map(|way| (way.route.path.as_str(), &*way.meter));
    ways.chain([("-", &*setup.unrouted)]).collect()
}

fn requests(encoder: &mut DescriptorEncoder<'_>, setup: &Setup) -> fmt::Result {
    let routes = routes(setup);
    let by_route = |route: &str| ("route", route.to_owned());
    let rows = routes.iter().flat_map(|(route, meter)| {
        meter.requests().map(|(status, kind, count)| {
            ([by_route(route), ("status", status.to_owned()), ("kind", kind.to_owned())], count)
        })
    });
    counters(encoder, "requests", "Requests that were answered, or whose caller went away.", rows)?;
    let rows = routes.iter().map(|(route, meter)| ([by_route(route)], meter.retries()));
    counters(encoder, "retries", "Attempts after a request's first, fallbacks and hedges included.", rows)?;
    let rows = routes.iter().flat_map(|(route, meter)| {
        meter.refusals().map(|(reason, count)| ([by_route(route), ("reason", reason.to_owned())], count))
    });
    counters(
        encoder,
        "retries_refused",
        "Requests that failed, by what kept them from being sent once more.",
        rows,
    )?;
    let mut upstreams: Vec<_> =
        setup.targets().into_iter().map(|target| (&target.name, &target.meter)).collect();
    upstreams.sort_by_key(|(name, _)| *name);
    upstreams.dedup_by_key(|(name, _)| *name);
    let rows = upstreams.iter().flat_map(|(name, meter)| {
        meter.attempts.seen().map(|(outcome, count)| {
            ([("upstream", name.to_string()), ("outcome", outcome.to_owned())], count)
        })
    });
    counters(encoder, "attempts", "Requests sent upstream, by what came of them.", rows)
}

fn times(encoder: &mut DescriptorEncoder<'_>, setup: &Setup) -> fmt::Result {
    type Which = fn(&RouteMeter) -> &Histogram;
    let all: [(&str, &str, Which); 3] = [
        ("first_byte", "From a request's arrival until its answer began.", |meter| &meter.first_byte),
        ("request", "From a request's arrival until its answer was over.", |meter| &meter.whole),
        ("queue_wait", "How long requests waited for their turn, those that had to.", |meter| &meter.queued),
    ];
    for (name, help, histogram) in all {
        let mut metric =
            encoder.encode_descriptor(name, help, Some(&Unit::Seconds), MetricType::Histogram)?;
        for way in setup.ways() {
            let seen = histogram(&way.meter).seen();
            let labels = [("route", way.route.path.as_str())];
            let mut one = metric.encode_family(&labels)?;
            one.encode_histogram::<NoLabelSet>(seen.sum, seen.count, &seen.buckets, None)?;
        }
    }
    Ok(())
}

/// Ids of accounts and keys are public; the keys themselves never come here.
fn callers(encoder: &mut DescriptorEncoder<'_>, shared: &Shared) -> fmt::Result {
    let rows = shared
        .tally
        .callers()
        .into_iter()
        .map(|([account, key], count)| ([("account", account), ("key", key)], count));
    counters(encoder, "caller_requests", "Requests of callers that are known, by account and key.", rows)?;
    let rows = shared.tally.refusals().map(|(reason, count)| ([("reason", reason.to_owned())], count));
    counters(encoder, "callers_refused", "Requests whose caller wasn't let in, by the reason.", rows)
}

fn store(encoder: &mut DescriptorEncoder<'_>, shared: &Shared) -> fmt::Result {
    let Some(store) = &shared.store else { return Ok(()) };
    let (up, outages) = (u64::from(store.health().is_up()), store.health().outages());
    gauges::<0, _>(encoder, "store_up", "Whether the store can be reached: 1, or 0.", None, [([], up)])?;
    counters::<0>(encoder, "store_outages", "How often the store was lost.", [([], outages)])
}

fn together(encoder: &mut DescriptorEncoder<'_>, shared: &Shared) -> fmt::Result {
    if shared.setup().config.shared.is_none() {
        return Ok(());
    }
    let (up, outages) = (u64::from(shared.line.is_up()), shared.line.outages());
    let help = "Whether limits are counted together with other gateways: 1, or 0.";
    gauges::<0, _>(encoder, "shared_up", help, None, [([], up)])?;
    counters::<0>(encoder, "shared_outages", "How often the counting server was lost.", [([], outages)])
}

fn process(encoder: &mut DescriptorEncoder<'_>, shared: &Shared) -> fmt::Result {
    let now = |gauge: &std::sync::atomic::AtomicU64| [([], gauge.load(Ordering::Relaxed))];
    gauges::<0, _>(encoder, "in_flight", "Requests under way.", None, now(&shared.in_flight))?;
    let help = "Bytes of bodies that are held, for a repetition or until they are whole.";
    gauges::<0, _>(encoder, "held", help, Some(&Unit::Bytes), now(&shared.held))?;
    let budget = [([], u64::from(shared.lanes.budget()))];
    gauges::<0, _>(
        encoder,
        "retry_budget",
        "What all lanes together may still spend on retries.",
        None,
        budget,
    )
}

fn lanes_now(encoder: &mut DescriptorEncoder<'_>, lanes: &[(Arc<Group>, Tally)]) -> fmt::Result {
    let rows = lanes.iter().flat_map(|(group, tally)| {
        tally.breakers().map(|(state, count)| {
            let [upstream, model] = labels(group);
            ([upstream, model, ("breaker", state.to_owned())], count)
        })
    });
    gauges(encoder, "lanes", "Lanes by the state of their breaker.", None, rows)?;
    let of = |value: fn(&Tally) -> Option<f64>| {
        lanes.iter().filter_map(move |(group, tally)| Some((labels(group), value(tally)?)))
    };
    gauges(
        encoder,
        "lane_waiting",
        "Requests that wait for their turn.",
        None,
        of(|tally| Some(tally.waiting)),
    )?;
    gauges(encoder, "lane_in_flight", "Calls under way.", None, of(|tally| Some(tally.in_flight)))?;
    gauges(
        encoder,
        "lane_pace",
        "Calls a second that are sent at most, where that is known.",
        None,
        of(|tally| tally.pace),
    )?;
    let help = "Calls a second that the upstream was last found to give.";
    gauges(encoder, "lane_ceiling", help, None, of(|tally| tally.ceiling))?;
    let help = "How much longer the upstream asked to wait; 0: not at all.";
    gauges(encoder, "lane_paused", help, Some(&Unit::Seconds), of(|tally| Some(tally.paused.as_secs_f64())))?;
    let help = "What may still be spent on retries; of several lanes the least.";
    gauges(encoder, "lane_retry_budget", help, None, of(|tally| tally.budget.map(f64::from)))
}

fn lanes_counted(encoder: &mut DescriptorEncoder<'_>, lanes: &[(Arc<Group>, Tally)]) -> fmt::Result {
    let of = |value: fn(&Tally) -> u64| lanes.iter().map(move |(group, tally)| (labels(group), value(tally)));
    counters(encoder, "lane_sent", "Calls sent.", of(|tally| tally.counts.sent))?;
    counters(
        encoder,
        "lane_limited",
        "Calls refused by the upstream for a limit.",
        of(|tally| tally.counts.limited),
    )?;
    counters(encoder, "lane_failed", "Calls that failed hard.", of(|tally| tally.counts.failed))?;
    counters(
        encoder,
        "lane_waited",
        "Calls that had to wait for their turn.",
        of(|tally| tally.counts.waited),
    )?;
    let help = "Calls that were refused here without being sent.";
    counters(encoder, "lane_refused", help, of(|tally| tally.counts.refused))
}

fn labels(group: &Group) -> [(&'static str, String); 2] {
    [("upstream", group.upstream.to_string()), ("model", group.model.to_string())]
}

fn counters<const N: usize>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    rows: impl IntoIterator<Item = Row<N, u64>>,
) -> fmt::Result {
    let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
    for (labels, count) in rows {
        metric.encode_family(&labels)?.encode_counter::<NoLabelSet, _, u64>(&count, None)?;
    }
    Ok(())
}

fn gauges<const N: usize, V: prometheus_client::encoding::EncodeGaugeValue>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    unit: Option<&Unit>,
    rows: impl IntoIterator<Item = Row<N, V>>,
) -> fmt::Result {
    let mut metric = encoder.encode_descriptor(name, help, unit, MetricType::Gauge)?;
    for (labels, value) in rows {
        metric.encode_family(&labels)?.encode_gauge(&value)?;
    }
    Ok(())
}
