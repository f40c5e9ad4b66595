//! A bug on demand, in a build for tests: what a panic of ours looks like to callers can be seen no other way.

use http::HeaderMap;

/// Panics for a request that asks for it.
pub(crate) fn perhaps(headers: &HeaderMap) {
    assert!(!headers.contains_key("x-mishap"), "a mishap was asked for");
}
