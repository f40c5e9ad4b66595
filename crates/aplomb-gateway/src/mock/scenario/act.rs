//! One act: what is done to one request.

use std::fmt;
use std::time::Duration;

use aplomb_core::Kind;

/// What is done to one request, and what is said with it.
#[derive(Clone, Debug, PartialEq)]
pub struct Act {
    /// What is done.
    pub behaviour: Behaviour,
    /// Facts of the failure, where one is told.
    pub said: Said,
    /// The time before the first byte, on top of the mock's own latency.
    pub delay: Duration,
    /// As it was written.
    pub(super) text: String,
}

/// What the mock does to a request.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Behaviour {
    /// Answers as it should, perhaps with another success status.
    Answer(u16),
    /// Refuses with an error of the API.
    Refuse(What),
    /// The same, with a compressed body.
    Compressed(Coding, What),
    /// JSON that ends in its middle, with the length that it has: of an error, or of the answer.
    Truncated(Option<What>),
    /// The same, but the length promises the whole and the connection closes early.
    Short(Option<What>),
    /// The body of an error under the status 200.
    ErrorIn200(What),
    /// The same as an event stream.
    ErrorAsStream(What),
    /// A page of the edge before the API.
    Html(u16),
    /// A plain sentence of a proxy.
    Text(u16),
    /// A status and nothing else.
    Empty(u16),
    /// An answer that breaks after so many events, or in the middle of its body when it is no stream.
    Broken(Break, usize),
    /// An answer whose body takes this long.
    SlowBody(Duration),
    /// The connection is reset before anything was answered.
    Reset,
    /// The connection is closed before anything was answered.
    Close,
    /// Nothing is ever answered.
    Silence,
    /// From the first request on nothing works for this long, in this way; then all is well.
    Outage(Duration, Box<Self>),
}

/// How an answer breaks once it has begun.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Break {
    /// The connection closes in the middle of an event.
    Cut,
    /// Nothing more comes, and the connection stays.
    Stall,
    /// One event can't be read; the rest is well.
    Malformed,
    /// It ends cleanly, without saying that it is complete: so many events at its end are missing, or all that say so.
    NoTerminal,
    /// An error is told as an event of the API, and the stream ends.
    ErrorEvent(What),
    /// A bare JSON error stands in the stream.
    BareError(What),
    /// The connection is reset.
    Reset,
}

/// A failure by its meaning or by its status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// The dialect's status for the kind.
    Kind(Kind),
    /// The dialect's kind for the status.
    Status(u16),
}

/// How a body is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// `gzip`
    Gzip,
    /// `br`
    Brotli,
}

/// Facts that replace the dialect's own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// How long to wait; `Some(None)` says nothing about it.
    pub wait: Option<Option<Duration>>,
    /// The sentence.
    pub message: Option<String>,
    /// The code.
    pub code: Option<String>,
    /// The type.
    pub type_: Option<String>,
    /// The parameter at fault.
    pub param: Option<String>,
    /// The status, whatever the dialect has for the kind.
    pub status: Option<u16>,
}

impl Act {
    /// A good answer.
    pub(in crate::mock) fn ok() -> Self {
        Self::of(Behaviour::Answer(200), "ok")
    }

    /// A refusal of the mock's own.
    pub(in crate::mock) fn refuse(kind: Kind, wait: Option<Duration>) -> Self {
        let mut act = Self::of(Behaviour::Refuse(What::Kind(kind)), kind.as_str());
        act.said.wait = Some(wait);
        act
    }

    fn of(behaviour: Behaviour, text: &str) -> Self {
        Self { behaviour, said: Said::default(), delay: Duration::ZERO, text: text.to_owned() }
    }
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
