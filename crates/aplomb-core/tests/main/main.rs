//! What the core does to real failures and to hostile ones, from outside: decoding, rendering and both in turn.

#![expect(clippy::unwrap_used, reason = "a test may panic")]
#![expect(clippy::disallowed_methods, reason = "tests read fixtures")]

mod case;

mod clothes;
mod conformance;
mod corpus;
mod exceptions;
mod traps;

mod contracts;

mod renders;

mod mutations;

mod arbitrary;
mod properties;

mod fuzzing;
