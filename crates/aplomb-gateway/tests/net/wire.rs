//! A raw HTTP/1.1 peer: what it reads is compared byte by byte, what it sends is written out.

use std::cell::Cell;
use std::future::Future;
use std::net::SocketAddr;
use std::rc::Rc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::spawn_local;

/// One end of a connection and what was read beyond the last message.
pub(super) struct Peer {
    pub(super) stream: TcpStream,
    buffer: Vec<u8>,
}

impl Peer {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self { stream, buffer: Vec::new() }
    }

    pub(super) async fn connect(to: SocketAddr) -> Self {
        Self::new(TcpStream::connect(to).await.unwrap())
    }

    pub(super) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.unwrap();
    }

    /// Everything up to and with `mark`; empty if the connection ends before anything came.
    pub(super) async fn until(&mut self, mark: &str) -> String {
        loop {
            if let Some(at) = find(&self.buffer, mark.as_bytes()) {
                let rest = self.buffer.split_off(at + mark.len());
                return text(std::mem::replace(&mut self.buffer, rest));
            }
            if self.stream.read_buf(&mut self.buffer).await.unwrap_or(0) == 0 {
                return text(std::mem::take(&mut self.buffer));
            }
        }
    }

    pub(super) async fn head(&mut self) -> String {
        self.until("\r\n\r\n").await
    }

    /// So many bytes, or fewer if the connection ends.
    pub(super) async fn exactly(&mut self, length: usize) -> String {
        while self.buffer.len() < length {
            if self.stream.read_buf(&mut self.buffer).await.unwrap_or(0) == 0 {
                break;
            }
        }
        let rest = self.buffer.split_off(length.min(self.buffer.len()));
        text(std::mem::replace(&mut self.buffer, rest))
    }

    /// A message with a content-length: head and body.
    pub(super) async fn message(&mut self) -> String {
        let head = self.head().await;
        let length = head
            .lines()
            .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok())
            .unwrap_or(0);
        let body = self.exactly(length).await;
        head + &body
    }

    /// What comes until the other side closes; a reset counts as a close.
    pub(super) async fn rest(&mut self) -> String {
        while self.stream.read_buf(&mut self.buffer).await.unwrap_or(0) > 0 {}
        text(std::mem::take(&mut self.buffer))
    }
}

/// A server on a free port, and how many connections it took.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    pub(super) connections: Rc<Cell<usize>>,
}

impl Server {
    /// Gives every connection to `serve`, which is told how many there were before it.
    pub(super) async fn start<F: Future<Output = ()> + 'static>(
        serve: impl Fn(usize, Peer) -> F + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Rc::new(Cell::new(0));
        let count = connections.clone();
        spawn_local(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let index = count.replace(count.get() + 1);
                spawn_local(serve(index, Peer::new(stream)));
            }
        });
        Self { address, connections }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

fn find(bytes: &[u8], mark: &[u8]) -> Option<usize> {
    bytes.windows(mark.len()).position(|window| window == mark)
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8_lossy(&bytes).into_owned()
}
