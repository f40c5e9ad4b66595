//! Tells HTTP/2 with prior knowledge from HTTP/1.1 by a connection's first bytes.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

use super::super::transport::Transport;
use super::watch::Watch;

/// What every HTTP/2 client says first, and no HTTP/1.1 client can.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Reads until it is certain which protocol the caller speaks, and gives back what was read.
///
/// Nothing read means that the caller left without a word.
pub(super) async fn sniff(transport: &mut Transport) -> io::Result<(bool, BytesMut)> {
    let mut first = BytesMut::with_capacity(4096);
    loop {
        let ended = transport.read_buf(&mut first).await? == 0;
        if first.starts_with(PREFACE) {
            return Ok((true, first));
        }
        if ended || !PREFACE.starts_with(&first) {
            return Ok((false, first));
        }
    }
}

/// A connection whose first bytes are read once more.
pub(super) struct Rewound {
    first: BytesMut,
    transport: Transport,
    watch: Rc<Watch>,
}

impl Rewound {
    pub(super) fn new(first: BytesMut, transport: Transport, watch: Rc<Watch>) -> Self {
        Self { first, transport, watch }
    }
}

impl AsyncRead for Rewound {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.first.is_empty() {
            return Pin::new(&mut self.transport).poll_read(cx, into);
        }
        let here = self.first.len().min(into.remaining());
        into.put_slice(&self.first[..here]);
        self.first.advance(here);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Rewound {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.transport).poll_write(cx, bytes);
        self.watch.wrote(&written);
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.transport).poll_write_vectored(cx, slices);
        self.watch.wrote(&written);
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.transport.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.transport).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.transport).poll_shutdown(cx)
    }
}
