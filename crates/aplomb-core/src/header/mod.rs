//! What headers and sentences say about limits and waits: one parser for each form, `parse(value, now)`.
//!
//! Everything here reads text that somebody else wrote.
//! What can't be meant is `None`, what is over is zero, and what is absurdly long is [`MAX_WAIT`]; nothing panics.
//!
//! ```
//! use aplomb_core::header::{duration, retry_after, text};
//! use std::time::{Duration, SystemTime};
//!
//! let now = SystemTime::UNIX_EPOCH;
//! assert_eq!(retry_after::parse("30", now, None), Some(Duration::from_secs(30)));
//! assert_eq!(duration::parse("2m59.56s"), Some(Duration::from_millis(179_560)));
//! assert_eq!(text::parse("Please try again in 644ms.", now), Some(Duration::from_millis(644)));
//! ```
//!
//! Which header of which API has which form is not known here: that stands in the dialect files.

mod amount;
pub(crate) mod number;
pub use number::MAX_WAIT;

pub mod date;
pub mod duration;
pub mod rate_limit;
pub mod reset;
pub mod retry_after;
pub mod retry_after_ms;
pub mod text;
