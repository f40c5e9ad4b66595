//! What the fuzzers call, and the core's own tests with random input: bytes that nobody vouches for go in, and
//! whatever they are, the promises hold.

use std::time::{Duration, SystemTime};

use aplomb_core::dialect::{Seen, StreamReader, render_event};
use aplomb_core::{Dialect, Evidence, Failure, Headers, catalog, decode, render};

/// No answer makes a caller wait longer than this.
const LONGEST: Duration = Duration::from_secs(366 * 86_400);

/// Statuses that an answer may have; more failures than successes.
const STATUSES: [Option<u16>; 16] = [
    None,
    Some(200),
    Some(206),
    Some(302),
    Some(400),
    Some(401),
    Some(402),
    Some(403),
    Some(404),
    Some(422),
    Some(429),
    Some(498),
    Some(500),
    Some(503),
    Some(529),
    Some(999),
];

const ENCODINGS: [&str; 6] = ["identity", "gzip", "deflate", "br", "zstd", "gzip, br"];

/// Decodes a body, and renders what it means. The first four bytes choose status, encoding and the two dialects.
pub fn body(data: &[u8]) {
    let Some(([status, encoding, named, answer], body)) = data.split_first_chunk::<4>() else { return };
    let headers = [("content-encoding", ENCODINGS[usize::from(*encoding) % ENCODINGS.len()])];
    let headers = if *encoding < 128 { &headers[..0] } else { &headers[..] };
    understood(pick(&STATUSES, *status), Headers(headers), body, dialect(*named), *answer);
}

/// Decodes a head. A status in the first byte, then lines of `name: value`, then an empty line and the body.
pub fn headers(data: &[u8]) {
    let Some(([status, named, answer], rest)) = data.split_first_chunk::<3>() else { return };
    let text = String::from_utf8_lossy(rest);
    let (head, body) = text.split_once("\n\n").unwrap_or((&text, "{}"));
    let headers: Vec<_> = head.lines().filter_map(|line| line.split_once(':')).collect();
    understood(pick(&STATUSES, *status), Headers(&headers), body.as_bytes(), dialect(*named), *answer);
}

/// Reads a stream in chunks of the size that the second byte says, and in one piece: both must see the same.
pub fn stream(data: &[u8]) {
    let Some(([named, size, form], stream)) = data.split_first_chunk::<3>() else { return };
    let dialect = dialect(*named).unwrap_or_else(|| pick(&dialects(), *named));
    let form = dialect.streams.get(usize::from(*form));
    let cut = size % 2 == 1;
    let read = |size: usize| {
        let mut reader = StreamReader::new(catalog(), dialect, form);
        let mut passed = Passed::default();
        for chunk in stream.chunks(size) {
            let seen = reader.feed(chunk.to_vec().into(), SystemTime::UNIX_EPOCH);
            if let Some(failure) = keep(&mut passed, seen) {
                return (passed, Some(failure));
            }
        }
        let failure = keep(&mut passed, reader.finish(cut, SystemTime::UNIX_EPOCH));
        (passed, failure)
    };
    let (whole, failure) = read(stream.len().max(1));
    let (pieces, same) = read(usize::from(*size) + 1);
    assert_eq!(
        (whole.comparable(), &failure),
        (pieces.comparable(), &same),
        "the chunks' size changes the answer"
    );
    assert!(whole.bytes.len() <= stream.len(), "more came out than went in");
    if let Some(failure) = failure {
        let event = render_event(dialect, form, &failure, None).0;
        assert_eq!(lines_of(&event, b"data: "), 1, "one error, one event");
        assert!(event.ends_with(b"\n\n"));
    }
}

/// Holds what is promised of any answer.
fn understood(status: Option<u16>, headers: Headers<'_>, body: &[u8], named: Option<&Dialect>, answer: u8) {
    let evidence = Evidence { status, headers, body, host: None, now: SystemTime::UNIX_EPOCH };
    let decoded = decode(catalog(), named, &evidence);
    let Some(failure) = decoded.failure else {
        assert!(status.is_none_or(|status| status < 400), "a {status:?} became a success");
        return;
    };
    assert!(failure.wait.is_none_or(|wait| wait <= LONGEST), "a wait of {:?}", failure.wait);
    rendered(pick(&dialects(), answer), &failure);
}

/// Holds what is promised of any rendering.
///
/// # Panics
/// If a promise is broken.
pub fn rendered(dialect: &Dialect, failure: &Failure) {
    let answer = render(dialect, failure, Some("req_own"), SystemTime::UNIX_EPOCH);
    let name = &dialect.name;
    assert!((400..600).contains(&answer.status), "{name}: {} is no failure", answer.status);
    assert!(!dialect.closed || dialect.lists(answer.status), "{name}: {} is not listed", answer.status);
    for (header, value) in &answer.headers {
        let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        assert!(!header.is_empty() && header.bytes().all(is_token), "{name}: header {header:?}");
        assert!(value.bytes().all(|byte| (0x20..0x7f).contains(&byte)), "{name}: {header}: {value:?}");
    }
    let json: Result<serde_json::Value, _> = serde_json::from_slice(&answer.body);
    assert!(json.is_ok(), "{name}: no JSON: {}", String::from_utf8_lossy(&answer.body));
}

/// What came out of a stream.
#[derive(Default)]
struct Passed {
    bytes: Vec<u8>,
    skipped: u32,
}

impl Passed {
    /// Byte for byte; of a stream from which something was left out, without the empty lines around it.
    fn comparable(&self) -> Vec<&[u8]> {
        let lines = self.bytes.split_inclusive(|byte| matches!(byte, b'\n' | b'\r'));
        lines.filter(|line| self.skipped == 0 || !line.trim_ascii().is_empty()).collect()
    }
}

fn keep(passed: &mut Passed, seen: Seen) -> Option<Failure> {
    for piece in seen.pass {
        passed.bytes.extend_from_slice(&piece);
    }
    passed.skipped += seen.skipped;
    seen.failure
}

fn dialects() -> Vec<&'static Dialect> {
    catalog().dialects().collect()
}

/// One half of the bytes names a dialect, the other leaves it to be detected.
fn dialect(byte: u8) -> Option<&'static Dialect> {
    (byte < 128).then(|| pick(&dialects(), byte))
}

fn pick<T: Copy>(list: &[T], byte: u8) -> T {
    list[usize::from(byte) % list.len()]
}

fn lines_of(event: &[u8], start: &[u8]) -> usize {
    event.split(|byte| *byte == b'\n').filter(|line| line.starts_with(start)).count()
}
