//! Dialects at work: reading a failure out of an answer, and writing one into an answer.
//!
//! `decode` is the way in, `render` the way out; both walk the same envelope template.

mod evidence;
pub use evidence::{Evidence, Headers};

pub mod body;

mod facts;
pub use facts::Facts;

mod read;
mod rest;
mod write;

mod classify;
mod detect;
mod disguised;
mod title;
mod waits;
pub use waits::told_limits;

mod inside;
pub use inside::{is_result, may_hold_error};

mod header_facts;
mod status;

mod decode;
pub use decode::{Decoded, decode};

mod speaks;
pub use speaks::speaks;

mod render;
pub use render::{Rendered, RenderedEvent, limit_headers, render, render_event, render_status};

mod usage;
pub use usage::{Usage, usage};

mod stream;
pub use stream::{Seen, StreamReader};
