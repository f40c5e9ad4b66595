//! What is whole in a stream so far: bytes that end where an event ends, and the parts in them.

use std::ops::Range;

use bytes::Bytes;

use super::event::Event;
use super::line::{self, Line};

/// The byte order mark that a stream may begin with.
const MARK: &[u8] = b"\xEF\xBB\xBF";

/// Bytes of a stream that end where an event ends; possibly none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Whole {
    bytes: Bytes,
    /// The stream begins with these bytes.
    first: bool,
}

impl Whole {
    pub(super) fn new(bytes: Bytes, first: bool) -> Self {
        Self { bytes, first }
    }

    /// The bytes, untouched.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The same, without keeping the view.
    pub fn into_bytes(self) -> Bytes {
        self.bytes
    }

    /// Nothing is whole.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Every event, comment and stray text in order.
    pub fn parts(&self) -> Parts<'_> {
        let at = if self.first && self.bytes.starts_with(MARK) { MARK.len() } else { 0 };
        Parts { bytes: &self.bytes, at }
    }
}

/// One part and where it stands in [`Whole::bytes`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part<'a> {
    /// From its first byte to the end of its blank line.
    pub range: Range<usize>,
    /// What it is.
    pub item: Item<'a>,
}

/// What stands between blank lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Item<'a> {
    /// An event; it has no data if none of its lines is `data:`.
    Event(Event<'a>),
    /// A comment before or between events, often a sign of life; one inside an event belongs to the event.
    Comment(&'a [u8]),
    /// Text that is no event stream, with its line endings: bare JSON, a page, a sentence.
    Stray(&'a [u8]),
}

/// The parts of a [`Whole`].
#[derive(Clone, Debug)]
pub struct Parts<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Iterator for Parts<'a> {
    type Item = Part<'a>;

    fn next(&mut self) -> Option<Part<'a>> {
        while self.at < self.bytes.len() {
            let start = self.at;
            let (line, rest) = line::cut(&self.bytes[start..]);
            let item = match Line::read(line) {
                Line::Blank => None,
                Line::Comment(text) => Some(Item::Comment(text)),
                Line::Field(..) => {
                    let (lines, rest) = self.until(rest, |line| matches!(line, Line::Blank | Line::Stray));
                    let end = self.after_blank(rest);
                    self.at = end;
                    let item = Item::Event(Event::new(&self.bytes[start..lines]));
                    return Some(Part { range: start..end, item });
                }
                Line::Stray => {
                    let (text, rest) = self.until(rest, |line| line == Line::Blank);
                    let end = self.after_blank(rest);
                    self.at = end;
                    return Some(Part { range: start..end, item: Item::Stray(&self.bytes[start..text]) });
                }
            };
            self.at = self.bytes.len() - rest.len();
            if let Some(item) = item {
                return Some(Part { range: start..self.at, item });
            }
        }
        None
    }
}

impl<'a> Parts<'a> {
    /// Skips lines until one that ends the part: where it begins, and the text from there.
    fn until(&self, mut text: &'a [u8], ends: impl Fn(Line<'a>) -> bool) -> (usize, &'a [u8]) {
        while !text.is_empty() {
            let (line, rest) = line::cut(text);
            if ends(Line::read(line)) {
                break;
            }
            text = rest;
        }
        (self.bytes.len() - text.len(), text)
    }

    /// Where the text goes on after its blank line, if it begins with one.
    fn after_blank(&self, text: &[u8]) -> usize {
        let (line, rest) = line::cut(text);
        self.bytes.len() - if line.is_empty() { rest.len() } else { text.len() }
    }
}

/// Where text begins that is no event stream, in bytes that need not be whole.
pub(super) fn stray(bytes: &[u8], first: bool) -> Option<usize> {
    let whole = Whole { bytes: Bytes::copy_from_slice(bytes), first };
    let strays = |part: Part<'_>| matches!(part.item, Item::Stray(_)).then_some(part.range.start);
    whole.parts().find_map(strays)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every part as a short text, and the bytes that it stands in.
    fn parts(text: &'static str) -> Vec<(String, &'static str)> {
        let whole = Whole::new(Bytes::from_static(text.as_bytes()), true);
        let describe = |part: Part<'_>| {
            let item = match part.item {
                Item::Event(event) => {
                    let data = event.data().map(|data| String::from_utf8_lossy(&data).into_owned());
                    format!("{} {}", event.name().unwrap_or("-"), data.unwrap_or_else(|| "-".into()))
                }
                Item::Comment(text) => format!("comment {}", String::from_utf8_lossy(text)),
                Item::Stray(text) => format!("stray {}", String::from_utf8_lossy(text)),
            };
            (item, &text[part.range])
        };
        whole.parts().map(describe).collect()
    }

    #[test]
    fn events_comments_and_blank_lines_are_told_apart() {
        assert_eq!(
            parts("\n: hi\nevent: a\n: note\ndata: 1\n\n\n\ndata: 2\r\n\r\n"),
            [
                ("comment hi".into(), ": hi\n"),
                ("a 1".into(), "event: a\n: note\ndata: 1\n\n"),
                ("- 2".into(), "data: 2\r\n\r\n"),
            ]
        );
    }

    #[test]
    fn bare_json_is_stray_even_right_after_an_event() {
        assert_eq!(
            parts("data: 1\n\n{\n  \"error\": 1\n}\n\ndata: 2\n[]\n\ndata: 3\n\n"),
            [
                ("- 1".into(), "data: 1\n\n"),
                ("stray {\n  \"error\": 1\n}\n".into(), "{\n  \"error\": 1\n}\n\n"),
                ("- 2".into(), "data: 2\n"),
                ("stray []\n".into(), "[]\n\n"),
                ("- 3".into(), "data: 3\n\n"),
            ]
        );
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_the_first_line() {
        assert_eq!(parts("\u{feff}data: 1\n\n"), [("- 1".into(), "data: 1\n\n")]);
    }
}
