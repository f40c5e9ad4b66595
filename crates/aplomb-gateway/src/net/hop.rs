//! Headers that speak of one connection and must not travel further.

use http::header::{CONNECTION, HeaderMap, HeaderName, HeaderValue, TE};

/// Removes from a caller's request what was meant for us alone, including what `connection` names, and with it
/// whatever else its reader wants gone: one walk over what is there costs less than a look for each that isn't.
///
/// `expect` goes too: whoever reads the body answers it, and that is us.
pub fn strip_request(headers: &mut HeaderMap, also: impl Fn(&str) -> bool) {
    let trailers = headers.get_all(TE).iter().any(asks_for_trailers);
    strip_named(headers);
    remove_where(headers, |name| is_of_one_hop(name) || matches!(name, "expect" | "te") || also(name));
    if trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
}

/// Removes from an upstream's answer what was meant for us alone, including what `connection` names, and with it
/// whatever else its reader wants gone.
pub fn strip_answer(headers: &mut HeaderMap, also: impl Fn(&str) -> bool) {
    strip_named(headers);
    remove_where(headers, |name| is_of_one_hop(name) || also(name));
}

/// Removes every header whose name is one of these.
pub(super) fn remove_where(headers: &mut HeaderMap, goes: impl Fn(&str) -> bool) {
    // One at a time, because nothing has to be kept between: of a usual head one or two go.
    while let Some(name) = headers.keys().find(|name| goes(name.as_str())).cloned() {
        headers.remove(name);
    }
}

/// `close` is among them because its name is reserved: it could be read as what `connection: close` names.
fn is_of_one_hop(name: &str) -> bool {
    matches!(
        name,
        "connection"
            | "close"
            | "keep-alive"
            | "proxy-connection"
            | "proxy-authenticate"
            | "proxy-authorization"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
    )
}

/// Removes what `connection` names. The two words that nearly every message has there name nothing that is left
/// standing by the walk.
fn strip_named(headers: &mut HeaderMap) {
    let usual = |line: &HeaderValue| matches!(line.as_bytes(), b"keep-alive" | b"close");
    if headers.get_all(CONNECTION).iter().all(usual) {
        return;
    }
    let lines: Vec<HeaderValue> = headers.get_all(CONNECTION).iter().cloned().collect();
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
        strip_request(&mut request, |_| false);
        assert_eq!(names(&request), ["accept", "authorization"]);
    }

    #[test]
    fn a_wish_for_trailers_is_kept_alone() {
        let mut request = headers(&[("te", "gzip, Trailers"), ("connection", "te")]);
        strip_request(&mut request, |_| false);
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
            ("x-own-1", "a"),
            ("x-own-2", "b"),
        ]);
        strip_answer(&mut answer, |name| name.starts_with("x-own-"));
        assert_eq!(names(&answer), ["content-type", "retry-after"]);
    }
}
