//! A plain HTTP/1.1 client, so that the demo sees exactly what an SDK would see.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// The most bytes of an answer that are read.
const LARGEST: usize = 1 << 20;

/// How long the client waits for the next bytes, as its SDK does.
const PATIENCE: Duration = Duration::from_secs(60);

/// An answer as it came.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
    /// The body ended as it had promised.
    pub(super) whole: bool,
}

impl Answer {
    /// A header; names in lower case.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }
}

/// Posts a JSON body and reads the answer; `None` if none came.
pub(super) fn post(address: SocketAddr, path: &str, body: &str) -> Option<Answer> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(5)).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    stream.set_nodelay(true).ok()?;
    let request = format!(
        "POST {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer demo\r\ncontent-type: application/json\r\n\
         accept-encoding: identity\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).ok()?;
    let mut bytes = Vec::new();
    let mut piece = [0; 8_192];
    // How the connection ended shows in what is missing.
    while let Ok(length @ 1..) = stream.read(&mut piece) {
        bytes.extend_from_slice(&piece[..length]);
        if bytes.len() > LARGEST {
            break;
        }
    }
    read(&bytes)
}

fn read(bytes: &[u8]) -> Option<Answer> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&bytes[..end]).ok()?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let pairs = lines.filter_map(|line| line.split_once(':'));
    let headers: Vec<_> = pairs.map(|(name, value)| (name.to_lowercase(), value.trim().to_owned())).collect();
    let rest = &bytes[end + 4..];
    let mut answer = Answer { status, headers, body: rest.to_vec(), whole: true };
    if answer.header("transfer-encoding").is_some() {
        (answer.body, answer.whole) = unchunk(rest);
    } else if let Some(length) = answer.header("content-length").and_then(|length| length.parse().ok()) {
        answer.whole = rest.len() >= length;
        answer.body.truncate(length);
    }
    Some(answer)
}

/// The bytes of all chunks, and whether the last one came.
fn unchunk(mut bytes: &[u8]) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    loop {
        let Some(at) = bytes.windows(2).position(|two| two == b"\r\n") else { return (body, false) };
        let size = std::str::from_utf8(&bytes[..at]).ok();
        let Some(size) = size.and_then(|size| usize::from_str_radix(size.trim(), 16).ok()) else {
            return (body, false);
        };
        if size == 0 {
            return (body, true);
        }
        let from = at + 2;
        let end = from.saturating_add(size).min(bytes.len());
        body.extend_from_slice(&bytes[from..end]);
        match bytes.get(end.saturating_add(2)..) {
            Some(rest) => bytes = rest,
            None => return (body, false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_whole_when_it_ends_as_promised() {
        let answer = |text: &str| read(text.as_bytes()).unwrap();
        let whole = answer("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
        assert_eq!((whole.status, whole.body.as_slice(), whole.whole), (200, &b"hi"[..], true));
        assert!(!answer("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhi").whole);
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n";
        assert!(!answer(chunked).whole);
        let ended = answer(&format!("{chunked}0\r\n\r\n"));
        assert_eq!((ended.body.as_slice(), ended.whole), (&b"hi"[..], true));
        assert!(read(b"HTTP/1.1 200").is_none());
        assert!(!answer("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffff\r\nx").whole);
    }
}
