//! `cargo xtask bench core`: the time of decoding and rendering one failure, without a network.

use crate::command::{self, cargo};
use crate::trouble::Outcome;

/// Runs the core's own benchmark in the release profile; it prints nanoseconds.
///
/// # Errors
/// It does not build or does not run.
pub(crate) fn run() -> Outcome {
    command::run(cargo(&["bench", "--package", "aplomb-core", "--bench", "failure", "--locked"]))
}
