//! The mock, seen by a client that reads bytes.

mod client;

mod answers;
mod connections;
mod failures;
mod limits;
mod log;
mod streams;
