//! The whole gateway between a caller and an upstream that a test plays: what one says and what the other hears.

mod caller;
mod rig;
mod upstream;

mod hold;
mod http2;
mod http2_upstream;
mod pass;
mod unrouted;

mod retry;

mod bodies;
mod memory;
mod packed;
mod resume;
mod streams;

mod attacks;
mod balance;
mod credentials;
mod idempotency;
mod keys;
mod limits;
mod logs;
mod metrics;
mod rests;
mod running;
mod shared_limits;
mod tokens;
mod trust;

mod validate;
