//! Why a body could not be read to its end.

use std::error::Error;
use std::fmt;
use std::io;

/// A body that ended otherwise than its framing promised; its text is safe to show to anybody.
#[derive(Debug)]
pub struct BodyError {
    fault: BodyFault,
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// What became of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyFault {
    /// The peer closed before the announced length, the last chunk or the end of the stream.
    Cut,
    /// The peer reset the connection or the stream.
    Reset,
    /// The framing itself was broken: a chunk size that is none, a frame that may not be here.
    Malformed,
    /// Nothing came for longer than was allowed.
    Silent,
}

impl BodyError {
    /// A failure that has no deeper cause.
    pub fn new(fault: BodyFault) -> Self {
        Self { fault, source: None }
    }

    /// Reads what hyper has to say about a body.
    pub fn of(error: hyper::Error) -> Self {
        Self { fault: BodyFault::of(&error), source: Some(Box::new(error)) }
    }

    /// What became of the body.
    pub fn fault(&self) -> BodyFault {
        self.fault
    }
}

impl BodyFault {
    fn of(error: &hyper::Error) -> Self {
        if error.is_timeout() {
            return Self::Silent;
        }
        if error.is_incomplete_message() {
            return Self::Cut;
        }
        let mut cause = error.source();
        while let Some(error) = cause {
            if let Some(error) = error.downcast_ref::<io::Error>() {
                return Self::of_io(error);
            }
            if let Some(error) = error.downcast_ref::<h2::Error>() {
                return Self::of_h2(error);
            }
            cause = error.source();
        }
        // hyper tells a body of nothing but "connection error" when its connection broke under it.
        if error.is_parse() { Self::Malformed } else { Self::Reset }
    }

    fn of_io(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::Cut,
            io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => Self::Malformed,
            io::ErrorKind::TimedOut => Self::Silent,
            _ => Self::Reset,
        }
    }

    fn of_h2(error: &h2::Error) -> Self {
        if let Some(error) = error.get_io() {
            return Self::of_io(error);
        }
        match error.reason() {
            Some(h2::Reason::PROTOCOL_ERROR | h2::Reason::FRAME_SIZE_ERROR) if !error.is_remote() => {
                Self::Malformed
            }
            _ => Self::Reset,
        }
    }
}

impl fmt::Display for BodyError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self.fault {
            BodyFault::Cut => "the body was cut before its end",
            BodyFault::Reset => "the connection was reset within the body",
            BodyFault::Malformed => "the body's framing is broken",
            BodyFault::Silent => "nothing more came of the body in time",
        })
    }
}

impl Error for BodyError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
