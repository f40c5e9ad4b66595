//! The gateway itself.

use crate::config::resolve::Resolver;
use crate::config::written::{Spot, WrittenServer};
use crate::config::{Log, Server, Tls};

impl Resolver<'_> {
    /// `[server]` and `[log]` with their defaults.
    pub(super) fn server(&self, written: WrittenServer) -> Server {
        let default = Server::default();
        let whole = |size: u64| usize::try_from(size).unwrap_or(usize::MAX);
        let admin = written.admin.as_ref().or(written.listen.as_ref()).map(|at| at.spot.clone());
        let server = Server {
            listen: written.listen.map_or(default.listen, |at| at.value),
            admin: written.admin.map_or(default.admin, |at| at.value),
            hosts: written.hosts,
            trusted_proxies: written.trusted_proxies,
            cors: written.cors,
            tls: written.tls.map(|(cert, key)| Tls { cert: self.file(cert), key: self.file(key) }),
            memory: written.memory.unwrap_or(default.memory),
            max_requests: written.max_requests.unwrap_or(default.max_requests),
            workers: written.workers.map(whole),
            drain: written.drain.unwrap_or(default.drain),
            max_url: written.max_url.map_or(default.max_url, whole),
            max_headers: written.max_headers.map_or(default.max_headers, whole),
            max_body: written.max_body.unwrap_or(default.max_body),
            header_timeout: written.header_timeout.unwrap_or(default.header_timeout),
            body_timeout: written.body_timeout.unwrap_or(default.body_timeout),
            keep_alive: written.keep_alive.unwrap_or(default.keep_alive),
            log: Log {
                format: written.log_format.unwrap_or_default(),
                level: written.log_level.unwrap_or_default(),
            },
        };
        if server.ports_clash() {
            let spot = admin.unwrap_or_else(|| Spot { byte: 0, key: "[server] admin".to_owned() });
            self.page.note(&spot, format!("`listen` and `admin` can't share port {}", server.admin.port()));
        }
        server
    }
}
