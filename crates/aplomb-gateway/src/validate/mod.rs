//! Whether a request is what a JSON Schema or an OpenAPI document asks for, told field by field.
//!
//! [`Rules`] are read, checked and compiled with the configuration; a request is held against it as plain values
//! ([`Asked`]), and what is wrong comes back as a [`Refusal`] that names every field.
//! Regular expressions run in linear time, references stay inside of their file, and nothing is ever fetched.
//!
//! What it is not: a check of answers, and no change of a request but that a compressed body is unpacked.

mod rules;
pub use rules::Rules;
mod asked;
pub(crate) use asked::Asked;
mod refusal;
pub(crate) use refusal::Refusal;

mod flaw;
mod place;
mod references;
mod source;

mod document;
mod operation;
mod parameter;
mod template;
mod types;
mod upgrade;

mod branch;
mod fields;
mod format;
mod schema;

mod decode;
mod form;
mod json;
mod media;
