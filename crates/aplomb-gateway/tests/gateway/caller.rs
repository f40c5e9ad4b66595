//! A caller on a raw socket: what it writes is written out, what it reads is kept as it came.

use std::fmt;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// One end of a connection, and what was read beyond the last message.
pub(super) struct Wire {
    pub(super) stream: TcpStream,
    buffer: Vec<u8>,
}

/// A request or an answer as it was read.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Message {
    /// The request line or the status line.
    pub(super) line: String,
    /// The headers, names in lower case, in their order.
    pub(super) headers: Vec<(String, String)>,
    /// The body, framing removed.
    pub(super) body: Vec<u8>,
    /// The body ended as its framing promised.
    pub(super) whole: bool,
}

impl fmt::Debug for Message {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "\n{}", self.line)?;
        for (name, value) in &self.headers {
            writeln!(out, "{name}: {value}")?;
        }
        let end = if self.whole { "" } else { " [cut]" };
        writeln!(out, "\n{}{end}", String::from_utf8_lossy(&self.body))
    }
}

impl Message {
    /// The first header of that name.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    /// A header that has to be there.
    pub(super) fn says(&self, name: &str) -> &str {
        self.header(name).unwrap_or_else(|| panic!("no {name} in {self:#?}"))
    }

    /// The status of an answer.
    pub(super) fn status(&self) -> u16 {
        self.line.split(' ').nth(1).unwrap().parse().unwrap()
    }

    /// The path and query of a request.
    pub(super) fn target(&self) -> &str {
        self.line.split(' ').nth(1).unwrap()
    }

    /// The body as text.
    pub(super) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    /// The body as JSON.
    pub(super) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON in {self:#?}"))
    }

    /// Names and values of headers but for these names, sorted.
    pub(super) fn headers_but(&self, names: &[&str]) -> Vec<(String, String)> {
        let mut headers: Vec<_> =
            self.headers.iter().filter(|(name, _)| !names.contains(&name.as_str())).cloned().collect();
        headers.sort();
        headers
    }
}

impl Wire {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self { stream, buffer: Vec::new() }
    }

    pub(super) async fn connect(to: SocketAddr) -> Self {
        let stream = TcpStream::connect(to).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self::new(stream)
    }

    pub(super) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.unwrap();
    }

    /// Reads more; false at the end of the connection, a reset included.
    async fn more(&mut self) -> bool {
        self.stream.read_buf(&mut self.buffer).await.unwrap_or(0) > 0
    }

    /// Everything up to and with a mark, if it comes.
    pub(super) async fn until(&mut self, mark: &[u8]) -> Option<Vec<u8>> {
        loop {
            if let Some(at) = self.buffer.windows(mark.len()).position(|window| window == mark) {
                let rest = self.buffer.split_off(at + mark.len());
                return Some(std::mem::replace(&mut self.buffer, rest));
            }
            if !self.more().await {
                return None;
            }
        }
    }

    /// So many bytes; fewer if the connection ends.
    pub(super) async fn exactly(&mut self, length: usize) -> Vec<u8> {
        while self.buffer.len() < length && self.more().await {}
        let rest = self.buffer.split_off(length.min(self.buffer.len()));
        std::mem::replace(&mut self.buffer, rest)
    }

    /// What comes until the connection ends.
    pub(super) async fn rest(&mut self) -> Vec<u8> {
        while self.more().await {}
        std::mem::take(&mut self.buffer)
    }

    /// The head of a message, if one comes.
    pub(super) async fn head(&mut self) -> Option<Message> {
        let head = String::from_utf8(self.until(b"\r\n\r\n").await?).unwrap();
        let mut lines = head.trim_end().split("\r\n");
        let line = lines.next().unwrap().to_owned();
        let headers = lines
            .map(|line| {
                let (name, value) = line.split_once(':').unwrap_or_else(|| panic!("no header: {line:?}"));
                (name.to_ascii_lowercase(), value.trim().to_owned())
            })
            .collect();
        Some(Message { line, headers, body: Vec::new(), whole: false })
    }

    /// The body that belongs to a head; of an answer without framing what comes until the end.
    pub(super) async fn body(&mut self, message: &mut Message) {
        let is_answer = message.line.starts_with("HTTP/");
        if is_answer && (message.status() < 200 || matches!(message.status(), 204 | 304)) {
            message.whole = true;
        } else if message.header("transfer-encoding") == Some("chunked") {
            while let Some(piece) = self.chunk().await {
                message.body.extend_from_slice(&piece);
                message.whole = piece.is_empty();
                if message.whole {
                    return;
                }
            }
        } else if let Some(length) = message.header("content-length") {
            let length = length.parse().unwrap();
            message.body = self.exactly(length).await;
            message.whole = message.body.len() == length;
        } else {
            message.whole = true;
            if is_answer {
                message.body = self.rest().await;
            }
        }
    }

    /// One chunk; the last one is empty. Trailers are not expected.
    pub(super) async fn chunk(&mut self) -> Option<Vec<u8>> {
        let line = String::from_utf8(self.until(b"\r\n").await?).unwrap();
        let size =
            usize::from_str_radix(line.trim(), 16).unwrap_or_else(|_| panic!("no chunk size: {line:?}"));
        let mut piece = self.exactly(size + 2).await;
        if piece.len() != size + 2 {
            return None;
        }
        assert_eq!(piece.split_off(size), b"\r\n");
        Some(piece)
    }

    /// A whole answer.
    pub(super) async fn answer(&mut self) -> Message {
        let mut message = self.head().await.expect("an answer");
        self.body(&mut message).await;
        message
    }
}
