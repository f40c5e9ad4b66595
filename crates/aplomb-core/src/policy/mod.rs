//! What to do when something failed: ask again, ask somebody else, or answer.
//!
//! Facts and `elapsed` go in, a decision comes out; chance is an argument too.
//!
//! ```
//! use aplomb_core::policy::{Decision, Failed, Repeatable, Retry, RetryPolicy, Sent, Whose};
//! use aplomb_core::{Failure, Kind};
//! use std::time::Duration;
//!
//! let failure = Failure::new(Kind::RateLimit).wait(Duration::from_secs(2));
//! let mut retry = Retry::new(RetryPolicy::default());
//! let decision = retry.failed(&Failed {
//!     failure: &failure,
//!     sent: Sent::Refused,
//!     silent: false,
//!     repeatable: Repeatable::No,
//!     replayable: true,
//!     credential: Whose::Callers,
//!     next: None,
//!     elapsed: Duration::from_millis(300),
//!     random: 0.5,
//! });
//! assert_eq!(decision, Decision::Again { after: Duration::from_millis(2_500) });
//! ```
//!
//! Nothing here waits, sends or remembers more than one request.

mod retry;
pub use retry::{Answer, Decision, Failed, NextUpstream, Retry, RetryPolicy, Whose};

mod gcra;
pub use gcra::{Conforms, Quota};

mod credential;
pub use credential::CredentialRest;

mod fate;
pub use fate::{Ended, Fate, fate};

mod repeat;
pub use repeat::{RepeatFacts, RepeatRule, Repeatable, Sent, is_idempotent, is_safe};

mod should_retry;
pub use should_retry::{Why, should_retry};

pub mod deadline;
pub mod delay;

#[cfg(test)]
mod retry_tests;
