//! `cargo xtask bench goodput`: what callers get from a provider that limits them or is down, direct and through Aplomb.
//!
//! The callers are the official SDK (`python/bench/`), the provider is `aplomb mock`, and Aplomb is as it comes.

mod run;
pub(crate) use run::{Options, run};

mod job;

mod jobs;

mod stand;

mod row;

mod goal;

mod report;

mod waiting;
pub(crate) use waiting::{Waiting, wait};
