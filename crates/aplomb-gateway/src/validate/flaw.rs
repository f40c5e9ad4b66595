//! A mistake in a schema or a document.

/// A mistake, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Flaw {
    /// A JSON pointer into the file.
    pub(super) at: String,
    /// What is wrong and what would be right.
    pub(super) message: String,
}

impl Flaw {
    /// A mistake at a place.
    pub(super) fn new(at: impl Into<String>, message: impl Into<String>) -> Self {
        Self { at: at.into(), message: message.into() }
    }
}
