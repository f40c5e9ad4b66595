//! The bytes of the bench: one chat completion asked for and answered, and reading an HTTP/1.1 answer from a socket.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// What the fast upstream answers: a small chat completion of 408 bytes.
pub(super) const ANSWER: &str = r#"{"id":"chatcmpl-bench0001","object":"chat.completion","created":1760000000,"model":"gpt-4o-mini-2024-07-18","choices":[{"index":0,"message":{"role":"assistant","content":"A proxy forwards what it is given and keeps its own counsel. This is measured.","refusal":null},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":96,"completion_tokens":17,"total_tokens":113},"system_fingerprint":"fp_be"}"#;

/// How long a socket of the bench waits before the run counts as broken.
const PATIENCE: Duration = Duration::from_secs(30);

/// What is asked: a chat completion of 603 bytes.
pub(super) fn question() -> String {
    let head = r#"{"model":"gpt-4o-mini","temperature":0.2,"max_tokens":64,"messages":[{"role":"system","content":"You answer in one sentence."},{"role":"user","content":""#;
    let tail = r#""}]}"#;
    let words = "What does a proxy do with a request that it may not read? ";
    let room = 603 - head.len() - tail.len();
    let filler: String = words.chars().cycle().take(room).collect();
    format!("{head}{filler}{tail}")
}

/// One connection that asks and reads, blocking.
pub(super) struct Wire {
    reader: BufReader<TcpStream>,
}

impl Wire {
    /// Connects.
    pub(super) fn connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { reader: BufReader::with_capacity(8192, stream) })
    }

    /// Sends one request in one write.
    pub(super) fn ask(&mut self, path: &str, body: &str) -> io::Result<()> {
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\nauthorization: Bearer sk-test\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        self.reader.get_mut().write_all(request.as_bytes())
    }

    /// The socket alone; what was read ahead is gone.
    pub(super) fn into_stream(self) -> TcpStream {
        self.reader.into_inner()
    }

    /// Reads a head and gives its status and how the body is delimited.
    pub(super) fn head(&mut self) -> io::Result<(u16, Body)> {
        let status = self.line()?;
        let status = status.split(' ').nth(1).and_then(|code| code.parse().ok()).ok_or_else(broken)?;
        let mut body = Body::Length(0);
        loop {
            let line = self.line()?.to_ascii_lowercase();
            match line.split_once(':') {
                None if line.is_empty() => return Ok((status, body)),
                Some(("content-length", value)) => {
                    body = Body::Length(value.trim().parse().map_err(|_| broken())?);
                }
                Some(("transfer-encoding", _)) => body = Body::Chunked,
                _ => {}
            }
        }
    }

    /// Reads a body to its end.
    pub(super) fn finish(&mut self, body: Body) -> io::Result<usize> {
        match body {
            Body::Length(length) => {
                let mut bytes = vec![0; length];
                self.reader.read_exact(&mut bytes).map(|()| length)
            }
            Body::Chunked => {
                let mut total = 0;
                while let Some(chunk) = self.chunk()? {
                    total += chunk.len();
                }
                Ok(total)
            }
        }
    }

    /// The next chunk of a chunked body, or `None` at its end.
    pub(super) fn chunk(&mut self) -> io::Result<Option<Vec<u8>>> {
        let size = usize::from_str_radix(&self.line()?, 16).map_err(|_| broken())?;
        // A chunk of ours is an event; anything huge is a broken run, not something to make room for.
        if size > 1 << 20 {
            return Err(broken());
        }
        let mut bytes = vec![0; size];
        self.reader.read_exact(&mut bytes)?;
        self.line()?;
        Ok(if size == 0 { None } else { Some(bytes) })
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if self.reader.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        line.truncate(line.trim_end().len());
        Ok(line)
    }
}

/// How long a body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Body {
    /// As many bytes.
    Length(usize),
    /// Chunk after chunk, until an empty one.
    Chunked,
}

fn broken() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "this is no HTTP/1.1 answer")
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    #[test]
    fn question_and_answer_have_the_sizes_that_the_report_tells() {
        assert_eq!(question().len(), 603);
        assert_eq!(ANSWER.len(), 408);
        assert!(serde_json::from_str::<serde_json::Value>(&question()).is_ok());
        assert!(serde_json::from_str::<serde_json::Value>(ANSWER).is_ok());
    }

    #[test]
    fn counted_and_chunked_answers_are_read_on_one_connection() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = thread::spawn(move || {
            let (mut peer, _) = listener.accept().unwrap();
            peer.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi").unwrap();
            peer.write_all(b"HTTP/1.1 503 No\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
                .unwrap();
        });
        let mut wire = Wire::connect(address).unwrap();
        let (status, body) = wire.head().unwrap();
        assert_eq!((status, body), (200, Body::Length(2)));
        assert_eq!(wire.finish(body).unwrap(), 2);
        let (status, body) = wire.head().unwrap();
        assert_eq!((status, body), (503, Body::Chunked));
        assert_eq!(wire.finish(body).unwrap(), 3);
        server.join().unwrap();
    }
}
