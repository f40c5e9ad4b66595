//! Load at a fixed rate: blocking sockets, a thread each, every request at its own moment.
//!
//! Runs as a process of its own, optimised and pinned, and prints one JSON object.

use std::io;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::json;

use super::numbers::percentile;
use super::wire::{Wire, question};
use crate::trouble::{Outcome, Trouble};

/// What to ask, how often, for how long.
#[derive(Args, Clone, Copy)]
pub(crate) struct Rate {
    /// Whom to ask
    address: SocketAddr,
    /// Requests a second, over all connections
    #[arg(long, default_value_t = 500)]
    rate: u32,
    /// Connections
    #[arg(long, default_value_t = 16)]
    connections: u32,
    /// Seconds
    #[arg(long, default_value_t = 8)]
    seconds: u32,
}

impl Rate {
    /// How many requests each connection sends.
    fn each(self) -> u32 {
        self.rate * self.seconds / self.connections
    }
}

/// Asks at the rate and prints how long the answers took.
///
/// # Errors
/// A connection broke, or an answer was no 200.
pub(crate) fn drive(rate: &Rate) -> Outcome {
    let begin = Instant::now() + Duration::from_millis(100);
    let rate = *rate;
    let threads: Vec<_> =
        (0..rate.connections).map(|one| thread::spawn(move || ask(rate, one, begin))).collect();
    let mut times = Vec::new();
    for thread in threads {
        let asked = thread.join().map_err(|_| Trouble::new("a thread of the load panicked"))?;
        times.extend(asked.map_err(|cause| Trouble::new(format!("a request failed: {cause}")))?);
    }
    let requests = rate.each() * rate.connections;
    let (p50, p99) = (percentile(&times, 0.5), percentile(&times, 0.99));
    println!("{}", json!({ "requests": requests, "p50_us": p50, "p99_us": p99 }));
    Ok(())
}

/// The times of one connection's answers in microseconds, the first few left out.
fn ask(rate: Rate, one: u32, begin: Instant) -> io::Result<Vec<f64>> {
    let body = question();
    let mut wire = Wire::connect(rate.address)?;
    let step = Duration::from_secs(1) / rate.rate;
    let count = rate.each();
    let mut times = Vec::new();
    for round in 0..count {
        let due = begin + step * (round * rate.connections + one);
        let now = Instant::now();
        // When the answer before came too late, the wait since the due moment counts too.
        let sent = if now > due {
            due
        } else {
            thread::sleep(due - now);
            Instant::now()
        };
        wire.ask("/v1/chat/completions", &body)?;
        let (status, answer) = wire.head()?;
        wire.finish(answer)?;
        if status != 200 {
            return Err(io::Error::other(format!("status {status}")));
        }
        if round >= count / 20 {
            times.push(sent.elapsed().as_secs_f64() * 1e6);
        }
    }
    Ok(times)
}
