//! The core held against the evidence in `conformance/`.

mod corpus;
