//! No bug on demand: the build that is not for tests.

use http::HeaderMap;

/// Nothing happens.
pub(crate) fn perhaps(_headers: &HeaderMap) {}
