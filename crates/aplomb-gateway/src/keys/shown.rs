//! What a request shows to be let in: found wherever its answer dialect sends keys, and wherever else a key of ours
//! can only be meant.

use std::fmt;

use aplomb_core::{Dialect, Key};
use http::HeaderMap;
use http::header::{AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION};

use crate::percent;
use crate::setup::Setup;

/// What a request shows.
#[derive(PartialEq, Eq)]
pub(crate) enum Shown {
    /// Nothing at all.
    Nothing,
    /// The words of a header or parameter, without what stands before a key there.
    Text(Vec<u8>),
    /// A header of another scheme, such as `Basic`.
    OtherScheme,
}

/// What is shown is a secret, if it is anything.
impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nothing => "Nothing",
            Self::Text(_) => "Text",
            Self::OtherScheme => "OtherScheme",
        })
    }
}

/// Schemes under which a whole key travels.
const SCHEMES: [&str; 4] = ["bearer", "token", "key", "apikey"];

/// Looks for it: first where the dialect has it, then in every way that some API knows.
///
/// `is_meant` says of a text that it can only be meant for us; elsewhere than in the dialect's own place nothing else
/// counts.
pub(crate) fn find(
    setup: &Setup,
    dialect: Option<&Dialect>,
    headers: &HeaderMap,
    query: Option<&str>,
    signed: bool,
) -> Shown {
    let is_meant = |text: &[u8]| Key::is_meant(text) || (signed && looks_signed(text));
    let mut own = own(dialect, headers, query);
    if let Some(at) = own.iter().position(|shown| matches!(shown, Shown::Text(text) if is_meant(text))) {
        return own.swap_remove(at);
    }
    let names =
        setup.credential_headers.iter().filter(|name| **name != COOKIE && **name != PROXY_AUTHORIZATION);
    let in_headers =
        names.flat_map(|name| headers.get_all(name)).map(|value| without_scheme(value.as_bytes()));
    let in_query = setup.credential_params.iter().flat_map(|param| params(query, param));
    let elsewhere = in_headers.chain(in_query.map(Shown::Text));
    let mut meant = elsewhere.filter(|shown| matches!(shown, Shown::Text(text) if is_meant(text)));
    meant.next().or_else(|| own.into_iter().next()).unwrap_or(Shown::Nothing)
}

/// How a key is to be sent, in words for somebody who didn't.
pub(crate) fn how_to_send(dialect: Option<&Dialect>) -> String {
    match dialect.and_then(|dialect| dialect.auth.as_ref()) {
        Some(auth) => format!("`{}: {}apl_…`", auth.header, auth.prefix),
        None => "`authorization: Bearer apl_…`".to_owned(),
    }
}

/// Whatever stands where the dialect has keys, in its own order.
fn own(dialect: Option<&Dialect>, headers: &HeaderMap, query: Option<&str>) -> Vec<Shown> {
    let Some(auth) = dialect.and_then(|dialect| dialect.auth.as_ref()) else {
        let names = ["authorization", "x-api-key"];
        return names
            .iter()
            .flat_map(|name| headers.get_all(*name))
            .map(|value| without_scheme(value.as_bytes()))
            .collect();
    };
    let names = std::iter::once(&auth.header).chain(&auth.also);
    let in_headers =
        names.flat_map(|name| headers.get_all(name)).map(|value| without_scheme(value.as_bytes()));
    let in_query = auth.query.iter().flat_map(|param| params(query, param));
    in_headers.chain(in_query.map(Shown::Text)).collect()
}

/// A header's value without the word before the key.
fn without_scheme(value: &[u8]) -> Shown {
    let value = value.trim_ascii();
    let end = value.iter().position(|byte| *byte == b' ').unwrap_or(value.len());
    let (word, rest) = value.split_at(end);
    let is = |scheme: &&str| word.eq_ignore_ascii_case(scheme.as_bytes());
    if SCHEMES.iter().any(is) {
        return Shown::Text(rest.trim_ascii().to_vec());
    }
    match is(&"basic") || is(&"digest") || is(&"negotiate") || is(&"aws4-hmac-sha256") {
        true => Shown::OtherScheme,
        false => Shown::Text(value.to_vec()),
    }
}

/// The values of a query parameter.
fn params<'q>(query: Option<&'q str>, name: &'q str) -> impl Iterator<Item = Vec<u8>> + 'q {
    query.into_iter().flat_map(|query| query.split('&')).filter_map(move |pair| {
        let (own, value) = pair.split_once('=')?;
        percent::decoded(own).eq_ignore_ascii_case(name.as_bytes()).then(|| percent::decoded(value))
    })
}

/// Three parts, the first of which is an object in base64.
fn looks_signed(text: &[u8]) -> bool {
    text.starts_with(b"eyJ") && text.iter().filter(|byte| **byte == b'.').count() == 2
}

/// Whether `AUTHORIZATION` is where the dialect has keys: only then a challenge names a scheme that works.
pub(super) fn is_bearer(dialect: Option<&Dialect>) -> bool {
    let auth = dialect.and_then(|dialect| dialect.auth.as_ref());
    auth.is_none_or(|auth| {
        auth.header == AUTHORIZATION.as_str() || auth.also.iter().any(|name| name == "authorization")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Server};
    use crate::credential::Credentials;
    use http::{HeaderName, HeaderValue};

    fn setup() -> Setup {
        let catalog = aplomb_core::catalog();
        let config = Config::bare(Server::default(), catalog).unwrap();
        Setup::new(config, catalog, &Credentials::default(), None).unwrap()
    }

    fn found(dialect: &str, lines: &[(&str, &str)], query: Option<&str>) -> String {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap());
        }
        let dialect = aplomb_core::catalog().get(dialect);
        match find(&setup(), dialect, &headers, query, true) {
            Shown::Nothing => "nothing".to_owned(),
            Shown::OtherScheme => "other scheme".to_owned(),
            Shown::Text(text) => String::from_utf8(text).unwrap(),
        }
    }

    #[test]
    fn a_key_is_found_where_its_dialect_sends_it() {
        for (dialect, header, value) in [
            ("openai", "authorization", "Bearer k-1"),
            ("openai", "authorization", "bearer  k-1 "),
            ("openai", "authorization", "k-1"),
            ("anthropic", "x-api-key", "k-1"),
            ("anthropic", "authorization", "Bearer k-1"),
            ("azure", "api-key", "k-1"),
            ("gemini", "x-goog-api-key", "k-1"),
            ("agenthuman", "x-api-key", "k-1"),
            ("deepgram", "authorization", "Token k-1"),
            ("problem", "authorization", "Bearer k-1"),
            ("fastapi", "x-api-key", "k-1"),
        ] {
            assert_eq!(found(dialect, &[(header, value)], None), "k-1", "{dialect} {header}");
        }
        assert_eq!(found("gemini", &[], Some("a=1&k%65y=k%2D1")), "k-1");
    }

    #[test]
    fn elsewhere_only_what_can_only_be_ours_counts() {
        assert_eq!(found("openai", &[("x-api-key", "apl_x")], None), "apl_x");
        assert_eq!(found("openai", &[("api-key", "Bearer apl_x")], None), "apl_x");
        assert_eq!(found("openai", &[], Some("key=apl_x")), "apl_x");
        assert_eq!(found("openai", &[("x-api-key", "sk-1")], Some("key=sk-1")), "nothing");
        assert_eq!(
            found("openai", &[("cookie", "apl_x"), ("proxy-authorization", "apl_x")], None),
            "nothing"
        );
        let both = [("authorization", "Bearer sk-1"), ("x-api-key", "apl_x")];
        assert_eq!(found("openai", &both, None), "apl_x", "another product's key may travel along");
        assert_eq!(found("agenthuman", &[("authorization", "Bearer eyJh.eyJi.c")], None), "eyJh.eyJi.c");
    }

    #[test]
    fn what_is_no_key_at_all_is_told_from_nothing() {
        assert_eq!(found("openai", &[], None), "nothing");
        assert_eq!(found("openai", &[("authorization", "Bearer")], None), "");
        assert_eq!(found("openai", &[("authorization", "Basic dTpw")], None), "other scheme");
        assert_eq!(found("openai", &[("authorization", "Bearer Bearer k")], None), "Bearer k");
    }

    #[test]
    fn how_to_send_a_key_is_the_dialects_own_way() {
        let how = |name: &str| how_to_send(aplomb_core::catalog().get(name));
        assert_eq!(how("agenthuman"), "`x-api-key: apl_…`");
        assert_eq!(how("openai"), "`authorization: Bearer apl_…`");
        assert_eq!(how("problem"), "`authorization: Bearer apl_…`");
    }
}
