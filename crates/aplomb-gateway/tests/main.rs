//! What the gateway does over real sockets of this machine, topic by topic.
#![expect(clippy::unwrap_used, reason = "a broken promise ends a test")]

mod gateway;
mod mock;
mod net;
