//! What was measured, as a page for people and as JSON for whoever wants to compute on it.

use serde_json::{Map, Value, json};

use super::super::place;
use super::job::Job;
use super::row::Row;
use super::stand;

/// Everything that one run found.
pub(super) struct Report {
    versions: Vec<(String, String)>,
    jobs: Vec<(Job, Vec<Row>)>,
}

impl Report {
    /// An empty one.
    pub(super) fn new(versions: Vec<(String, String)>) -> Self {
        Self { versions, jobs: Vec::new() }
    }

    /// A job and what came of it.
    pub(super) fn add(&mut self, job: Job, rows: Vec<Row>) {
        self.jobs.push((job, rows));
    }

    /// The page.
    pub(super) fn markdown(&self) -> String {
        let mut page = vec![format!("# What callers get, {}\n", place::today())];
        page.push("| job | through | goal | measured | |\n|---|---|---|---|---|".to_owned());
        for (job, rows) in &self.jobs {
            page.extend(job.goals.iter().flat_map(|goal| goal.lines(job.name, rows)));
        }
        page.push(String::new());
        page.push(self.method());
        for (job, rows) in &self.jobs {
            page.push(format!("\n## {}: {}\n", job.name, job.title));
            page.extend(table(job, rows));
        }
        page.push("\n## Versions\n".to_owned());
        page.push("| what | version |\n|---|---|".to_owned());
        page.extend(self.versions.iter().map(|(what, version)| format!("| {what} | {version} |")));
        page.join("\n") + "\n"
    }

    fn method(&self) -> String {
        let busiest = self.jobs.iter().flat_map(|(_, rows)| rows).map(|row| row.number("busy_before"));
        let busiest = busiest.fold(0.0, f64::max) * 100.0;
        format!(
            "Method: the provider is `aplomb mock openai`, the callers are the official OpenAI SDK for Python, one `AsyncOpenAI` on one event loop in each process, with its defaults (two retries) unless a row says otherwise, its workers begun one after the other; \
             Aplomb is `{}` and nothing more, for `neighbours` a file with a key of its own.\n\
             Every row begins with a new provider and a new gateway that has seen no request; loopback, no TLS; all programs share the machine's processors.\n\
             Upstream calls are what the mock's own log has; a job that takes more than 300 s is cut, and what is open then counts as lost.\n\
             The speed is the shortest time in which the limit allows as much as was done, (done − burst) / rate + latency, over the time that it took.\n\
             The queue counts as empty when no more calls are out than come within one latency, and two.\n\
             At worst {busiest:.0} % of the machine was busy with something else just before a row.",
            stand::gateway_line()
        )
    }

    /// The same with everything that was told of each row.
    pub(super) fn json(&self) -> Value {
        let row = |row: &Row| json!({ "way": row.way.name(), "numbers": row.numbers });
        let jobs: Vec<Value> = self
            .jobs
            .iter()
            .map(|(job, rows)| {
                let rows: Vec<Value> = rows.iter().map(row).collect();
                json!({ "job": job.name, "title": job.title, "mock": job.mock.join(" "), "caller": job.words.join(" "), "rows": rows })
            })
            .collect();
        let versions: Map<String, Value> =
            self.versions.iter().map(|(what, version)| (what.clone(), json!(version))).collect();
        json!({ "versions": versions, "jobs": jobs })
    }
}

/// The table of one job.
pub(super) fn table(job: &Job, rows: &[Row]) -> Vec<String> {
    let titles: Vec<&str> = job.columns.iter().map(|column| column.title).collect();
    let mut table = vec![
        format!("| through | {} |", titles.join(" | ")),
        format!("|---{}|", "|---".repeat(titles.len())),
    ];
    table.extend(rows.iter().map(|row| {
        let cells: Vec<String> = job.columns.iter().map(|column| (column.cell)(row)).collect();
        format!("| {} | {} |", row.way.name(), cells.join(" | "))
    }));
    table
}
