//! `cargo xtask bench`: what a request costs, and what a failure costs.
//!
//! `proxy` puts nginx and Aplomb before the same fast upstream and measures them in turns, in one run, on the same cores.
//! `core` times decoding and rendering alone, and counts what a decision of a lane takes.
//! `goodput` does jobs against a provider with a limit or an outage, with the official SDK, direct and through Aplomb.

mod proxy;
pub(crate) use proxy::{Options, run as proxy};

mod decision;

mod failure;
pub(crate) use failure::run as core;

mod goodput;
pub(crate) use goodput::{Options as GoodputOptions, Waiting, run as goodput, wait};

mod place;

mod nginx;

mod server;

mod meter;

mod load;

mod wire;

mod rate;
pub(crate) use rate::{Rate, drive};

mod sse;
pub(crate) use sse::{Streams, open, serve};

mod numbers;

mod phases;

mod report;

mod tables;
