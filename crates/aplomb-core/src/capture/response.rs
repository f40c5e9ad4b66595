//! Raw answers: a status line, headers, an empty line and the body, after whatever was printed before them.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;
use regex::bytes::Regex as BytesRegex;

use super::read::{Capture, Source};
use super::transcript;

/// A status line at the beginning of a line; `curl -v` marks it with `< `, `wget -S` indents it.
static STATUS_LINE: LazyLock<BytesRegex> = LazyLock::new(|| {
    BytesRegex::new(r"(?m-u)^(< |[ ]{2})?HTTP/\d(?:\.\d)? (\d{3})(?: [^\r\n]*)?\r?$")
        .expect("a valid expression")
});
static HOST: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"(?i)(?:^|\n)[>*\s\[\]0-9]*(?::authority|host): ?([a-z0-9.-]+)|https?://(?:[^\s/@]*@)?([a-z0-9.-]+)",
    )
    .expect("a valid expression")
});

/// The most answers that one capture may hold: interim ones, redirects, and the last.
const MAX_ANSWERS: usize = 50;

/// Reads a raw answer; of several the last counts. `None` where there is no status line.
pub(super) fn read(bytes: &[u8]) -> Option<Capture> {
    let first = STATUS_LINE.captures(bytes)?;
    let start = first.get(0)?.start();
    let before = &bytes[..start];
    if begins_otherwise(before) {
        return None;
    }
    if first.get(1).is_some_and(|mark| mark.as_bytes() == b"< ") {
        let (plain, host) = transcript::plain(bytes);
        let mut capture = read(&plain)?;
        capture.host = capture.host.or(host);
        return Some(capture);
    }
    let mut capture = last_answer(&bytes[start..])?;
    capture.host = host(&String::from_utf8_lossy(before));
    Some(finished(capture))
}

/// The host that a text names: in a `Host` line, else in its first address.
pub(super) fn host(text: &str) -> Option<String> {
    let found = HOST.captures(text)?;
    let host = found.get(1).or_else(|| found.get(2))?.as_str().trim_matches('.').to_ascii_lowercase();
    host.contains('.').then_some(host)
}

/// Whether what stands before the status line is the beginning of a body that only quotes one.
fn begins_otherwise(before: &[u8]) -> bool {
    let text = String::from_utf8_lossy(before);
    let text = text.trim_start();
    text.starts_with(['{', '[', '<']) || text.starts_with("data:") || text.starts_with("event:")
}

fn last_answer(bytes: &[u8]) -> Option<Capture> {
    let mut rest = bytes;
    let mut last = None;
    for _ in 0..MAX_ANSWERS {
        let Some(head) = head(rest) else { break };
        rest = &rest[head.end..];
        last = Some(head.capture);
        let blank = rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        if STATUS_LINE.find(&rest[blank..]).is_some_and(|next| next.start() == 0) {
            rest = &rest[blank..];
        }
    }
    let mut capture = last?;
    capture.body = rest.to_vec();
    Some(capture)
}

struct Head {
    capture: Capture,
    end: usize,
}

/// Reads one head: lines to the first empty one.
fn head(bytes: &[u8]) -> Option<Head> {
    let first =
        STATUS_LINE.captures(bytes).filter(|found| found.get(0).is_some_and(|line| line.start() == 0))?;
    let status = std::str::from_utf8(first.get(2)?.as_bytes()).ok()?.parse().ok();
    let mut capture = Capture { source: Source::Response, status, ..Capture::default() };
    let mut end = 0;
    for (i, line) in lines(bytes).enumerate() {
        let text = String::from_utf8_lossy(&bytes[line.clone()]);
        end = line.end;
        if i == 0 {
            continue;
        }
        if text.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = text.split_once(':')
            && is_header_name(name.trim())
        {
            capture.headers.push((name.trim().to_owned(), value.trim().to_owned()));
        }
    }
    Some(Head { capture, end })
}

/// The lines of a text, each with its ending.
pub(super) fn lines(bytes: &[u8]) -> impl Iterator<Item = Range<usize>> {
    let mut start = 0;
    std::iter::from_fn(move || {
        let line = start..memchr::memchr(b'\n', &bytes[start..]).map_or(bytes.len(), |at| start + at + 1);
        start = line.end;
        (!line.is_empty()).then_some(line)
    })
}

fn is_header_name(name: &str) -> bool {
    !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.!#$%&'*+^`|~".contains(&byte))
}

/// Undoes what the tool may have left in the body, and drops the header of what it has undone itself.
fn finished(mut capture: Capture) -> Capture {
    let chunked = |(name, value): &(String, String)| {
        name.eq_ignore_ascii_case("transfer-encoding") && value.to_ascii_lowercase().contains("chunked")
    };
    if capture.headers.iter().any(chunked)
        && let Some(whole) = unchunked(&capture.body)
    {
        capture.body = whole;
    }
    if is_plain_text(&capture.body) {
        capture.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("content-encoding"));
    }
    capture
}

/// A chunked body as it travelled; `None` where the tool has put it together already.
fn unchunked(body: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut rest = body;
    loop {
        let end = memchr::memchr(b'\n', rest)?;
        let line = std::str::from_utf8(&rest[..end]).ok()?.trim();
        let size = usize::from_str_radix(line.split(';').next()?, 16).ok()?;
        rest = &rest[end + 1..];
        if size == 0 {
            return Some(out);
        }
        out.extend_from_slice(rest.get(..size)?);
        rest = &rest[size..];
        rest = rest.strip_prefix(b"\r\n").or_else(|| rest.strip_prefix(b"\n"))?;
    }
}

fn is_plain_text(body: &[u8]) -> bool {
    std::str::from_utf8(body)
        .is_ok_and(|text| !text.chars().any(|c| c.is_control() && !c.is_ascii_whitespace()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Status, headers and body of what was read, in one line each.
    fn summary(text: &str) -> String {
        let capture = read(text.as_bytes()).unwrap();
        let headers: String =
            capture.headers.iter().map(|(name, value)| format!("{name}={value} ")).collect();
        format!("{} {headers}| {}", capture.status.unwrap(), String::from_utf8(capture.body).unwrap())
    }

    fn asked_host(text: &str) -> String {
        read(text.as_bytes()).unwrap().host.unwrap_or_default()
    }

    #[test]
    fn an_answer_is_read_with_either_line_ending() {
        for text in [
            "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 5\r\n\r\n{}\n",
            "HTTP/2 429\nRetry-After: 5\n\n{}\n",
            "HTTP/2 429 \r\nRetry-After:5\r\n\r\n{}\n",
        ] {
            assert_eq!(summary(text), "429 Retry-After=5 | {}\n", "{text}");
        }
    }

    #[test]
    fn of_several_answers_the_last_counts() {
        let text = "HTTP/1.1 200 Connection established\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n\
            HTTP/1.1 302 Found\r\nlocation: /x\r\n\r\nHTTP/1.1 503 Gone\r\na: b\r\n\r\nx";
        assert_eq!(summary(text), "503 a=b | x");
    }

    #[test]
    fn a_head_that_was_cut_has_no_body() {
        assert_eq!(summary("HTTP/1.1 500"), "500 | ");
        assert_eq!(summary("HTTP/1.1 500 Oops\r\nretry-af"), "500 | ");
    }

    #[test]
    fn what_was_printed_before_names_the_host() {
        let text = "$ curl -i https://api.groq.com/openai/v1/models\nHTTP/2 401\n\n{}";
        assert_eq!(asked_host(text), "api.groq.com");
        let text =
            "POST /v1/chat HTTP/1.1\nHost: api.openai.com\n\n{\"a\": 1}\n\nHTTP/1.1 401 Unauthorized\n\nx";
        assert_eq!((summary(text).as_str(), asked_host(text).as_str()), ("401 | x", "api.openai.com"));
    }

    #[test]
    fn a_body_that_quotes_a_status_line_is_no_answer() {
        assert!(read(b"{\"message\": \"\nHTTP/1.1 500 Oops\n\"}").is_none());
        assert!(read(b"data: {}\n\nHTTP/1.1 500 Oops\n").is_none());
    }

    #[test]
    fn chunks_are_put_together_and_what_only_says_chunked_is_left() {
        let head = "HTTP/1.1 500 x\r\ntransfer-encoding: chunked\r\n\r\n";
        assert!(summary(&format!("{head}2\r\n{{}}\r\n1;x=y\r\n!\r\n0\r\n\r\n")).ends_with("| {}!"));
        assert!(summary(&format!("{head}{{}}")).ends_with("| {}"));
    }

    #[test]
    fn the_encoding_of_a_body_that_is_text_already_is_dropped() {
        let capture = read(b"HTTP/1.1 500 x\r\ncontent-encoding: br\r\n\r\n{}").unwrap();
        assert!(capture.headers.is_empty());
        let capture = read(b"HTTP/1.1 500 x\r\ncontent-encoding: gzip\r\n\r\n\x1f\x8b\x08\x00").unwrap();
        assert_eq!(capture.headers.len(), 1);
        assert_eq!(capture.body, b"\x1f\x8b\x08\x00");
    }
}
