//! A body that is played step by step, and tells the log how it ended.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame};
use tokio::time::{Sleep, sleep};

use super::handler::Shared;
use super::line::Plug;
use super::script::Step;

/// Notes in the log when an answer is over, or that the client went away before.
#[derive(Debug)]
pub(super) struct Witness {
    shared: Arc<Shared>,
    number: u64,
    ended: bool,
}

impl Witness {
    pub(super) fn new(shared: Arc<Shared>, number: u64) -> Self {
        Self { shared, number, ended: false }
    }

    /// The mock has done all that it wanted to do.
    pub(super) fn end(&mut self) {
        if !self.ended {
            self.ended = true;
            self.shared.end(self.number, false);
        }
    }
}

impl Drop for Witness {
    /// Nobody else knows that a client has gone than who is dropped because of it.
    fn drop(&mut self) {
        if !self.ended {
            self.shared.end(self.number, true);
        }
    }
}

/// A body as it is played.
#[derive(Debug)]
pub(super) struct Playback {
    steps: VecDeque<Step>,
    timer: Option<Pin<Box<Sleep>>>,
    plug: Arc<Plug>,
    witness: Option<Witness>,
}

/// The mock cut its own answer off.
#[derive(Debug)]
pub(super) struct CutOff;

impl fmt::Display for CutOff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the mock cut its answer off, as it was told")
    }
}

impl std::error::Error for CutOff {}

impl Playback {
    pub(super) fn new(steps: VecDeque<Step>, plug: Arc<Plug>, mut witness: Witness) -> Self {
        if steps.is_empty() {
            witness.end();
        }
        Self { steps, timer: None, plug, witness: Some(witness) }
    }

    /// A whole body that no log tells of.
    pub(super) fn plain(body: Bytes) -> Self {
        let steps = VecDeque::from(if body.is_empty() { vec![] } else { vec![Step::Send(body)] });
        Self { steps, timer: None, plug: Arc::default(), witness: None }
    }

    fn end(&mut self) {
        if let Some(witness) = &mut self.witness {
            witness.end();
        }
    }
}

impl Body for Playback {
    type Data = Bytes;
    type Error = CutOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, CutOff>>> {
        loop {
            if let Some(timer) = &mut self.timer {
                ready!(timer.as_mut().poll(cx));
                self.timer = None;
            }
            let Some(step) = self.steps.pop_front() else {
                self.end();
                return Poll::Ready(None);
            };
            match step {
                Step::Send(bytes) => {
                    if self.steps.is_empty() {
                        self.end();
                    }
                    return Poll::Ready(Some(Ok(Frame::data(bytes))));
                }
                Step::Wait(length) => self.timer = Some(Box::pin(sleep(length))),
                Step::Cut => {
                    self.end();
                    return Poll::Ready(Some(Err(CutOff)));
                }
                Step::Reset => {
                    self.end();
                    self.plug.pull(true);
                    self.steps.push_front(Step::Hang);
                }
                Step::Hang => {
                    // Nothing wakes it: the connection does when the client is gone.
                    self.steps.push_front(Step::Hang);
                    return Poll::Pending;
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.steps.is_empty() && self.timer.is_none()
    }
}
