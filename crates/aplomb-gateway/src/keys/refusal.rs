//! Every way in which a caller isn't let in, with the code and the remedy that it is told by.

use std::time::Duration;

use aplomb_core::{Dialect, Failure, Fault, Kind, NoKey};
use http::HeaderValue;
use http::header::WWW_AUTHENTICATE;

use super::shown::{how_to_send, is_bearer};
use crate::problem::Problem;

/// Why a caller isn't let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// It shows nothing.
    Missing,
    /// It sends a password or another scheme.
    OtherScheme,
    /// What it shows is no key of ours.
    Malformed(NoKey),
    /// There is no such key; the answer to a wrong secret is the same.
    Unknown,
    /// Its key is over.
    Expired,
    /// Its key was taken back.
    Revoked,
    /// Its account may do nothing.
    Disabled,
    /// Its key is not for this.
    OutOfScope(String),
    /// Its token was not signed by whom we trust, or says what can't be.
    BadToken(&'static str),
    /// Its token is over.
    TokenExpired,
    /// Its token isn't valid yet.
    TokenEarly,
    /// Its address failed too often.
    TooOften(Duration),
    /// Nobody can tell now.
    NotNow(&'static str),
}

/// The same for metrics: a closed list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reason(pub(super) usize);

impl Reason {
    /// The words of each, in the order of [`Refused`].
    pub(crate) const NAMES: [&'static str; 13] = [
        "missing",
        "other_scheme",
        "malformed",
        "unknown",
        "expired",
        "revoked",
        "disabled",
        "out_of_scope",
        "bad_token",
        "token_expired",
        "token_early",
        "too_often",
        "not_now",
    ];
}

impl Refused {
    /// What it counts as.
    pub(crate) fn reason(&self) -> Reason {
        Reason(match self {
            Self::Missing => 0,
            Self::OtherScheme => 1,
            Self::Malformed(_) => 2,
            Self::Unknown => 3,
            Self::Expired => 4,
            Self::Revoked => 5,
            Self::Disabled => 6,
            Self::OutOfScope(_) => 7,
            Self::BadToken(_) => 8,
            Self::TokenExpired => 9,
            Self::TokenEarly => 10,
            Self::TooOften(_) => 11,
            Self::NotNow(_) => 12,
        })
    }

    /// Whether it may be a guess: what has no right form or isn't there at all guesses nothing.
    pub(crate) fn is_guess(&self) -> bool {
        matches!(self, Self::Unknown | Self::BadToken(_))
    }

    /// What the caller is told.
    pub(crate) fn problem(&self, dialect: Option<&'static Dialect>) -> Problem {
        let failure = self.failure(dialect).fault(match self {
            Self::NotNow(_) => Fault::Gateway,
            _ => Fault::Policy,
        });
        let mut problem = Problem::local(failure).answer_in(dialect);
        problem.should_retry = problem.failure.retryable;
        if problem.failure.kind == Kind::Authentication && is_bearer(dialect) {
            let challenge = match self {
                Self::Missing | Self::OtherScheme => "Bearer",
                _ => "Bearer error=\"invalid_token\"",
            };
            problem.headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        problem
    }

    fn failure(&self, dialect: Option<&Dialect>) -> Failure {
        let refuse =
            |code: &str, message: String| Failure::new(Kind::Authentication).code(code).message(message);
        let how = || how_to_send(dialect);
        match self {
            Self::Missing => refuse("missing_api_key", format!("no API key was sent; send it as {}", how())),
            Self::OtherScheme => refuse(
                "malformed_api_key",
                format!("the credential is of another kind than an API key; send the key as {}", how()),
            ),
            Self::Malformed(NoKey::Empty) => refuse("missing_api_key", NoKey::Empty.to_string()),
            Self::Malformed(why) => refuse("malformed_api_key", why.to_string()),
            Self::Unknown => refuse(
                "invalid_api_key",
                "there is no such API key; check that it is the right one for this API, or ask for a new one"
                    .into(),
            ),
            Self::Expired => {
                refuse("expired_api_key", "this API key has expired; ask for a new one and use that".into())
            }
            Self::Revoked => refuse(
                "revoked_api_key",
                "this API key was revoked; use another one, or ask for a new one".into(),
            ),
            Self::BadToken(why) => refuse("invalid_token", format!("the token is not accepted: {why}")),
            Self::TokenExpired => refuse("expired_token", "the token has expired; fetch a new one".into()),
            Self::TokenEarly => refuse(
                "token_not_yet_valid",
                "the token is not valid yet; check the clock of the machine that made it".into(),
            ),
            Self::Disabled => Failure::new(Kind::Permission)
                .code("account_disabled")
                .message("the account of this API key is disabled; ask whoever runs this API"),
            Self::OutOfScope(told) => {
                Failure::new(Kind::Permission).code("key_out_of_scope").message(told.as_str())
            }
            Self::TooOften(wait) => Failure::new(Kind::RateLimit)
                .code("too_many_failed_attempts")
                .message("too many API keys were tried from this address; wait before the next one")
                .wait(*wait),
            Self::NotNow(why) => Failure::new(Kind::Unavailable)
                .code("authentication_unavailable")
                .message(format!("{why}; send the request again in a moment"))
                .wait(Duration::from_secs(1)),
        }
    }

    /// A server of signing keys that nobody reaches says nothing about the token.
    pub(crate) fn no_signing_keys() -> Self {
        Self::NotNow("the keys that tokens are checked with can't be fetched now")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Vec<Refused> {
        vec![
            Refused::Missing,
            Refused::OtherScheme,
            Refused::Malformed(NoKey::Checksum),
            Refused::Unknown,
            Refused::Expired,
            Refused::Revoked,
            Refused::Disabled,
            Refused::OutOfScope("this key may only be used on the routes `/x`".into()),
            Refused::BadToken("it is not for this API"),
            Refused::TokenExpired,
            Refused::TokenEarly,
            Refused::TooOften(Duration::from_secs(7)),
            Refused::NotNow("keys can't be checked now"),
        ]
    }

    #[test]
    fn each_has_its_own_status_code_and_remedy() {
        let agenthuman = aplomb_core::catalog().get("agenthuman");
        let mut told = String::new();
        for (at, refused) in all().iter().enumerate() {
            assert_eq!(refused.reason(), Reason(at));
            let failure = refused.problem(agenthuman).failure;
            let status = aplomb_core::dialect::render_status(agenthuman.unwrap(), &failure);
            let (code, message) = (failure.code.unwrap_or_default(), failure.message.unwrap_or_default());
            told.push_str(&format!("{status} {} {code}: {message}\n", failure.fault));
        }
        insta::assert_snapshot!(told, @r"
        401 policy missing_api_key: no API key was sent; send it as `x-api-key: apl_…`
        401 policy malformed_api_key: the credential is of another kind than an API key; send the key as `x-api-key: apl_…`
        401 policy malformed_api_key: the key is mistyped: its checksum doesn't fit; copy it again as it was shown
        401 policy invalid_api_key: there is no such API key; check that it is the right one for this API, or ask for a new one
        401 policy expired_api_key: this API key has expired; ask for a new one and use that
        401 policy revoked_api_key: this API key was revoked; use another one, or ask for a new one
        403 policy account_disabled: the account of this API key is disabled; ask whoever runs this API
        403 policy key_out_of_scope: this key may only be used on the routes `/x`
        401 policy invalid_token: the token is not accepted: it is not for this API
        401 policy expired_token: the token has expired; fetch a new one
        401 policy token_not_yet_valid: the token is not valid yet; check the clock of the machine that made it
        429 policy too_many_failed_attempts: too many API keys were tried from this address; wait before the next one
        503 gateway authentication_unavailable: keys can't be checked now; send the request again in a moment
        ");
    }

    #[test]
    fn a_challenge_names_a_scheme_only_where_it_works() {
        let challenge = |refused: &Refused, name: &str| {
            let problem = refused.problem(aplomb_core::catalog().get(name));
            problem.headers.get(WWW_AUTHENTICATE).map(|value| value.to_str().unwrap().to_owned())
        };
        assert_eq!(challenge(&Refused::Missing, "openai").as_deref(), Some("Bearer"));
        assert_eq!(challenge(&Refused::Unknown, "openai").as_deref(), Some("Bearer error=\"invalid_token\""));
        assert_eq!(challenge(&Refused::Unknown, "agenthuman"), None);
        assert_eq!(challenge(&Refused::Disabled, "openai"), None);
    }

    #[test]
    fn only_what_may_be_a_guess_counts_as_one() {
        let guesses: Vec<_> =
            all().into_iter().filter(Refused::is_guess).map(|refused| refused.reason()).collect();
        assert_eq!(guesses, [Reason(3), Reason(8)]);
    }
}
