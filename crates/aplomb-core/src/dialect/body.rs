//! What a body is: JSON, also truncated or wrapped in a callback, server-sent events, a page, text, or nothing.

use std::borrow::Cow;
use std::io::Read;

use serde_json::Value;

use crate::dialect::Headers;

mod repair;

/// The most of an error body that is looked at: real ones are a few kilobytes.
pub const MAX_BODY: usize = 1 << 20;

/// A body by its shape.
#[derive(Clone, Debug)]
pub enum Shape {
    /// JSON; truncated JSON is closed where it ends.
    Json(Value),
    /// Server-sent events, with the text before parsing.
    Events(String),
    /// A page or other text: the sentence in it, and the whole.
    Text {
        /// The page's heading or title, or the whole text.
        sentence: String,
        /// All of it.
        whole: String,
    },
    /// Nothing.
    Empty,
}

/// Undoes `content-encoding`; what can't be undone is returned as it came. Never gives more than [`MAX_BODY`].
pub fn plain<'a>(headers: Headers<'_>, body: &'a [u8]) -> Cow<'a, [u8]> {
    let Some(encodings) = headers.get("content-encoding") else {
        return Cow::Borrowed(&body[..body.len().min(MAX_BODY)]);
    };
    let mut out = Cow::Borrowed(body);
    for encoding in encodings.rsplit(',').take(3) {
        match expand(encoding.trim(), &out) {
            Some(plain) => out = Cow::Owned(plain),
            None => return Cow::Borrowed(&body[..body.len().min(MAX_BODY)]),
        }
    }
    out
}

/// One encoding undone, up to [`MAX_BODY`]; a damaged tail is dropped, and nothing at all is `None`.
fn expand(encoding: &str, body: &[u8]) -> Option<Vec<u8>> {
    let limit = u64::try_from(MAX_BODY).unwrap_or(u64::MAX);
    let mut out = Vec::new();
    let read = match encoding.to_ascii_lowercase().as_str() {
        "identity" | "" => return Some(body.to_vec()),
        "gzip" | "x-gzip" => flate2::read::MultiGzDecoder::new(body).take(limit).read_to_end(&mut out),
        "deflate" => inflate(body, limit, &mut out),
        "br" => brotli::Decompressor::new(body, 4096).take(limit).read_to_end(&mut out),
        "zstd" => match ruzstd::decoding::StreamingDecoder::new(body) {
            Ok(decoder) => decoder.take(limit).read_to_end(&mut out),
            Err(_) => return None,
        },
        _ => return None,
    };
    (read.is_ok() || !out.is_empty()).then_some(out)
}

/// `deflate` means zlib by the letter and raw deflate in the wild.
fn inflate(body: &[u8], limit: u64, out: &mut Vec<u8>) -> std::io::Result<usize> {
    let zlib = flate2::read::ZlibDecoder::new(body).take(limit).read_to_end(out);
    if zlib.is_ok() || !out.is_empty() {
        return zlib;
    }
    flate2::read::DeflateDecoder::new(body).take(limit).read_to_end(out)
}

/// Tells what a plain body is. The content type is a hint only: JSON is often sent as something else.
pub fn shape(body: &[u8]) -> Shape {
    // Nearly all bodies are text, and told so faster than looked through for what isn't.
    let text = std::str::from_utf8(body).map_or_else(|_| String::from_utf8_lossy(body), Cow::Borrowed);
    let text = text.trim_start_matches('\u{feff}').trim();
    if text.is_empty() {
        return Shape::Empty;
    }
    if let Some(value) = json(text) {
        return Shape::Json(value);
    }
    if looks_like_events(text) {
        return Shape::Events(text.to_owned());
    }
    Shape::Text { sentence: sentence(text), whole: text.to_owned() }
}

/// JSON, also cut off in the middle or wrapped in a callback (`name({…})`).
pub fn json(text: &str) -> Option<Value> {
    let text = text.trim();
    if text.starts_with(['{', '[', '"']) {
        if let Ok(value) = serde_json::from_str(text) {
            return Some(value);
        }
        return text.starts_with(['{', '[']).then(|| repair::truncated(text)).flatten();
    }
    let inner = text.strip_suffix(';').unwrap_or(text).trim_end().strip_suffix(')')?;
    let (name, inner) = inner.split_once('(')?;
    let callback = name.trim();
    let is_name = !callback.is_empty() && callback.chars().all(|c| c.is_alphanumeric() || "._$".contains(c));
    is_name.then(|| serde_json::from_str(inner).ok()).flatten()
}

fn looks_like_events(text: &str) -> bool {
    text.lines().take(50).any(|line| line.starts_with("data:") || line.starts_with("event:"))
}

/// Whether a text is a page of HTML.
pub(super) fn is_page(text: &str) -> bool {
    let start = text.trim_start().get(..9).unwrap_or_default().to_ascii_lowercase();
    start.starts_with("<html") || start.starts_with("<!doctype") || start.starts_with("<head")
}

/// The sentence of a page: its first heading, else its title, else its text.
pub(super) fn sentence(text: &str) -> String {
    if !text.contains('<') {
        return text.to_owned();
    }
    let lower = text.to_ascii_lowercase();
    ["h1", "title", "h2"]
        .iter()
        .find_map(|tag| element(text, &lower, tag))
        .unwrap_or_else(|| collapse(&strip_tags(text)))
}

fn element(text: &str, lower: &str, tag: &str) -> Option<String> {
    let open = lower.find(&format!("<{tag}"))?;
    let start = open + lower[open..].find('>')? + 1;
    let end = lower[start..].find(&format!("</{tag}")).map_or(text.len(), |i| start + i);
    let inner = collapse(&strip_tags(&text[start..end]));
    (!inner.is_empty()).then_some(inner)
}

fn strip_tags(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut inside = false;
    for c in text.chars() {
        match c {
            '<' => inside = true,
            '>' if inside => {
                inside = false;
                out.push(' ');
            }
            c if !inside => out.push(c),
            _ => {}
        }
    }
    out.replace("&amp;", "&")
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&#39;", "'")
}

fn collapse(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn truncated_json_is_closed_where_it_ends() {
        let Shape::Json(value) = shape(br#"{"error": {"message": "Rate limit reached", "type": "tok"#) else {
            panic!("JSON")
        };
        assert_eq!(value["error"]["message"], "Rate limit reached");
    }

    #[test]
    fn a_callback_is_taken_off() {
        let Shape::Json(value) = shape(b"jQuery18_1({\"data\": {\"message\": \"x\"}})") else {
            panic!("JSON")
        };
        assert_eq!(value["data"]["message"], "x");
    }

    #[test]
    fn a_page_speaks_by_its_heading() {
        let page =
            b"<html>\n<head><title>other</title></head><body><h1>502 <b>Bad</b> Gateway</h1></body></html>";
        let Shape::Text { sentence, .. } = shape(page) else { panic!("text") };
        assert_eq!(sentence, "502 Bad Gateway");
    }

    #[test]
    fn a_compressed_body_is_expanded_and_a_bomb_is_not() {
        use std::io::Write;
        let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        bomb.write_all(&vec![b'0'; 20 << 20]).unwrap();
        let bomb = bomb.finish().unwrap();
        let headers = [("content-encoding", "gzip")];
        assert_eq!(plain(Headers(&headers), &bomb).len(), MAX_BODY);
        let garbage = plain(Headers(&headers), b"not gzip");
        assert_eq!(&*garbage, b"not gzip");
    }
}
