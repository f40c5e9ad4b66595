//! `cargo xtask sim`: a world on a virtual clock, around the very lanes that the gateway uses.
//!
//! Providers with limits, outages and queues; callers by the thousand; gateways, and clients without one beside them.
//! Nothing here knows the time of day or real chance: a seed decides everything.

mod random;

mod limit;

mod provider;

mod client;

mod world;

mod tally;

mod scenario;

mod plot;

mod page;

mod run;
pub(crate) use run::{Options, run};
