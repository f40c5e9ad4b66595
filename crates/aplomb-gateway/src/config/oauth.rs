//! A credential that is fetched: OAuth 2 client credentials, or a refresh token (RFC 6749, sections 4.4 and 6).

use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

use crate::config::{Base, Scheme, Secret};

/// How an access token is fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OAuth {
    /// Where.
    pub token_url: TokenUrl,
    /// As whom.
    pub client_id: String,
    /// With which secret; a client without one only names itself.
    pub client_secret: Option<Confided>,
    /// Where the secret stands.
    pub auth: ClientAuth,
    /// By which right.
    pub grant: Grant,
    /// For what, if that is to be said.
    pub scope: Option<String>,
    /// For which API, if that is to be said.
    pub audience: Option<String>,
}

/// A secret that is used to fetch another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Confided {
    /// It was there when the configuration was read.
    Given(Secret),
    /// A file, read whenever it is needed.
    File(PathBuf),
}

/// By which right a token is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grant {
    /// The client's own.
    ClientCredentials,
    /// Somebody's who gave the client this token.
    RefreshToken(Confided),
}

/// Where a client's secret stands in its request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientAuth {
    /// In `authorization`, as RFC 6749 has it in 2.3.1.
    #[default]
    Basic,
    /// In the body, for servers that can't do better.
    Body,
}

/// Where tokens are fetched: over TLS, or on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenUrl {
    /// The place.
    pub base: Base,
    /// Path and query, as they were written.
    pub target: String,
}

impl FromStr for TokenUrl {
    type Err = String;

    /// Reads a URL; what is wrong is said without repeating it.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (plain, query) = match text.split_once('?') {
            Some((plain, query)) => (plain, Some(query)),
            None => (text, None),
        };
        let base: Base = plain.parse()?;
        let is_here = base.host == "localhost" || base.host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
        if base.scheme == Scheme::Http && !is_here {
            return Err("secrets travel by `https://` only, or to this machine".to_owned());
        }
        let path = plain.splitn(4, '/').nth(3).unwrap_or_default();
        let target = match query {
            Some(query) => format!("/{path}?{query}"),
            None => format!("/{path}"),
        };
        http::uri::PathAndQuery::try_from(target.as_str())
            .map_err(|_| "the URL has characters that it can't have")?;
        Ok(Self { base, target })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_and_query_stay_as_they_are_written() {
        for (text, origin, target) in [
            ("https://id.test/oauth/token", "https://id.test", "/oauth/token"),
            ("https://id.test/token/", "https://id.test", "/token/"),
            ("https://ID.test:8443/token?v=1&w=%20", "https://id.test:8443", "/token?v=1&w=%20"),
            ("https://id.test", "https://id.test", "/"),
            ("http://127.0.0.1:9/token", "http://127.0.0.1:9", "/token"),
            ("http://localhost/token", "http://localhost", "/token"),
            ("http://[::1]:9/token", "http://[::1]:9", "/token"),
        ] {
            let url: TokenUrl = text.parse().unwrap();
            assert_eq!((url.base.origin().as_str(), url.target.as_str()), (origin, target), "{text}");
        }
    }

    #[test]
    fn what_would_give_a_secret_away_is_refused() {
        for text in [
            "http://id.test/token",
            "http://10.0.0.1/token",
            "https://user:hunter2@id.test/token",
            "https://id.test/token#hunter2",
            "https://id.test/a?hunter2 ",
            "id.test/token",
            "",
        ] {
            let told = text.parse::<TokenUrl>().unwrap_err();
            assert!(!told.contains("hunter2"), "{text}: {told}");
        }
    }
}
