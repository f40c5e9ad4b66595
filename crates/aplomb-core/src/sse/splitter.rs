//! The incremental part: chunks go in, whole events come out, the unfinished rest is kept within a bound.

use bytes::{Bytes, BytesMut};

use super::whole::{self, Whole};

/// How long an event may be by default: 1 MiB, several times what any API is known to send at once.
pub const EVENT_LIMIT: usize = 1 << 20;

/// Cuts a stream into what is whole and what isn't yet.
#[derive(Clone, Debug)]
pub struct Splitter {
    limit: usize,
    /// The beginning of an event whose end hasn't come.
    tail: BytesMut,
    place: Place,
    /// Nothing has been given out yet.
    first: bool,
    broken: bool,
}

impl Default for Splitter {
    fn default() -> Self {
        Self::new(EVENT_LIMIT)
    }
}

/// An event is longer than the limit.
///
/// Nothing that comes after it can be split; every later chunk gets this error again.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("an event of the stream is longer than {limit} bytes")]
pub struct TooLong {
    /// What was whole before it.
    pub whole: Whole,
    /// The limit.
    pub limit: usize,
}

/// What was left when the stream ended: an event without its end, or text that is no event stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tail {
    bytes: Bytes,
    stray: Option<usize>,
}

impl Tail {
    /// All of it.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The part of it that is no event stream: a bare JSON error ends at the end of the stream, without a blank line.
    pub fn stray(&self) -> Option<&[u8]> {
        self.stray.map(|start| &self.bytes[start..])
    }
}

impl Splitter {
    /// A splitter that keeps at most `limit` bytes of an unfinished event.
    pub fn new(limit: usize) -> Self {
        Self { limit, tail: BytesMut::new(), place: Place::default(), first: true, broken: false }
    }

    /// Takes the next chunk and gives what is whole now.
    ///
    /// A chunk that ends where an event ends, after another that did, comes back as it is: nothing is copied.
    ///
    /// # Errors
    ///
    /// If an event is longer than the limit.
    pub fn feed(&mut self, chunk: Bytes) -> Result<Whole, TooLong> {
        if self.broken {
            return Err(TooLong { whole: Whole::default(), limit: self.limit });
        }
        if self.tail.is_empty() && chunk.len() <= self.limit && chunk.ends_with(b"\n\n") {
            self.place = Place::default();
            return Ok(self.give(chunk));
        }
        let (ends, fits) = self.scan(&chunk);
        if !fits {
            self.broken = true;
            let whole = self.take(chunk, ends);
            self.tail = BytesMut::new();
            return Err(TooLong { whole, limit: self.limit });
        }
        Ok(self.take(chunk, ends))
    }

    /// What is left at the end of the stream, if anything is.
    pub fn finish(self) -> Option<Tail> {
        let bytes = self.tail.freeze();
        let stray = whole::stray(&bytes, self.first);
        (!bytes.is_empty()).then_some(Tail { bytes, stray })
    }

    /// Where the last event in the chunk ends, if one does, and whether every event fits.
    fn scan(&mut self, chunk: &[u8]) -> (Option<usize>, bool) {
        let (mut end, mut at) = (None, 0);
        let mut length = self.tail.len();
        while at < chunk.len() {
            let next = self.place.step(&chunk[at..]);
            at += next;
            length += next;
            if length > self.limit {
                return (end, false);
            }
            if self.place.is_boundary() {
                end = Some(at);
                length = 0;
            }
        }
        (end, true)
    }

    /// Gives out everything up to `end` in the chunk, and keeps the rest.
    fn take(&mut self, mut chunk: Bytes, end: Option<usize>) -> Whole {
        let Some(end) = end else {
            self.tail.extend_from_slice(&chunk);
            return Whole::default();
        };
        if self.tail.is_empty() {
            let whole = chunk.split_to(end);
            self.tail.extend_from_slice(&chunk);
            return self.give(whole);
        }
        self.tail.extend_from_slice(&chunk[..end]);
        let whole = self.tail.split().freeze();
        self.tail.extend_from_slice(&chunk[end..]);
        self.give(whole)
    }

    fn give(&mut self, bytes: Bytes) -> Whole {
        let first = self.first && !bytes.is_empty();
        self.first &= bytes.is_empty();
        Whole::new(bytes, first)
    }
}

/// Where in an event the stream stands.
#[derive(Clone, Copy, Debug, Default)]
struct Place {
    /// The present line has begun.
    in_line: bool,
    /// The present line began with a colon.
    comment: bool,
    /// The present event has a line that is no comment.
    in_event: bool,
    /// The last byte was a carriage return, so that a line feed now would belong to it.
    after_return: bool,
}

impl Place {
    /// Whether an event, a comment or a blank line has just ended and nothing new has begun.
    fn is_boundary(self) -> bool {
        !self.in_line && !self.in_event
    }

    /// Goes on to the end of the line, or of the text; gives how far that is.
    fn step(&mut self, text: &[u8]) -> usize {
        if std::mem::take(&mut self.after_return) && text[0] == b'\n' {
            return 1;
        }
        let end = memchr::memchr2(b'\n', b'\r', text);
        if end != Some(0) && !self.in_line {
            self.in_line = true;
            self.comment = text[0] == b':';
        }
        let Some(end) = end else { return text.len() };
        match (self.in_line, self.comment) {
            (false, _) => self.in_event = false,
            (true, true) => {}
            (true, false) => self.in_event = true,
        }
        self.in_line = false;
        if text[end..].starts_with(b"\r\n") {
            return end + 2;
        }
        self.after_return = text[end] == b'\r';
        end + 1
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Item, Part};
    use super::*;
    use proptest::prelude::*;

    /// What a stream says however it is cut: its parts, its bytes, its rest.
    #[derive(Debug, PartialEq)]
    struct Told {
        parts: Vec<String>,
        whole: Vec<u8>,
        tail: Option<Tail>,
    }

    fn tell(chunks: impl IntoIterator<Item = Vec<u8>>, limit: usize) -> Told {
        let mut splitter = Splitter::new(limit);
        let (mut parts, mut bytes) = (Vec::new(), Vec::new());
        for chunk in chunks {
            let fed = splitter.feed(chunk.into());
            let broken = fed.is_err();
            let whole = fed.unwrap_or_else(|error| error.whole);
            bytes.extend_from_slice(whole.bytes());
            parts.extend(whole.parts().map(|part: Part<'_>| describe(part.item)));
            if broken {
                parts.push("too long".into());
                break;
            }
        }
        Told { parts, whole: bytes, tail: splitter.finish() }
    }

    fn describe(item: Item<'_>) -> String {
        match item {
            Item::Event(event) => format!("{:?} {:?} {:?}", event.name(), event.data(), event.id()),
            other => format!("{other:?}"),
        }
    }

    fn feed(splitter: &mut Splitter, chunk: &'static str) -> Bytes {
        splitter.feed(Bytes::from_static(chunk.as_bytes())).unwrap().into_bytes()
    }

    #[test]
    fn a_chunk_that_ends_with_its_event_comes_back_as_it_is() {
        let mut splitter = Splitter::default();
        for _ in 0..2 {
            let chunk = Bytes::from_static(b"data: 1\n\ndata: 2\n\n");
            let address = chunk.as_ptr();
            assert_eq!(splitter.feed(chunk).unwrap().bytes().as_ptr(), address);
        }
        let chunk = Bytes::from_static(b"data: 1\r\n\r\ndata: 2");
        let address = chunk.as_ptr();
        assert_eq!(splitter.feed(chunk).unwrap().bytes().as_ptr(), address);
    }

    #[test]
    fn half_an_event_waits_for_its_end() {
        let mut splitter = Splitter::default();
        assert_eq!(feed(&mut splitter, "data: 1\n\ndata: "), "data: 1\n\n");
        assert_eq!(feed(&mut splitter, "2\n"), "");
        assert_eq!(feed(&mut splitter, "\nda"), "data: 2\n\n");
        assert_eq!(splitter.finish().unwrap().bytes(), "da");
    }

    #[test]
    fn a_line_ending_may_be_cut_in_the_middle() {
        let mut splitter = Splitter::default();
        assert_eq!(feed(&mut splitter, "data: 1\r"), "");
        assert_eq!(feed(&mut splitter, "\n\r"), "data: 1\r\n\r");
        assert_eq!(feed(&mut splitter, "\ndata: 2\r"), "\n");
        assert_eq!(feed(&mut splitter, "\r"), "data: 2\r\r");
        assert_eq!(splitter.finish(), None);
    }

    #[test]
    fn signs_of_life_are_passed_on_at_once() {
        let mut splitter = Splitter::default();
        for sign in [": keep-alive\n", "\n", ":\n\n", "\r\n"] {
            assert_eq!(feed(&mut splitter, sign), sign);
        }
        assert_eq!(feed(&mut splitter, "data: 1\n: note\n"), "");
    }

    #[test]
    fn bare_json_at_the_end_is_told_from_half_an_event() {
        let mut splitter = Splitter::default();
        feed(&mut splitter, "data: 1\r\n\r\n{\n  \"error\": {\n");
        feed(&mut splitter, "    \"code\": 503\n  }\n}\n");
        let tail = splitter.finish().unwrap();
        assert_eq!(tail.stray(), Some(&b"{\n  \"error\": {\n    \"code\": 503\n  }\n}\n"[..]));

        let mut splitter = Splitter::default();
        feed(&mut splitter, "data: {\"a\":");
        assert_eq!(splitter.finish().unwrap().stray(), None);

        let mut splitter = Splitter::default();
        feed(&mut splitter, "data: 1\n{\"error\":1}");
        assert_eq!(splitter.finish().unwrap().stray(), Some(&b"{\"error\":1}"[..]));
    }

    #[test]
    fn an_event_beyond_the_limit_is_an_error_that_stays() {
        let mut splitter = Splitter::new(16);
        let error = splitter.feed(Bytes::from_static(b"data: 1\n\ndata: 0123456789A")).unwrap_err();
        assert_eq!((error.whole.bytes(), error.limit), (&Bytes::from_static(b"data: 1\n\n"), 16));
        assert!(splitter.feed(Bytes::from_static(b"\n\n")).is_err());
        assert_eq!(splitter.finish(), None);

        let mut splitter = Splitter::new(16);
        assert!(splitter.feed(Bytes::from_static(b"data: 01234567")).is_ok());
        assert!(splitter.feed(Bytes::from_static(b"89\n\n")).is_err());
        let mut splitter = Splitter::new(16);
        assert!(splitter.feed(Bytes::from_static(b"data: 0123456789\n\n")).is_err());
    }

    #[test]
    fn a_long_event_in_small_chunks_is_whole_in_the_end() {
        let mut splitter = Splitter::default();
        assert_eq!(feed(&mut splitter, "data: "), "");
        for _ in 0..100_000 {
            assert_eq!(feed(&mut splitter, "0123456789"), "");
        }
        assert_eq!(feed(&mut splitter, "\n\n").len(), 1_000_008);
    }

    /// Streams of likely and unlikely pieces, and of any bytes at all.
    fn stream() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            Just("data: {\"a\":1}".as_bytes().to_vec()),
            Just(b"event: error".to_vec()),
            Just(b": ping".to_vec()),
            Just(b"id: 7".to_vec()),
            Just(b"{ \"error\": 1 }".to_vec()),
            Just(b"\xEF\xBB\xBF".to_vec()),
            Just(b"\n".to_vec()),
            Just(b"\n\n".to_vec()),
            Just(b"\r\n".to_vec()),
            Just(b"\r\n\r\n".to_vec()),
            Just(b"\r".to_vec()),
            proptest::collection::vec(any::<u8>(), 0..5),
        ];
        proptest::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
    }

    fn cut(mut stream: &[u8], lengths: &[usize]) -> Vec<Vec<u8>> {
        let mut chunks = Vec::new();
        for length in lengths.iter().cycle() {
            if stream.is_empty() {
                break;
            }
            let (chunk, rest) = stream.split_at((*length).min(stream.len()));
            chunks.push(chunk.to_vec());
            stream = rest;
        }
        chunks
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]

        #[test]
        fn where_a_stream_is_cut_changes_nothing(
            stream in stream(),
            lengths in proptest::collection::vec(1usize..20, 1..30),
        ) {
            let told = tell([stream.clone()], EVENT_LIMIT);
            let tail = told.tail.as_ref().map_or(&[][..], |tail| tail.bytes());
            prop_assert_eq!([&told.whole[..], tail].concat(), stream.clone());
            prop_assert_eq!(tell(cut(&stream, &lengths), EVENT_LIMIT), told);
        }

        #[test]
        fn what_is_kept_is_bounded(
            stream in stream(),
            lengths in proptest::collection::vec(1usize..20, 1..30),
        ) {
            let mut splitter = Splitter::new(24);
            for chunk in cut(&stream, &lengths) {
                let _ = splitter.feed(chunk.into());
                prop_assert!(splitter.tail.len() <= 24);
            }
        }

        #[test]
        fn parts_stand_in_order_and_inside(stream in stream()) {
            let whole = Splitter::default().feed(stream.into()).unwrap();
            let mut end = 0;
            for part in whole.parts() {
                prop_assert!(part.range.start >= end && part.range.end > part.range.start);
                end = part.range.end;
            }
            prop_assert!(end <= whole.bytes().len());
        }
    }
}
