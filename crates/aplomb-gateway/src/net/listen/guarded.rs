//! An HTTP/1.1 caller's connection with the gate in its reading side.
//!
//! hyper answers what it cannot read with an empty 400, and reads ambiguous lengths in its own way.
//! So a head reaches hyper only once the gate has passed it.
//! In place of one that it refuses hyper is given a small request of ours, which the service answers with the
//! refusal: order, pipelining, keep-alive and flushing stay hyper's business.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use memchr::memchr;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use super::super::transport::Transport;
use super::Refusal;
use super::gate::{Gate, Judged};
use super::head::HeadLimits;
use super::watch::Watch;

/// How long a closing connection listens for what its caller still sends, and how much of it.
///
/// Closing with unread bytes makes the kernel send a reset, which can take our answer from the caller's hands.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 1024 * 1024;

/// The method of the request that stands for a refused one.
pub(super) const REFUSED: &str = "APLOMB-REFUSED";

/// What hyper reads in place of a refused head.
const STAND_IN: &[u8] = b"APLOMB-REFUSED / HTTP/1.1\r\nhost: refused\r\nconnection: close\r\n\r\n";

/// A connection whose requests were judged before anybody reads them.
pub(super) struct Guarded {
    transport: Transport,
    gate: Gate,
    limits: HeadLimits,
    /// Passed already, on its way to hyper.
    passed: BytesMut,
    /// The beginning of a head that is not whole yet.
    held: BytesMut,
    /// Runs while something is held.
    slow: Option<Pin<Box<Sleep>>>,
    watch: Rc<Watch>,
    refused: bool,
    ended: bool,
    linger: Option<(Pin<Box<Sleep>>, usize)>,
}

impl Guarded {
    /// Guards a connection of which `first` was read already; `watch` hears why the stand-in came.
    pub(super) fn new(transport: Transport, first: BytesMut, limits: HeadLimits, watch: Rc<Watch>) -> Self {
        let mut guarded = Self {
            transport,
            gate: Gate::Head,
            limits,
            passed: BytesMut::new(),
            held: first,
            slow: None,
            watch,
            refused: false,
            ended: false,
            linger: None,
        };
        guarded.judge_held();
        guarded
    }

    /// Moves what may pass out of what is held.
    fn judge_held(&mut self) {
        let pass = match self.gate.judge(&self.held, self.limits) {
            Judged::Pass => self.held.len(),
            Judged::Wait(pass) => pass,
            Judged::Refuse(pass, refusal) => {
                self.passed.unsplit(self.held.split_to(pass));
                return self.refuse(refusal);
            }
        };
        self.passed.unsplit(self.held.split_to(pass));
        self.watch.amid(!self.held.is_empty());
        if self.held.is_empty() {
            self.slow = None;
        } else if self.slow.is_none() {
            self.slow = Some(Box::pin(sleep(self.limits.within)));
        }
    }

    fn refuse(&mut self, refusal: Refusal) {
        self.watch.refuse(refusal);
        self.watch.amid(false);
        self.refused = true;
        self.slow = None;
        self.held = BytesMut::new();
        self.passed.extend_from_slice(STAND_IN);
    }

    /// The usual way: whole heads in one read, judged where hyper will read them.
    fn poll_straight(&mut self, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        ready!(Pin::new(&mut self.transport).poll_read(cx, into))?;
        let fresh = &into.filled()[before..];
        if fresh.is_empty() {
            self.ended = true;
            return Poll::Ready(Ok(()));
        }
        match self.gate.judge(fresh, self.limits) {
            Judged::Pass => {}
            Judged::Wait(pass) => {
                self.held.extend_from_slice(&fresh[pass..]);
                self.watch.amid(true);
                self.slow = Some(Box::pin(sleep(self.limits.within)));
                into.set_filled(before + pass);
            }
            Judged::Refuse(pass, refusal) => {
                into.set_filled(before + pass);
                self.refuse(refusal);
            }
        }
        Poll::Ready(Ok(()))
    }

    /// The rare way: a head that comes in pieces is kept until it is whole.
    fn poll_held(&mut self, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if let Some(slow) = &mut self.slow
            && slow.as_mut().poll(cx).is_ready()
        {
            self.refuse(Refusal::TooSlow);
            return Poll::Ready(Ok(()));
        }
        let before = into.filled().len();
        ready!(Pin::new(&mut self.transport).poll_read(cx, into))?;
        let fresh = &into.filled()[before..];
        if fresh.is_empty() {
            self.ended = true;
            self.held.clear();
            self.watch.amid(false);
            return Poll::Ready(Ok(()));
        }
        let ends_a_line = memchr(b'\n', fresh).is_some();
        self.held.extend_from_slice(fresh);
        into.set_filled(before);
        // Reading it anew for every byte would cost its square.
        if ends_a_line || self.held.len() > self.limits.target {
            self.judge_held();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Guarded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        loop {
            if !self.passed.is_empty() {
                let here = self.passed.len().min(into.remaining());
                into.put_slice(&self.passed[..here]);
                self.passed.advance(here);
                return Poll::Ready(Ok(()));
            }
            if self.refused {
                // The stand-in was the last request; its answer closes the connection.
                return Poll::Pending;
            }
            let read =
                if self.held.is_empty() { self.poll_straight(cx, into) } else { self.poll_held(cx, into) };
            ready!(read)?;
            if self.ended || into.filled().len() > before {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl AsyncWrite for Guarded {
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
        let this = &mut *self;
        if this.linger.is_none() {
            ready!(Pin::new(&mut this.transport).poll_shutdown(cx))?;
        }
        if this.ended || !(this.refused || this.gate.is_mid_body()) {
            return Poll::Ready(Ok(()));
        }
        let (until, left) = this.linger.get_or_insert_with(|| (Box::pin(sleep(LINGER)), LINGER_BYTES));
        let mut scratch = [0; 4096];
        while *left > 0 && until.as_mut().poll(cx).is_pending() {
            let mut unread = ReadBuf::new(&mut scratch);
            match ready!(Pin::new(&mut this.transport).poll_read(cx, &mut unread)) {
                Ok(()) if !unread.filled().is_empty() => *left = left.saturating_sub(unread.filled().len()),
                Ok(()) | Err(_) => break,
            }
        }
        this.ended = true;
        Poll::Ready(Ok(()))
    }
}
