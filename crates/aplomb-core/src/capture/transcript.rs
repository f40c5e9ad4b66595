//! What `curl -v` prints: `<` before the answer's head, `>` before the request's, `*` before remarks, the body bare.

use super::response::{host, lines};

/// The answer as `curl -i` would print it, and the host that was asked.
pub(super) fn plain(bytes: &[u8]) -> (Vec<u8>, Option<String>) {
    let mut out = Vec::new();
    let mut asked = Vec::new();
    let mut in_head = false;
    for line in lines(bytes) {
        let line = &bytes[line];
        if let Some(told) = line.strip_prefix(b"< ").filter(|told| in_head || told.starts_with(b"HTTP/")) {
            if told.starts_with(b"HTTP/") {
                out.clear();
            }
            out.extend_from_slice(told);
            in_head = !told.trim_ascii().is_empty();
        } else if line.trim_ascii() == b"<" {
            out.extend_from_slice(b"\r\n");
            in_head = false;
        } else if is_remark(line) {
            asked.extend_from_slice(line);
        } else {
            out.extend_from_slice(before_remark(line));
        }
    }
    (out, host(&String::from_utf8_lossy(&asked)))
}

/// Remarks, the request's head, what was sent and received, the progress meter, and whatever was printed before.
fn is_remark(line: &[u8]) -> bool {
    const BEGINNINGS: [&[u8]; 7] = [b"* ", b"> ", b"{ [", b"} [", b"$ ", b"curl ", b"  % Total"];
    BEGINNINGS.iter().any(|beginning| line.starts_with(beginning))
        || line.trim_ascii() == b">"
        || memchr::memmem::find(line, b"--:--:--").is_some()
        || memchr::memmem::find(line, b"Dload  Upload").is_some()
}

/// The last line of a body without a line ending, without the remark that curl prints right after it.
fn before_remark(line: &[u8]) -> &[u8] {
    let remarks: [&[u8]; 2] = [b"* Connection #", b"* Closing connection"];
    let at = remarks.iter().filter_map(|remark| memchr::memmem::find(line, remark)).min();
    &line[..at.unwrap_or(line.len())]
}

#[cfg(test)]
mod tests {
    use super::super::read::Capture;

    #[test]
    fn a_transcript_gives_status_headers_body_and_host() {
        let text = "* Connected to api.anthropic.com (160.79.104.10) port 443\n\
            > POST /v1/messages HTTP/2\r\n> Host: api.anthropic.com\r\n> accept: */*\r\n>\r\n\
            } [12 bytes data]\n\
            < HTTP/2 100 \r\n< \r\n< HTTP/2 529 \r\n< request-id: req_1\r\n< \r\n\
            { [89 bytes data]\n\
            {\"type\":\"error\",\n\"a\":1}* Connection #0 to host api.anthropic.com left intact\n";
        let capture = Capture::read(text.as_bytes());
        assert_eq!(capture.status, Some(529));
        assert_eq!(capture.headers, [("request-id".to_owned(), "req_1".to_owned())]);
        assert_eq!(String::from_utf8(capture.body).unwrap(), "{\"type\":\"error\",\n\"a\":1}");
        assert_eq!(capture.host.as_deref(), Some("api.anthropic.com"));
    }
}
