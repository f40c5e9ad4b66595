//! The tables `[server]` and `[log]` as written.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use toml::de::DeValue;

use crate::config::written::value::{address, bytes, choice, patience, text, wait, whole};
use crate::config::written::{At, Section};
use crate::config::{LogFormat, LogLevel};
use crate::net::Cidr;

/// What is said about the gateway itself; [`Server`](crate::config::Server) has the page and the default of every key.
#[derive(Debug, Default)]
pub(crate) struct WrittenServer {
    pub(crate) listen: Option<At<SocketAddr>>,
    pub(crate) admin: Option<At<SocketAddr>>,
    pub(crate) hosts: Vec<String>,
    pub(crate) trusted_proxies: Vec<Cidr>,
    pub(crate) cors: Vec<String>,
    pub(crate) tls: Option<(At<PathBuf>, At<PathBuf>)>,
    pub(crate) memory: Option<u64>,
    pub(crate) max_requests: Option<u64>,
    pub(crate) workers: Option<u64>,
    pub(crate) drain: Option<Duration>,
    pub(crate) max_url: Option<u64>,
    pub(crate) max_headers: Option<u64>,
    pub(crate) max_body: Option<Option<u64>>,
    pub(crate) header_timeout: Option<Duration>,
    pub(crate) body_timeout: Option<Duration>,
    pub(crate) keep_alive: Option<Duration>,
    pub(crate) log_format: Option<LogFormat>,
    pub(crate) log_level: Option<LogLevel>,
}

impl WrittenServer {
    /// Reads both tables.
    pub(super) fn read(server: Option<Section<'_>>, log: Option<Section<'_>>) -> Self {
        let mut written = server.map(Self::read_server).unwrap_or_default();
        if let Some(log) = log {
            written.read_log(log);
        }
        written
    }

    fn read_server(mut server: Section<'_>) -> Self {
        let listener = |value| address(text(value)?);
        let written = Self {
            listen: server.take("listen", listener),
            admin: server.take("admin", listener),
            hosts: each(&mut server, "hosts", "[\"gateway.example.com\"]", host),
            trusted_proxies: each(&mut server, "trusted_proxies", "[\"10.0.0.0/8\"]", network),
            cors: each(&mut server, "cors", "[\"https://app.example.com\"]", origin),
            tls: server.section("tls").and_then(read_tls),
            memory: plain(server.take("memory", bytes(1 << 20..=1 << 50))),
            max_requests: plain(server.take("max_requests", whole(1..=10_000_000))),
            workers: plain(server.take("workers", whole(1..=1024))),
            drain: plain(server.take("drain", wait)),
            max_url: plain(server.take("max_url", bytes(256..=1 << 20))),
            max_headers: plain(server.take("max_headers", bytes(1 << 10..=16 << 20))),
            max_body: plain(server.take("max_body", |value| match value.as_str() {
                Some("none") => Ok(None),
                _ => bytes(0..=1 << 50)(value).map(Some),
            })),
            header_timeout: plain(server.take("header_timeout", patience)),
            body_timeout: plain(server.take("body_timeout", patience)),
            keep_alive: plain(server.take("keep_alive", patience)),
            log_format: None,
            log_level: None,
        };
        server.finish();
        written
    }

    fn read_log(&mut self, mut log: Section<'_>) {
        let formats = [("auto", LogFormat::Auto), ("human", LogFormat::Human), ("json", LogFormat::Json)];
        self.log_format = plain(log.take("format", choice(&formats)));
        let levels = [
            ("error", LogLevel::Error),
            ("warn", LogLevel::Warn),
            ("info", LogLevel::Info),
            ("debug", LogLevel::Debug),
            ("trace", LogLevel::Trace),
        ];
        self.log_level = plain(log.take("level", choice(&levels)));
        log.finish();
    }
}

fn plain<T>(value: Option<At<T>>) -> Option<T> {
    value.map(|at| at.value)
}

fn read_tls(mut tls: Section<'_>) -> Option<(At<PathBuf>, At<PathBuf>)> {
    let path = |value| text(value).map(PathBuf::from);
    let cert = tls.required("cert", "the certificate chain, PEM", path);
    let key = tls.required("key", "the private key, PEM", path);
    tls.finish();
    Some((cert?, key?))
}

fn each<T>(
    server: &mut Section<'_>,
    key: &'static str,
    example: &str,
    read: impl Fn(&str) -> Result<T, String>,
) -> Vec<T> {
    let read_one = |value: &DeValue<'_>| text(value).and_then(&read);
    let list = server.list(key, example);
    list.into_iter()
        .filter_map(|one| read_one(one.value).map_err(|told| server.note(&one.spot, told)).ok())
        .collect()
}

/// Addresses that begin alike.
fn network(text: &str) -> Result<Cidr, String> {
    text.parse().map_err(|err| format!("`{text}` {err}"))
}

/// A host name, or `*`.
fn host(text: &str) -> Result<String, String> {
    let is_name = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b));
    if text == "*" || is_name {
        return Ok(text.to_ascii_lowercase());
    }
    Err(format!("`{text}` is no host name; write `gateway.example.com`, without scheme and port"))
}

/// An origin as browsers send it, or `*`.
fn origin(text: &str) -> Result<String, String> {
    let wrong =
        || format!("`{text}` is no origin; write `https://host`, `https://host:port` or `*`, without a path");
    if text == "*" {
        return Ok(text.to_owned());
    }
    let (scheme, authority) = text.split_once("://").ok_or_else(wrong)?;
    let is_host = authority.parse::<http::uri::Authority>().is_ok() && !authority.contains('@');
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
    if is_host && is_scheme { Ok(text.to_ascii_lowercase()) } else { Err(wrong()) }
}
