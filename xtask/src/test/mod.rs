//! `cargo xtask test`: installs what the tests need, runs them all, and ends with one line of totals.

pub(crate) mod redis;

mod suite;
pub(crate) use suite::run;

pub(crate) mod postgres;

mod tally;

mod venv;
pub(crate) use venv::provide as python;
