//! Reads a request's head for the one question that the gate has: is there exactly one reading of it?
//!
//! The parser is the one that hyper uses, so that what passes here hyper reads, and reads alike.

use std::mem::MaybeUninit;
use std::time::Duration;

use http::Uri;
use httparse::{Error, Request, Status};

use super::Refusal;

/// The most header lines; hyper's own limit too.
pub(super) const MOST_LINES: usize = 100;

/// How large a request's head may be, and how long it may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeadLimits {
    /// The most bytes of a head; default 64 KiB.
    pub bytes: usize,
    /// The most bytes of a request target; default 16 KiB.
    pub target: usize,
    /// How long a head may take once its first byte is here; default 10 s.
    pub within: Duration,
}

impl Default for HeadLimits {
    fn default() -> Self {
        Self { bytes: 64 * 1024, target: 16 * 1024, within: Duration::from_secs(10) }
    }
}

/// What stands at the beginning of some bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Head {
    /// Not all of it is here yet.
    Partial,
    /// A head of so many bytes, and what follows it.
    Whole { bytes: usize, body: Framing },
}

/// How a request's body is delimited.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Framing {
    Length(u64),
    Chunked,
}

/// Reads a head that begins where `bytes` begin.
pub(super) fn read(bytes: &[u8], limits: HeadLimits) -> Result<Head, Refusal> {
    let mut lines = [const { MaybeUninit::uninit() }; MOST_LINES];
    let mut request = Request::new(&mut []);
    let parsed = request.parse_with_uninit_headers(bytes, &mut lines);
    let length = match parsed {
        Ok(Status::Complete(length)) => length,
        Ok(Status::Partial) if bytes.len() > limits.bytes => return Err(Refusal::HeadTooLarge),
        Ok(Status::Partial) if request.path.is_none() && bytes.len() > limits.target => {
            return Err(Refusal::UriTooLong);
        }
        Ok(Status::Partial) => return Ok(Head::Partial),
        Err(Error::TooManyHeaders) => return Err(Refusal::HeadTooLarge),
        Err(Error::Version) if names_a_version(bytes) => return Err(Refusal::Version),
        Err(_) => return Err(Refusal::Malformed),
    };
    if length > limits.bytes {
        return Err(Refusal::HeadTooLarge);
    }
    check_target(request.path.unwrap_or_default(), limits.target)?;
    let body = framing(&request)?;
    Ok(Head::Whole { bytes: length, body })
}

/// Whether the request line is right but for the version that it ends with.
fn names_a_version(bytes: &[u8]) -> bool {
    let line = bytes.split(|byte| *byte == b'\n').find(|line| !line.trim_ascii().is_empty());
    let mut words = line.unwrap_or_default().trim_ascii().split(|byte| *byte == b' ');
    words.nth(2).is_some_and(|word| word.starts_with(b"HTTP/")) && words.next().is_none()
}

fn check_target(target: &str, most: usize) -> Result<(), Refusal> {
    if target.len() > most {
        return Err(Refusal::UriTooLong);
    }
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/-_.~%?=&+,:;@!$'()*".contains(byte);
    if target.starts_with('/') && target.as_bytes().iter().all(plain) {
        return Ok(());
    }
    target.parse::<Uri>().map(|_| ()).map_err(|_| Refusal::Malformed)
}

/// Refuses every head that says more than once, or in two ways, where its body ends or whom it is for.
fn framing(request: &Request<'_, '_>) -> Result<Framing, Refusal> {
    let (mut length, mut chunked, mut hosts) = (None, false, 0);
    for line in request.headers.iter() {
        match line.name.len() {
            4 if line.name.eq_ignore_ascii_case("host") => hosts += 1,
            14 if line.name.eq_ignore_ascii_case("content-length") => {
                let said = digits(line.value)?;
                if length.replace(said).is_some() {
                    return Err(Refusal::Malformed);
                }
            }
            17 if line.name.eq_ignore_ascii_case("transfer-encoding") => {
                let exact = line.value.trim_ascii().eq_ignore_ascii_case(b"chunked");
                if chunked || !exact {
                    return Err(Refusal::Malformed);
                }
                chunked = true;
            }
            _ => {}
        }
    }
    let http11 = request.version == Some(1);
    if hosts > 1 || (http11 && hosts == 0) {
        return Err(Refusal::Host);
    }
    match (length, chunked) {
        (Some(_), true) => Err(Refusal::Malformed),
        (None, true) if !http11 => Err(Refusal::Malformed),
        (None, true) => Ok(Framing::Chunked),
        (length, false) => Ok(Framing::Length(length.unwrap_or(0))),
    }
}

/// A length is digits and nothing else: no sign, no list, no more than hyper can count.
fn digits(value: &[u8]) -> Result<u64, Refusal> {
    let value = value.trim_ascii();
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return Err(Refusal::Malformed);
    }
    let number = str::from_utf8(value).ok().and_then(|text| text.parse().ok());
    number.filter(|length| *length <= u64::MAX - 2).ok_or(Refusal::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST_TARGET: usize = 16 * 1024;
    const MOST_BYTES: usize = 64 * 1024;

    fn read(bytes: &[u8]) -> Result<Head, Refusal> {
        super::read(bytes, HeadLimits::default())
    }

    fn post(lines: &str) -> Result<Head, Refusal> {
        read(format!("POST /v1 HTTP/1.1\r\nhost: a\r\n{lines}\r\n").as_bytes())
    }

    fn body(lines: &str) -> Framing {
        match post(lines) {
            Ok(Head::Whole { body, .. }) => body,
            other => panic!("{lines:?} is {other:?}"),
        }
    }

    #[test]
    fn one_length_or_one_chunked_is_one_reading() {
        assert_eq!(body(""), Framing::Length(0));
        assert_eq!(body("Content-Length: 12\r\n"), Framing::Length(12));
        assert_eq!(body("content-length:  12 \r\n"), Framing::Length(12));
        assert_eq!(body("Transfer-Encoding: Chunked\r\n"), Framing::Chunked);
    }

    #[test]
    fn two_readings_are_refused() {
        for lines in [
            "content-length: 5\r\ntransfer-encoding: chunked\r\n",
            "transfer-encoding: chunked\r\ncontent-length: 5\r\n",
            "content-length: 5\r\ncontent-length: 5\r\n",
            "content-length: 5\r\nContent-Length: 6\r\n",
            "content-length: 5, 5\r\n",
            "content-length: +5\r\n",
            "content-length: -1\r\n",
            "content-length: 0x5\r\n",
            "content-length:\r\n",
            "content-length: 99999999999999999999\r\n",
            "content-length: 18446744073709551615\r\n",
            "transfer-encoding: gzip, chunked\r\n",
            "transfer-encoding: xchunked\r\n",
            "transfer-encoding: identity\r\n",
            "transfer-encoding:\r\n",
            "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n",
        ] {
            assert_eq!(post(lines), Err(Refusal::Malformed), "{lines:?}");
        }
    }

    #[test]
    fn what_breaks_the_grammar_is_refused() {
        for lines in [
            "x: a\r\n folded\r\n",
            "x : a\r\n",
            " x: a\r\n",
            "x: a\0b\r\n",
            "x: a\rb\r\n",
            "no colon\r\n",
            "\u{e9}: a\r\n",
        ] {
            assert_eq!(post(lines), Err(Refusal::Malformed), "{lines:?}");
        }
        for line in
            ["GET  / HTTP/1.1", "GET / HTTP/1.1 ", "G T / HTTP/1.1", "GET /<a> HTTP/1.1", "GET a HTTP/1.1 x"]
        {
            let head = format!("{line}\r\nhost: a\r\n\r\n");
            assert_eq!(read(head.as_bytes()), Err(Refusal::Malformed), "{line}");
        }
        assert_eq!(read(b"GET / HTTP/2.0\r\nhost: a\r\n\r\n"), Err(Refusal::Version));
    }

    #[test]
    fn one_host_is_wanted_and_only_an_old_client_may_have_none() {
        for (head, refused) in [
            ("GET / HTTP/1.1\r\n\r\n", true),
            ("GET / HTTP/1.1\r\nhost: a\r\nHost: a\r\n\r\n", true),
            ("GET / HTTP/1.0\r\nhost: a\r\nhost: b\r\n\r\n", true),
            ("GET / HTTP/1.0\r\n\r\n", false),
            ("GET http://b/ HTTP/1.1\r\nhost: a\r\n\r\n", false),
        ] {
            assert_eq!(read(head.as_bytes()) == Err(Refusal::Host), refused, "{head:?}");
        }
        let old = read(b"POST / HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n");
        assert_eq!(old, Err(Refusal::Malformed));
    }

    #[test]
    fn too_much_is_refused_as_soon_as_it_is_known() {
        let long = format!("GET /{} HTTP/1.1\r\nhost: a\r\n\r\n", "a".repeat(MOST_TARGET));
        assert_eq!(read(long.as_bytes()), Err(Refusal::UriTooLong));
        assert_eq!(read(&long.as_bytes()[..MOST_TARGET + 2]), Err(Refusal::UriTooLong));
        assert_eq!(post(&"x: y\r\n".repeat(100)), Err(Refusal::HeadTooLarge));
        assert_eq!(post(&"x: y\r\n".repeat(98)).unwrap(), post(&"x: y\r\n".repeat(98)).unwrap());
        let wide = format!("x: {}", "y".repeat(MOST_BYTES));
        assert_eq!(post(&wide), Err(Refusal::HeadTooLarge));
    }

    #[test]
    fn bare_line_feeds_end_lines_and_half_a_head_is_waited_for() {
        let head = read(b"GET / HTTP/1.1\nhost: a\n\nrest").unwrap();
        assert_eq!(head, Head::Whole { bytes: 24, body: Framing::Length(0) });
        assert_eq!(read(b"GET / HTTP/1.1\r\nhost: a\r\n").unwrap(), Head::Partial);
        assert_eq!(read(b"").unwrap(), Head::Partial);
    }
}
