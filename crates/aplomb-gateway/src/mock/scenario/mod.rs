//! Scenarios: what a request may ask the mock to do to it.
//!
//! ```
//! use aplomb_gateway::mock::scenario::Scenario;
//!
//! let scenario: Scenario = "rate_limit;wait=1s, 503*2, ok".parse()?;
//! assert_eq!(scenario.act(1).to_string(), "rate_limit;wait=1s");
//! assert_eq!(scenario.act(3).to_string(), "503");
//! assert_eq!(scenario.act(99).to_string(), "ok");
//! # Ok::<(), aplomb_gateway::mock::scenario::ScenarioError>(())
//! ```
//!
//! A scenario is a sequence of acts, one for each time that it is asked for; the last one stays.
//! `docs/guide/mock.md` lists the acts.

mod act;
pub use act::{Act, Behaviour, Break, Coding, Said, What};

mod names;

mod parse;
pub(super) use parse::unescape;

mod sequence;
pub use sequence::Scenario;

mod error;
pub use error::ScenarioError;
