//! One event: a view of its fields, read anew at every question and only as far as needed.

use std::borrow::Cow;
use std::time::Duration;

use super::line::{self, Line};

/// The lines of one event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event<'a> {
    lines: &'a [u8],
}

impl<'a> Event<'a> {
    pub(super) fn new(lines: &'a [u8]) -> Self {
        Self { lines }
    }

    /// The event's name, as `event:` gives it; the last one counts.
    ///
    /// A name that isn't UTF-8 is none.
    pub fn name(&self) -> Option<&'a str> {
        let name = self.all("event").last()?;
        std::str::from_utf8(name).ok().filter(|name| !name.is_empty())
    }

    /// The data: what follows `data:`, several of them joined by line feeds.
    ///
    /// `None` if there is no such line; a browser would not fire such an event.
    pub fn data(&self) -> Option<Cow<'a, [u8]>> {
        let mut lines = self.all("data");
        let first = lines.next()?;
        let Some(second) = lines.next() else { return Some(Cow::Borrowed(first)) };
        let mut data = [first, second].join(&b'\n');
        for line in lines {
            data.push(b'\n');
            data.extend_from_slice(line);
        }
        Some(Cow::Owned(data))
    }

    /// The id, as `id:` gives it; one with a zero byte in it counts as absent.
    pub fn id(&self) -> Option<&'a [u8]> {
        self.all("id").filter(|id| memchr::memchr(0, id).is_none()).last()
    }

    /// How long a browser should wait before it connects again, as `retry:` gives it in milliseconds.
    pub fn retry(&self) -> Option<Duration> {
        let text = std::str::from_utf8(self.all("retry").last()?).ok()?;
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| Duration::from_millis(text.parse().unwrap_or(u64::MAX)))
    }

    /// Every field with its value in order, those that the standard ignores too.
    pub fn fields(&self) -> Fields<'a> {
        Fields { rest: self.lines }
    }

    fn all(&self, wanted: &'static str) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.fields().filter(move |(name, _)| *name == wanted.as_bytes()).map(|(_, value)| value)
    }
}

/// The fields of an [`Event`], as names and values.
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Fields<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        while !self.rest.is_empty() {
            let (line, rest) = line::cut(self.rest);
            self.rest = rest;
            if let Line::Field(name, value) = Line::read(line) {
                return Some((name, value));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(lines: &str) -> Event<'_> {
        Event::new(lines.as_bytes())
    }

    #[test]
    fn one_line_of_data_is_borrowed() {
        assert!(matches!(event("data: {}\n\n").data(), Some(Cow::Borrowed(b"{}"))));
    }

    #[test]
    fn several_lines_of_data_are_joined() {
        assert_eq!(event("data: a\r\ndata\rdata:b\n\n").data().unwrap(), &b"a\n\nb"[..]);
    }

    #[test]
    fn no_data_is_not_empty_data() {
        assert_eq!(event("event: ping\n\n").data(), None);
        assert_eq!(event("data:\n\n").data().unwrap(), &b""[..]);
    }

    #[test]
    fn the_last_name_id_and_retry_count() {
        let event =
            event("event: a\nid: 1\nretry: 10\n: note\nevent: b\nid: 2\nid: \0\nretry: 20\nother: x\n\n");
        assert_eq!(event.name(), Some("b"));
        assert_eq!(event.id(), Some(&b"2"[..]));
        assert_eq!(event.retry(), Some(Duration::from_millis(20)));
        assert_eq!(event.fields().last(), Some((&b"other"[..], &b"x"[..])));
    }

    #[test]
    fn hostile_fields_are_harmless() {
        assert_eq!(event("retry: -1\n").retry(), None);
        assert_eq!(event("retry: \n").retry(), None);
        assert_eq!(event("retry: 99999999999999999999999\n").retry(), Some(Duration::from_millis(u64::MAX)));
        assert_eq!(Event::new(b"event: \xFF\n").name(), None);
        assert_eq!(event("event\n").name(), None);
    }
}
