//! The commands as a person calls them: the built binary, its output and its exit status.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test may panic, and prints its score")]

mod answer;
mod call;
mod corpus;
mod serving;

mod check;
mod demo;
mod explain;
mod failover;
mod init;
mod keys;
#[cfg(unix)]
mod kill;
mod mock;
mod reference;
mod serve;
#[cfg(target_os = "linux")]
mod storm;
