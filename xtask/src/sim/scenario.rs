//! What is simulated: scenarios with a row for each client, and the optimum to compare them with.

use aplomb_core::lane::Unit::{Requests, Tokens};

use super::client::Policy;
use super::limit::Limit;
use super::provider::{Hints, Provider, Server, Trouble};
use super::tally::Tally;
use super::world::{Load, Setup};

/// The best that anybody could do.
#[derive(Clone, Copy, Debug)]
pub(super) enum Optimum {
    /// So many calls a second after a burst; the last answer takes a moment more.
    Rate { rate: f64, burst: f64 },
    /// So many calls are done by a moment.
    Calls { most: f64, until: f64 },
    /// So many tokens a second after a burst: their speed is compared.
    Tokens { rate: f64, burst: f64 },
}

/// One client in one scenario.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) name: String,
    pub(super) setup: Setup,
}

/// Something that happens to a provider, and who has to live with it.
#[derive(Clone, Debug)]
pub(super) struct Scenario {
    pub(super) name: &'static str,
    pub(super) title: String,
    pub(super) optimum: Optimum,
    /// When the trouble is over, if there is one: from then on recovery is timed.
    pub(super) trouble: Option<(f64, f64)>,
    /// Who came after the trouble and waits no longer than so is served as if nothing had been, in seconds.
    pub(super) calm: f64,
    pub(super) rows: Vec<Row>,
}

impl Optimum {
    /// What was reached of it, as a share.
    pub(super) fn reached(self, tally: &Tally) -> f64 {
        match self {
            Self::Rate { rate, burst } => {
                ((tally.done() as f64 - burst).max(0.0) / rate + 0.2) / tally.end().max(1e-9)
            }
            Self::Calls { most, until } => tally.done_by(until) as f64 / most,
            Self::Tokens { rate, burst } => ((tally.tokens() - burst) / rate) / tally.end().max(1e-9),
        }
    }
}

/// Every scenario; with `quick` the long ones are shorter.
pub(super) fn all(quick: bool) -> Vec<Scenario> {
    let mut all = jobs(quick);
    all.extend([
        tokens(),
        daily(),
        shared(),
        whims(),
        growing(),
        fleet(quick),
        crowd(quick),
        outage(),
        brownout(),
        failing(quick),
        metastable(),
    ]);
    all
}

fn setup(policy: Policy, provider: Provider, load: Load) -> Setup {
    let clients = 1;
    Setup { policy, clients, provider, load, tokens: (100.0, 100.0), patience: 60.0, timeout: 600.0 }
}

fn scenario(name: &'static str, title: impl Into<String>, optimum: Optimum, rows: Vec<Row>) -> Scenario {
    Scenario { name, title: title.into(), optimum, trouble: None, calm: 0.4, rows }
}

fn row(name: impl Into<String>, setup: Setup) -> Row {
    Row { name: name.into(), setup }
}

/// The clients that every scenario compares, as rows.
fn rows(policies: &[Policy], mut setup: impl FnMut(Policy) -> Setup) -> Vec<Row> {
    let name = |policy| match policy {
        Policy::Once => "one try",
        Policy::Sdk => "SDK, 2 retries",
        Policy::Thrice => "3 tries",
        Policy::Backoff => "endless backoff",
        Policy::Aplomb => "Aplomb",
    };
    policies.iter().map(|policy| row(name(*policy), setup(*policy))).collect()
}

const THREE: [Policy; 3] = [Policy::Sdk, Policy::Backoff, Policy::Aplomb];

/// One job by 200 workers against each way of counting and of telling it.
fn jobs(quick: bool) -> Vec<Scenario> {
    let bucket = |rate, burst| Limit::bucket(Requests, rate, burst);
    let window = |count, seconds| Limit::window(Requests, count, seconds);
    let mut all = Vec::new();
    for (name, limit, calls, rate, burst) in [
        ("bucket", bucket(40.0, 40.0), 1_200, 40.0, 40.0),
        ("small-burst", bucket(40.0, 5.0), 1_200, 40.0, 5.0),
        ("window", window(40.0, 1.0), 1_200, 40.0, 40.0),
        // Two whole windows and the first calls of the third: a rate says too little.
        ("minute", window(600.0, 60.0), 1_500, 900.0 / 120.0, 600.0),
        ("fast", bucket(400.0, 400.0), 6_000, 400.0, 400.0),
        ("slow", bucket(2.0, 2.0), 100, 2.0, 2.0),
    ] {
        if quick && matches!(name, "fast" | "slow" | "minute") {
            continue;
        }
        let mut rows = Vec::new();
        for (hints, told) in [
            (Hints::None, "nothing"),
            (Hints::Seconds, "whole seconds"),
            (Hints::Exact, "the wait"),
            (Hints::Headers, "headers"),
        ] {
            for mut one in self::rows(&THREE, |policy| {
                let provider = Provider::new(vec![limit.clone()], hints);
                let load = Load::Pool { calls, workers: 200 };
                Setup { patience: 600.0, ..setup(policy, provider, load) }
            }) {
                one.name = format!("{}, told {told}", one.name);
                rows.push(one);
            }
        }
        let title = format!("{calls} calls by 200 workers against {}", counted(name));
        all.push(scenario(name, title, Optimum::Rate { rate, burst }, rows));
    }
    all
}

fn counted(name: &str) -> &'static str {
    match name {
        "bucket" => "40 calls a second, burst 40",
        "small-burst" => "40 calls a second, burst 5",
        "window" => "40 calls in each second",
        "minute" => "600 calls in each minute",
        "fast" => "400 calls a second, burst 400",
        _ => "2 calls a second, burst 2",
    }
}

/// Tokens are what is short, and calls are of all sizes.
fn tokens() -> Scenario {
    let (rate, burst) = (4_000.0, 4_000.0);
    let mut all = Vec::new();
    for (hints, told) in [(Hints::None, "nothing"), (Hints::Exact, "the wait"), (Hints::Headers, "headers")] {
        for mut one in rows(&THREE, |policy| {
            let provider = Provider::new(vec![Limit::bucket(Tokens, rate, burst)], hints);
            let load = Load::Pool { calls: 600, workers: 50 };
            Setup { tokens: (50.0, 1_150.0), patience: 600.0, ..setup(policy, provider, load) }
        }) {
            one.name = format!("{}, told {told}", one.name);
            all.push(one);
        }
    }
    let title = "600 calls of 50 to 1,150 tokens by 50 workers, 240,000 tokens a minute";
    scenario("tokens", title, Optimum::Tokens { rate, burst }, all)
}

/// A limit for the day that is used up in the middle of the work.
fn daily() -> Scenario {
    let rows = rows(&THREE, |policy| {
        let day = Limit::window_until(Requests, 1_000.0, 86_400.0, 7_200.0);
        let limits = vec![Limit::bucket(Requests, 40.0, 40.0), day];
        let load = Load::Arrivals { per_second: 20.0, seconds: 120.0 };
        setup(policy, Provider::new(limits, Hints::Exact), load)
    });
    let title = "20 calls a second for two minutes, 1,000 calls left for the day, which ends in two hours";
    scenario("daily", title, Optimum::Calls { most: 1_000.0, until: 180.0 }, rows)
}

/// Others use the same quota, and take half of it for a while.
fn shared() -> Scenario {
    let rows = rows(&THREE, |policy| {
        let limit = Limit::bucket(Requests, 40.0, 40.0).with(vec![(30.0, 0.5), (90.0, 1.0)]);
        let load = Load::Endless { workers: 100, until: 120.0 };
        setup(policy, Provider::new(vec![limit], Hints::None), load)
    });
    let title = "others take half of 40 calls a second from second 30 to 90; nothing is told";
    let most = 40.0 + 40.0 * 60.0 + 20.0 * 60.0;
    scenario("shared", title, Optimum::Calls { most, until: 120.0 }, rows)
}

/// Some calls are refused by chance, as by a provider with little to spare, and no limit is behind it.
fn whims() -> Scenario {
    let mut all = Vec::new();
    for (whim, hints, told) in
        [(0.005, Hints::None, "nothing"), (0.02, Hints::None, "nothing"), (0.02, Hints::Seconds, "a second")]
    {
        for mut one in rows(&THREE, |policy| {
            let provider = Provider { whim, ..Provider::new(Vec::new(), hints) };
            setup(policy, provider, Load::Endless { workers: 50, until: 60.0 })
        }) {
            one.name = format!("{}, {} % refused, told {told}", one.name, whim * 100.0);
            all.push(one);
        }
    }
    // An answer takes 0.2 s, and the ways there and back 0.021 s on average.
    let title = "50 workers for a minute; calls are refused by chance, and there is no limit";
    scenario("whims", title, Optimum::Calls { most: 50.0 / 0.221 * 60.0, until: 60.0 }, all)
}

/// A provider that starts slowly, and gives more and more.
fn growing() -> Scenario {
    let rows = rows(&THREE, |policy| {
        let steps = (0..10).map(|step| (f64::from(step) * 10.0, f64::from(step + 1) / 10.0)).collect();
        let limit = Limit::bucket(Requests, 100.0, 20.0).with(steps);
        let load = Load::Endless { workers: 200, until: 120.0 };
        setup(policy, Provider::new(vec![limit], Hints::None), load)
    });
    let title = "a limit that grows from 10 to 100 calls a second within 100 s; nothing is told";
    scenario("growing", title, Optimum::Calls { most: 20.0 + 5_500.0 + 2_000.0, until: 120.0 }, rows)
}

/// Many who know nothing of each other share one hidden quota.
fn fleet(quick: bool) -> Scenario {
    let until = if quick { 60.0 } else { 180.0 };
    let rows = [
        ("20 SDK processes", Policy::Sdk, 20),
        ("20 processes with endless backoff", Policy::Backoff, 20),
        ("one gateway of Aplomb", Policy::Aplomb, 1),
        ("20 gateways of Aplomb", Policy::Aplomb, 20),
        ("100 gateways of Aplomb", Policy::Aplomb, 100),
    ];
    let rows = rows.map(|(name, policy, clients)| {
        let limit = Limit::bucket(Requests, 100.0, 100.0);
        let load = Load::Endless { workers: 800, until };
        row(name, Setup { clients, ..setup(policy, Provider::new(vec![limit], Hints::None), load) })
    });
    let title = "800 workers that never run out, one quota of 100 calls a second that nobody is told of";
    scenario("fleet", title, Optimum::Calls { most: 100.0 + 100.0 * until, until }, rows.into())
}

/// Ten thousand callers at once.
fn crowd(quick: bool) -> Scenario {
    let callers = if quick { 2_000 } else { 10_000 };
    let rows = rows(&THREE, |policy| {
        let provider = Provider::new(vec![Limit::bucket(Requests, 250.0, 250.0)], Hints::Headers);
        setup(policy, provider, Load::Pool { calls: callers, workers: callers })
    });
    let title = format!("{callers} callers at once, 250 calls a second, told in headers");
    scenario("crowd", title, Optimum::Rate { rate: 250.0, burst: 250.0 }, rows)
}

/// Down for ten seconds, then with a backlog.
fn outage() -> Scenario {
    let rows = rows(&THREE, |policy| {
        let mut provider = Provider::new(vec![Limit::bucket(Requests, 40.0, 40.0)], Hints::Headers);
        provider.trouble = Some(Trouble { from: 5.0, to: 15.0, failing: 1.0 });
        setup(policy, provider, Load::Arrivals { per_second: 20.0, seconds: 40.0 })
    });
    let title =
        "20 calls a second, down from second 5 to 15, 40 calls a second; a perfect client recovers in 8 s";
    let optimum = Optimum::Calls { most: 800.0, until: 45.0 };
    Scenario { trouble: Some((5.0, 15.0)), ..scenario("outage", title, optimum, rows) }
}

/// Part of the calls fail for a while.
fn brownout() -> Scenario {
    let mut all = Vec::new();
    for failing in [0.1, 0.2, 0.5] {
        let policies = [Policy::Once, Policy::Sdk, Policy::Aplomb];
        for mut one in rows(&policies, |policy| {
            let mut provider = Provider::new(vec![Limit::bucket(Requests, 1e6, 1e6)], Hints::None);
            provider.trouble = Some(Trouble { from: 10.0, to: 40.0, failing });
            setup(policy, provider, Load::Arrivals { per_second: 100.0, seconds: 60.0 })
        }) {
            one.name = format!("{}, {:.0} % fail", one.name, failing * 100.0);
            all.push(one);
        }
    }
    let title = "100 calls a second, a part of them fails from second 10 to 40";
    let optimum = Optimum::Calls { most: 6_000.0, until: 65.0 };
    Scenario { trouble: Some((10.0, 40.0)), ..scenario("brownout", title, optimum, all) }
}

/// Everything fails for ten minutes.
fn failing(quick: bool) -> Scenario {
    let long = if quick { 120.0 } else { 600.0 };
    let policies = [Policy::Once, Policy::Sdk, Policy::Thrice, Policy::Aplomb];
    let rows = rows(&policies, |policy| {
        let mut provider = Provider::new(Vec::new(), Hints::None);
        provider.trouble = Some(Trouble { from: 10.0, to: 10.0 + long, failing: 1.0 });
        setup(policy, provider, Load::Arrivals { per_second: 100.0, seconds: long + 30.0 })
    });
    let title = format!("100 calls a second, everything fails for {long:.0} s");
    let optimum = Optimum::Calls { most: 100.0 * (long + 30.0), until: long + 60.0 };
    Scenario { trouble: Some((10.0, 10.0 + long)), ..scenario("failing", title, optimum, rows) }
}

/// A server that keeps serving those who have left, and stops for a while.
fn metastable() -> Scenario {
    let policies = [Policy::Once, Policy::Thrice, Policy::Aplomb];
    let rows = rows(&policies, |policy| {
        let mut provider = Provider::new(Vec::new(), Hints::None);
        provider.latency = (0.05, 0.05);
        provider.server = Some(Server::new(100.0, (10.0, 25.0)));
        let load = Load::Arrivals { per_second: 80.0, seconds: 240.0 };
        Setup { timeout: 1.0, ..setup(policy, provider, load) }
    });
    let title = "80 calls a second, capacity 100, a first-in-first-out queue without a bound that stops for 15 s; who waits 1 s leaves";
    let optimum = Optimum::Calls { most: 19_200.0, until: 300.0 };
    Scenario { trouble: Some((10.0, 25.0)), calm: 1.0, ..scenario("metastable", title, optimum, rows) }
}
