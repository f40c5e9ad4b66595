//! Why an upstream gave no answer, and whether it may have seen the request.

use std::error::Error;
use std::fmt;
use std::io;

use super::super::BodyFault;

/// A request that got no answer; its text is safe to show to anybody, its source is for the log.
#[derive(Debug)]
pub struct SendError {
    stage: Stage,
    reused: bool,
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// How far a request came before it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The name has no address.
    Resolve,
    /// No address accepted a connection.
    Connect,
    /// No connection stood within the connect timeout.
    ConnectTimeout,
    /// The two sides could not agree on TLS, or the certificate is not to be trusted.
    Tls,
    /// The proxy on the way refused or broke.
    Proxy,
    /// The connection ended before the first byte of the request was written.
    Unsent,
    /// An HTTP/2 upstream said that it did not process the request.
    Refused,
    /// The request's own body could not be read to its end, so that the request went out incomplete.
    Request,
    /// The connection was reset after the request went out.
    Reset,
    /// The connection was closed after the request went out, without an answer.
    Closed,
    /// No answer began within the headers timeout.
    Silent,
    /// What came back is not HTTP.
    Protocol,
}

impl Stage {
    /// Whether the upstream certainly did not act on the request.
    pub fn never_sent(self) -> bool {
        match self {
            Self::Resolve
            | Self::Connect
            | Self::ConnectTimeout
            | Self::Tls
            | Self::Proxy
            | Self::Unsent
            | Self::Refused => true,
            Self::Request | Self::Reset | Self::Closed | Self::Silent | Self::Protocol => false,
        }
    }
}

impl SendError {
    /// A failure that has no deeper cause.
    pub(super) fn new(stage: Stage) -> Self {
        Self { stage, reused: false, source: None }
    }

    pub(super) fn because(stage: Stage, source: impl Error + Send + Sync + 'static) -> Self {
        Self { stage, reused: false, source: Some(Box::new(source)) }
    }

    /// Reads what hyper has to say about a request that it took and perhaps wrote.
    pub(super) fn of(error: hyper::Error, reused: bool) -> Self {
        Self { stage: stage_of(&error), reused, source: Some(Box::new(error)) }
    }

    /// How far the request came.
    pub fn stage(&self) -> Stage {
        self.stage
    }

    /// Whether the upstream certainly did not act on the request, so that any request may be repeated.
    pub fn never_sent(&self) -> bool {
        self.stage.never_sent()
    }

    /// Whether the connection had served before: then an upstream that just closed it is the likely cause.
    pub fn reused(&self) -> bool {
        self.reused
    }
}

impl fmt::Display for SendError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self.stage {
            Stage::Resolve => "the upstream's name could not be resolved",
            Stage::Connect => "the upstream refused the connection",
            Stage::ConnectTimeout => "the connection to the upstream did not stand in time",
            Stage::Tls => "TLS with the upstream failed",
            Stage::Proxy => "the proxy on the way to the upstream failed",
            Stage::Unsent => "the connection to the upstream closed before the request was written",
            Stage::Refused => "the upstream refused the request unprocessed",
            Stage::Request => "the request's body ended before its time",
            Stage::Reset => "the upstream reset the connection before it answered",
            Stage::Closed => "the upstream closed the connection before it answered",
            Stage::Silent => "the upstream did not begin to answer in time",
            Stage::Protocol => "the upstream's answer is not HTTP",
        })
    }
}

impl Error for SendError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

fn stage_of(error: &hyper::Error) -> Stage {
    if error.is_canceled() {
        return Stage::Unsent;
    }
    if error.is_timeout() {
        // Of a ping: the connection is dead, whatever the request was.
        return Stage::Reset;
    }
    if error.is_parse() {
        return Stage::Protocol;
    }
    if error.is_incomplete_message() {
        return Stage::Closed;
    }
    if error.is_user() {
        return Stage::Request;
    }
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return stage_of_io(error);
        }
        if let Some(error) = error.downcast_ref::<h2::Error>() {
            return stage_of_h2(error);
        }
        cause = error.source();
    }
    if error.is_closed() { Stage::Closed } else { Stage::Protocol }
}

fn stage_of_io(error: &io::Error) -> Stage {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => Stage::Closed,
        io::ErrorKind::InvalidData => Stage::Protocol,
        _ => Stage::Reset,
    }
}

fn stage_of_h2(error: &h2::Error) -> Stage {
    if let Some(error) = error.get_io() {
        return stage_of_io(error);
    }
    let reason = error.reason();
    if error.is_reset() && reason == Some(h2::Reason::REFUSED_STREAM) {
        return Stage::Refused;
    }
    // A goaway that names no fault fails only the streams above its last identifier: those not looked at.
    if error.is_go_away() && error.is_remote() && reason == Some(h2::Reason::NO_ERROR) {
        return Stage::Refused;
    }
    if error.is_remote() { Stage::Reset } else { Stage::Protocol }
}

impl From<BodyFault> for Stage {
    /// What a cut or broken answer means for the request that asked for it.
    fn from(fault: BodyFault) -> Self {
        match fault {
            BodyFault::Cut => Self::Closed,
            BodyFault::Reset => Self::Reset,
            BodyFault::Malformed => Self::Protocol,
            BodyFault::Silent => Self::Silent,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_never_sent_may_always_be_repeated() {
        for stage in [Stage::Resolve, Stage::Connect, Stage::Tls, Stage::Unsent, Stage::Refused] {
            assert!(SendError::new(stage).never_sent(), "{stage:?}");
        }
        for stage in [Stage::Reset, Stage::Closed, Stage::Silent, Stage::Protocol, Stage::Request] {
            assert!(!SendError::new(stage).never_sent(), "{stage:?}");
        }
    }

    #[test]
    fn an_error_text_names_neither_place_nor_cause() {
        let cause = io::Error::other("https://user:secret@inner.example/");
        let error = SendError::because(Stage::Connect, cause);
        assert_eq!(error.to_string(), "the upstream refused the connection");
        assert!(error.source().is_some());
    }
}
