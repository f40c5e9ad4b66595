//! The admin port: health, readiness and reload, behind a token; never on the callers' port.
//!
//! `service` has the table of what is served there itself, `desk` hands the rest to the office; `token` is the check,
//! `state` the file that keeps it.

mod desk;
mod service;
pub(crate) use service::{Admin, reload};
mod token;
pub use token::{AdminToken, WeakToken};
mod state;
pub use state::{KeptToken, state_folder};
#[cfg_attr(not(unix), path = "private_elsewhere.rs")]
pub(crate) mod private;
