//! Browsers: which pages may call, and under which host names the gateway answers.
//!
//! Without this a page from anywhere could use a gateway on somebody's own machine, through the browser (CSRF), or
//! after binding its own name to a loopback address (DNS rebinding).

use aplomb_core::{Fault, Kind};
use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri};

use crate::config::Server;
use crate::net::Body;
use crate::problem::Problem;
use crate::reply::Reply;
use crate::stage::receive::Greeting;

const METHODS: &str = "GET, POST, PUT, PATCH, DELETE, HEAD, OPTIONS";
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The request's origin, if pages from there may call.
pub(crate) fn allowed_origin(server: &Server, headers: &HeaderMap) -> Option<HeaderValue> {
    let origin = headers.get(header::ORIGIN)?;
    origin.to_str().ok().is_some_and(|text| server.allows_origin(text)).then(|| origin.clone())
}

/// Refuses hosts that aren't ours and pages that aren't listed.
///
/// # Errors
/// A permission problem that says what to configure.
pub(crate) fn check(server: &Server, uri: &Uri, headers: &HeaderMap) -> Result<(), Problem> {
    let host = authority(uri, headers);
    if !host.is_some_and(|host| server.answers_to(host, server.listen)) {
        return Err(foreign("the gateway doesn't answer to this host name; list it in `server.hosts`"));
    }
    let foreign_page = match headers.get(header::ORIGIN) {
        Some(origin) => {
            let own = origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, host)| host);
            let same = own.is_some() && own == host;
            !same && allowed_origin(server, headers).is_none()
        }
        None => {
            headers.get(FETCH_SITE).is_some_and(|site| !matches!(site.as_bytes(), b"same-origin" | b"none"))
        }
    };
    if foreign_page {
        return Err(foreign("pages of this origin may not call the gateway; list it in `server.cors`"));
    }
    Ok(())
}

/// The answer to a browser that asks before a call, if pages from there may call.
pub(crate) fn preflight<B>(greeting: &Greeting, raw: &Request<B>) -> Option<Reply> {
    let headers = raw.headers();
    greeting.origin.as_ref()?;
    headers.get(header::ACCESS_CONTROL_REQUEST_METHOD).filter(|_| raw.method() == Method::OPTIONS)?;
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let asked = headers.get(header::ACCESS_CONTROL_REQUEST_HEADERS);
    let out = response.headers_mut();
    out.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(METHODS));
    out.insert(
        header::ACCESS_CONTROL_ALLOW_HEADERS,
        asked.cloned().unwrap_or_else(|| HeaderValue::from_static("authorization, content-type, x-api-key")),
    );
    out.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    Some(Reply::of_ours(response, None))
}

/// Lets the page read the answer, whatever it says.
pub(crate) fn allow(headers: &mut HeaderMap, origin: &HeaderValue) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("*"));
    headers.append(header::VARY, HeaderValue::from_static("origin"));
}

fn foreign(message: &str) -> Problem {
    let mut problem = Problem::refused(Kind::Permission, message);
    problem.failure.fault = Fault::Policy;
    problem
}

fn authority<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> Option<&'a str> {
    match uri.authority() {
        Some(authority) => Some(authority.as_str()),
        None => headers.get(header::HOST)?.to_str().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_with(server: &Server, headers: &[(&str, &str)]) -> Result<(), Problem> {
        let mut request = Request::builder().uri("/x");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(()).unwrap();
        check(server, request.uri(), request.headers())
    }

    #[test]
    fn a_local_gateway_answers_to_its_own_names_only() {
        let server = Server::default();
        for own in ["127.0.0.1:4100", "localhost:4100", "[::1]:4100", "app.localhost"] {
            assert!(check_with(&server, &[("host", own)]).is_ok(), "{own}");
        }
        for foreign in ["evil.example", "127.0.0.1.evil.example:4100"] {
            assert!(check_with(&server, &[("host", foreign)]).is_err(), "{foreign}");
        }
        assert!(check_with(&server, &[]).is_err());
    }

    #[test]
    fn pages_from_elsewhere_are_refused_unless_listed() {
        let mut server = Server::default();
        let page = [("host", "localhost:4100"), ("origin", "https://app.example.com")];
        assert_eq!(check_with(&server, &page).unwrap_err().failure.fault, Fault::Policy);
        assert!(
            check_with(&server, &[("host", "localhost:4100"), ("sec-fetch-site", "cross-site")]).is_err()
        );
        assert!(
            check_with(&server, &[("host", "localhost:4100"), ("origin", "http://localhost:4100")]).is_ok()
        );
        server.cors = vec!["https://app.example.com".to_owned()];
        assert!(check_with(&server, &page).is_ok());
    }
}
