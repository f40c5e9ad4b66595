//! Reading an HTTP/1.1 answer from a socket, with nothing forgiven.

use std::io::{self, BufRead, BufReader, Read};
use std::net::TcpStream;

/// One answer as it was read.
pub(crate) struct Answer {
    /// Its status.
    pub(crate) status: u16,
    /// Status line and headers.
    pub(crate) head: String,
    /// Its body without framing.
    pub(crate) body: Vec<u8>,
}

/// Reads one answer; anything but a whole one with exact framing is an error.
pub(crate) fn read(from: &mut BufReader<TcpStream>) -> io::Result<Answer> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if from.read_line(&mut head)? == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, format!("after {head:?}")));
        }
    }
    let odd = |what: &str| io::Error::other(format!("{what} in {head:?}"));
    let status = head.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
    let status = status.ok_or_else(|| odd("no status"))?;
    let field = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
    let mut body = Vec::new();
    match (field("content-length: "), field("transfer-encoding: ")) {
        (Some(length), None) => {
            body.resize(length.parse().map_err(|_| odd("no length"))?, 0);
            from.read_exact(&mut body).map_err(|_| odd("a cut"))?;
        }
        (None, Some(_)) => while chunk(from, &mut body).map_err(|_| odd("a cut"))? {},
        _ => return Err(odd("no framing, or two")),
    }
    Ok(Answer { status, head, body })
}

/// Whether there was a chunk, and not the last one.
fn chunk(from: &mut BufReader<TcpStream>, body: &mut Vec<u8>) -> io::Result<bool> {
    let mut line = String::new();
    from.read_line(&mut line)?;
    let size =
        usize::from_str_radix(line.trim(), 16).map_err(|_| io::Error::other(format!("chunk {line:?}")))?;
    let start = body.len();
    body.resize(start + size + 2, 0);
    from.read_exact(&mut body[start..])?;
    if body.split_off(start + size) != b"\r\n" {
        return Err(io::Error::other("a chunk without an end"));
    }
    Ok(size > 0)
}
