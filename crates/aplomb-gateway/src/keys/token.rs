//! Signed tokens (JWT): who has signed one, for whom, until when, and whose it is.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, Validation, decode, decode_header};
use serde_json::Value;

use super::jwks::{Jwks, NoKey, SigningKey};
use super::recent::Recent;
use super::refusal::Refused;
use super::signature;
use crate::config::Jwt;
use crate::digest::Fields;
use crate::net::{OriginError, Pool};

/// A longer text is no token of anybody's.
const LONGEST: usize = 16 << 10;

/// How far clocks may be apart.
const LEEWAY: Duration = Duration::from_secs(30);

/// How many checked tokens are remembered.
const TOKENS: usize = 20_000;

/// How long a checked token is believed: a key that its issuer took back signs nothing after that.
const BELIEVED: Duration = Duration::from_secs(60);

/// How many keys are tried for a token that names none; each costs what a signature costs.
const TRIED: usize = 8;

/// The longest name that a claim may give to an account or a tier.
const NAME: usize = 128;

/// What a checked token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Signed {
    /// Whose it is: the account's id or name.
    pub(crate) account: Arc<str>,
    /// The tier that it names.
    pub(crate) tier: Option<Arc<str>>,
}

/// Everybody whose tokens are taken.
#[derive(Debug)]
pub(crate) struct Issuers {
    /// By their URL; as many as configurations name, which is few.
    keys: Mutex<HashMap<String, Arc<Jwks>>>,
    checked: Mutex<Recent<[u8; 32], Checked>>,
}

#[derive(Debug)]
struct Checked {
    signed: Signed,
    until: Instant,
}

impl Default for Issuers {
    fn default() -> Self {
        signature::install();
        Self { keys: Mutex::default(), checked: Mutex::new(Recent::of(TOKENS)) }
    }
}

impl Issuers {
    /// Checks a token.
    ///
    /// # Errors
    /// What is wrong with it, or that nobody can tell now.
    pub(crate) async fn check(&self, jwt: &Jwt, token: &[u8], pool: &Pool) -> Result<Signed, Refused> {
        if token.len() > LONGEST {
            return Err(Refused::BadToken("it is too long"));
        }
        let name = name(jwt, token);
        let header =
            decode_header(token).map_err(|_| Refused::BadToken("it has no form that is taken here"))?;
        if header.crit.is_some_and(|names| !names.is_empty()) {
            return Err(Refused::BadToken("it asks for an extension (`crit`) that isn't known here"));
        }
        if !ALGORITHMS.contains(&header.alg) {
            return Err(Refused::BadToken(
                "its algorithm is not taken here; sign with RS256, ES256, EdDSA or their like",
            ));
        }
        let fits = |key: &SigningKey| key.fits(header.kid.as_deref(), header.alg);
        let jwks = self.jwks(&jwt.jwks).map_err(|_| Refused::no_signing_keys())?;
        let keys = jwks.find(pool, fits).await.map_err(|no| match no {
            NoKey::Unknown => Refused::BadToken("its issuer has no such signing key"),
            NoKey::NotNow => Refused::no_signing_keys(),
        })?;
        let mut last = Refused::BadToken("its issuer has no such signing key");
        for key in keys.iter().filter(|key| fits(key)).take(TRIED) {
            match claims(jwt, token, header.alg, key) {
                Ok(claims) => return self.believe(name, signed(jwt, &claims)?, &claims),
                Err(refused) => last = refused,
            }
        }
        Err(last)
    }

    /// What a token says that was checked just now.
    pub(crate) fn remembered(&self, jwt: &Jwt, token: &[u8]) -> Option<Signed> {
        self.believed(&name(jwt, token))
    }

    fn believed(&self, name: &[u8; 32]) -> Option<Signed> {
        let mut checked = self.checked.lock().unwrap_or_else(PoisonError::into_inner);
        let found = checked.find(name).filter(|found| found.until > Instant::now());
        found.map(|found| found.signed.clone())
    }

    /// Remembers a token that was checked, not beyond its end.
    fn believe(&self, name: [u8; 32], signed: Signed, claims: &Value) -> Result<Signed, Refused> {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let end = claims.get("exp").and_then(Value::as_f64).unwrap_or_default();
        let left = (end - now.as_secs_f64()).clamp(0.0, BELIEVED.as_secs_f64());
        let until = Instant::now() + Duration::from_secs_f64(left);
        let mut checked = self.checked.lock().unwrap_or_else(PoisonError::into_inner);
        checked.put(name, Checked { signed: signed.clone(), until });
        Ok(signed)
    }

    fn jwks(&self, url: &str) -> Result<Arc<Jwks>, OriginError> {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = keys.get(url) {
            return Ok(Arc::clone(known));
        }
        let new = Arc::new(Jwks::new(url)?);
        keys.insert(url.to_owned(), Arc::clone(&new));
        Ok(new)
    }
}

/// What tokens may be signed with: public keys, and of RSA no SHA-1.
const ALGORITHMS: [Algorithm; 9] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];

/// The hash of a token and of what is asked of it: the same token may be good for one route and bad for another.
fn name(jwt: &Jwt, token: &[u8]) -> [u8; 32] {
    let mut hash = Fields::new();
    for part in [&jwt.jwks, &jwt.issuer, &jwt.audience, &jwt.account, &jwt.tier] {
        hash.add(part.as_bytes());
    }
    hash.add(token);
    hash.finish()
}

fn claims(jwt: &Jwt, token: &[u8], algorithm: Algorithm, key: &SigningKey) -> Result<Value, Refused> {
    let mut validation = Validation::new(algorithm);
    validation.leeway = LEEWAY.as_secs();
    validation.validate_nbf = true;
    validation.set_issuer(&[&jwt.issuer]);
    validation.set_audience(&[&jwt.audience]);
    validation.set_required_spec_claims(&["exp", "iss", "aud"]);
    let data = decode::<Value>(token, &key.key, &validation).map_err(|error| match error.kind() {
        ErrorKind::ExpiredSignature => Refused::TokenExpired,
        ErrorKind::ImmatureSignature => Refused::TokenEarly,
        ErrorKind::InvalidIssuer => Refused::BadToken("it is of another issuer"),
        ErrorKind::InvalidAudience => Refused::BadToken("it is for another audience"),
        ErrorKind::InvalidSignature => Refused::BadToken("its signature is wrong"),
        ErrorKind::MissingRequiredClaim(claim) => Refused::BadToken(match claim.as_str() {
            "exp" => "it doesn't say when it ends (`exp`)",
            "iss" => "it doesn't say who issued it (`iss`)",
            _ => "it doesn't say for whom it is (`aud`)",
        }),
        _ => Refused::BadToken("it has no form that is taken here"),
    })?;
    Ok(data.claims)
}

fn signed(jwt: &Jwt, claims: &Value) -> Result<Signed, Refused> {
    let claim = |name: &str| claims.get(name).and_then(text).filter(|text| is_name(text));
    let account = claim(&jwt.account).ok_or(Refused::BadToken("it doesn't say whose account it is for"))?;
    Ok(Signed { account: account.into(), tier: claim(&jwt.tier).map(Arc::from) })
}

/// A text, or a number as some issuers number their users.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => number.as_u64().map(|number| number.to_string()),
        _ => None,
    }
}

fn is_name(text: &str) -> bool {
    (1..=NAME).contains(&text.len()) && !text.contains(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn jwt() -> Jwt {
        Jwt {
            jwks: "https://issuer.test/jwks".to_owned(),
            issuer: "https://issuer.test".to_owned(),
            audience: "api".to_owned(),
            account: "sub".to_owned(),
            tier: "tier".to_owned(),
        }
    }

    #[test]
    fn an_account_is_a_short_name() {
        let named = |claims: Value| signed(&jwt(), &claims).map(|signed| signed.account.to_string()).ok();
        assert_eq!(named(json!({"sub": "ada"})).as_deref(), Some("ada"));
        assert_eq!(named(json!({"sub": 7})).as_deref(), Some("7"));
        for claims in [
            json!({}),
            json!({"sub": ""}),
            json!({"sub": "a\nb"}),
            json!({"sub": "x".repeat(129)}),
            json!({"sub": []}),
        ] {
            assert_eq!(named(claims.clone()), None, "{claims}");
        }
    }

    #[test]
    fn a_token_is_remembered_for_what_was_asked_of_it() {
        let (one, mut other) = (jwt(), jwt());
        other.audience = "another".to_owned();
        assert_eq!(name(&one, b"t"), name(&jwt(), b"t"));
        assert_ne!(name(&one, b"t"), name(&other, b"t"));
        assert_ne!(name(&one, b"t"), name(&one, b"u"));
    }

    #[test]
    fn a_checked_token_is_believed_for_a_while_and_not_beyond_its_end() {
        let issuers = Issuers::default();
        let signed = Signed { account: "ada".into(), tier: None };
        issuers.believe([1; 32], signed.clone(), &json!({"exp": 4_000_000_000_u64})).unwrap();
        issuers.believe([2; 32], signed.clone(), &json!({"exp": 1})).unwrap();
        assert_eq!((issuers.believed(&[1; 32]), issuers.believed(&[2; 32])), (Some(signed), None));
    }
}
