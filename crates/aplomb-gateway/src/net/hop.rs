//! Headers that speak of one connection and must not travel further.

use http::header::{
    CONNECTION, EXPECT, HeaderMap, HeaderName, HeaderValue, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE,
    TRAILER, TRANSFER_ENCODING, UPGRADE,
};

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

/// Removes from a caller's request what was meant for us alone, including what `connection` names.
///
/// `expect` goes too: whoever reads the body answers it, and that is us.
pub fn strip_request(headers: &mut HeaderMap) {
    let trailers = headers.get_all(TE).iter().any(asks_for_trailers);
    strip(headers);
    headers.remove(EXPECT);
    headers.remove(TE);
    if trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
}

/// Removes from an upstream's answer what was meant for us alone, including what `connection` names.
pub fn strip_answer(headers: &mut HeaderMap) {
    strip(headers);
}

fn strip(headers: &mut HeaderMap) {
    if headers.contains_key(CONNECTION) {
        strip_named(headers);
    }
    for name in [
        KEEP_ALIVE,
        PROXY_CONNECTION,
        PROXY_AUTHENTICATE,
        PROXY_AUTHORIZATION,
        TRAILER,
        TRANSFER_ENCODING,
        UPGRADE,
    ] {
        headers.remove(name);
    }
}

fn strip_named(headers: &mut HeaderMap) {
    let lines: Vec<HeaderValue> = headers.get_all(CONNECTION).iter().cloned().collect();
    headers.remove(CONNECTION);
    for name in lines.iter().flat_map(|line| line.as_bytes().split(|byte| *byte == b',')) {
        if let Ok(name) = HeaderName::from_bytes(name.trim_ascii()) {
            headers.remove(name);
        }
    }
}

fn asks_for_trailers(value: &HeaderValue) -> bool {
    let mut items = value.as_bytes().split(|byte| *byte == b',');
    items.any(|item| item.trim_ascii().eq_ignore_ascii_case(b"trailers"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let pair = |&(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value));
        lines.iter().map(pair).collect()
    }

    fn names(headers: &HeaderMap) -> Vec<&str> {
        let mut names: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn what_speaks_of_one_connection_goes_and_all_else_stays() {
        let mut request = headers(&[
            ("accept", "*/*"),
            ("connection", "keep-alive, X-Private"),
            ("connection", "upgrade , ,b@d"),
            ("x-private", "1"),
            ("keep-alive", "timeout=5"),
            ("proxy-authorization", "Basic x"),
            ("proxy-connection", "keep-alive"),
            ("transfer-encoding", "chunked"),
            ("trailer", "x"),
            ("upgrade", "websocket"),
            ("expect", "100-continue"),
            ("te", "gzip"),
            ("authorization", "Bearer x"),
        ]);
        strip_request(&mut request);
        assert_eq!(names(&request), ["accept", "authorization"]);
    }

    #[test]
    fn a_wish_for_trailers_is_kept_alone() {
        let mut request = headers(&[("te", "gzip, Trailers"), ("connection", "te")]);
        strip_request(&mut request);
        assert_eq!(request.get(TE).unwrap(), "trailers");
    }

    #[test]
    fn an_answer_keeps_its_own_headers() {
        let mut answer = headers(&[
            ("content-type", "text/plain"),
            ("connection", "close"),
            ("proxy-authenticate", "Basic"),
            ("transfer-encoding", "chunked"),
            ("retry-after", "3"),
        ]);
        strip_answer(&mut answer);
        assert_eq!(names(&answer), ["content-type", "retry-after"]);
    }
}
