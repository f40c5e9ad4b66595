//! The data files, as written and as resolved.
//!
//! `written` is the TOML as a person writes it, `resolve` turns it into a [`Dialect`] and reports every mistake at
//! once, `template` is the envelope that is read and written, `catalog` is all of them together.
//! This module is also compiled into the build script, so that a mistake in a bundled file fails the build.

pub mod template;
pub use template::{Form, Member, Node, Presence, Slot, SlotName};

pub mod pattern;
pub use pattern::{Path, Pattern};

pub mod written;
pub use written::{Auth, Detect, FactName, NativeErrors, ResetForm, Sdk, StatusFacts, Written};

pub mod dialect;
pub use dialect::{
    Dialect, Endpoint, Envelope, HeaderFact, LimitRow, ModelPlace, ReadRow, StreamForm, StreamWhen, TextRow,
    Validation, WriteRow,
};

pub mod usage;
pub use usage::UsagePlaces;

mod resolve;
pub use resolve::Mistake;

mod sign;
pub use sign::Sign;

pub mod catalog;
pub use catalog::Catalog;
