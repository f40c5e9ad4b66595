//! SHA-256, of one value or of several, and bytes as text.

use ring::digest::{self, Context, Digest, SHA256};

/// The hash of a value.
pub(crate) fn sha256(value: &[u8]) -> [u8; 32] {
    bytes(&digest::digest(&SHA256, value))
}

/// The hash of several values: each with its length, so that no two lists of them are the same bytes.
pub(crate) struct Fields(Context);

impl Fields {
    /// Of none so far.
    pub(crate) fn new() -> Self {
        Self(Context::new(&SHA256))
    }

    /// One more.
    pub(crate) fn add(&mut self, value: &[u8]) {
        self.0.update(&(value.len() as u64).to_le_bytes());
        self.0.update(value);
    }

    /// The hash of all.
    pub(crate) fn finish(self) -> [u8; 32] {
        bytes(&self.0.finish())
    }
}

/// Two digits for each byte.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: [char; 16] =
        ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        text.extend([DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    }
    text
}

fn bytes(digest: &Digest) -> [u8; 32] {
    digest.as_ref().try_into().expect("a SHA-256 has 32 bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_that_of_everybody_else() {
        let known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hex(&sha256(b"abc")), known);
        assert_eq!(hex(&[]), "");
    }

    #[test]
    fn values_that_are_split_elsewhere_are_other_values() {
        let of = |values: &[&str]| {
            let mut fields = Fields::new();
            values.iter().for_each(|value| fields.add(value.as_bytes()));
            fields.finish()
        };
        assert_eq!(of(&["ab", "c"]), of(&["ab", "c"]));
        for other in [&["a", "bc"][..], &["abc"], &["ab", "c", ""]] {
            assert_ne!(of(&["ab", "c"]), of(other));
        }
    }
}
