//! Why a chore could not be done.

use std::fmt;
use std::io;
use std::path::Path;

/// What a chore gives back.
pub(crate) type Outcome<T = ()> = Result<T, Trouble>;

/// One sentence for the person at the terminal: what went wrong and, where it is known, what to do.
#[derive(Debug)]
pub(crate) struct Trouble(String);

impl Trouble {
    /// A trouble in these words.
    pub(crate) fn new(sentence: impl Into<String>) -> Self {
        Self(sentence.into())
    }

    /// A file or folder that could not be used.
    pub(crate) fn file(path: &Path, cause: &io::Error) -> Self {
        Self(format!("{}: {cause}", path.display()))
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Trouble {}
