//! Lanes: one queue towards each upstream quota (upstream × credential × model), shared by all threads.
//!
//! What a lane decides stands in `aplomb_core::lane`, without a clock or a lock. Here are the clock, a short lock for each
//! decision, and the callers that wait.

mod key;

mod registry;
pub(crate) use registry::Lanes;

mod cell;
pub(crate) use cell::{Cell, Refused, Wish};

mod permit;
pub(crate) use permit::{BYTES_PER_TOKEN, Permit};

mod report;

mod glance;
pub use glance::LaneGlance;

mod news;

mod group;
pub(crate) use group::{Group, Tally};
