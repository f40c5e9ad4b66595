//! Forwarding: what of a caller's request goes upstream, and what of an answer comes back.

use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue, Request};

use crate::config::{Credential, Scheme};
use crate::model;
use crate::net::Body;
use crate::setup::{Setup, Target};
use crate::stage::plan::Plan;

/// The request as this target is to see it.
pub(crate) fn request(plan: &mut Plan, target: &Target) -> Request<Body> {
    let received = &mut plan.received;
    let mut headers = received.headers.clone();
    let mut query = received.query.clone();
    if !matches!(target.upstream.credential, Credential::Caller) {
        strip_credentials(&received.setup, &mut headers);
        query = query.map(|query| without_credentials(&received.setup, &query));
    }
    if let Some(key) = target.upstream.credential.ours() {
        headers.insert(key.header.clone(), key.value.clone());
    }
    // A public API has no business with our callers' addresses; a service of ours behind plain HTTP does.
    if target.upstream.url.scheme == Scheme::Http {
        received.proxies.write(&mut headers, &received.from);
    }
    let mut path = target.upstream.url.join(&received.rest);
    let body = match (received.body.kept().cloned(), &target.model) {
        (Some(body), Some(model)) => match target.dialect.and_then(|dialect| dialect.model.as_ref()) {
            Some(place) => {
                let renamed = model::rename(place, &path, &body, model);
                path = renamed.path;
                Body::full(renamed.body)
            }
            None => Body::full(body),
        },
        (Some(body), None) => Body::full(body),
        (None, _) => received.body.take(),
    };
    if let Some(query) = query.filter(|query| !query.is_empty()) {
        path.push('?');
        path.push_str(&query);
    }
    let mut request = Request::new(body);
    *request.method_mut() = received.method.clone();
    *request.uri_mut() = path.parse().unwrap_or_else(|_| http::Uri::from_static("/"));
    *request.headers_mut() = headers;
    request
}

/// Removes every header by which some API takes credentials.
fn strip_credentials(setup: &Setup, headers: &mut HeaderMap) {
    for name in &setup.credential_headers {
        headers.remove(name);
    }
}

/// A query without the parameters by which some API takes credentials.
fn without_credentials(setup: &Setup, query: &str) -> String {
    let is_credential = |pair: &&str| {
        let name = plain(pair.split('=').next().unwrap_or_default());
        setup.credential_params.iter().any(|param| param.as_bytes().eq_ignore_ascii_case(&name))
    };
    query.split('&').filter(|pair| !is_credential(pair)).collect::<Vec<_>>().join("&")
}

/// A parameter's name without percent-encoding, as an upstream reads it: `k%65y` is `key`.
fn plain(name: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(name.len());
    let mut rest = name.as_bytes();
    while let [byte, tail @ ..] = rest {
        let digits = (*byte == b'%').then(|| tail.get(..2)).flatten();
        let coded = digits.and_then(|two| u8::from_str_radix(str::from_utf8(two).ok()?, 16).ok());
        out.push(coded.unwrap_or(*byte));
        rest = if coded.is_some() { &tail[2..] } else { tail };
    }
    out
}

/// Removes from an answer what is between the upstream and us, and what only we may say.
///
/// Limits of a credential of ours are no limits of the caller's.
pub(crate) fn strip_answer(headers: &mut HeaderMap, target: &Target) {
    crate::net::strip_answer(headers, |name| name.starts_with("aplomb-"));
    if let Some(key) = target.upstream.credential.ours() {
        hide_in_headers(headers, key.secret.expose());
        for row in target.dialect.iter().flat_map(|dialect| &dialect.limits) {
            for name in [&row.limit, &row.remaining, &row.reset].into_iter().flatten() {
                headers.remove(name.as_str());
            }
        }
    }
}

/// Takes a key of ours out of headers that repeat it, on successes too.
fn hide_in_headers(headers: &mut HeaderMap, key: &str) {
    for value in headers.values_mut() {
        let text = String::from_utf8_lossy(value.as_bytes());
        if text.contains(key) {
            let hidden = HeaderValue::from_str(&text.replace(key, "[redacted]"));
            *value = hidden.unwrap_or(HeaderValue::from_static("[redacted]"));
        }
    }
}

/// Every credential that goes with a request, the caller's and ours: none may be logged, whoever repeats it.
pub(crate) fn secrets(plan: &Plan, target: &Target) -> Vec<String> {
    let received = &plan.received;
    let names = &received.setup.credential_headers;
    let headers = names.iter().flat_map(|name| received.headers.get_all(name));
    // The scheme before a credential and the name of a cookie are no secrets, the last word is.
    let words = headers
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|value| value.rsplit([' ', '=']).find(|word| !word.is_empty()));
    let params = received.query.iter().flat_map(|query| query.split('&')).filter_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        let known = &received.setup.credential_params;
        known.iter().any(|param| param.eq_ignore_ascii_case(name)).then_some(value)
    });
    let ours = target.upstream.credential.ours().map(|key| key.secret.expose());
    // A shorter one protects nothing, and hiding it would tear words apart.
    words.chain(params).chain(ours).filter(|secret| secret.len() >= 4).map(str::to_owned).collect()
}

/// Names and values as text, for the core; values that are no text say nothing.
pub(crate) fn listed(headers: &HeaderMap) -> Vec<(&str, &str)> {
    headers.iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?))).collect()
}

/// The headers of an upstream's failure that stay true when its body is told anew.
pub(crate) fn kept_when_rendered(headers: &HeaderMap) -> impl Iterator<Item = (&HeaderName, &HeaderValue)> {
    const STAY: [HeaderName; 5] = [
        header::DATE,
        header::WWW_AUTHENTICATE,
        header::ALLOW,
        header::VIA,
        HeaderName::from_static("cf-ray"),
    ];
    headers.iter().filter(|(name, _)| STAY.contains(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_as_an_upstream_reads_it() {
        for (coded, name) in [
            ("key", "key"),
            ("k%65y", "key"),
            ("%6B%65%79", "key"),
            ("k%", "k%"),
            ("k%6", "k%6"),
            ("k%zz", "k%zz"),
        ] {
            assert_eq!(plain(coded), name.as_bytes(), "{coded}");
        }
    }
}
