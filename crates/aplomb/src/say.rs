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

/// An error and what caused it, in one line.
pub(crate) fn causes(err: &dyn std::error::Error) -> String {
    let mut text = err.to_string();
    let mut cause = err.source();
    while let Some(err) = cause {
        text.push_str(": ");
        text.push_str(&err.to_string());
        cause = err.source();
    }
    text
}
