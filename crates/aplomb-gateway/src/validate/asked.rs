//! A request as plain values, as far as rules look at it.

use http::{HeaderMap, Method};

/// A request that is held against rules.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    /// Its method.
    pub(crate) method: &'a Method,
    /// Its path behind the route's prefix, as it was sent.
    pub(crate) path: &'a str,
    /// Its query, as it was sent.
    pub(crate) query: Option<&'a str>,
    /// Its headers.
    pub(crate) headers: &'a HeaderMap,
    /// Its body as it came; absent when it was too large to be kept.
    pub(crate) body: Option<&'a [u8]>,
    /// The most bytes that a body may have, packed or not.
    pub(crate) most: usize,
    /// Whether its cookies are still there: where they are credentials that go no further, nothing is said of them.
    pub(crate) cookies: bool,
}

impl<'a> Asked<'a> {
    /// The text of a header that stands there once; of several the first.
    pub(super) fn header(&self, name: &str) -> Option<&'a str> {
        self.headers.get(name)?.to_str().ok()
    }
}
