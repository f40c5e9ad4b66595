//! The URL of an upstream, and how the rest of a caller's path is put behind it.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use http::Uri;

use crate::config::path;

/// An upstream's URL: `https://api.openai.com/v1`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Base {
    /// Plain or TLS.
    pub scheme: Scheme,
    /// The host name or address, lower case; an IPv6 address stands without brackets.
    pub host: String,
    /// The port, the scheme's own if none is written.
    pub port: u16,
    /// What stands before every path, without a slash at the end; empty for none.
    pub path: String,
    /// Whether `path` is the one that the SDKs of this API have in their own default; see [`Base::join`].
    pub keeps_own_path: bool,
}

/// How an upstream is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// Plain.
    Http,
    /// TLS.
    Https,
}

impl Scheme {
    /// As in a URL.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// The port when none is written.
    pub fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

impl Base {
    /// Host and port as the `Host` header has them: no default port, brackets around an IPv6 address.
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        if self.port == self.scheme.default_port() { host } else { format!("{host}:{}", self.port) }
    }

    /// Scheme, host and port: what a credential is bound to.
    pub fn origin(&self) -> String {
        format!("{}://{}", self.scheme.as_str(), self.authority())
    }

    /// Whether both are the same origin.
    pub fn is_same_origin(&self, other: &Self) -> bool {
        self.scheme == other.scheme && self.host == other.host && self.port == other.port
    }

    /// The path to ask for: this base's own, then the rest of the caller's path.
    ///
    /// An SDK's default base URL may have a path (`https://api.openai.com/v1`), and a person who changes only the
    /// origin keeps it: both `/openai/v1/chat/completions` and `/openai/chat/completions` mean
    /// `/v1/chat/completions`. So what ends this path and begins the rest isn't doubled if it has a version in it,
    /// such as `v1`, or if it is the whole path and `keeps_own_path` says that callers may keep it.
    /// Slashes at the beginning of the rest become one, so that no rest can be read as a host.
    pub fn join(&self, rest: &str) -> String {
        let rest = rest.trim_start_matches('/');
        let own = &self.path[..self.path.len() - self.overlap(rest)];
        let mut joined = String::with_capacity(own.len() + rest.len() + 1);
        joined.push_str(own);
        if !rest.is_empty() || joined.is_empty() {
            joined.push('/');
        }
        joined.push_str(rest);
        joined
    }

    /// How much of the end of this path the rest begins with, in bytes.
    fn overlap(&self, rest: &str) -> usize {
        let mut starts = self.path.match_indices('/').map(|(start, _)| start);
        let doubled = |start: &usize| {
            let end = &self.path[start + 1..];
            let begins =
                rest.strip_prefix(end).is_some_and(|after| after.is_empty() || after.starts_with('/'));
            begins && (end.split('/').any(is_version) || (*start == 0 && self.keeps_own_path))
        };
        starts.find(doubled).map_or(0, |start| self.path.len() - start)
    }
}

/// `v1`, `v1beta`, `v2.1`: what no path has twice in a row.
fn is_version(segment: &str) -> bool {
    segment.strip_prefix('v').is_some_and(|number| number.starts_with(|c: char| c.is_ascii_digit()))
}

impl FromStr for Base {
    type Err = String;

    /// Reads `http://…` or `https://…`; what is wrong is said without repeating the URL, which may hold a password.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.contains(['#', '?']) {
            return Err("the URL of an upstream has no query and no fragment".to_owned());
        }
        let uri: Uri = text.parse().map_err(|_| "no URL; write `https://host` or `https://host/path`")?;
        let scheme = match uri.scheme_str() {
            Some("https") => Scheme::Https,
            Some("http") => Scheme::Http,
            Some(_) => return Err("only `http://` and `https://` can be spoken".to_owned()),
            None => return Err("begin it with `https://` or `http://`".to_owned()),
        };
        let authority = uri.authority().ok_or("no host in the URL")?;
        if authority.as_str().contains('@') {
            return Err("no user or password in a URL; use `credential = { env = \"…\" }`".to_owned());
        }
        let port = match authority.as_str().rsplit_once(':') {
            Some((_, port)) if !port.ends_with(']') => {
                port.parse().ok().filter(|port| *port != 0).ok_or("the port goes from 1 to 65535")?
            }
            _ => scheme.default_port(),
        };
        let host = host_of(&uri)?;
        let path = uri.path().trim_end_matches('/').to_owned();
        if !path::is_sound(&path) || path.contains("//") {
            return Err("the URL's path has `.`, `..` or empty segments".to_owned());
        }
        Ok(Self { scheme, host, port, path, keeps_own_path: false })
    }
}

/// The host in lower case, without brackets.
fn host_of(uri: &Uri) -> Result<String, String> {
    let host = uri.host().unwrap_or_default();
    if let Some(inside) = host.strip_prefix('[') {
        let inside = inside.strip_suffix(']').unwrap_or_default();
        let address: Ipv6Addr = inside.parse().map_err(|_| "only an IPv6 address stands in brackets")?;
        return Ok(address.to_string());
    }
    let is_name = host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b));
    if host.is_empty() || !is_name {
        return Err("no host in the URL".to_owned());
    }
    Ok(host.to_ascii_lowercase())
}

impl fmt::Display for Base {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.origin(), self.path)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn base(text: &str) -> Base {
        text.parse().unwrap()
    }

    #[test]
    fn a_url_is_taken_apart_and_written_again() {
        let url = base("https://API.openai.com/v1/");
        assert_eq!((url.host.as_str(), url.port, url.path.as_str()), ("api.openai.com", 443, "/v1"));
        assert_eq!(url.authority(), "api.openai.com");
        assert_eq!(url.to_string(), "https://api.openai.com/v1");
        assert_eq!(base("http://127.0.0.1:9000").origin(), "http://127.0.0.1:9000");
        assert_eq!(base("http://[::1]:9000/x").authority(), "[::1]:9000");
        assert_eq!(base("http://[::1]/x").port, 80);
        assert_eq!(base("https://h:443").origin(), "https://h");
    }

    #[test]
    fn what_is_no_upstream_url_is_refused_without_repeating_it() {
        for text in [
            "",
            "api.openai.com",
            "/v1",
            "ftp://host",
            "https://",
            "https://user:hunter2@host",
            "https://host?key=hunter2",
            "https://host/#hunter2",
            "https://host:99999",
            "https://host:0",
            "https://host:",
            "https://ho st",
            "https://{region}.host",
            "https://host:443:80",
            "https://[::1",
            "https://[host]",
            "https://host/a/../b",
            "https://host/a//b",
            "https://host/%2e%2e/b",
        ] {
            let told = text.parse::<Base>().unwrap_err();
            assert!(!told.contains("hunter2"), "{text}: {told}");
        }
    }

    #[test]
    fn the_rest_stands_behind_the_own_path() {
        let plain = base("https://host");
        assert_eq!(plain.join("/v1/chat"), "/v1/chat");
        assert_eq!(plain.join(""), "/");
        assert_eq!(plain.join("/"), "/");
        let below = base("https://host/api");
        assert_eq!(below.join("/v1/chat"), "/api/v1/chat");
        assert_eq!(below.join(""), "/api");
        assert_eq!(below.join("/"), "/api");
        assert_eq!(below.join("/api/x"), "/api/api/x");
    }

    #[test]
    fn a_version_that_callers_keep_is_not_doubled() {
        let openai = base("https://api.openai.com/v1");
        assert_eq!(openai.join("/v1/chat/completions"), "/v1/chat/completions");
        assert_eq!(openai.join("/chat/completions"), "/v1/chat/completions");
        assert_eq!(openai.join("/v1"), "/v1");
        assert_eq!(openai.join("/v1beta/chat"), "/v1/v1beta/chat");
        assert_eq!(openai.join(""), "/v1");
    }

    #[test]
    fn a_fallback_below_another_path_takes_the_same_rest() {
        let groq = base("https://api.groq.com/openai/v1");
        for rest in ["/chat/completions", "/v1/chat/completions", "/openai/v1/chat/completions"] {
            assert_eq!(groq.join(rest), "/openai/v1/chat/completions");
        }
    }

    #[test]
    fn a_path_without_a_version_is_kept_only_where_the_sdks_have_it() {
        let own = Base { keeps_own_path: true, ..base("https://host/api") };
        assert_eq!(own.join("/api/x"), "/api/x");
        assert_eq!(own.join("/apix"), "/api/apix");
        assert_eq!(base("https://host/api").join("/api/x"), "/api/api/x");
        let deep = Base { keeps_own_path: true, ..base("https://host/a/b") };
        assert_eq!(deep.join("/b/x"), "/a/b/b/x");
    }

    proptest! {
        #[test]
        fn whatever_the_rest_the_joined_path_stays_behind_the_own_one(rest in "[/a-z.]{0,20}", keeps: bool) {
            let base = Base { keeps_own_path: keeps, ..base("https://host/v1") };
            let joined = base.join(&rest);
            prop_assert!(joined == "/v1" || joined.starts_with("/v1/"), "{joined}");
        }
    }

    #[test]
    fn no_rest_can_be_read_as_a_host() {
        assert_eq!(base("https://host").join("//evil.test/x"), "/evil.test/x");
        assert_eq!(base("https://host/api").join("//evil.test/x"), "/api/evil.test/x");
    }
}
