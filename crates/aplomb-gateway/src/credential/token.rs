//! How a token is asked for and what the answer means: bytes in, bytes out (RFC 6749).

use std::time::{Duration, SystemTime};

use aplomb_core::header::retry_after;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use serde_json::Value;

use crate::config::{ClientAuth, OAuth, Secret};
use crate::net::Body;
use crate::percent;
use crate::redact::redact;

/// The most letters of a token server's own words that are told.
const WORDS: usize = 300;

/// A lifetime beyond this is one for ever.
const LONGEST_LIFE: u64 = 366 * 86_400;

/// What a token server gave.
#[derive(Debug)]
pub(super) struct Token {
    pub(super) access: Secret,
    /// How long it holds, if that was said.
    pub(super) lasts: Option<Duration>,
    /// What is to be asked with from now on.
    pub(super) refresh: Option<Secret>,
}

/// Why it gave none.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NoToken {
    /// In words; nothing secret is among them once they are hidden.
    pub(super) told: String,
    /// It may be had later, with the same request.
    pub(super) later: bool,
    /// After how long, if that was said.
    pub(super) wait: Option<Duration>,
    /// What was asked with isn't good for anything any more.
    pub(super) spent: bool,
}

/// The request for a token.
pub(super) fn request(oauth: &OAuth, secret: Option<&Secret>, refresh: Option<&Secret>) -> Request<Body> {
    let grant = if refresh.is_some() { "refresh_token" } else { "client_credentials" };
    let mut form = vec![("grant_type", grant)];
    form.extend(refresh.map(|token| ("refresh_token", token.expose())));
    form.extend(oauth.scope.as_deref().map(|scope| ("scope", scope)));
    form.extend(oauth.audience.as_deref().map(|audience| ("audience", audience)));
    let basic = secret.filter(|_| oauth.auth == ClientAuth::Basic);
    if basic.is_none() {
        form.push(("client_id", &oauth.client_id));
        form.extend(secret.map(|secret| ("client_secret", secret.expose())));
    }
    let pairs = form.iter().map(|(name, value)| format!("{name}={}", percent::form_encoded(value)));
    let mut request = Request::new(Body::full(pairs.collect::<Vec<_>>().join("&")));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = oauth.token_url.target.parse().expect("the target was read with the configuration");
    let headers = request.headers_mut();
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    let form = HeaderValue::from_static("application/x-www-form-urlencoded");
    headers.insert(header::CONTENT_TYPE, form);
    if let Some(secret) = basic {
        let pair = [oauth.client_id.as_str(), secret.expose()].map(percent::form_encoded).join(":");
        let mut value = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(pair)))
            .expect("base64 can stand in a header");
        value.set_sensitive(true);
        headers.insert(header::AUTHORIZATION, value);
    }
    request
}

/// Reads a token server's answer.
pub(super) fn read(
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
    now: SystemTime,
) -> Result<Token, NoToken> {
    let json: Option<Value> = serde_json::from_slice(body).ok();
    let said = |name: &str| json.as_ref()?.get(name)?.as_str().filter(|text| !text.is_empty());
    if !status.is_success() || said("error").is_some() {
        let words = [said("error"), said("error_description")].into_iter().flatten();
        let words: Vec<String> = words.map(bounded).collect();
        let told = match words.is_empty() {
            true => format!("the token server answered {}", status.as_u16()),
            false => format!("the token server answered {}: {}", status.as_u16(), words.join(": ")),
        };
        let later = status.is_server_error() || matches!(status.as_u16(), 408 | 429);
        let hint = headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
        let wait = hint.and_then(|hint| retry_after::parse(hint, now, None));
        return Err(NoToken { told, later, wait, spent: said("error") == Some("invalid_grant") });
    }
    let no = |told: &str| NoToken { told: told.to_owned(), later: true, wait: None, spent: false };
    let access = said("access_token").ok_or_else(|| no("the token server's answer has no access_token"))?;
    let needs_proof = |kind: &str| ["mac", "dpop"].iter().any(|proof| kind.eq_ignore_ascii_case(proof));
    if said("token_type").is_some_and(needs_proof) {
        let told = "the token server gave a token that must be proved, not one for whoever bears it";
        return Err(NoToken { later: false, ..no(told) });
    }
    let lasts = json.as_ref().and_then(|json| seconds(json.get("expires_in")?));
    Ok(Token { access: Secret::new(access), lasts, refresh: said("refresh_token").map(Secret::new) })
}

/// A lifetime: a number, or one in quotes as some servers write it; nothing and nonsense are no bound.
fn seconds(value: &Value) -> Option<Duration> {
    let number = value.as_u64().or_else(|| value.as_str()?.trim().parse().ok())?;
    (1..LONGEST_LIFE).contains(&number).then(|| Duration::from_secs(number))
}

fn bounded(text: &str) -> String {
    redact(text).chars().filter(|letter| !letter.is_control()).take(WORDS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Confided, Grant};
    use http_body_util::BodyExt;

    fn oauth(auth: ClientAuth) -> OAuth {
        OAuth {
            token_url: "https://id.test/token?v=1".parse().unwrap(),
            client_id: "my client".to_owned(),
            client_secret: Some(Confided::Given(Secret::new("p:ss wörd"))),
            auth,
            grant: Grant::ClientCredentials,
            scope: Some("a b".to_owned()),
            audience: Some("https://api.test/".to_owned()),
        }
    }

    async fn body(request: Request<Body>) -> String {
        String::from_utf8(request.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
    }

    #[tokio::test]
    async fn a_client_shows_its_secret_in_a_header() {
        let secret = Secret::new("p:ss wörd");
        let request = request(&oauth(ClientAuth::Basic), Some(&secret), None);
        assert_eq!((request.method(), request.uri().to_string().as_str()), (&Method::POST, "/token?v=1"));
        let basic = request.headers()[header::AUTHORIZATION].clone();
        assert!(basic.is_sensitive());
        let pair = STANDARD.decode(basic.to_str().unwrap().strip_prefix("Basic ").unwrap()).unwrap();
        assert_eq!(pair, b"my+client:p%3Ass+w%C3%B6rd");
        let form = "grant_type=client_credentials&scope=a+b&audience=https%3A%2F%2Fapi.test%2F";
        assert_eq!(body(request).await, form);
    }

    #[tokio::test]
    async fn a_client_shows_its_secret_in_the_body_where_it_has_to() {
        let (secret, refresh) = (Secret::new("s&"), Secret::new("r="));
        let request = request(&oauth(ClientAuth::Body), Some(&secret), Some(&refresh));
        assert_eq!(request.headers().get(header::AUTHORIZATION), None);
        let form = body(request).await;
        assert!(form.starts_with("grant_type=refresh_token&refresh_token=r%3D&"), "{form}");
        assert!(form.ends_with("&client_id=my+client&client_secret=s%26"), "{form}");
    }

    #[tokio::test]
    async fn a_client_without_a_secret_names_itself() {
        let refresh = Secret::new("r");
        let form = body(request(&oauth(ClientAuth::Basic), None, Some(&refresh))).await;
        assert!(form.ends_with("&client_id=my+client"), "{form}");
    }

    fn answered(status: u16, body: &str) -> Result<Token, NoToken> {
        let status = StatusCode::from_u16(status).unwrap();
        read(status, &HeaderMap::new(), body.as_bytes(), SystemTime::UNIX_EPOCH)
    }

    #[test]
    fn a_token_is_read_with_its_lifetime() {
        for (lasts, seconds) in [
            ("3600", Some(3600)),
            ("\"3599\"", Some(3599)),
            ("0", None),
            ("-1", None),
            ("1e999", None),
            ("null", None),
            ("99999999999999", None),
        ] {
            let body = format!(r#"{{"access_token":"t","token_type":"Bearer","expires_in":{lasts}}}"#);
            let found = answered(200, &body).ok().and_then(|token| token.lasts);
            assert_eq!(found, seconds.map(Duration::from_secs), "{lasts}");
        }
        let rotated = answered(200, r#"{"access_token":"t","refresh_token":"new"}"#).unwrap();
        assert_eq!(rotated.refresh, Some(Secret::new("new")));
    }

    #[test]
    fn a_refusal_is_told_in_the_servers_words_without_what_looks_secret() {
        let body =
            r#"{"error":"invalid_client","error_description":"client sk-live-12345678\r\nis unknown"}"#;
        let told = answered(401, body).unwrap_err();
        assert_eq!(told.told, "the token server answered 401: invalid_client: client [redacted]is unknown");
        assert!(!told.later && !told.spent);
        assert!(answered(400, r#"{"error":"invalid_grant"}"#).unwrap_err().spent);
        assert!(!answered(200, r#"{"error":"invalid_client"}"#).unwrap_err().later);
        assert_eq!(answered(503, "<html>").unwrap_err().told, "the token server answered 503");
    }

    #[test]
    fn what_may_pass_is_told_from_what_does_not() {
        for (status, body, later) in [
            (500, "", true),
            (429, "", true),
            (408, "{}", true),
            (400, "", false),
            (404, "<html>", false),
            (200, "<html>", true),
            (200, "{}", true),
            (200, r#"{"access_token":""}"#, true),
            (200, r#"{"access_token":"t","token_type":"DPoP"}"#, false),
            (302, "", false),
        ] {
            assert_eq!(answered(status, body).unwrap_err().later, later, "{status} {body}");
        }
        let mut headers = HeaderMap::new();
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static("7"));
        let told = read(StatusCode::SERVICE_UNAVAILABLE, &headers, b"", SystemTime::UNIX_EPOCH).unwrap_err();
        assert_eq!(told.wait, Some(Duration::from_secs(7)));
    }
}
