//! A client of plain sockets: it notices how a connection ends, and hides nothing.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use aplomb_gateway::mock::{Mock, MockHandle, MockSettings};
use serde_json::Value;

/// How long a client waits for bytes that never come.
const PATIENCE: Duration = Duration::from_millis(300);

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Closed by the other side.
    Closed,
    /// Reset by the other side.
    Reset,
    /// Still there, and nothing came.
    Silent,
}

/// What a client got.
#[derive(Debug)]
pub(super) struct Got {
    pub(super) status: u16,
    pub(super) head: String,
    /// Without the chunks' frames.
    pub(super) body: Vec<u8>,
    /// The body is as long as it was promised, or its last chunk came.
    pub(super) whole: bool,
    pub(super) end: End,
}

impl Got {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.into_iter().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

pub(super) fn settings(dialect: &str) -> MockSettings {
    MockSettings::new(aplomb_core::catalog().get(dialect).unwrap())
}

pub(super) fn start(dialect: &str) -> MockHandle {
    Mock::start(settings(dialect)).unwrap()
}

pub(super) const CHAT: &str = "/v1/chat/completions";

/// Asks for a chat completion, streamed or not, under a scenario.
pub(super) fn chat(mock: &MockHandle, scenario: &str, stream: bool) -> Got {
    let body = format!(
        r#"{{"model": "m", "stream": {stream}, "messages": [{{"role": "user", "content": "hello there"}}]}}"#
    );
    post(mock, CHAT, &[("mock-scenario", scenario)], &body)
}

pub(super) fn post(mock: &MockHandle, path: &str, headers: &[(&str, &str)], body: &str) -> Got {
    request(mock, "POST", path, headers, body)
}

pub(super) fn request(
    mock: &MockHandle,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Got {
    let mut stream = TcpStream::connect(mock.address()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: mock\r\nconnection: close\r\n");
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    head += &format!("content-length: {}\r\n\r\n{body}", body.len());
    stream.write_all(head.as_bytes()).unwrap();
    let (bytes, end) = read_all(&mut stream);
    let _ = stream.shutdown(Shutdown::Both);
    parse(&bytes, end, method == "HEAD")
}

fn read_all(stream: &mut TcpStream) -> (Vec<u8>, End) {
    let (mut bytes, mut piece) = (Vec::new(), [0; 4096]);
    loop {
        match stream.read(&mut piece) {
            Ok(0) => return (bytes, End::Closed),
            Ok(length) => bytes.extend_from_slice(&piece[..length]),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return (bytes, End::Reset),
            Err(_) => return (bytes, End::Silent),
        }
    }
}

fn parse(bytes: &[u8], end: End, head_only: bool) -> Got {
    let at = bytes.windows(4).position(|four| four == b"\r\n\r\n").map_or(bytes.len(), |at| at + 4);
    let head = String::from_utf8_lossy(&bytes[..at]).into_owned();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    let mut got = Got { status, head, body: bytes[at..].to_vec(), whole: false, end };
    if got.header("transfer-encoding") == Some("chunked") {
        (got.body, got.whole) = unchunk(&bytes[at..]);
    } else if let Some(length) = got.header("content-length") {
        got.whole = head_only || got.body.len() == length.parse::<usize>().unwrap();
    }
    got
}

/// The bytes of all chunks, and whether the last one came.
fn unchunk(mut bytes: &[u8]) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    loop {
        let Some(at) = bytes.windows(2).position(|two| two == b"\r\n") else { return (body, false) };
        let size = usize::from_str_radix(std::str::from_utf8(&bytes[..at]).unwrap(), 16).unwrap();
        if size == 0 {
            return (body, true);
        }
        let end = (at + 2 + size).min(bytes.len());
        body.extend_from_slice(&bytes[at + 2..end]);
        match bytes.get(end + 2..) {
            Some(rest) => bytes = rest,
            None => return (body, false),
        }
    }
}
