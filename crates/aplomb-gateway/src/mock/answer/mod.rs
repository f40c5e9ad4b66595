//! Good answers, in each API's own shape: whole, and as the events of a stream.
//!
//! The text of every answer repeats the request's last words, so that a client can tell a right answer from a wrong one.

mod prompt;
pub(super) use prompt::tokens;

mod streamed;
pub(super) use streamed::{Frame, Streamed};

mod chat;
mod cohere;
mod embeddings;
mod gemini;
mod messages;
mod responses;

mod echo;

mod shape;
pub(super) use shape::{Answer, answer};
