//! The jobs of a run, each as a row of facts: the provider's limit, who calls how often, what counts.

use super::goal::{Bound, Goal};
use super::job::{Caller, Column, Credential, Job, digits, words};
use super::row::{Row, Through, Way};

/// How much to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Length {
    /// What the report is made of.
    Full,
    /// Enough to see that it works.
    Quick,
}

impl Length {
    fn of<T>(self, full: T, quick: T) -> T {
        match self {
            Self::Full => full,
            Self::Quick => quick,
        }
    }
}

/// All of them, in the order of the report.
pub(super) fn all(length: Length) -> Vec<Job> {
    vec![
        callers(length),
        limit("hints", "full", "the provider tells of its limit in headers", length),
        limit(
            "retry-after",
            "retry-after",
            "a refusal's `retry-after` in whole seconds is the only hint",
            length,
        ),
        limit("no-hints", "none", "the provider says nothing of its limit", length),
        tokens(length),
        fleet(length),
        outage(length),
        neighbours(length),
        waiting(length),
    ]
}

/// What the callers themselves can do: without a limit nothing but they and the gateway is in the way.
fn callers(length: Length) -> Job {
    let calls = length.of(1_200, 300);
    Job {
        name: "callers",
        title: format!("The callers alone: {calls} calls, 200 workers, no limit, no latency"),
        mock: Vec::new(),
        caller: Caller::Sdk,
        words: words(&format!("work --calls {calls} --workers 200")),
        credential: Credential::Caller,
        ways: vec![Way::new(Through::Nothing, 2), Way::new(Through::Aplomb, 2)],
        columns: vec![
            DONE,
            LOST,
            WALL,
            Column::new("calls/s", |row| format!("{:.0}", row.number("done") / row.number("wall_s"))),
            Column::new("caller's CPU ms/call", |row| {
                format!("{:.2}", 1e3 * row.number("caller_cpu_s") / row.number("calls"))
            }),
            GATEWAY_CPU,
        ],
        goals: Vec::new(),
    }
}

/// The job of the issue: a limit that two hundred workers run into.
fn limit(name: &'static str, hints: &str, said: &str, length: Length) -> Job {
    let calls = length.of(1_200, 300);
    let told = hints != "none";
    Job {
        name,
        title: format!("{calls} calls, 200 workers, limit 40/s, burst 40, 0.2 s: {said}"),
        mock: words(&format!("--limit 40/s --burst 40 --latency 200ms --hints {hints}")),
        caller: Caller::Sdk,
        words: words(&format!("work --calls {calls} --workers 200 --rate 40 --burst 40 --latency 0.2")),
        credential: Credential::Caller,
        ways: four_ways(),
        columns: vec![DONE, LOST, PER_SUCCESS, WALL, SPEED, P50, P99, TROUBLES],
        goals: vec![
            Goal::lost_nothing(),
            if told { per_success(1.02, "at most 1.02 upstream calls per success") } else { hidden() },
            if told {
                Goal { text: "at least 0.98 of the optimum", value: speed, bound: Bound::AtLeast(0.98) }
            } else {
                Goal { text: "at least 0.95 of the optimum", value: speed, bound: Bound::AtLeast(0.95) }
            },
        ],
    }
}

/// Tokens are limited, and every prompt has another size.
fn tokens(length: Length) -> Job {
    let (calls, a_minute, a_second) = length.of((600, 240_000, 4_000), (150, 60_000, 1_000));
    Job {
        name: "tokens",
        title: format!(
            "{calls} calls of 8 to 8,000 tokens, 100 workers, limit {a_minute} tokens a minute, all of them at once if it was quiet, 0.2 s"
        ),
        mock: words(&format!("--tokens-limit {a_minute}/min --latency 200ms")),
        caller: Caller::Sdk,
        words: words(&format!(
            "tokens --calls {calls} --workers 100 --rate {a_second} --burst {a_minute} --latency 0.2"
        )),
        credential: Credential::Caller,
        ways: four_ways(),
        columns: vec![
            DONE,
            LOST,
            PER_SUCCESS,
            WALL,
            Column::new("tokens", |row| digits(row, "tokens", 0)),
            Column::new("share of the limit used", |row| digits(row, "share", 3)),
            P50,
            P99,
            TROUBLES,
        ],
        goals: vec![Goal::lost_nothing(), per_success(1.02, "at most 1.02 upstream calls per success")],
    }
}

/// Twenty processes that know nothing of each other share a quota that nobody tells them.
fn fleet(length: Length) -> Job {
    let seconds = length.of(30, 8);
    Job {
        name: "fleet",
        title: format!(
            "Twenty processes of 16 workers for {seconds} s, one key, hidden limit 40/s, burst 40, 0.2 s"
        ),
        mock: words("--limit 40/s --burst 40 --latency 200ms --hints none"),
        caller: Caller::Sdk,
        words: words(&format!(
            "fleet --processes 20 --workers 16 --seconds {seconds} --rate 40 --burst 40 --latency 0.2"
        )),
        credential: Credential::Caller,
        ways: vec![
            Way::new(Through::Nothing, 2),
            Way::new(Through::Nothing, 10),
            Way::new(Through::Aplomb, 2),
        ],
        columns: vec![
            DONE,
            LOST,
            PER_SUCCESS,
            WALL,
            SPEED,
            Column::new("Jain's fairness", |row| digits(row, "jain", 3)),
            Column::new("done by a process", |row| {
                format!("{}–{}", digits(row, "least", 0), digits(row, "most", 0))
            }),
            P50,
            P99,
            TROUBLES,
        ],
        goals: vec![Goal::lost_nothing(), hidden()],
    }
}

/// Calls keep coming while the provider is down for ten seconds.
fn outage(length: Length) -> Job {
    let (seconds, down, up) = length.of((30, 5, 15), (12, 2, 6));
    let arrivals = 20 * (up - down);
    let optimum = f64::from(arrivals - 40) / 20.0;
    Job {
        name: "outage",
        title: format!(
            "Twenty calls a second for {seconds} s, 503 to all from second {down} to {up}, limit 40/s, burst 40, 0.2 s; the optimum for the queue is {optimum} s",
        ),
        mock: words(&format!("--limit 40/s --burst 40 --latency 200ms --outage {down}s..{up}s")),
        caller: Caller::Sdk,
        words: words(&format!(
            "outage --arrivals 20 --seconds {seconds} --down {down} {up} --rate 40 --burst 40 --latency 0.2"
        )),
        credential: Credential::Caller,
        ways: four_ways(),
        columns: vec![
            DONE,
            LOST,
            Column::new("upstream calls per arrival in the outage", |row| {
                digits(row, "calls_per_arrival", 3)
            }),
            Column::new("queue empty again after, s", |row| digits(row, "empty_after_s", 1)),
            Column::new("p50 s of later arrivals", |row| digits(row, "later_p50_s", 2)),
            Column::new("p99 s of later arrivals", |row| digits(row, "later_p99_s", 2)),
            PER_SUCCESS,
            TROUBLES,
        ],
        goals: vec![
            Goal::lost_nothing(),
            Goal {
                text: "at most 0.1 upstream calls per arrival in the outage",
                value: |row, _| row.number("calls_per_arrival"),
                bound: Bound::AtMost(0.1),
            },
            Goal {
                text: "queue empty again within 1.1 × the optimum",
                value: |row, _| emptied(row) / row.number("optimum_s"),
                bound: Bound::AtMost(1.1),
            },
        ],
    }
}

/// One caller is quiet, the other floods, and upstream both are one.
fn neighbours(length: Length) -> Job {
    let seconds = length.of(30, 8);
    let way = |through, label, flood| {
        let words = words(&format!("--flood {flood}"));
        Way { label, words, ..Way::new(through, 2) }
    };
    Job {
        name: "neighbours",
        title: format!(
            "One call at a time for {seconds} s, alone and beside another caller's 100 workers; one credential upstream, limit 40/s, burst 40, 0.2 s"
        ),
        mock: words("--limit 40/s --burst 40 --latency 200ms"),
        caller: Caller::Sdk,
        words: words(&format!("neighbours --seconds {seconds} --rate 40 --burst 40 --latency 0.2")),
        credential: Credential::Shared,
        ways: vec![
            way(Through::Nothing, ALONE, 0),
            way(Through::Nothing, "flooded", 100),
            way(Through::Aplomb, ALONE, 0),
            way(Through::Aplomb, "flooded", 100),
        ],
        columns: vec![
            DONE,
            LOST,
            P50,
            P99,
            Column::new("the flood's done", |row| digits(row, "flood_done", 0)),
            Column::new("the flood's lost", |row| digits(row, "flood_lost", 0)),
            Column::new("upstream calls", |row| digits(row, "upstream_calls", 0)),
            TROUBLES,
        ],
        goals: vec![
            Goal::lost_nothing(),
            Goal {
                text: "p99 of the quiet caller at most 2 × alone",
                value: times_alone,
                bound: Bound::AtMost(2.0),
            },
        ],
    }
}

/// More requests than the provider takes in half a minute, all at once.
fn waiting(length: Length) -> Job {
    let (count, rate, seconds) = length.of((10_000, 250, 10), (2_000, 100, 3));
    Job {
        name: "waiting",
        title: format!("{count} requests at once, limit {rate}/s, burst {rate}, 0.2 s"),
        mock: words(&format!("--limit {rate}/s --latency 200ms")),
        caller: Caller::Sockets,
        words: words(&format!("--count {count} --seconds {seconds}")),
        credential: Credential::Caller,
        ways: vec![Way::new(Through::Aplomb, 2)],
        columns: vec![
            DONE,
            LOST,
            PER_SUCCESS,
            WALL,
            Column::new("waiting after 2 s", |row| digits(row, "waiting", 0)),
            Column::new("memory MiB before", |row| digits(row, "rss_before_mib", 1)),
            Column::new("while they wait", |row| digits(row, "rss_waiting_mib", 1)),
            Column::new("KiB each", |row| digits(row, "kib_each", 1)),
            Column::new("after", |row| digits(row, "rss_after_mib", 1)),
            Column::new("share of a processor while they wait", |row| digits(row, "cpu_share", 3)),
            Column::new("answers", |row| row.counts("statuses")),
        ],
        goals: vec![Goal::lost_nothing()],
    }
}

const ALONE: &str = "alone";
const DONE: Column = Column::new("done", |row| digits(row, "done", 0));
const LOST: Column = Column::new("lost", |row| digits(row, "lost", 0));
const WALL: Column = Column::new("wall s", |row| digits(row, "wall_s", 1));
const P50: Column = Column::new("p50 s", |row| digits(row, "p50_s", 2));
const P99: Column = Column::new("p99 s", |row| digits(row, "p99_s", 2));
const SPEED: Column = Column::new("speed / optimum", |row| digits(row, "speed", 3));
const TROUBLES: Column = Column::new("lost to", |row| row.counts("troubles"));
const PER_SUCCESS: Column =
    Column::new("upstream calls per success", |row| digits(row, "calls_per_success", 3));
const GATEWAY_CPU: Column = Column::new("gateway's CPU ms/call", |row| {
    let spent = 1e3 * row.number("gateway_cpu_s") / row.number("calls");
    if spent.is_nan() { "–".to_owned() } else { format!("{spent:.2}") }
});

fn four_ways() -> Vec<Way> {
    let way = Way::new;
    vec![
        way(Through::Nothing, 2),
        way(Through::Nothing, 10),
        way(Through::Aplomb, 2),
        way(Through::Aplomb, 0),
    ]
}

fn per_success(most: f64, text: &'static str) -> Goal {
    Goal { text, value: |row, _| row.number("calls_per_success"), bound: Bound::AtMost(most) }
}

fn hidden() -> Goal {
    per_success(1.10, "at most 1.10 upstream calls per success")
}

fn speed(row: &Row, _: &[Row]) -> f64 {
    row.number("speed")
}

/// When the queue was empty again; never, if calls were lost: that is no way to empty it.
fn emptied(row: &Row) -> f64 {
    let after = row.number("empty_after_s");
    if after.is_nan() || row.number("lost") > 0.0 { f64::INFINITY } else { after }
}

fn times_alone(row: &Row, rows: &[Row]) -> f64 {
    let alone = rows.iter().find(|other| other.way.label == ALONE && other.way.through == row.way.through);
    match alone {
        Some(alone) if row.way.label != ALONE => row.number("p99_s") / alone.number("p99_s"),
        _ => f64::NAN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_job_is_named_once_and_done_through_aplomb() {
        for length in [Length::Full, Length::Quick] {
            let jobs = all(length);
            for job in &jobs {
                assert_eq!(jobs.iter().filter(|other| other.name == job.name).count(), 1, "{}", job.name);
                assert!(job.ways.iter().any(|way| way.through == Through::Aplomb), "{}", job.name);
            }
        }
    }

    #[test]
    fn a_queue_whose_calls_were_lost_was_not_emptied() {
        let row = |lost, after| {
            let numbers = serde_json::json!({ "lost": lost, "empty_after_s": after });
            Row { way: Way::new(Through::Aplomb, 2), numbers: numbers.as_object().unwrap().clone() }
        };
        assert_eq!(emptied(&row(0, Some(8.5))), 8.5);
        assert!(emptied(&row(77, Some(0.0))).is_infinite());
        assert!(emptied(&row(0, None)).is_infinite());
    }

    #[test]
    fn the_quiet_caller_is_compared_with_itself_alone_on_the_same_way() {
        let row = |through, label, p99: f64| {
            let numbers = serde_json::json!({ "p99_s": p99 }).as_object().unwrap().clone();
            Row { way: Way { label, ..Way::new(through, 2) }, numbers }
        };
        let rows = [
            row(Through::Nothing, ALONE, 0.1),
            row(Through::Aplomb, ALONE, 0.2),
            row(Through::Aplomb, "flooded", 0.5),
        ];
        assert!(times_alone(&rows[1], &rows).is_nan());
        assert_eq!(times_alone(&rows[2], &rows), 2.5);
    }
}
