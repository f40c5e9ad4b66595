//! Slow streams: an upstream that sends an event now and then, and callers that read many of them at once.
//!
//! Both run as processes of their own; every event carries the moment at which it was sent.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use clap::Args;
use serde_json::json;

use super::numbers::{median, percentile};
use super::wire::{Body, Wire};
use crate::trouble::{Outcome, Trouble};

/// Between two events of a stream.
const PACE: Duration = Duration::from_millis(250);
/// Events of a stream before its end: five seconds of them.
const EVENTS: usize = 20;
/// A model that thinks before its first word.
const FIRST: Duration = Duration::from_millis(20);
/// A thread here only waits on a socket.
const STACK: usize = 256 * 1024;

/// Whom to ask for how many streams.
#[derive(Args, Clone, Copy)]
pub(crate) struct Streams {
    /// Whom to ask
    address: SocketAddr,
    /// How many at once
    #[arg(long, default_value_t = 256)]
    count: u32,
}

/// Serves slow streams for ever.
///
/// # Errors
/// The port is taken.
pub(crate) fn serve(port: u16) -> Outcome {
    let listener = TcpListener::bind(("127.0.0.1", port))
        .map_err(|cause| Trouble::new(format!("port {port} can't be had: {cause}")))?;
    for stream in listener.incoming().flatten() {
        // A caller who leaves ends its thread; nobody needs to hear of it.
        _ = thread::Builder::new().stack_size(STACK).spawn(move || answer(stream));
    }
    Ok(())
}

fn answer(stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream);
    while asked(&mut reader)? {
        let out = reader.get_mut();
        out.write_all(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncache-control: no-cache\r\nx-request-id: up_0001\r\ntransfer-encoding: chunked\r\n\r\n",
        )?;
        thread::sleep(FIRST);
        for _ in 0..EVENTS {
            event(out, &format!(r#"{{"content":"{}"}},"finish_reason":null"#, now()))?;
            thread::sleep(PACE);
        }
        event(out, r#"{},"finish_reason":"stop""#)?;
        out.write_all(b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n")?;
    }
    Ok(())
}

/// Reads a request; `false` when the caller has left.
fn asked(reader: &mut impl BufRead) -> io::Result<bool> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(false);
        }
        let line = line.trim_end().to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
        if line.is_empty() {
            break;
        }
    }
    io::copy(&mut reader.take(length), &mut io::sink())?;
    Ok(true)
}

fn event(out: &mut impl Write, delta: &str) -> io::Result<()> {
    let data = format!(
        "data: {{\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion.chunk\",\"created\":1760000000,\"model\":\"gpt-4o-mini\",\"choices\":[{{\"index\":0,\"delta\":{delta}}}]}}\n\n"
    );
    out.write_all(format!("{:x}\r\n{data}\r\n", data.len()).as_bytes())
}

/// Nanoseconds since 1970: the one clock that two processes share.
fn now() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos())
}

/// Opens the streams, reads all of them to their end, and prints the times.
///
/// # Errors
/// A stream broke or ended early.
pub(crate) fn open(streams: &Streams) -> Outcome {
    let begin = Instant::now() + Duration::from_millis(50);
    let Streams { address, count } = *streams;
    let mut readers = Vec::new();
    for one in 0..count {
        // Spread over a second: the cost of a stream is asked for, not that of a stampede.
        let start = begin + Duration::from_secs(1) * one / count;
        let reader = thread::Builder::new().stack_size(STACK).spawn(move || read(address, start));
        readers.push(reader.map_err(|cause| Trouble::new(format!("no thread for a stream: {cause}")))?);
    }
    let (mut firsts, mut delays) = (Vec::new(), Vec::new());
    for reader in readers {
        let read = reader.join().map_err(|_| Trouble::new("a reader panicked"))?;
        let (first, delay) = read.map_err(|cause| Trouble::new(format!("a stream failed: {cause}")))?;
        firsts.push(first);
        delays.extend(delay);
    }
    let told = json!({
        "streams": firsts.len(),
        "first_event_us": median(&firsts),
        "first_event_p99_us": percentile(&firsts, 0.99),
        "event_delay_us": median(&delays),
        "event_delay_p99_us": percentile(&delays, 0.99),
    });
    println!("{told}");
    Ok(())
}

/// The time to the first event, and each event's delay, in microseconds.
fn read(address: SocketAddr, start: Instant) -> io::Result<(f64, Vec<f64>)> {
    thread::sleep(start.saturating_duration_since(Instant::now()));
    let mut wire = Wire::connect(address)?;
    let asked = Instant::now();
    wire.ask("/v1/chat/completions", r#"{"model":"gpt-4o-mini","stream":true,"messages":[]}"#)?;
    let (status, body) = wire.head()?;
    if (status, body) != (200, Body::Chunked) {
        return Err(io::Error::other(format!("status {status}, {body:?}")));
    }
    let mut first = f64::NAN;
    let mut delays = Vec::new();
    let mut tail = Vec::new();
    while let Some(chunk) = wire.chunk()? {
        if delays.is_empty() && first.is_nan() {
            first = asked.elapsed().as_secs_f64() * 1e6;
        }
        let arrived = now();
        delays.extend(sent(&chunk).map(|sent| arrived.saturating_sub(sent) as f64 / 1e3));
        tail = chunk;
    }
    if delays.len() < EVENTS || !tail.ends_with(b"[DONE]\n\n") {
        return Err(io::Error::other(format!("{} events, no end", delays.len())));
    }
    Ok((first, delays))
}

/// The moments told in the events of a chunk: a proxy may put several into one.
fn sent(chunk: &[u8]) -> impl Iterator<Item = u128> {
    let text = String::from_utf8_lossy(chunk).into_owned();
    let parts: Vec<u128> = text
        .split(r#""content":""#)
        .skip(1)
        .filter_map(|rest| rest.split('"').next()?.parse().ok())
        .collect();
    parts.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_of_a_chunk_tells_when_it_was_sent() {
        let mut bytes = Vec::new();
        event(&mut bytes, r#"{"content":"17"},"finish_reason":null"#).unwrap();
        event(&mut bytes, r#"{"content":"18"},"finish_reason":null"#).unwrap();
        assert_eq!(sent(&bytes).collect::<Vec<_>>(), [17, 18]);
    }

    #[test]
    fn a_request_is_read_to_its_end() {
        let mut bytes: &[u8] = b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\nhiGET";
        assert!(asked(&mut bytes).unwrap());
        assert_eq!(bytes, b"GET");
    }
}
