//! One line of a stream: where it ends, and what it is.

/// What a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line<'a> {
    /// Nothing: the event before it is complete.
    Blank,
    /// A comment, without its colon.
    Comment(&'a [u8]),
    /// A field with its value.
    Field(&'a [u8], &'a [u8]),
    /// Nothing that belongs into an event stream.
    Stray,
}

impl<'a> Line<'a> {
    /// Reads a line that has no line ending any more.
    ///
    /// A field that the standard doesn't know is a field if its name looks like one; JSON, HTML and prose don't.
    pub(super) fn read(line: &'a [u8]) -> Self {
        let colon = memchr::memchr(b':', line);
        let (name, value) = match colon {
            None => (line, &[][..]),
            Some(colon) => (&line[..colon], &line[colon + 1..]),
        };
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match (name, colon) {
            ([], None) => Self::Blank,
            ([], Some(_)) => Self::Comment(value),
            (b"data" | b"event" | b"id" | b"retry", _) => Self::Field(name, value),
            (_, Some(_)) if name.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(byte)) => {
                Self::Field(name, value)
            }
            _ => Self::Stray,
        }
    }
}

/// Cuts the first line off: the line without its ending (`\n`, `\r\n` or `\r`), and what follows.
///
/// A text without an ending is its own last line.
pub(super) fn cut(text: &[u8]) -> (&[u8], &[u8]) {
    let Some(end) = memchr::memchr2(b'\n', b'\r', text) else { return (text, &[]) };
    let width = if text[end..].starts_with(b"\r\n") { 2 } else { 1 };
    (&text[..end], &text[end + width..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_as_the_standard_says() {
        assert_eq!(Line::read(b""), Line::Blank);
        assert_eq!(Line::read(b": keep-alive"), Line::Comment(b"keep-alive"));
        assert_eq!(Line::read(b":"), Line::Comment(b""));
        assert_eq!(Line::read(b"data: a: b"), Line::Field(b"data", b"a: b"));
        assert_eq!(Line::read(b"data:  two"), Line::Field(b"data", b" two"));
        assert_eq!(Line::read(b"data"), Line::Field(b"data", b""));
        assert_eq!(Line::read(b"x-other_1:y"), Line::Field(b"x-other_1", b"y"));
    }

    #[test]
    fn json_html_and_prose_are_stray() {
        for line in [
            "{",
            "}",
            "[{",
            "  \"error\": {",
            "\"code\":1",
            "<html>",
            "Internal Server Error",
            "upstream: a b: c",
            " data: x",
        ] {
            let stray = Line::read(line.as_bytes()) == Line::Stray;
            assert_eq!(stray, line != "upstream: a b: c", "{line}");
        }
    }

    #[test]
    fn every_ending_ends_a_line() {
        assert_eq!(cut(b"a\nb"), (&b"a"[..], &b"b"[..]));
        assert_eq!(cut(b"a\r\nb"), (&b"a"[..], &b"b"[..]));
        assert_eq!(cut(b"a\rb"), (&b"a"[..], &b"b"[..]));
        assert_eq!(cut(b"a\n\rb"), (&b"a"[..], &b"\rb"[..]));
        assert_eq!(cut(b"a"), (&b"a"[..], &b""[..]));
    }
}
