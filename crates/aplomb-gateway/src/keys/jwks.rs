//! The keys that an issuer signs tokens with: fetched when they are needed, and kept when its server is down.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::{HeaderValue, Method, Request, Uri, header};
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey};
use serde_json::Value;
use tokio::sync::Notify;
use tokio::task::spawn_local;
use tokio::time::{Instant, timeout};

use crate::collect;
use crate::net::{Body, Origin, OriginError, Patience, Pool};

/// How long one fetch may take, from connecting to the last byte.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long connecting may take of that.
const CONNECT: Duration = Duration::from_secs(5);

/// After how long keys are fetched anew, while the old ones go on being good.
const FRESH: Duration = Duration::from_secs(15 * 60);

/// How long after a fetch at least nobody begins another one: an unknown key in a token costs its sender nothing.
const PAUSE: Duration = Duration::from_secs(10);

/// No issuer has more; each is looked through for a token that names none.
const MOST: usize = 100;

/// A key that an issuer signs with.
#[derive(Debug)]
pub(super) struct SigningKey {
    /// Its name, if it has one.
    id: Option<String>,
    /// With which algorithms it signs.
    algorithms: Vec<Algorithm>,
    /// The key itself, which is public.
    pub(super) key: DecodingKey,
}

impl SigningKey {
    /// Whether a token says that it was signed with this one, or may have been.
    pub(super) fn fits(&self, id: Option<&str>, algorithm: Algorithm) -> bool {
        let named = match (id, &self.id) {
            (Some(id), Some(own)) => id == own,
            (Some(_), None) => false,
            (None, _) => true,
        };
        named && self.algorithms.contains(&algorithm)
    }

    fn read(jwk: &Jwk) -> Option<Self> {
        let signs = jwk.common.public_key_use.as_ref().is_none_or(|use_| *use_ == PublicKeyUse::Signature);
        let verifies = |operations: &Vec<KeyOperations>| operations.contains(&KeyOperations::Verify);
        if !signs || !jwk.common.key_operations.as_ref().is_none_or(verifies) {
            return None;
        }
        let able: &[Algorithm] = match &jwk.algorithm {
            AlgorithmParameters::RSA(_) => AlgorithmFamily::Rsa.algorithms(),
            AlgorithmParameters::EllipticCurve(curve) => match curve.curve {
                EllipticCurve::P256 => &[Algorithm::ES256],
                EllipticCurve::P384 => &[Algorithm::ES384],
                _ => return None,
            },
            AlgorithmParameters::OctetKeyPair(pair) if pair.curve == EllipticCurve::Ed25519 => {
                &[Algorithm::EdDSA]
            }
            // A shared secret in a public document is one no longer.
            _ => return None,
        };
        let told = jwk.common.key_algorithm.map(Algorithm::try_from);
        let algorithms: Vec<_> = match told {
            None => able.to_vec(),
            Some(Ok(one)) => able.iter().copied().filter(|able| *able == one).collect(),
            Some(Err(_)) => Vec::new(),
        };
        let key = DecodingKey::from_jwk(jwk).ok()?;
        (!algorithms.is_empty()).then_some(Self { id: jwk.common.key_id.clone(), algorithms, key })
    }
}

/// Reads a document of keys; what can't be read in it or isn't for this is left out.
fn read(document: &[u8]) -> Option<Vec<SigningKey>> {
    let document: Value = serde_json::from_slice(document).ok()?;
    let rows = document.get("keys")?.as_array()?;
    let keys = rows.iter().filter_map(|row| serde_json::from_value::<Jwk>(row.clone()).ok());
    let keys: Vec<_> = keys.filter_map(|jwk| SigningKey::read(&jwk)).take(MOST).collect();
    (!keys.is_empty()).then_some(keys)
}

/// Why there is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoKey {
    /// The issuer has no such key.
    Unknown,
    /// Its keys can't be had now.
    NotNow,
}

/// An issuer's keys.
#[derive(Debug)]
pub(super) struct Jwks {
    origin: Origin,
    target: Uri,
    state: Mutex<State>,
    /// A fetch is over.
    landed: Notify,
}

#[derive(Debug, Default)]
struct State {
    keys: Option<Arc<Vec<SigningKey>>>,
    fetched: Option<Instant>,
    tried: Option<Instant>,
    under_way: bool,
    /// The last fetch failed: told once.
    failed: bool,
}

impl Jwks {
    /// The keys at this URL, fetched when they are first asked for.
    pub(super) fn new(url: &str) -> Result<Self, OriginError> {
        let url: Uri = url.parse().map_err(|_| OriginError::Host)?;
        let origin = Origin::of(&url)?;
        let target = url.path_and_query().map_or("/", |target| target.as_str());
        let target = target.parse().map_err(|_| OriginError::Host)?;
        Ok(Self { origin, target, state: Mutex::default(), landed: Notify::new() })
    }

    /// The keys among which the one of a token is, if the issuer has it.
    ///
    /// # Errors
    /// The issuer has none, or can't be asked.
    pub(super) async fn find(
        self: &Arc<Self>,
        pool: &Pool,
        fits: impl Fn(&SigningKey) -> bool,
    ) -> Result<Arc<Vec<SigningKey>>, NoKey> {
        let mut landed = std::pin::pin!(self.landed.notified());
        landed.as_mut().enable();
        let known = self.known(&fits);
        let begun = self.begin(known.is_some());
        if begun == Begun::Mine {
            // It goes on when who began it goes away: others wait for it too.
            spawn_local(fetch(Landing(Arc::clone(self)), pool.clone()));
        }
        if let Some(keys) = known {
            return Ok(keys);
        }
        if begun != Begun::Not && timeout(PATIENCE, landed).await.is_err() {
            return Err(NoKey::NotNow);
        }
        self.known(&fits).ok_or_else(|| self.lack())
    }

    fn known(&self, fits: &impl Fn(&SigningKey) -> bool) -> Option<Arc<Vec<SigningKey>>> {
        self.state().keys.clone().filter(|keys| keys.iter().any(fits))
    }

    /// Nothing of the issuer's own makes an unknown key of one that couldn't be asked for.
    fn lack(&self) -> NoKey {
        let state = self.state();
        if state.keys.is_none() || state.failed { NoKey::NotNow } else { NoKey::Unknown }
    }

    fn begin(&self, known: bool) -> Begun {
        let now = Instant::now();
        let mut state = self.state();
        let is_fresh = state.fetched.is_some_and(|at| now.duration_since(at) < FRESH);
        if known && is_fresh {
            return Begun::Not;
        }
        if state.under_way {
            return Begun::Others;
        }
        if state.tried.is_some_and(|at| now.duration_since(at) < PAUSE) {
            return Begun::Not;
        }
        (state.under_way, state.tried) = (true, Some(now));
        Begun::Mine
    }

    /// The lock is held for a look, never across a wait.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn exchange(&self, pool: &Pool) -> Result<Vec<SigningKey>, String> {
        let mut request = Request::new(Body::empty());
        *request.method_mut() = Method::GET;
        *request.uri_mut() = self.target.clone();
        request.headers_mut().insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        let patience = Patience { connect: CONNECT, headers: PATIENCE };
        let answer = pool.send(&self.origin, request, patience).await.map_err(|error| error.to_string())?;
        let (head, body) = answer.into_parts();
        let (body, whole) = collect::short_body(body, PATIENCE).await;
        match (head.status.is_success(), whole) {
            (false, _) => Err(format!("its server answered {}", head.status.as_u16())),
            (true, false) => Err("its server's answer was cut, or is too large".to_owned()),
            (true, true) => read(&body)
                .ok_or_else(|| "its server's answer holds no key that tokens can be checked with".to_owned()),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Begun {
    /// Who asks has to fetch.
    Mine,
    /// Somebody does.
    Others,
    /// There is no need, or it was tried just now.
    Not,
}

async fn fetch(landing: Landing, pool: Pool) {
    let jwks = &landing.0;
    let fetched = timeout(PATIENCE, jwks.exchange(&pool)).await;
    let fetched = fetched.unwrap_or_else(|_late| Err("its server took too long".to_owned()));
    let mut state = jwks.state();
    let failed_before = std::mem::replace(&mut state.failed, fetched.is_err());
    match fetched {
        Ok(keys) => (state.keys, state.fetched) = (Some(Arc::new(keys)), Some(Instant::now())),
        Err(why) => {
            drop(state);
            if !failed_before {
                let at = jwks.origin.authority();
                tracing::error!(target: "aplomb::keys", %at, error = why, "an issuer's keys can't be fetched; what was known of them goes on");
            }
        }
    }
}

/// Everybody who waits looks again, however the fetch ended: its thread may have.
struct Landing(Arc<Jwks>);

impl Drop for Landing {
    fn drop(&mut self) {
        self.0.state().under_way = false;
        self.0.landed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const X: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

    fn algorithms(key: Value) -> Vec<Algorithm> {
        let document = json!({ "keys": [key] }).to_string();
        read(document.as_bytes()).map(|mut keys| keys.remove(0).algorithms).unwrap_or_default()
    }

    #[test]
    fn a_key_signs_with_what_fits_its_kind_and_what_it_says() {
        assert_eq!(algorithms(json!({"kty": "RSA", "n": "AQAB", "e": "AQAB"})).len(), 6);
        assert_eq!(
            algorithms(json!({"kty": "RSA", "n": "AQAB", "e": "AQAB", "alg": "RS256"})),
            [Algorithm::RS256]
        );
        assert_eq!(algorithms(json!({"kty": "EC", "crv": "P-256", "x": X, "y": X})), [Algorithm::ES256]);
        assert_eq!(
            algorithms(json!({"kty": "OKP", "crv": "Ed25519", "x": X, "use": "sig"})),
            [Algorithm::EdDSA]
        );
    }

    #[test]
    fn what_must_not_check_tokens_is_left_out() {
        for key in [
            json!({"kty": "oct", "k": "c2VjcmV0", "alg": "HS256"}),
            json!({"kty": "RSA", "n": "AQAB", "e": "AQAB", "alg": "HS256"}),
            json!({"kty": "RSA", "n": "AQAB", "e": "AQAB", "use": "enc"}),
            json!({"kty": "RSA", "n": "AQAB", "e": "AQAB", "key_ops": ["encrypt"]}),
            json!({"kty": "EC", "crv": "P-256", "x": X, "y": X, "alg": "RS256"}),
            json!({"kty": "EC", "crv": "P-521", "x": X, "y": X}),
            json!({"kty": "OKP", "crv": "X25519", "x": X}),
            json!({"kty": "new"}),
            json!(7),
        ] {
            assert_eq!(algorithms(key.clone()), [], "{key}");
        }
        for document in ["", "[]", "{}", "{\"keys\": 1}", "{\"keys\": []}"] {
            assert!(read(document.as_bytes()).is_none(), "{document}");
        }
    }

    #[test]
    fn a_token_that_names_a_key_is_checked_with_that_one_alone() {
        let key = |id: Value| {
            let key = json!({"kty": "EC", "crv": "P-256", "x": X, "y": X, "kid": id});
            read(json!({ "keys": [key] }).to_string().as_bytes()).unwrap().remove(0)
        };
        let (one, unnamed) = (key(json!("one")), key(Value::Null));
        assert!(one.fits(Some("one"), Algorithm::ES256) && one.fits(None, Algorithm::ES256));
        assert!(!one.fits(Some("two"), Algorithm::ES256) && !one.fits(Some("one"), Algorithm::RS256));
        assert!(!unnamed.fits(Some("one"), Algorithm::ES256) && unnamed.fits(None, Algorithm::ES256));
    }

    #[test]
    fn an_unknown_key_is_asked_for_once_in_a_while() {
        let jwks = Jwks::new("https://issuer.test/jwks").unwrap();
        assert_eq!((jwks.begin(false), jwks.begin(false)), (Begun::Mine, Begun::Others));
        jwks.state().under_way = false;
        assert_eq!(jwks.begin(false), Begun::Not);
        assert_eq!(jwks.lack(), NoKey::NotNow);
        jwks.state().keys = Some(Arc::default());
        assert_eq!(jwks.lack(), NoKey::Unknown);
        jwks.state().failed = true;
        assert_eq!(jwks.lack(), NoKey::NotNow, "the issuer may have one since");
    }
}
