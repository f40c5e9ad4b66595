//! Which lane a request belongs to, and whose it is: hashes under a key that nobody outside knows.

use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, Hash, Hasher, RandomState};
use std::net::IpAddr;

use http::HeaderMap;

use crate::setup::Setup;

/// A lane by its hash: two 64-bit hashes under two keys, so that nobody can find two lanes that fall together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LaneKey(u64, u64);

/// What is kept for each lane.
pub(crate) type LaneMap<T> = HashMap<LaneKey, T, BuildHasherDefault<Hashed>>;

impl Hash for LaneKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0);
    }
}

/// Takes a [`LaneKey`] as it is: it is a hash already, under a key that nobody knows.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Hashed(u64);

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn write(&mut self, bytes: &[u8]) {
        // Nothing but lanes is looked up by it; whatever else comes still spreads.
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }
}

/// The keys of one process.
#[derive(Debug, Default)]
pub(crate) struct Tag(RandomState, RandomState);

impl Tag {
    /// The lane of a credential at an upstream, for a model.
    pub(crate) fn lane(&self, upstream: &str, credential: u64, model: Option<&str>) -> LaneKey {
        self.hash(&(upstream, credential, model))
    }

    /// The quota of a credential at an upstream, over all its models.
    pub(crate) fn quota(&self, upstream: &str, credential: u64) -> LaneKey {
        self.hash(&(upstream, credential))
    }

    /// A caller that sends no credential, by its address.
    pub(crate) fn address(&self, address: IpAddr) -> u64 {
        self.0.hash_one(address)
    }

    /// A caller that is known, by its account.
    pub(crate) fn account(&self, account: &str) -> u64 {
        self.0.hash_one(("account", account))
    }

    /// The credential that a caller sends, if it sends any.
    pub(crate) fn credential(&self, setup: &Setup, headers: &HeaderMap) -> Option<u64> {
        let sent = setup.credential_headers.all_in(headers);
        let all: Vec<&[u8]> = sent.into_iter().map(|(_, value)| value.as_bytes()).collect();
        (!all.is_empty()).then(|| self.0.hash_one(all))
    }

    fn hash(&self, value: &impl Hash) -> LaneKey {
        LaneKey(self.0.hash_one(value), self.1.hash_one(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_are_told_apart_by_upstream_credential_and_model() {
        let tag = Tag::default();
        let lane = |upstream: &str, credential, model: Option<&str>| tag.lane(upstream, credential, model);
        let one = lane("groq", 1, Some("a"));
        assert_eq!(one, lane("groq", 1, Some("a")));
        for other in [
            lane("groq", 1, Some("b")),
            lane("groq", 1, None),
            lane("groq", 2, Some("a")),
            lane("x", 1, Some("a")),
        ] {
            assert_ne!(one, other);
        }
    }
}
