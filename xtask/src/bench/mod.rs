//! `cargo xtask bench`: what a request costs, and what a failure costs.
//!
//! `proxy` puts nginx and Aplomb before the same fast upstream and measures them in turns, in one run, on the same cores.
//! `keyed` asks each request under an idempotency key of its own, with SQLite behind the gateway.
//! `contract` adds keys, limits, balance and idempotency to the gateway, one after the other, and counts refusals.
//! `core` times decoding and rendering alone.
//! `goodput` does jobs against a provider with a limit or an outage, with the official SDK, direct and through Aplomb.

mod proxy;
pub(crate) use proxy::{Options, run as proxy};

mod keyed;
pub(crate) use keyed::{Options as KeyedOptions, run as keyed};

mod contract;
pub(crate) use contract::{Options as ContractOptions, run as contract};

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

mod results;

mod phases;

mod report;

mod tables;
