//! Captures: what a person has at hand after a failure, turned into evidence.
//!
//! A person pastes what they were shown: a raw answer as `curl -i` or `curl -v` prints it, a bare body, a captured
//! stream, or the text of an SDK's exception in whatever language. [`Capture::read`] finds the status, the headers,
//! the body and the host in it; what they mean is the decoder's business.
//!
//! ```
//! use aplomb_core::capture::Capture;
//!
//! let pasted = "openai.RateLimitError: Error code: 429 - {'error': {'message': 'Slow down', 'param': None}}";
//! let capture = Capture::read(pasted.as_bytes());
//! assert_eq!(capture.status, Some(429));
//! assert_eq!(capture.body, br#"{"error":{"message":"Slow down","param":null}}"#);
//! ```
//!
//! It never fails: what is nothing else is a body.

mod read;
pub use read::{Capture, Source};

mod response;

mod transcript;

mod exception;

mod traceback;

mod status;

mod classes;

mod wrapped;

mod literal;
