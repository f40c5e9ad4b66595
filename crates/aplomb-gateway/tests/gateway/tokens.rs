//! Signed tokens: whose are taken, and every way in which one that isn't good is refused.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::{Value, json};

use super::caller::Message;
use super::keys::{Store, ask, code};
use super::rig::{CHOICE, OUR_KEY, Rig, Wishes};
use super::upstream::{Upstream, json as answer};

const OURS: &str = "credential = { env = \"KEY\" }";

fn base64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// An issuer with its key.
struct Issuer {
    pair: Ed25519KeyPair,
}

impl Issuer {
    fn new() -> Self {
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        Self { pair: Ed25519KeyPair::from_pkcs8(document.as_ref()).unwrap() }
    }

    /// Its key as others may know it.
    fn public(&self, id: &str) -> Value {
        json!({"kty": "OKP", "crv": "Ed25519", "use": "sig", "kid": id, "x": base64(self.pair.public_key())})
    }

    fn sign(&self, header: &Value, claims: &Value) -> String {
        let message = format!("{}.{}", base64(header.to_string()), base64(claims.to_string()));
        format!("{message}.{}", base64(self.pair.sign(message.as_bytes())))
    }

    /// A good token, but for what is put in.
    fn token(&self, id: &str, claims: Value) -> String {
        let mut all = claims_until(3_600);
        all.as_object_mut().unwrap().extend(claims.as_object().unwrap().clone());
        self.sign(&json!({"alg": "EdDSA", "kid": id}), &all)
    }
}

fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap()
}

fn claims_until(seconds: i64) -> Value {
    json!({"iss": "https://issuer.test", "aud": "api", "sub": "ada", "exp": now() + seconds})
}

fn route(jwks: &Upstream) -> String {
    format!(
        "keys = \"required\"\njwt = {{ jwks = \"{}/jwks\", issuer = \"https://issuer.test\", audience = \"api\" }}",
        jwks.url().replace("127.0.0.1", "localhost")
    )
}

async fn chat(rig: &Rig, token: &str) -> Message {
    rig.chat(&format!("authorization: Bearer {token}\r\n")).await
}

#[tokio::test(flavor = "local")]
async fn a_token_of_the_issuers_lets_in_and_goes_no_further() {
    let (issuer, store) = (Issuer::new(), Store::new());
    let jwks = Upstream::always(answer(200, &json!({ "keys": [issuer.public("k1")] }).to_string())).await;
    let upstream = Upstream::always(answer(200, CHOICE)).await;
    let rig = Rig::with(
        &upstream,
        Wishes { server: &store.lines(), upstream: OURS, route: &route(&jwks), ..Wishes::default() },
    );
    for claims in [json!({}), json!({"aud": ["other", "api"]}), json!({"nbf": now() + 10}), json!({"sub": 7})]
    {
        let told = chat(&rig, &issuer.token("k1", claims.clone())).await;
        assert_eq!(told.status(), 200, "{claims} {told:?}");
        let heard = upstream.heard().last().unwrap().request.clone();
        assert_eq!(heard.says("authorization"), format!("Bearer {OUR_KEY}"));
        assert!(!format!("{heard:?}").contains("eyJ"));
    }
    assert_eq!(jwks.count(), 1, "fetched once");
    assert_eq!(jwks.only().target(), "/jwks");
    ask(&rig, "POST", "/accounts", json!({"name": "ada"})).await;
    ask(&rig, "PATCH", "/accounts/ada", json!({"disabled": true})).await;
    loop {
        let told = chat(&rig, &issuer.token("k1", json!({}))).await;
        if told.status() == 403 {
            break assert_eq!(code(&told), "account_disabled");
        }
    }
}

#[tokio::test(flavor = "local")]
async fn every_token_that_isnt_good_is_refused() {
    let (issuer, stranger, store) = (Issuer::new(), Issuer::new(), Store::new());
    let jwks = Upstream::always(answer(200, &json!({ "keys": [issuer.public("k1")] }).to_string())).await;
    let upstream = Upstream::always(answer(200, CHOICE)).await;
    let rig = Rig::with(
        &upstream,
        Wishes { server: &store.lines(), upstream: OURS, route: &route(&jwks), ..Wishes::default() },
    );
    let good = issuer.token("k1", json!({}));
    let parts: Vec<&str> = good.split('.').collect();
    let unsigned = |alg: &str| format!("{}.{}.", base64(json!({ "alg": alg }).to_string()), parts[1]);
    // The public key taken for a secret that both sides know.
    let confused = {
        let header = base64(json!({"alg": "HS256", "kid": "k1"}).to_string());
        let message = format!("{header}.{}", parts[1]);
        let key = hmac::Key::new(hmac::HMAC_SHA256, issuer.pair.public_key().as_ref());
        format!("{message}.{}", base64(hmac::sign(&key, message.as_bytes())))
    };
    let other_claims = base64(
        json!({"iss": "https://issuer.test", "aud": "api", "sub": "eve", "exp": now() + 60}).to_string(),
    );
    let critical = json!({"alg": "EdDSA", "kid": "k1", "crit": ["b64"], "b64": false});
    for (name, token, told) in [
        ("expired", issuer.token("k1", json!({"exp": now() - 60})), "expired_token"),
        ("early", issuer.token("k1", json!({"nbf": now() + 600})), "token_not_yet_valid"),
        ("no end", issuer.token("k1", json!({"exp": null})), "invalid_token"),
        ("an end that is none", issuer.token("k1", json!({"exp": "never"})), "invalid_token"),
        ("another audience", issuer.token("k1", json!({"aud": "other"})), "invalid_token"),
        ("no audience", issuer.token("k1", json!({"aud": null})), "invalid_token"),
        ("another issuer", issuer.token("k1", json!({"iss": "https://evil.test"})), "invalid_token"),
        ("no issuer", issuer.token("k1", json!({"iss": null})), "invalid_token"),
        ("nobody's", issuer.token("k1", json!({"sub": null})), "invalid_token"),
        ("a stranger's", stranger.token("k1", json!({})), "invalid_token"),
        ("an unknown key", stranger.token("k2", json!({})), "invalid_token"),
        ("unsigned", unsigned("none"), "invalid_token"),
        ("unsigned, shouted", unsigned("NONE"), "invalid_token"),
        ("no signature", unsigned("EdDSA"), "invalid_token"),
        ("confused", confused, "invalid_token"),
        ("other claims", format!("{}.{other_claims}.{}", parts[0], parts[2]), "invalid_token"),
        ("critical", issuer.sign(&critical, &claims_until(60)), "invalid_token"),
        (
            "a key of its own",
            stranger.sign(&json!({"alg": "EdDSA", "jwk": stranger.public("k1")}), &claims_until(60)),
            "invalid_token",
        ),
    ] {
        let answer = chat(&rig, &token).await;
        assert_eq!((answer.status(), code(&answer).as_str()), (401, told), "{name}: {answer:?}");
    }
    assert_eq!(upstream.count(), 0);
    assert!(jwks.count() <= 2, "an unknown key is asked for once in a while only");
    assert_eq!(chat(&rig, &good).await.status(), 200);
}

#[tokio::test(flavor = "local")]
async fn an_issuer_that_is_down_makes_nobodys_token_bad() {
    let (issuer, store) = (Issuer::new(), Store::new());
    let jwks = Upstream::always(answer(500, "{}")).await;
    let upstream = Upstream::always(answer(200, CHOICE)).await;
    let rig = Rig::with(
        &upstream,
        Wishes { server: &store.lines(), upstream: OURS, route: &route(&jwks), ..Wishes::default() },
    );
    let told = chat(&rig, &issuer.token("k1", json!({}))).await;
    assert_eq!((told.status(), code(&told).as_str()), (503, "authentication_unavailable"), "{told:?}");
    assert_eq!((told.says("x-should-retry"), told.says("aplomb-fault")), ("true", "gateway"));
}
