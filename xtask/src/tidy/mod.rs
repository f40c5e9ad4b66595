//! `cargo xtask tidy`: the house rules that no compiler knows.
//!
//! A rule reads the tree and gives complaints; each complaint says where, what, and how to mend it.
//! The same rules run as a test of this crate, so that no change lands without them.

mod rules;
pub(crate) use rules::run;
use rules::{Complaints, line_of};

mod changelog;
mod decisions;
mod fixtures;
mod length;
mod links;
mod module_page;
mod names;
mod private_paths;
mod secrets;
mod stages;
mod unfinished;
