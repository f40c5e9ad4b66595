//! The gateway itself: where it listens, whom it trusts, what it bounds.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use crate::net::Cidr;

/// The tables `[server]` and `[log]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Where callers connect.
    pub listen: SocketAddr,
    /// Where health and reload are served; never on the callers' port.
    pub admin: SocketAddr,
    /// Names by which callers may reach either port, lower case, besides `localhost` and addresses; `*` means any.
    pub hosts: Vec<String>,
    /// Whose `X-Forwarded-*` headers count; nobody's by default, because anybody can send them.
    pub trusted_proxies: Vec<Cidr>,
    /// Origins that a browser may call from, lower case, `scheme://host[:port]`; `*` means any.
    pub cors: Vec<String>,
    /// The certificate for `listen`; absent: plain.
    pub tls: Option<Tls>,
    /// Bytes for held answers, queued and kept bodies together; beyond it new requests get 503.
    pub memory: u64,
    /// Requests under way at once; beyond it new ones get 503 before anything is done for them.
    ///
    /// Twice what one lane's queue takes: far more than a process serves well, far less than it takes to kill it.
    pub max_requests: u64,
    /// Threads that serve callers; absent: one per core.
    pub workers: Option<usize>,
    /// How long a graceful stop waits for running requests.
    ///
    /// 30 s is what orchestrators give before they kill.
    pub drain: Duration,
    /// Longest request target in bytes; beyond it 414.
    pub max_url: usize,
    /// Largest header section in bytes, of a request and of an answer alike; beyond it 431.
    pub max_headers: usize,
    /// Largest request body in bytes; beyond it 413; absent: no bound, since bodies stream.
    pub max_body: Option<u64>,
    /// How long a caller may take to send a request's headers.
    pub header_timeout: Duration,
    /// How long a caller may be silent within a request's body.
    pub body_timeout: Duration,
    /// How long a caller's connection may stay open without a request.
    pub keep_alive: Duration,
    /// How to log.
    pub log: Log,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: loopback(4100),
            admin: loopback(4101),
            hosts: Vec::new(),
            trusted_proxies: Vec::new(),
            cors: Vec::new(),
            tls: None,
            memory: 512 << 20,
            max_requests: 20_000,
            workers: None,
            drain: Duration::from_secs(30),
            max_url: 16 << 10,
            max_headers: 64 << 10,
            max_body: Some(1 << 30),
            header_timeout: Duration::from_secs(30),
            body_timeout: Duration::from_secs(60),
            keep_alive: Duration::from_secs(120),
            log: Log::default(),
        }
    }
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

impl Server {
    /// Whether only this machine can reach the callers' port.
    pub fn is_local(&self) -> bool {
        self.listen.ip().to_canonical().is_loopback()
    }

    /// Whether callers and the admin port would need one port of one address.
    pub fn ports_clash(&self) -> bool {
        let (listen, admin) = (self.listen, self.admin);
        let overlap =
            listen.ip() == admin.ip() || listen.ip().is_unspecified() || admin.ip().is_unspecified();
        listen.port() != 0 && listen.port() == admin.port() && overlap
    }

    /// Whether a request with this `Host` was meant for the listener at this address.
    ///
    /// A page in a browser can give its own name any address, this machine's too; then `Host` is that name.
    /// So a listener on this machine answers to `localhost`, to addresses and to the names in `hosts` only;
    /// one that others can reach answers to every name until `hosts` says which.
    pub fn answers_to(&self, host: &str, listener: SocketAddr) -> bool {
        let without_port = host.trim_end_matches(|c: char| c.is_ascii_digit()).strip_suffix(':');
        let name = without_port.unwrap_or(host);
        let name = name.trim_matches(['[', ']']).trim_end_matches('.');
        let local = |name: &str| name.eq_ignore_ascii_case("localhost");
        let below = name.len().checked_sub("localhost".len()).and_then(|at| name.split_at_checked(at));
        if local(name) || below.is_some_and(|(above, last)| above.ends_with('.') && local(last)) {
            return true;
        }
        if name.parse::<IpAddr>().is_ok() {
            return true;
        }
        if self.hosts.is_empty() {
            return !listener.ip().to_canonical().is_loopback();
        }
        self.hosts.iter().any(|known| known == "*" || known.eq_ignore_ascii_case(name))
    }

    /// Whether a browser may call from this origin.
    pub fn allows_origin(&self, origin: &str) -> bool {
        self.cors.iter().any(|allowed| allowed == "*" || allowed.eq_ignore_ascii_case(origin))
    }
}

/// Where the certificate and its key are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// The certificate chain, PEM.
    pub cert: PathBuf,
    /// The private key, PEM.
    pub key: PathBuf,
}

/// The table `[log]`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Log {
    /// For whom.
    pub format: LogFormat,
    /// How much.
    pub level: LogLevel,
}

/// How a log line is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people on a terminal, JSON otherwise.
    #[default]
    Auto,
    /// For people.
    Human,
    /// One object per line.
    Json,
}

/// The least important lines that are still written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogLevel {
    /// Only what needs somebody.
    Error,
    /// Failures too.
    Warn,
    /// A line per request too.
    #[default]
    Info,
    /// What was decided on the way.
    Debug,
    /// Everything.
    Trace,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_local_and_on_two_ports() {
        let server = Server::default();
        assert!(server.is_local());
        assert_eq!(server.listen.to_string(), "127.0.0.1:4100");
        assert_eq!(server.admin.to_string(), "127.0.0.1:4101");
    }

    #[test]
    fn a_listener_on_all_addresses_is_not_local() {
        for listen in ["0.0.0.0:4100", "[::]:4100", "192.168.1.5:4100", "[::ffff:192.168.1.5]:4100"] {
            assert!(!Server { listen: listen.parse().unwrap(), ..Server::default() }.is_local(), "{listen}");
        }
        for listen in ["127.8.0.1:4100", "[::1]:4100", "[::ffff:127.0.0.1]:1"] {
            assert!(Server { listen: listen.parse().unwrap(), ..Server::default() }.is_local(), "{listen}");
        }
    }

    #[test]
    fn a_local_listener_answers_to_no_name_that_a_page_could_have_pointed_at_it() {
        let server = Server::default();
        for host in
            ["localhost:4100", "LOCALHOST", "127.0.0.1:4100", "[::1]:4100", "[::1]", "app.localhost:1"]
        {
            assert!(server.answers_to(host, server.listen), "{host}");
        }
        for host in ["evil.test:4100", "localhost.evil.test", "", "127.0.0.1.evil.test:4100", "evil.test:"] {
            assert!(!server.answers_to(host, server.listen), "{host}");
        }
    }

    #[test]
    fn a_listener_for_others_answers_to_the_names_that_it_is_told() {
        let public = "0.0.0.0:4100".parse().unwrap();
        assert!(Server::default().answers_to("gateway.example.com", public));
        let named = Server { hosts: vec!["gateway.example.com".to_owned()], ..Server::default() };
        assert!(named.answers_to("Gateway.example.com:4100", public));
        assert!(named.answers_to("10.0.0.7:4100", public));
        assert!(!named.answers_to("evil.test", public));
        assert!(named.answers_to("gateway.example.com", named.admin));
    }

    #[test]
    fn only_listed_origins_may_call_from_a_browser() {
        let server = Server { cors: vec!["https://app.example.com".to_owned()], ..Server::default() };
        assert!(server.allows_origin("https://APP.example.com"));
        assert!(!server.allows_origin("https://app.example.com.evil.test"));
        assert!(!server.allows_origin("null"));
        assert!(Server { cors: vec!["*".to_owned()], ..Server::default() }.allows_origin("null"));
    }
}
