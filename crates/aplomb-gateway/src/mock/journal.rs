//! What the mock saw: one row per request, bounded, and the counts.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use serde_json::{Map, Value, json};

/// How many requests are remembered; the oldest is forgotten first.
const REMEMBERED: usize = 100_000;

/// One request, as the mock saw it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Seen {
    /// From 0, in the order in which requests came.
    pub number: u64,
    /// When its head had come, since the mock's start.
    pub at: Duration,
    /// When the last byte of the answer was handed over, or the client hung up.
    pub until: Option<Duration>,
    /// Which connection it came on, from 0.
    pub connection: u64,
    /// `1.1` or `2`.
    pub version: &'static str,
    /// Its method.
    pub method: String,
    /// Path and query, without the scenario's segments and without credentials.
    pub path: String,
    /// The headers; credentials are replaced by a mark by which they can be compared.
    pub headers: Vec<(String, String)>,
    /// How long its body was.
    pub body_bytes: u64,
    /// The model that it names.
    pub model: Option<String>,
    /// The scenario that it names.
    pub scenario: Option<String>,
    /// Its `mock-key`.
    pub key: Option<String>,
    /// How many times this request has come: the same key, or else the same method, path and body.
    pub attempt: u32,
    /// What was done: an act as in a scenario, `limit`, or `outage`.
    pub act: String,
    /// The status that was sent, if one was.
    pub status: Option<u16>,
    /// The client went away before the answer was whole.
    pub hung_up: bool,
}

/// Counts since the start, or since the log was cleared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tally {
    /// Requests.
    pub requests: u64,
    /// By status.
    pub statuses: BTreeMap<u16, u64>,
    /// Without any answer.
    pub unanswered: u64,
    /// Where the client went away early.
    pub hung_up: u64,
    /// Connections since the start.
    pub connections: u64,
}

#[derive(Debug, Default)]
pub(super) struct Journal {
    rows: VecDeque<Seen>,
    next: u64,
    tally: Tally,
}

impl Journal {
    /// Counts a connection and gives it a number.
    pub(super) fn connect(&mut self) -> u64 {
        self.tally.connections += 1;
        self.tally.connections - 1
    }

    /// The number of the request that is written down next.
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    /// Writes down a request and what is done to it.
    pub(super) fn write(&mut self, mut seen: Seen) {
        seen.number = self.next;
        self.next += 1;
        self.tally.requests += 1;
        match seen.status {
            Some(status) => *self.tally.statuses.entry(status).or_default() += 1,
            None => self.tally.unanswered += 1,
        }
        if self.rows.len() >= REMEMBERED {
            self.rows.pop_front();
        }
        self.rows.push_back(seen);
    }

    /// Notes the end of an answer.
    pub(super) fn end(&mut self, number: u64, at: Duration, hung_up: bool) {
        self.tally.hung_up += u64::from(hung_up);
        let first = self.next - self.rows.len() as u64;
        let row = number.checked_sub(first).and_then(|i| self.rows.get_mut(i as usize));
        if let Some(row) = row {
            row.until = Some(at);
            row.hung_up = hung_up;
        }
    }

    pub(super) fn rows(&self) -> impl Iterator<Item = &Seen> {
        self.rows.iter()
    }

    pub(super) fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Forgets the requests, and counts anew; connections go on.
    pub(super) fn clear(&mut self) {
        self.rows.clear();
        self.tally = Tally { connections: self.tally.connections, ..Tally::default() };
    }
}

impl Seen {
    /// The row of `/_mock/log`; times are milliseconds since the mock's start.
    pub fn to_json(&self) -> Value {
        let headers: Map<String, Value> =
            self.headers.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        json!({
            "number": self.number,
            "at_ms": milliseconds(self.at),
            "until_ms": self.until.map(milliseconds),
            "connection": self.connection,
            "version": self.version,
            "method": self.method,
            "path": self.path,
            "headers": headers,
            "body_bytes": self.body_bytes,
            "model": self.model,
            "scenario": self.scenario,
            "key": self.key,
            "attempt": self.attempt,
            "act": self.act,
            "status": self.status,
            "hung_up": self.hung_up,
        })
    }
}

impl Tally {
    /// The object of `/_mock/stats`.
    pub fn to_json(&self) -> Value {
        json!({
            "requests": self.requests,
            "statuses": self.statuses.iter().map(|(status, count)| (status.to_string(), json!(count))).collect::<Map<_, _>>(),
            "unanswered": self.unanswered,
            "hung_up": self.hung_up,
            "connections": self.connections,
        })
    }
}

fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(status: Option<u16>) -> Seen {
        Seen { status, ..Seen::default() }
    }

    #[test]
    fn the_log_is_bounded_and_the_counts_are_not() {
        let mut journal = Journal::default();
        for _ in 0..REMEMBERED + 5 {
            journal.write(seen(Some(200)));
        }
        assert_eq!(journal.rows().count(), REMEMBERED);
        assert_eq!(journal.rows().next().unwrap().number, 5);
        assert_eq!(journal.tally().statuses[&200], REMEMBERED as u64 + 5);
        journal.end(4, Duration::ZERO, true);
        assert_eq!(journal.rows().next().unwrap().until, None);
    }

    #[test]
    fn the_end_of_an_answer_is_noted_in_its_row_even_after_a_clearing() {
        let mut journal = Journal::default();
        journal.write(seen(None));
        journal.clear();
        assert_eq!((journal.rows().count(), journal.tally().requests), (0, 0));
        journal.write(seen(None));
        journal.end(0, Duration::ZERO, false);
        journal.end(1, Duration::from_millis(7), true);
        let row = journal.rows().next().unwrap();
        assert_eq!((row.number, row.until, row.hung_up), (1, Some(Duration::from_millis(7)), true));
        assert_eq!((journal.tally().hung_up, journal.tally().unanswered), (1, 1));
    }
}
