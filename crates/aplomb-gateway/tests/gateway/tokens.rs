//! Signed tokens: whose are taken, and every way in which one that isn't good is refused.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use ring::rand::SystemRandom;
use ring::rsa::PublicKeyComponents;
use ring::signature::{
    self, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair as _, RsaEncoding, RsaKeyPair,
};
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

type Sign = dyn Fn(&[u8]) -> Vec<u8>;

/// A way to sign: its algorithm, its key as others may know it, and what it makes of a message.
struct Signer {
    algorithm: &'static str,
    public: Value,
    sign: Box<Sign>,
}

impl Signer {
    /// By the key of nobody that stands beside this file: ring makes none (`openssl genpkey -algorithm RSA`).
    fn rsa(algorithm: &'static str, how: &'static dyn RsaEncoding) -> Self {
        let pair = RsaKeyPair::from_pkcs8(include_bytes!("issuer.rsa.pk8")).unwrap();
        let PublicKeyComponents::<Vec<u8>> { n, e } = pair.public().into();
        let public = json!({"kty": "RSA", "use": "sig", "kid": algorithm, "n": base64(n), "e": base64(e)});
        let sign = move |message: &[u8]| {
            let mut out = vec![0; pair.public().modulus_len()];
            pair.sign(how, &SystemRandom::new(), message, &mut out).unwrap();
            out
        };
        Self { algorithm, public, sign: Box::new(sign) }
    }

    fn curve(algorithm: &'static str, curve: &str, how: &'static EcdsaSigningAlgorithm) -> Self {
        let random = SystemRandom::new();
        let document = EcdsaKeyPair::generate_pkcs8(how, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(how, document.as_ref(), &random).unwrap();
        // A point is a 4, then both of its numbers.
        let (x, y) = pair.public_key().as_ref()[1..].split_at(pair.public_key().as_ref().len() / 2);
        let public = json!({"kty": "EC", "crv": curve, "kid": algorithm, "x": base64(x), "y": base64(y)});
        let sign = move |message: &[u8]| pair.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec();
        Self { algorithm, public, sign: Box::new(sign) }
    }

    /// A token that says that it was signed in a way, by the key of that name.
    fn token(&self, algorithm: &str, key: &str) -> String {
        let header = json!({"alg": algorithm, "kid": key}).to_string();
        let message = format!("{}.{}", base64(header), base64(claims_until(60).to_string()));
        format!("{message}.{}", base64((self.sign)(message.as_bytes())))
    }
}

#[tokio::test(flavor = "local")]
async fn tokens_that_were_signed_by_rsa_or_on_a_curve_are_checked() {
    let signers = [
        Signer::rsa("RS256", &signature::RSA_PKCS1_SHA256),
        Signer::rsa("RS512", &signature::RSA_PKCS1_SHA512),
        Signer::rsa("PS256", &signature::RSA_PSS_SHA256),
        Signer::curve("ES256", "P-256", &signature::ECDSA_P256_SHA256_FIXED_SIGNING),
        Signer::curve("ES384", "P-384", &signature::ECDSA_P384_SHA384_FIXED_SIGNING),
    ];
    let keys: Vec<_> = signers.iter().map(|signer| signer.public.clone()).collect();
    let jwks = Upstream::always(answer(200, &json!({ "keys": keys }).to_string())).await;
    let (upstream, store) = (Upstream::always(answer(200, CHOICE)).await, Store::new());
    let rig = Rig::with(
        &upstream,
        Wishes { server: &store.lines(), upstream: OURS, route: &route(&jwks), ..Wishes::default() },
    );
    for signer in &signers {
        let told = chat(&rig, &signer.token(signer.algorithm, signer.algorithm)).await;
        assert_eq!(told.status(), 200, "{}: {told:?}", signer.algorithm);
        for other in signers.iter().filter(|other| other.algorithm != signer.algorithm) {
            for (algorithm, key) in [(other.algorithm, other.algorithm), (other.algorithm, signer.algorithm)]
            {
                let told = chat(&rig, &signer.token(algorithm, key)).await;
                let case = format!("{} as {algorithm} by {key}", signer.algorithm);
                assert_eq!((told.status(), code(&told).as_str()), (401, "invalid_token"), "{case}: {told:?}");
            }
        }
    }
    assert_eq!(upstream.count(), signers.len());
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
