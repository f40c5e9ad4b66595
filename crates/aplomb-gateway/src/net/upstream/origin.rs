//! Where an upstream is: scheme, host and port, read once from its URL.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use http::Uri;
use http::header::HeaderValue;
use http::uri::{Authority, Scheme};

/// One place that connections go to; cheap to clone, and cheap to look up by.
#[derive(Clone)]
pub struct Origin(Arc<Place>);

struct Place {
    tls: bool,
    host: Host,
    port: u16,
    authority: Authority,
    header: HeaderValue,
}

/// A host as a URL names it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Host {
    /// To be resolved; lower case.
    Name(Box<str>),
    /// An address written out.
    Address(IpAddr),
}

/// What is wrong with the URL of an upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OriginError {
    /// Neither `http` nor `https`.
    #[error("the URL must begin with http:// or https://")]
    Scheme,
    /// No host, or one that cannot be.
    #[error("the URL names no usable host")]
    Host,
    /// A user or password in the URL would end up in logs.
    #[error("the URL must not carry a user or password; use a credential instead")]
    Credentials,
}

impl Origin {
    /// Takes the origin out of an absolute URL; its path and query are the caller's matter.
    ///
    /// # Errors
    ///
    /// Says which part of the URL is missing or may not be there.
    pub fn of(url: &Uri) -> Result<Self, OriginError> {
        let tls = match url.scheme() {
            Some(scheme) if *scheme == Scheme::HTTP => false,
            Some(scheme) if *scheme == Scheme::HTTPS => true,
            _ => return Err(OriginError::Scheme),
        };
        let written = url.authority().ok_or(OriginError::Host)?;
        if written.as_str().contains('@') {
            return Err(OriginError::Credentials);
        }
        let host = Host::of(written.host()).ok_or(OriginError::Host)?;
        let usual = if tls { 443 } else { 80 };
        let port = written.port_u16().unwrap_or(usual);
        let text = if port == usual { host.to_string() } else { format!("{host}:{port}") };
        let authority = text.parse().map_err(|_| OriginError::Host)?;
        let header = HeaderValue::try_from(text).map_err(|_| OriginError::Host)?;
        Ok(Self(Arc::new(Place { tls, host, port, authority, header })))
    }

    /// Whether both are clones of one.
    pub(super) fn is_the_very(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Whether the origin is reached by TLS.
    pub fn is_tls(&self) -> bool {
        self.0.tls
    }

    /// The port, the scheme's own if the URL had none.
    pub fn port(&self) -> u16 {
        self.0.port
    }

    /// What a request to it says in `host`: the port only if it isn't the scheme's own.
    pub fn host_header(&self) -> &HeaderValue {
        &self.0.header
    }

    /// The same as the authority of a URI.
    pub fn authority(&self) -> &Authority {
        &self.0.authority
    }

    pub(super) fn host(&self) -> &Host {
        &self.0.host
    }

    pub(super) fn scheme(&self) -> Scheme {
        if self.0.tls { Scheme::HTTPS } else { Scheme::HTTP }
    }
}

impl PartialEq for Origin {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || (self.0.tls == other.0.tls && self.0.authority == other.0.authority)
    }
}

impl Eq for Origin {}

impl Hash for Origin {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.tls.hash(state);
        self.0.authority.as_str().hash(state);
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}://{}", self.scheme(), self.0.authority)
    }
}

impl Host {
    pub(super) fn of(written: &str) -> Option<Self> {
        if let Some(inner) = written.strip_prefix('[') {
            let address: Ipv6Addr = inner.strip_suffix(']')?.parse().ok()?;
            return Some(Self::Address(address.into()));
        }
        if let Ok(address) = written.parse() {
            return Some(Self::Address(address));
        }
        let name = written.strip_suffix('.').unwrap_or(written).to_ascii_lowercase();
        if name.is_empty() { None } else { Some(Self::Name(name.into())) }
    }

    /// Whether it can only mean this machine.
    pub(super) fn is_loopback(&self) -> bool {
        match self {
            Self::Address(address) => address.to_canonical().is_loopback(),
            Self::Name(name) => &**name == "localhost" || name.ends_with(".localhost"),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => out.write_str(name),
            Self::Address(IpAddr::V4(address)) => address.fmt(out),
            Self::Address(IpAddr::V6(address)) => write!(out, "[{address}]"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(url: &str) -> Result<Origin, OriginError> {
        Origin::of(&url.parse().unwrap())
    }

    #[test]
    fn a_usual_port_is_not_said_in_the_host_header() {
        for (url, header, port) in [
            ("https://API.Groq.com/openai/v1?x=1", "api.groq.com", 443),
            ("https://api.groq.com:443", "api.groq.com", 443),
            ("http://api.groq.com:443", "api.groq.com:443", 443),
            ("http://127.0.0.1:8080/", "127.0.0.1:8080", 8080),
            ("http://[::1]:8080/", "[::1]:8080", 8080),
            ("http://example.com./", "example.com", 80),
        ] {
            let origin = origin(url).unwrap();
            assert_eq!(origin.host_header(), header, "{url}");
            assert_eq!(origin.port(), port, "{url}");
        }
    }

    #[test]
    fn one_place_written_in_two_ways_is_one_origin() {
        assert_eq!(origin("https://a.example/x"), origin("HTTPS://A.Example:443/y"));
        assert_ne!(origin("https://a.example"), origin("http://a.example"));
    }

    #[test]
    fn urls_that_cannot_be_an_upstream_say_what_is_wrong() {
        assert_eq!(origin("ftp://a.example/").unwrap_err(), OriginError::Scheme);
        assert_eq!(origin("/v1").unwrap_err(), OriginError::Scheme);
        assert_eq!(origin("http://u:p@a.example/").unwrap_err(), OriginError::Credentials);
    }

    #[test]
    fn loopback_is_known_by_name_and_by_address() {
        for host in ["localhost", "x.LOCALHOST", "127.9.9.9", "[::1]", "[::ffff:127.0.0.1]"] {
            assert!(Host::of(host).unwrap().is_loopback(), "{host}");
        }
        assert!(!Host::of("10.0.0.1").unwrap().is_loopback());
    }
}
