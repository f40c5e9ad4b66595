//! A connection that can be closed or reset from within an answer.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::Notify;

/// Pulled by an answer that wants its connection gone.
#[derive(Debug, Default)]
pub(super) struct Plug {
    reset: AtomicBool,
    pulled: Notify,
}

impl Plug {
    /// Closes the connection, with a reset if wanted.
    pub(super) fn pull(&self, reset: bool) {
        self.reset.store(reset, Ordering::Relaxed);
        self.pulled.notify_one();
    }

    /// Resolves once it was pulled.
    pub(super) async fn pulled(&self) {
        self.pulled.notified().await;
    }
}

/// A socket that leaves with a reset if its plug says so.
#[derive(Debug)]
pub(super) struct Line {
    stream: TcpStream,
    plug: Arc<Plug>,
}

impl Line {
    pub(super) fn new(stream: TcpStream, plug: Arc<Plug>) -> Self {
        Self { stream, plug }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if self.plug.reset.load(Ordering::Relaxed) {
            // A socket that is gone already can't be told to linger, and need not.
            let _ = socket2::SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
        }
    }
}

impl AsyncRead for Line {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Line {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
