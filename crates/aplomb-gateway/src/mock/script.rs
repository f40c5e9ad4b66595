//! What goes over the wire for one request, step by step, before any of it happens.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;

/// An answer to be played, or none.
#[derive(Debug)]
pub(super) struct Script {
    /// The time before the first byte.
    pub(super) delay: Duration,
    /// What is sent first.
    pub(super) opening: Opening,
    /// What follows.
    pub(super) steps: VecDeque<Step>,
}

/// How an answer begins.
#[derive(Debug, PartialEq)]
pub(super) enum Opening {
    /// Status and headers.
    Head {
        status: u16,
        headers: Vec<(String, String)>,
        /// The length that is promised; `None`: it comes in chunks.
        length: Option<u64>,
    },
    /// Nothing, ever.
    Silence,
    /// Nothing; the connection closes.
    Close,
    /// Nothing; the connection is reset.
    Reset,
}

/// A step of a body.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// These bytes go out.
    Send(Bytes),
    /// Nothing happens for so long; what was sent before is on its way.
    Wait(Duration),
    /// The connection closes without an end of the body.
    Cut,
    /// The connection is reset.
    Reset,
    /// Nothing more happens; the connection stays.
    Hang,
}

impl Script {
    /// A whole body with its true length.
    pub(super) fn whole(status: u16, headers: Vec<(String, String)>, body: impl Into<Bytes>) -> Self {
        let body = body.into();
        let length = Some(body.len() as u64);
        Self::of(Opening::Head { status, headers, length }, [Step::Send(body)])
    }

    /// No answer.
    pub(super) fn without_answer(opening: Opening) -> Self {
        Self::of(opening, [])
    }

    pub(super) fn of(opening: Opening, steps: impl IntoIterator<Item = Step>) -> Self {
        Self { delay: Duration::ZERO, opening, steps: steps.into_iter().collect() }
    }

    /// The status that the client sees; `None` if it sees no answer.
    pub(super) fn status(&self) -> Option<u16> {
        match &self.opening {
            Opening::Head { status, .. } => Some(*status),
            Opening::Silence | Opening::Close | Opening::Reset => None,
        }
    }
}
