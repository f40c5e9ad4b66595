//! Every decision that Aplomb makes, without a clock, a socket or a thread.
//!
//! Bytes and `now` go in, meanings and decisions come out. The gateway, the command line and the tests call the
//! same functions; none of them knows a fact about a provider that does not stand in `spec/`.

mod kind;
pub use kind::{Advice, Fallback, Fault, Kind, KindFacts};

mod failure;
pub use failure::{Failure, FieldError, Limit, Part};

pub mod spec;
pub use spec::{Catalog, Dialect};

mod bundled;
pub use bundled::catalog;

pub mod header;

pub mod policy;

mod key;
pub use key::{KEY_BYTES, Key, NewKey, NoKey};

pub mod lane;

pub mod sse;

pub mod dialect;
pub use dialect::{Decoded, Evidence, Headers, Rendered, decode, render};

pub mod pointer;

pub mod capture;

mod explain;
pub use explain::{Certainty, Explanation};
