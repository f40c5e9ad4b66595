//! A request's id: written once, and shared by everything that carries it.

use std::fmt;
use std::ops::Deref;

use http::HeaderValue;
use uuid::Uuid;

/// What stands before every id of ours.
const PREFIX: &[u8] = b"req_";

/// The id that is on every answer and every log line of one request; clones share its letters.
#[derive(Clone, Debug)]
pub(crate) struct RequestId(HeaderValue);

impl RequestId {
    /// A new one: `req_` and a UUID.
    pub(crate) fn new(id: Uuid) -> Self {
        let mut text = [0; PREFIX.len() + uuid::fmt::Hyphenated::LENGTH];
        text[..PREFIX.len()].copy_from_slice(PREFIX);
        id.hyphenated().encode_lower(&mut text[PREFIX.len()..]);
        Self(HeaderValue::from_bytes(&text).expect("letters, digits and dashes are a header value"))
    }

    /// The caller's own, if it can stand in headers and logs: 1 to 128 of letters, digits and `._:-`.
    pub(crate) fn of_caller(value: &HeaderValue) -> Option<Self> {
        let id = value.as_bytes();
        let sane = |byte: &u8| byte.is_ascii_alphanumeric() || b"._:-".contains(byte);
        ((1..=128).contains(&id.len()) && id.iter().all(sane)).then(|| Self(value.clone()))
    }

    /// As the value of a header.
    pub(crate) fn header(&self) -> HeaderValue {
        self.0.clone()
    }
}

impl Deref for RequestId {
    type Target = str;

    fn deref(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_id_is_a_uuid_behind_a_prefix() {
        let id = RequestId::new(Uuid::from_u128(0x019d_d6a1_1111_7222_8333_4444_5555_6666));
        assert_eq!(&*id, "req_019dd6a1-1111-7222-8333-444455556666");
        assert_eq!(id.header(), *id);
    }

    #[test]
    fn only_sane_ids_are_kept() {
        let of = |text: &str| RequestId::of_caller(&HeaderValue::from_bytes(text.as_bytes()).unwrap());
        for sane in ["a", "req_1.2:3-4", &"x".repeat(128)] {
            assert_eq!(&*of(sane).unwrap(), sane);
        }
        for odd in ["", "a b", "a\"b", "ü", &"x".repeat(129)] {
            assert!(of(odd).is_none(), "{odd}");
        }
    }
}
