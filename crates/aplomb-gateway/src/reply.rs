//! A reply: an answer on its way to the caller, before the gateway's own headers are on it.

use std::rc::Rc;

use aplomb_core::{Dialect, Failure};
use http::Response;

use crate::guard::StreamEnd;
use crate::lanes::Permit;
use crate::net::Body;

/// An upstream's answer that is no failure, or one that is passed on as it is.
#[derive(Debug)]
pub(crate) struct Reply {
    /// Status, headers without hop-by-hop ones, and body.
    pub(crate) response: Response<Body>,
    /// The request's body was too large to keep, so that it could be sent once only.
    pub(crate) sent_once: bool,
    /// The dialect in which the caller hears of this route.
    pub(crate) answer: Option<&'static Dialect>,
    /// How a stream ends, told by its body; of an answer that is no stream the tokens that it took, if they are counted.
    pub(crate) end: Option<Rc<StreamEnd>>,
    /// What became of a stream that was to be held.
    pub(crate) held: Option<Held>,
    /// An error inside a success that this API reports so by design: the bytes pass, the kind stands in headers.
    pub(crate) native: Option<Box<Failure>>,
    /// The call's place in its lane, given back when the answer is over.
    pub(crate) permit: Option<Box<Permit>>,
}

impl Reply {
    /// An answer of the gateway's own.
    pub(crate) fn of_ours(response: Response<Body>, answer: Option<&'static Dialect>) -> Self {
        Self { response, sent_once: false, answer, end: None, held: None, native: None, permit: None }
    }
}

/// What became of a stream that was to be held until it is whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Held {
    /// It was.
    Whole,
    /// There was too much of it: it flows, and what breaks it is told in the stream.
    Live,
}
