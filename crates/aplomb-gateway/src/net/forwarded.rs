//! Who the caller is when proxies stand before us: `x-forwarded-*` and `forwarded`, from those we trust.

use std::net::IpAddr;

use http::header::{HeaderMap, HeaderName, HeaderValue};

use super::ConnInfo;
use super::cidr::Cidr;
use super::hop::remove_where;

const FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const BY_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// The proxies whose word counts; the default is nobody's.
#[derive(Debug, Clone, Default)]
pub struct TrustedProxies(Vec<Cidr>);

impl TrustedProxies {
    /// Trusts whoever speaks from these networks.
    pub fn new(networks: Vec<Cidr>) -> Self {
        Self(networks)
    }

    /// Whether the connection comes from a proxy that is trusted.
    pub fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(address))
    }

    /// The caller's own address: the last one in the chain that isn't a trusted proxy's.
    pub fn caller(&self, headers: &HeaderMap, from: &ConnInfo) -> IpAddr {
        let mut caller = from.peer.ip();
        if !self.trusts(caller) {
            return caller;
        }
        let lines: Vec<&HeaderValue> = headers.get_all(FOR).iter().collect();
        let stations = lines.iter().rev().flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','));
        for station in stations {
            // What can't be read was not written by anybody we trust.
            let Some(address) = address(station) else { return caller };
            caller = address;
            if !self.trusts(caller) {
                return caller;
            }
        }
        caller
    }

    /// Whether the caller came by TLS, as far as the trusted proxies know.
    pub fn caller_used_tls(&self, headers: &HeaderMap, from: &ConnInfo) -> bool {
        match headers.get(PROTO) {
            Some(proto) if self.trusts(from.peer.ip()) => proto.as_bytes().eq_ignore_ascii_case(b"https"),
            _ => from.tls,
        }
    }

    /// Writes for the upstream where the request came from: added to what trusted proxies said, in place of
    /// what anybody else claims.
    pub fn write(&self, headers: &mut HeaderMap, from: &ConnInfo, host: Option<&HeaderValue>) {
        let peer = written(from.peer.ip());
        if self.trusts(from.peer.ip()) {
            headers.append(FOR, peer);
            return;
        }
        clear(headers);
        headers.insert(FOR, peer);
        headers.insert(PROTO, HeaderValue::from_static(if from.tls { "https" } else { "http" }));
        if let Some(host) = host {
            headers.insert(BY_HOST, host.clone());
        }
    }
}

/// Removes every claim about where a request came from.
fn clear(headers: &mut HeaderMap) {
    let claims = |name: &str| matches!(name, "forwarded" | "x-real-ip") || name.starts_with("x-forwarded-");
    remove_where(headers, claims);
}

/// An address as a header value; the usual kind without the machinery of formatting, which costs ten times as much.
fn written(address: IpAddr) -> HeaderValue {
    let IpAddr::V4(address) = address else {
        return HeaderValue::try_from(address.to_string()).expect("an address is a header value");
    };
    let (mut text, mut length) = ([0; 15], 0);
    let mut put = |byte: u8| {
        text[length] = byte;
        length += 1;
    };
    for (place, octet) in address.octets().into_iter().enumerate() {
        if place > 0 {
            put(b'.');
        }
        if octet > 99 {
            put(b'0' + octet / 100);
        }
        if octet > 9 {
            put(b'0' + octet / 10 % 10);
        }
        put(b'0' + octet % 10);
    }
    HeaderValue::from_bytes(&text[..length]).expect("digits and dots are a header value")
}

/// An address as proxies write it: bare, or with a port.
fn address(station: &[u8]) -> Option<IpAddr> {
    let text = str::from_utf8(station).ok()?.trim();
    let plain = text.strip_prefix('[').and_then(|text| text.split(']').next()).unwrap_or(text);
    let plain = plain.parse::<IpAddr>().ok();
    let with_port = || text.parse::<std::net::SocketAddr>().ok().map(|address| address.ip());
    plain.or_else(with_port).map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use http::header::FORWARDED;

    use super::*;

    fn proxies() -> TrustedProxies {
        TrustedProxies::new(vec!["10.0.0.0/8".parse().unwrap()])
    }

    fn from(peer: &str) -> ConnInfo {
        ConnInfo { peer: format!("{peer}:1").parse().unwrap(), tls: false, http2: false }
    }

    fn forwarded_for(lines: &[&'static str]) -> HeaderMap {
        lines.iter().map(|line| (FOR, HeaderValue::from_static(line))).collect()
    }

    #[test]
    fn an_address_is_written_as_everybody_writes_it() {
        for text in ["0.0.0.0", "9.10.99.100", "255.1.20.200", "127.0.0.1", "2001:db8::1"] {
            assert_eq!(written(text.parse().unwrap()), text);
        }
    }

    #[test]
    fn a_stranger_is_who_the_connection_says() {
        let headers = forwarded_for(&["1.2.3.4"]);
        assert_eq!(proxies().caller(&headers, &from("9.9.9.9")).to_string(), "9.9.9.9");
    }

    #[test]
    fn behind_trusted_proxies_it_is_the_last_stranger_in_the_chain() {
        for (lines, caller) in [
            (&["1.1.1.1, 2.2.2.2, 10.0.0.5"][..], "2.2.2.2"),
            (&["1.1.1.1", "2.2.2.2:555"], "2.2.2.2"),
            (&["[2001:db8::1]:80"], "2001:db8::1"),
            (&["10.0.0.9"], "10.0.0.9"),
            (&["2.2.2.2, nonsense"], "10.0.0.1"),
            (&[], "10.0.0.1"),
        ] {
            assert_eq!(proxies().caller(&forwarded_for(lines), &from("10.0.0.1")).to_string(), caller);
        }
    }

    #[test]
    fn claims_of_strangers_are_replaced_and_of_proxies_kept() {
        let mut headers = forwarded_for(&["1.1.1.1"]);
        headers.insert("x-forwarded-anything", HeaderValue::from_static("x"));
        headers.insert(FORWARDED, HeaderValue::from_static("for=1.1.1.1"));
        let mut kept = headers.clone();
        let host = HeaderValue::from_static("a.example");
        proxies().write(&mut headers, &from("9.9.9.9"), Some(&host));
        assert_eq!(headers.get(FOR).unwrap(), "9.9.9.9");
        assert_eq!(headers.get(PROTO).unwrap(), "http");
        assert_eq!(headers.get(BY_HOST).unwrap(), "a.example");
        assert_eq!(headers.len(), 3);
        proxies().write(&mut kept, &from("10.1.1.1"), Some(&host));
        let chain: Vec<_> = kept.get_all(FOR).iter().collect();
        assert_eq!(chain, ["1.1.1.1", "10.1.1.1"]);
        assert!(kept.contains_key(FORWARDED));
    }
}
