//! Forwarding: what of a caller's request goes upstream, and what of an answer comes back.

use std::borrow::Cow;

use aplomb_core::spec::Endpoint;
use bytes::Bytes;
use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue, Request, Uri};

use crate::config::{Scheme, Secret};
use crate::model;
use crate::net::Body;
use crate::percent;
use crate::setup::{Setup, Target};
use crate::stage::plan::Plan;
use crate::stage::receive::Received;
use crate::usage;

/// The request as this target is to see it.
pub(crate) fn request(
    plan: &Plan,
    target: &Target,
    endpoint: Option<&Endpoint>,
    body: Body,
) -> Request<Body> {
    let asked = counted(plan, endpoint);
    let received = &plan.received;
    let mut headers = received.headers.clone();
    let own_credential = target.is_callers;
    if !own_credential {
        received.setup.credential_headers.remove_from(&mut headers);
    }
    if let Some(own) = &target.own
        && let Some(key) = own.present()
    {
        headers.insert(own.header().clone(), key.value.clone());
    }
    // A public API has no business with our callers' addresses; a service of ours behind plain HTTP does.
    if target.upstream.url.scheme == Scheme::Http {
        received.proxies.write(&mut headers, &received.from, received.host.as_ref());
    }
    let place = target.dialect.and_then(|dialect| dialect.model.as_ref());
    let renamed = match (asked.as_ref().or_else(|| received.body.kept()), &target.model, place) {
        (Some(body), Some(model), Some(place)) => {
            Some(model::rename(place, &target.upstream.url.join(&received.rest), body, model))
        }
        _ => None,
    };
    let (path, body) = match (renamed, asked) {
        (Some(renamed), _) => (Some(renamed.path), Body::full(renamed.body)),
        (None, Some(asked)) => (None, Body::full(asked)),
        (None, None) => (None, body),
    };
    let mut request = Request::new(body);
    *request.method_mut() = received.method.clone();
    *request.uri_mut() = uri(received, target, path, own_credential);
    *request.headers_mut() = headers;
    request
}

/// What is asked for: what the caller asked for as it came, if this target has it at the same place.
fn uri(received: &Received, target: &Target, path: Option<String>, own_credential: bool) -> Uri {
    let query = received.rest.query();
    let as_it_came = path.is_none() && target.upstream.url.path.is_empty() && query != Some("");
    if as_it_came
        && (own_credential || query.is_none())
        && let Some(whole) = received.rest.whole()
        && whole.as_str().starts_with('/')
        && !whole.as_str().starts_with("//")
    {
        return Uri::from(whole.clone());
    }
    let mut text = path.unwrap_or_else(|| target.upstream.url.join(&received.rest));
    let query = query.map(|query| match own_credential {
        true => Cow::Borrowed(query),
        false => Cow::Owned(without_credentials(&received.setup, query)),
    });
    if let Some(query) = query.filter(|query| !query.is_empty()) {
        text.push('?');
        text.push_str(&query);
    }
    Uri::try_from(text).unwrap_or_else(|_| Uri::from_static("/"))
}

/// The body of a streamed request whose tokens are counted: it asks for its usage.
fn counted(plan: &Plan, endpoint: Option<&Endpoint>) -> Option<Bytes> {
    if !plan.count.tokens || !plan.wants_stream {
        return None;
    }
    let asked = usage::ask(endpoint, plan.received.body.kept()?);
    plan.count.withhold.set(asked.withhold);
    Some(asked.body)
}

/// A query without the parameters by which some API takes credentials.
pub(crate) fn without_credentials(setup: &Setup, query: &str) -> String {
    let is_credential = |pair: &&str| {
        let name = percent::decoded(pair.split('=').next().unwrap_or_default());
        setup.credential_params.iter().any(|param| param.as_bytes().eq_ignore_ascii_case(&name))
    };
    query.split('&').filter(|pair| !is_credential(pair)).collect::<Vec<_>>().join("&")
}

/// Removes from an answer what is between the upstream and us, and what only we may say.
///
/// Limits of a credential of ours are no limits of the caller's.
pub(crate) fn strip_answer(headers: &mut HeaderMap, target: &Target) {
    crate::net::strip_answer(headers, |name| name.starts_with("aplomb-"));
    if let Some(own) = &target.own {
        let key = own.present();
        for secret in key.iter().flat_map(|key| &key.secrets) {
            hide_in_headers(headers, secret.expose());
        }
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
    let headers = received.setup.credential_headers.all_in(&received.headers);
    // The scheme before a credential and the name of a cookie are no secrets, the last word is.
    let words = headers
        .into_iter()
        .filter_map(|(_, value)| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|value| value.rsplit([' ', '=']).find(|word| !word.is_empty()));
    let params = received.rest.query().into_iter().flat_map(|query| query.split('&')).filter_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        let known = &received.setup.credential_params;
        known.iter().any(|param| param.eq_ignore_ascii_case(name)).then_some(value)
    });
    let key = target.own.as_ref().and_then(|own| own.present());
    let ours = key.iter().flat_map(|key| &key.secrets).map(Secret::expose);
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
