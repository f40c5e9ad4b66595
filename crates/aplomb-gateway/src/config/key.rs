//! A key of ours: where it comes from, and the header that carries it.

use std::path::PathBuf;

use http::{HeaderName, HeaderValue};

use crate::config::{OAuth, Secret};

/// A key of ours and the header that carries it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// The header.
    pub header: HeaderName,
    /// What stands before the key in it.
    pub prefix: String,
    /// Where the key comes from.
    pub source: KeySource,
}

/// Where a key of ours comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// It was there when the configuration was read.
    Given(Secret),
    /// A file, read anew whenever it changes.
    File(PathBuf),
    /// A token that is fetched, and renewed before it runs out.
    OAuth(Box<OAuth>),
}

impl Key {
    /// A key by the name of its header.
    ///
    /// # Errors
    /// What can't stand in a header, said without repeating the key.
    pub fn new(header: &str, prefix: &str, source: KeySource) -> Result<Self, String> {
        let header = HeaderName::try_from(header).map_err(|_| format!("`{header}` is no header name"))?;
        let key = Self { header, prefix: prefix.to_owned(), source };
        match &key.source {
            KeySource::Given(secret) => key.carry(secret)?,
            KeySource::File(_) | KeySource::OAuth(_) => key.carry(&Secret::new("x"))?,
        };
        Ok(key)
    }

    /// The whole value of the header, prefix included; marked as sensitive.
    ///
    /// # Errors
    /// The key can't stand in a header; said without repeating it.
    pub fn carry(&self, key: &Secret) -> Result<HeaderValue, String> {
        let mut value = HeaderValue::try_from(format!("{}{}", self.prefix, key.expose()))
            .map_err(|_| "the key has characters that can't stand in a header".to_owned())?;
        value.set_sensitive(true);
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_shows_itself_nowhere() {
        let secret = Secret::new("sk-live-1234");
        let key = Key::new("authorization", "Bearer ", KeySource::Given(secret.clone())).unwrap();
        let value = key.carry(&secret).unwrap();
        assert_eq!(value.as_bytes(), b"Bearer sk-live-1234");
        assert!(!format!("{key:?} {value:?}").contains("1234"));
    }

    #[test]
    fn a_key_that_would_split_a_header_is_refused_without_repeating_it() {
        let source = KeySource::Given(Secret::new("sk-live-1234\r\nx: y"));
        let told = Key::new("authorization", "Bearer ", source).unwrap_err();
        assert!(!told.contains("1234"), "{told}");
    }
}
