//! The core held against the evidence in `conformance/`.

#![expect(clippy::unwrap_used, reason = "a test may panic")]
#![expect(clippy::disallowed_methods, reason = "tests read fixtures")]

mod corpus;
