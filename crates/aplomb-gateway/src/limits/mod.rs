//! Limits of callers: how much each of them may use, counted here or together with other gateways.
//!
//! Not to be mixed up with lanes, which keep an upstream's quota: a lane makes requests wait, a limit refuses them.

mod subject;
pub(crate) use subject::{Subject, subjects};

mod counts;
pub(crate) use counts::{Ask, Counts, Over};

mod entry;

mod clock;

mod fields;
pub(crate) use fields::write;

mod lease;
pub(crate) use lease::Leases;

mod fleet;

mod line;
pub(crate) use line::Line;

mod shared;
pub(crate) use shared::{Down, Together};

mod admission;
pub(crate) use admission::{Admission, Place, Taken};
