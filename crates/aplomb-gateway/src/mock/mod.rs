//! An API that fails like the real one: the tests' upstream, and a tool for whoever writes a client.
//!
//! It answers the main endpoints of a dialect in their own shapes and fails as it is told: by a scenario that the
//! request names, by limits, by an outage, or at random with a seed.
//! Every failure comes from the dialect's file by the same renderer that the gateway uses.
//!
//! ```no_run
//! use aplomb_gateway::mock::{Mock, MockSettings};
//!
//! let openai = aplomb_core::catalog().get("openai").expect("bundled");
//! let mock = Mock::start(MockSettings::new(openai))?;
//! println!("{}/v1/chat/completions", mock.url());
//! // … send requests, with `mock-scenario: rate_limit;wait=1s,ok` or without …
//! assert!(mock.log().is_empty());
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! What it is not: fast beyond what tests need, or open to the world; it listens where it is told, without a key.

pub use crate::config::{Rate, RateError};

mod settings;
pub use settings::{FailRate, Hints, MockSettings, Outage, SettingError};
mod server;
pub use server::{Mock, MockHandle};
mod journal;
pub use journal::{Seen, Tally};

pub mod scenario;

mod asked;
mod bucket;
mod choose;
mod dice;
mod redact;
mod turns;

mod answer;
mod perform;
mod refusal;
mod script;
mod stream_fault;

mod body;
mod handler;
mod line;
