//! nginx twice: as the upstream that answers at once, and as the peer that Aplomb is compared with.

use std::fs;
use std::path::{Path, PathBuf};

use super::wire::ANSWER;
use crate::trouble::{Outcome, Trouble};

/// What both have in common: everything stays in one folder, nothing is logged, connections live long.
const FRAME: &str = r"
worker_processes WORKERS;
daemon off;
pid FOLDER/nginx.pid;
error_log FOLDER/error.log warn;
worker_rlimit_nofile 8192;
events { worker_connections 4096; multi_accept on; }
http {
  access_log off;
  tcp_nodelay on;
  keepalive_timeout 300s;
  keepalive_requests 100000000;
  default_type application/json;
  client_body_temp_path FOLDER/body;
  proxy_temp_path FOLDER/proxy;
  fastcgi_temp_path FOLDER/fastcgi;
  uwsgi_temp_path FOLDER/uwsgi;
  scgi_temp_path FOLDER/scgi;
SERVERS
}
";

const PEER: &str = r#"
  upstream behind { server 127.0.0.1:BEHIND; keepalive 1024; keepalive_requests 100000000; }
  server {
    listen 127.0.0.1:LISTEN backlog=4096;
    listen 127.0.0.1:HTTP2 backlog=4096 http2;
    location / {
      proxy_pass http://behind;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header X-Request-Id $request_id;
      BUFFERING
    }
  }
"#;

/// What the peer listens on and what it stands before.
#[derive(Clone, Copy)]
pub(super) struct Peer {
    /// The upstream's port.
    pub(super) behind: u16,
    /// Callers over HTTP/1.1.
    pub(super) listen: u16,
    /// Callers over HTTP/2 without TLS.
    pub(super) http2: u16,
    /// The answers are streams, to be passed on as they come.
    pub(super) streams: bool,
    /// Worker processes.
    pub(super) workers: usize,
}

/// The configuration of an upstream that gives the same answer to everything.
pub(super) fn upstream(folder: &Path, port: u16) -> Outcome<PathBuf> {
    let server = format!(
        "  server {{\n    listen 127.0.0.1:{port} backlog=4096;\n    location / {{ add_header x-request-id up_0001; return 200 '{ANSWER}'; }}\n  }}"
    );
    write(folder, 1, &server)
}

/// The configuration of a plain proxy.
pub(super) fn peer(folder: &Path, peer: Peer) -> Outcome<PathBuf> {
    let server = PEER
        .replace("BEHIND", &peer.behind.to_string())
        .replace("LISTEN", &peer.listen.to_string())
        .replace("HTTP2", &peer.http2.to_string())
        .replace("BUFFERING", if peer.streams { "proxy_buffering off;" } else { "" });
    write(folder, peer.workers, &server)
}

fn write(folder: &Path, workers: usize, servers: &str) -> Outcome<PathBuf> {
    fs::create_dir_all(folder).map_err(|cause| Trouble::file(folder, &cause))?;
    // As root, workers would become another user, who may not enter the folder.
    let user = if folder_is_root_s(folder) { "user root;" } else { "" };
    let text = FRAME
        .replace("SERVERS", servers)
        .replace("WORKERS", &workers.to_string())
        .replace("FOLDER", &folder.display().to_string());
    let file = folder.join("nginx.conf");
    fs::write(&file, format!("{user}{text}")).map_err(|cause| Trouble::file(&file, &cause))?;
    Ok(file)
}

fn folder_is_root_s(folder: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    folder.metadata().is_ok_and(|facts| facts.uid() == 0)
}
