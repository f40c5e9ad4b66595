//! Which proxy leads to an upstream, as the environment's `HTTPS_PROXY` and its relatives say.

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Uri;
use http::header::HeaderValue;

use super::super::cidr::Cidr;
use super::origin::{Host, Origin};

/// The proxies of one process; the default is none.
#[derive(Debug, Clone, Default)]
pub struct Proxies {
    plain: Option<Proxy>,
    tls: Option<Proxy>,
    except: Vec<Exception>,
    loopback: bool,
}

/// One HTTP proxy, spoken to without TLS.
#[derive(Debug, Clone)]
pub(super) struct Proxy {
    pub(super) host: Host,
    pub(super) port: u16,
    /// Marked sensitive, so that no debug output shows it.
    pub(super) authorization: Option<HeaderValue>,
}

/// A variable of the environment that names no usable proxy; the value itself may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{variable} must be the URL of an HTTP proxy, like http://host:3128")]
pub struct ProxyError {
    variable: &'static str,
}

#[derive(Debug, Clone)]
enum Exception {
    All,
    Name { suffix: Box<str>, port: Option<u16> },
    Address { network: Cidr, port: Option<u16> },
}

impl Proxies {
    /// Reads `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY`; the lower-case spelling wins.
    ///
    /// # Errors
    ///
    /// Names the first variable that is set to something other than the URL of an HTTP proxy.
    pub fn from_env(variable: impl Fn(&str) -> Option<String>) -> Result<Self, ProxyError> {
        let read = |upper: &'static str| {
            let text = variable(&upper.to_ascii_lowercase()).or_else(|| variable(upper));
            text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
        };
        let proxy = |upper| read(upper).map(|text| Proxy::of(&text, upper)).transpose();
        let every = proxy("ALL_PROXY")?;
        let except = read("NO_PROXY").map(|text| exceptions(&text)).unwrap_or_default();
        Ok(Self {
            plain: proxy("HTTP_PROXY")?.or_else(|| every.clone()),
            tls: proxy("HTTPS_PROXY")?.or(every),
            except,
            loopback: false,
        })
    }

    /// Sends even requests for this machine through the proxy; otherwise those never are.
    pub fn loopback_too(mut self) -> Self {
        self.loopback = true;
        self
    }

    /// The proxy for an origin, if its requests go through one.
    pub(super) fn towards(&self, origin: &Origin) -> Option<&Proxy> {
        let proxy = if origin.is_tls() { self.tls.as_ref()? } else { self.plain.as_ref()? };
        if !self.loopback && origin.host().is_loopback() {
            return None;
        }
        let excepted = self.except.iter().any(|except| except.covers(origin.host(), origin.port()));
        if excepted { None } else { Some(proxy) }
    }
}

impl Proxy {
    fn of(text: &str, variable: &'static str) -> Result<Self, ProxyError> {
        let error = ProxyError { variable };
        let full = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
        let url: Uri = full.parse().map_err(|_| error.clone())?;
        let authority = url.authority().ok_or_else(|| error.clone())?;
        let host = Host::of(authority.host()).ok_or_else(|| error.clone())?;
        if url.scheme_str() != Some("http") {
            return Err(error);
        }
        let authorization = authority.as_str().rsplit_once('@').map(|(userinfo, _)| basic(userinfo));
        Ok(Self { host, port: authority.port_u16().unwrap_or(80), authorization })
    }
}

/// The value of `proxy-authorization` for `user:password` as a URL writes it.
fn basic(userinfo: &str) -> HeaderValue {
    let plain = percent_decoded(userinfo);
    let plain = if plain.contains(&b':') { plain } else { [&plain[..], b":"].concat() };
    let mut value =
        HeaderValue::try_from(format!("Basic {}", STANDARD.encode(plain))).expect("base64 is visible ASCII");
    value.set_sensitive(true);
    value
}

fn percent_decoded(text: &str) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let hex = (byte == b'%').then(|| after.get(..2).and_then(|hex| str::from_utf8(hex).ok())).flatten();
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(escaped) => {
                decoded.push(escaped);
                rest = &after[2..];
            }
            None => {
                decoded.push(byte);
                rest = after;
            }
        }
    }
    decoded
}

/// Reads `NO_PROXY`: names (and what lies below them), addresses, networks, each with a port or not; `*` is all.
fn exceptions(text: &str) -> Vec<Exception> {
    let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
    items.filter_map(Exception::of).collect()
}

impl Exception {
    fn of(item: &str) -> Option<Self> {
        if item == "*" {
            return Some(Self::All);
        }
        if let Ok(network) = item.trim_matches(['[', ']']).parse() {
            return Some(Self::Address { network, port: None });
        }
        let (host, port) = match item.rsplit_once(':') {
            Some((host, port)) => (host, Some(port.parse().ok()?)),
            None => (item, None),
        };
        if let Ok(network) = host.trim_matches(['[', ']']).parse() {
            return Some(Self::Address { network, port });
        }
        let suffix = host.trim_start_matches('*').trim_matches('.').to_ascii_lowercase().into();
        Some(Self::Name { suffix, port })
    }

    fn covers(&self, host: &Host, asked: u16) -> bool {
        match (self, host) {
            (Self::All, _) => true,
            (Self::Name { suffix, port }, Host::Name(name)) => {
                port.is_none_or(|port| port == asked) && lies_below(name, suffix)
            }
            (Self::Address { network, port }, Host::Address(address)) => {
                port.is_none_or(|port| port == asked) && network.contains(plain(*address))
            }
            (Self::Name { .. }, Host::Address(_)) | (Self::Address { .. }, Host::Name(_)) => false,
        }
    }
}

fn lies_below(name: &str, suffix: &str) -> bool {
    match name.strip_suffix(suffix) {
        Some("") => true,
        Some(rest) => !suffix.is_empty() && rest.ends_with('.'),
        None => false,
    }
}

fn plain(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(variables: &[(&str, &str)]) -> Result<Proxies, ProxyError> {
        let find = |name: &str| variables.iter().find(|(known, _)| *known == name);
        Proxies::from_env(|name| find(name).map(|(_, value)| (*value).to_owned()))
    }

    fn port_towards(proxies: &Proxies, url: &str) -> Option<u16> {
        proxies.towards(&Origin::of(&url.parse().unwrap()).unwrap()).map(|proxy| proxy.port)
    }

    #[test]
    fn each_scheme_has_its_proxy_and_the_lower_case_variable_wins() {
        let proxies = proxies(&[
            ("HTTPS_PROXY", "http://p.example:1"),
            ("https_proxy", "http://p.example:2"),
            ("ALL_PROXY", "p.example:3"),
        ])
        .unwrap();
        assert_eq!(port_towards(&proxies, "https://a.example"), Some(2));
        assert_eq!(port_towards(&proxies, "http://a.example"), Some(3));
    }

    #[test]
    fn exceptions_cover_names_below_networks_and_ports() {
        let no = "inner.example, .Corp.example,10.0.0.0/8,[fd00::1]:443,x.example:8443";
        let proxies = proxies(&[("all_proxy", "http://p.example:3128"), ("NO_PROXY", no)]).unwrap();
        for direct in [
            "http://inner.example",
            "https://a.inner.example",
            "http://corp.example",
            "http://10.2.3.4:99",
            "https://[fd00::1]",
            "https://x.example:8443",
        ] {
            assert_eq!(port_towards(&proxies, direct), None, "{direct}");
        }
        for proxied in ["http://notinner.example", "http://11.0.0.1", "https://x.example", "http://[fd00::1]"]
        {
            assert_eq!(port_towards(&proxies, proxied), Some(3128), "{proxied}");
        }
    }

    #[test]
    fn this_machine_is_never_asked_through_a_proxy_unless_wanted() {
        let proxies = proxies(&[("http_proxy", "http://p.example:3128")]).unwrap();
        assert_eq!(port_towards(&proxies, "http://localhost:8000"), None);
        assert_eq!(port_towards(&proxies, "http://127.0.0.1:8000"), None);
        assert_eq!(port_towards(&proxies.loopback_too(), "http://127.0.0.1:8000"), Some(3128));
    }

    #[test]
    fn credentials_are_decoded_sent_and_never_shown() {
        let proxies = proxies(&[("HTTP_PROXY", "http://al%20i:p%40ss@p.example")]).unwrap();
        let origin = Origin::of(&"http://a.example".parse().unwrap()).unwrap();
        let proxy = proxies.towards(&origin).unwrap();
        assert_eq!(proxy.authorization.as_ref().unwrap(), "Basic YWwgaTpwQHNz");
        assert!(!format!("{proxies:?}").contains("YWwgaTpwQHNz"));
    }

    #[test]
    fn a_proxy_of_another_kind_is_refused_by_the_name_of_its_variable() {
        let error = proxies(&[("HTTPS_PROXY", "socks5://u:secret@p.example")]).unwrap_err();
        assert_eq!(error.to_string(), "HTTPS_PROXY must be the URL of an HTTP proxy, like http://host:3128");
    }
}
