//! Ten thousand requests that wait at once: what they cost the gateway while nothing is answered yet.
//!
//! Runs as a process of its own, without the SDK: it only has to hold sockets. It prints one JSON object.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::{Map, Value, json};

use super::super::meter::{self, Cpu};
use super::super::wire::{Wire, question};
use crate::trouble::{Outcome, Trouble};

/// Between two looks at all sockets.
const LOOK: Duration = Duration::from_millis(200);
/// After the last request was sent, until the gateway has read it too.
const SETTLE: Duration = Duration::from_secs(2);

/// Whom to ask, how often, and whose cost to measure.
#[derive(Args, Clone, Copy)]
pub(crate) struct Waiting {
    /// Whom to ask
    address: SocketAddr,
    /// How many requests at once
    #[arg(long, default_value_t = 10_000)]
    count: usize,
    /// The process whose memory and processor time are told
    #[arg(long)]
    process: u32,
    /// For how many seconds its processor time is measured
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// After how many seconds no answer is waited for any more
    #[arg(long, default_value_t = 120)]
    patience: u64,
}

/// Sends all requests, measures while they wait, reads the answers and prints what was seen.
///
/// # Errors
/// A request can't be sent.
pub(crate) fn wait(waiting: &Waiting) -> Outcome {
    let family = [waiting.process];
    let before = meter::resident(&family);
    let begun = Instant::now();
    let asked = ask(waiting).map_err(|cause| Trouble::new(format!("a request was not sent: {cause}")))?;
    let mut crowd = Crowd { asked, statuses: Map::new() };
    let sent = begun.elapsed();
    crowd.look_for(SETTLE);
    let (waiting_then, memory) = (crowd.asked.len(), meter::resident(&family));
    let (cpu, since) = (Cpu::of(&family), Instant::now());
    crowd.look_for(Duration::from_secs(waiting.seconds));
    let share = Cpu::of(&family).since(cpu).total.as_secs_f64() / since.elapsed().as_secs_f64();
    let waiting_later = crowd.asked.len();
    while !crowd.asked.is_empty() && begun.elapsed() < Duration::from_secs(waiting.patience) {
        crowd.look_for(LOOK);
    }
    let wall = begun.elapsed();
    let done = crowd.statuses.get("200").and_then(Value::as_u64).unwrap_or(0);
    println!(
        "{}",
        json!({
            "calls": waiting.count,
            "done": done,
            "lost": waiting.count as u64 - done,
            "statuses": crowd.statuses,
            "wall_s": wall.as_secs_f64(),
            "sent_s": sent.as_secs_f64(),
            "waiting": waiting_then,
            "waiting_later": waiting_later,
            "rss_before_mib": before,
            "rss_waiting_mib": memory,
            "kib_each": (memory - before) * 1024.0 / waiting_then as f64,
            "cpu_share": share,
            "rss_after_mib": meter::resident(&family),
        })
    );
    Ok(())
}

fn ask(waiting: &Waiting) -> io::Result<Vec<TcpStream>> {
    let body = question();
    let mut asked = Vec::with_capacity(waiting.count);
    for _ in 0..waiting.count {
        let mut wire = Wire::connect(waiting.address)?;
        wire.ask("/v1/chat/completions", &body)?;
        let stream = wire.into_stream();
        stream.set_nonblocking(true)?;
        asked.push(stream);
    }
    Ok(asked)
}

/// The requests without an answer, and how the others ended.
struct Crowd {
    asked: Vec<TcpStream>,
    statuses: Map<String, Value>,
}

impl Crowd {
    /// Takes answers for so long; whoever has one leaves.
    fn look_for(&mut self, time: Duration) {
        let until = Instant::now() + time;
        loop {
            self.look();
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            thread::sleep(left.min(LOOK));
        }
    }

    fn look(&mut self) {
        let statuses = &mut self.statuses;
        self.asked.retain_mut(|stream| match answer(stream) {
            None => true,
            Some(status) => {
                let count = statuses.get(&status).and_then(Value::as_u64).unwrap_or(0);
                statuses.insert(status, json!(count + 1));
                false
            }
        });
    }
}

/// The status of an answer that has come, or what came instead; `None` while nothing has.
fn answer(stream: &mut TcpStream) -> Option<String> {
    // The head comes in one piece; the rest is of no interest.
    let mut head = [0; 4096];
    match stream.read(&mut head) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
        Err(_) => Some("broken".to_owned()),
        Ok(0) => Some("closed".to_owned()),
        Ok(length) => {
            let head = String::from_utf8_lossy(&head[..length]);
            let status = head.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3));
            Some(status.unwrap_or("nonsense").to_owned())
        }
    }
}

/// How many requests the mock has seen, as `/_mock/stats` tells.
///
/// # Errors
/// It can't be asked.
pub(super) fn seen_by(mock: SocketAddr) -> Outcome<u64> {
    let trouble = |cause: io::Error| Trouble::new(format!("the mock says nothing of itself: {cause}"));
    let mut stream = TcpStream::connect(mock).map_err(trouble)?;
    let request = "GET /_mock/stats HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).map_err(trouble)?;
    let mut text = String::new();
    stream.read_to_string(&mut text).map_err(trouble)?;
    let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    let stats: Value = serde_json::from_str(body).unwrap_or_default();
    stats["requests"].as_u64().ok_or_else(|| Trouble::new(format!("the mock says of itself: {body}")))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn whoever_has_an_answer_leaves_and_the_others_wait() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let asking = Waiting { address, count: 3, process: std::process::id(), seconds: 1, patience: 1 };
        let asked = ask(&asking).unwrap();
        let mut peers: Vec<_> = (0..3).map(|_| listener.accept().unwrap().0).collect();
        let mut crowd = Crowd { asked, statuses: Map::new() };
        crowd.look();
        assert_eq!(crowd.asked.len(), 3);
        peers[0].write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").unwrap();
        peers[1].write_all(b"HTTP/1.1 429 Too Many Requests\r\ncontent-length: 0\r\n\r\n").unwrap();
        let begun = Instant::now();
        while crowd.asked.len() > 1 && begun.elapsed() < Duration::from_secs(10) {
            crowd.look();
        }
        assert_eq!(crowd.asked.len(), 1);
        assert_eq!(Value::from(crowd.statuses), json!({ "200": 1, "429": 1 }));
    }
}
