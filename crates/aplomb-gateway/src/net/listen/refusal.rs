//! Why a request was refused before anybody read what it wants.

use std::fmt;

use http::StatusCode;

/// A request that cannot be read, or that two readers would read in two ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The head breaks the grammar, or says in two ways where the message ends.
    Malformed,
    /// HTTP/1.1 wants exactly one `host`, and it isn't there or is there twice.
    Host,
    /// A protocol version that is not spoken here.
    Version,
    /// The request target is longer than allowed.
    UriTooLong,
    /// The head is larger than allowed or has more than 100 lines.
    HeadTooLarge,
    /// The head was begun and not ended in time.
    TooSlow,
}

impl Refusal {
    /// The status that says it.
    pub fn status(self) -> StatusCode {
        match self {
            Self::Malformed | Self::Host => StatusCode::BAD_REQUEST,
            Self::Version => StatusCode::HTTP_VERSION_NOT_SUPPORTED,
            Self::UriTooLong => StatusCode::URI_TOO_LONG,
            Self::HeadTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
        }
    }
}

impl fmt::Display for Refusal {
    /// A sentence for whoever wrote the client.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Malformed => "the request is not well-formed HTTP, or its length is ambiguous",
            Self::Host => "the request needs exactly one valid host header",
            Self::Version => "this HTTP version is not supported",
            Self::UriTooLong => "the request target is longer than this gateway takes",
            Self::HeadTooLarge => {
                "the request's headers are larger than this gateway takes, or more than 100"
            }
            Self::TooSlow => "the request's headers did not arrive in time",
        })
    }
}
