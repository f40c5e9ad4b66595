//! Writing to the terminal; a reader that has gone (`aplomb … | head`) is no failure.

use std::io::Write;

/// Writes to standard output.
pub(crate) fn out(text: &str) {
    // Nobody is left to tell when this fails.
    drop(anstream::stdout().lock().write_all(text.as_bytes()));
}

/// Writes to standard error.
pub(crate) fn err(text: &str) {
    // Nobody is left to tell when this fails.
    drop(anstream::stderr().lock().write_all(text.as_bytes()));
}
