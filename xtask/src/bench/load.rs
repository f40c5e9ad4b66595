//! Load at full speed: wrk over HTTP/1.1, h2load over HTTP/2, and what each says at its end.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Duration;

use regex::Regex;

use super::place::{Cores, pinned};
use super::server::Server;
use super::wire;
use crate::command;
use crate::trouble::{Outcome, Trouble};

const PATH: &str = "/v1/chat/completions";

/// How callers speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Speech {
    /// HTTP/1.1, a request at a time on each connection.
    Http1 {
        /// How many connections.
        connections: usize,
    },
    /// HTTP/2 without TLS, several streams on each connection.
    Http2 {
        /// How many connections.
        connections: usize,
        /// How many requests at a time on each.
        streams: usize,
    },
}

/// What a load generator saw.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Seen {
    /// Answers.
    pub(super) requests: f64,
    /// Answers a second.
    pub(super) rate: f64,
    /// Answers other than 2xx, and connections that broke.
    pub(super) failed: f64,
    /// Median time of an answer in microseconds, where the generator tells it.
    pub(super) p50: f64,
    /// The time that 99 of 100 answers stay below, in microseconds.
    pub(super) p99: f64,
}

/// The files that the generators read.
pub(super) struct Load {
    script: PathBuf,
    body: PathBuf,
}

impl Load {
    /// Writes them.
    ///
    /// # Errors
    /// The folder can't be written.
    pub(super) fn new(folder: &Path) -> Outcome<Self> {
        let load = Self { script: folder.join("question.lua"), body: folder.join("question.json") };
        let question = wire::question();
        let script = format!(
            "wrk.method = 'POST'\nwrk.body = [[{question}]]\nwrk.headers['Content-Type'] = 'application/json'\nwrk.headers['Authorization'] = 'Bearer sk-test'\n"
        );
        fs::write(&load.script, script).map_err(|cause| Trouble::file(&load.script, &cause))?;
        fs::write(&load.body, question).map_err(|cause| Trouble::file(&load.body, &cause))?;
        Ok(load)
    }

    /// The same, each request under an idempotency key of its own.
    ///
    /// # Errors
    /// The folder can't be written.
    pub(super) fn keyed(folder: &Path) -> Outcome<Self> {
        let plain = Self::new(folder)?;
        let script = folder.join("keyed.lua");
        let text = fs::read_to_string(&plain.script).map_err(|cause| Trouble::file(&plain.script, &cause))?;
        let keys = "local n = 0\nlocal run = tostring(os.time())\n\
                    function request()\n  n = n + 1\n  wrk.headers['Idempotency-Key'] = run .. '-' .. n\n  \
                    return wrk.format()\nend\n";
        fs::write(&script, text + keys).map_err(|cause| Trouble::file(&script, &cause))?;
        Ok(Self { script, ..plain })
    }

    /// The same with this key, each under an idempotency key of its own if they are keyed; in files by this name.
    ///
    /// # Errors
    /// The folder can't be written.
    pub(super) fn of(folder: &Path, name: &str, key: &str, keyed: bool) -> Outcome<Self> {
        let plain = if keyed { Self::keyed(folder)? } else { Self::new(folder)? };
        let text = fs::read_to_string(&plain.script).map_err(|cause| Trouble::file(&plain.script, &cause))?;
        let script = folder.join(format!("{name}.lua"));
        fs::write(&script, text.replace("sk-test", key)).map_err(|cause| Trouble::file(&script, &cause))?;
        Ok(Self { script, ..plain })
    }

    /// The same without any key.
    ///
    /// # Errors
    /// The folder can't be written.
    pub(super) fn without_key(folder: &Path) -> Outcome<Self> {
        let plain = Self::new(folder)?;
        let text = fs::read_to_string(&plain.script).map_err(|cause| Trouble::file(&plain.script, &cause))?;
        let kept: Vec<&str> = text.lines().filter(|line| !line.contains("Authorization")).collect();
        let script = folder.join("without-key.lua");
        fs::write(&script, kept.join("\n")).map_err(|cause| Trouble::file(&script, &cause))?;
        Ok(Self { script, ..plain })
    }

    /// Asks as fast as answers come, for this long.
    ///
    /// # Errors
    /// The generator fails, or says something that isn't understood.
    pub(super) fn run(&self, server: &Server, speech: Speech, cores: Cores, time: Duration) -> Outcome<Seen> {
        let (said, seen) = match speech {
            Speech::Http1 { connections } => {
                let mut wrk = pinned(cores.load, Path::new("wrk"));
                wrk.args(["-t1", &format!("-c{connections}"), &format!("-d{}s", time.as_secs())]);
                wrk.args(["--timeout", "10s", "--latency", "-s"]).arg(&self.script);
                wrk.arg(format!("http://{}{PATH}", server.address));
                let said = command::read(wrk)?;
                let seen = wrk_says(&said);
                (said, seen)
            }
            Speech::Http2 { connections, streams } => {
                let mut h2load = pinned(cores.load, Path::new("h2load"));
                h2load.args(["-t1", &format!("-c{connections}"), &format!("-m{streams}")]);
                h2load.args([&format!("-D{}", time.as_secs()), "-H", "content-type: application/json"]);
                h2load.args(["-H", "authorization: Bearer sk-test", "-d"]).arg(&self.body);
                h2load.arg(format!("http://{}{PATH}", server.http2));
                let said = command::read(h2load)?;
                let seen = h2load_says(&said);
                (said, seen)
            }
        };
        seen.ok_or_else(|| Trouble::new(format!("the load generator said something unexpected: {said}")))
    }
}

fn wrk_says(said: &str) -> Option<Seen> {
    static COUNT: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"(\d+) requests in").expect("a valid expression"));
    static RATE: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"Requests/sec:\s+([\d.]+)").expect("a valid expression"));
    static TIME: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"(?m)^\s+(50|99)%\s+([\d.]+)(us|ms|s)\s*$").expect("a valid expression")
    });
    static BROKEN: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"Non-2xx or 3xx responses: (\d+)|(?:connect|read|write|timeout) (\d+)")
            .expect("a valid expression")
    });
    let time = |share: &str| {
        let found = TIME.captures_iter(said).find(|found| &found[1] == share)?;
        let unit = match &found[3] {
            "us" => 1.0,
            "ms" => 1e3,
            _ => 1e6,
        };
        Some(found[2].parse::<f64>().ok()? * unit)
    };
    let broken = BROKEN
        .captures_iter(said)
        .filter_map(|found| number(found.get(1).or_else(|| found.get(2))?.as_str()));
    // A sum of nothing is a negative zero.
    let failed = broken.sum::<f64>() + 0.0;
    Some(Seen {
        requests: number(COUNT.captures(said)?.get(1)?.as_str())?,
        rate: number(RATE.captures(said)?.get(1)?.as_str())?,
        failed,
        p50: time("50")?,
        p99: time("99")?,
    })
}

fn h2load_says(said: &str) -> Option<Seen> {
    static RATE: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"finished in [\d.]+\w+, ([\d.]+) req/s").expect("a valid expression"));
    static COUNT: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx").expect("a valid expression")
    });
    static BROKEN: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"(\d+) failed, (\d+) errored, (\d+) timeout").expect("a valid expression")
    });
    let codes = COUNT.captures(said)?;
    let code = |group: usize| codes.get(group).and_then(|found| number(found.as_str()));
    let broken = BROKEN.captures(said)?;
    let errors: f64 = (1..=3).filter_map(|group| number(broken.get(group)?.as_str())).sum();
    Some(Seen {
        requests: code(1)?,
        rate: number(RATE.captures(said)?.get(1)?.as_str())?,
        failed: code(2)? + code(3)? + code(4)? + errors,
        p50: f64::NAN,
        p99: f64::NAN,
    })
}

fn number(text: &str) -> Option<f64> {
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrk_is_understood() {
        let said = "Running 5s test @ http://127.0.0.1:9010/\n  1 threads and 32 connections\n  Latency Distribution\n     50%  620.00us\n     75%  700.00us\n     90%    1.00ms\n     99%    1.59ms \n  240795 requests in 5.00s, 150.10MB read\n  Socket errors: connect 0, read 2, write 0, timeout 1\n  Non-2xx or 3xx responses: 7\nRequests/sec:  48159.00\n";
        let seen = wrk_says(said).unwrap();
        assert_eq!(seen, Seen { requests: 240_795.0, rate: 48159.0, failed: 10.0, p50: 620.0, p99: 1590.0 });
    }

    #[test]
    fn h2load_is_understood() {
        let said = "finished in 5.00s, 21034.20 req/s, 11.2MB/s\nrequests: 105171 total, 105299 started, 105171 done, 105171 succeeded, 0 failed, 0 errored, 0 timeout\nstatus codes: 105171 2xx, 0 3xx, 3 4xx, 0 5xx\n";
        let seen = h2load_says(said).unwrap();
        assert_eq!((seen.requests, seen.rate, seen.failed), (105_171.0, 21034.20, 3.0));
    }

    #[test]
    fn nonsense_is_not() {
        assert_eq!(wrk_says("unable to connect to 127.0.0.1"), None);
        assert_eq!(h2load_says(""), None);
    }
}
