//! What there is to judge an answer by: status, headers, body, where it came from, and when.

use std::time::SystemTime;

/// Header names and values in the order of the answer.
#[derive(Clone, Copy, Debug, Default)]
pub struct Headers<'a>(pub &'a [(&'a str, &'a str)]);

impl<'a> Headers<'a> {
    /// The first value of a header, whatever the case of its name.
    pub fn get(&self, name: &str) -> Option<&'a str> {
        self.all(name).next()
    }

    /// Every value of a header.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| *value)
    }

    /// Whether a name is there; a trailing `*` stands for any rest.
    pub fn has(&self, pattern: &str) -> bool {
        match pattern.strip_suffix('*') {
            Some(start) => self.0.iter().any(|(name, _)| {
                name.get(..start.len()).is_some_and(|beginning| beginning.eq_ignore_ascii_case(start))
            }),
            None => self.get(pattern).is_some(),
        }
    }
}

/// An answer to be judged.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    /// The HTTP status, when it is known.
    pub status: Option<u16>,
    /// The answer's headers.
    pub headers: Headers<'a>,
    /// The body as it came, possibly compressed.
    pub body: &'a [u8],
    /// The host that was asked, when it is known.
    pub host: Option<&'a str>,
    /// When the answer came.
    pub now: SystemTime,
}
