//! Sets of header names that are looked for in every message, most of which hold one of them or none.

use http::header::HeaderName;
use http::{HeaderMap, HeaderValue};

/// Header names, in their order.
///
/// A message is walked through once: that costs a fraction of a look for each name, and most headers are told apart
/// by their length alone.
#[derive(Clone, Debug, Default)]
pub(crate) struct NameSet {
    names: Vec<HeaderName>,
    /// The lengths that there are, one bit for each; the last one stands for all that are longer.
    lengths: u64,
}

impl NameSet {
    /// Whether it holds a name.
    pub(crate) fn contains(&self, name: &HeaderName) -> bool {
        self.lengths & length(name) != 0 && self.names.contains(name)
    }

    /// Whether a message has any of them.
    pub(crate) fn any_in(&self, headers: &HeaderMap) -> bool {
        headers.keys().any(|name| self.contains(name))
    }

    /// What a message says under these names, in their order.
    pub(crate) fn all_in<'h>(&self, headers: &'h HeaderMap) -> Vec<(&'h HeaderName, &'h HeaderValue)> {
        let mut found: Vec<_> = headers.iter().filter(|(name, _)| self.contains(name)).collect();
        // Stable, so that several lines of one name stay as they came.
        found.sort_by_key(|(name, _)| name.as_str());
        found
    }

    /// Takes them out of a message.
    pub(crate) fn remove_from(&self, headers: &mut HeaderMap) {
        while let Some(name) = headers.keys().find(|name| self.contains(name)).cloned() {
            headers.remove(name);
        }
    }

    /// The names.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &HeaderName> {
        self.names.iter()
    }
}

impl FromIterator<HeaderName> for NameSet {
    fn from_iter<I: IntoIterator<Item = HeaderName>>(names: I) -> Self {
        let mut names: Vec<HeaderName> = names.into_iter().collect();
        names.sort_by(|a, b| a.as_str().cmp(b.as_str()));
        names.dedup();
        let lengths = names.iter().fold(0, |all, name| all | length(name));
        Self { names, lengths }
    }
}

fn length(name: &HeaderName) -> u64 {
    1 << name.as_str().len().min(63)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(names: &[&'static str]) -> NameSet {
        names.iter().map(|name| HeaderName::from_static(name)).collect()
    }

    fn message(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let line = |&(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value));
        lines.iter().map(line).collect()
    }

    #[test]
    fn a_message_is_asked_for_all_of_them_at_once() {
        let long = "x-a-name-that-is-longer-than-any-that-has-a-bit-of-its-own-in-the-word";
        let set = set(&["x-api-key", "authorization", "authorization", long]);
        assert_eq!(set.iter().count(), 3);
        let mut headers = message(&[
            ("x-api-key", "one"),
            ("user-agent-", "as long as another"),
            ("accept", "*/*"),
            ("authorization", "two"),
            (long, "four"),
        ]);
        headers.append("authorization", HeaderValue::from_static("three"));
        assert!(set.any_in(&headers));
        let all: Vec<_> = set.all_in(&headers).into_iter().map(|(_, value)| value.clone()).collect();
        assert_eq!(all, ["two", "three", "four", "one"]);
        set.remove_from(&mut headers);
        assert!(!set.any_in(&headers));
        assert_eq!(headers.len(), 2);
    }
}
