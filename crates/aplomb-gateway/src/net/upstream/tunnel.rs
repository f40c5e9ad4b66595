//! A tunnel through an HTTP proxy, asked for with `CONNECT`.

use std::io;

use http::StatusCode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::error::{SendError, Stage};
use super::origin::Origin;
use super::proxy::Proxy;

/// The most that a proxy's answer may take; what it says beyond that is no answer.
const MOST: usize = 16 * 1024;

/// A proxy answered, but not with a tunnel.
#[derive(Debug, thiserror::Error)]
#[error("the proxy answered {0} to CONNECT")]
struct NoTunnel(StatusCode);

/// Asks the proxy to pass everything on to the origin.
pub(super) async fn open(
    mut stream: TcpStream,
    proxy: &Proxy,
    origin: &Origin,
) -> Result<TcpStream, SendError> {
    let failed = |error: io::Error| SendError::because(Stage::Proxy, error);
    stream.write_all(&question(proxy, origin)).await.map_err(failed)?;
    let status = answer(&mut stream).await.map_err(failed)?;
    if status.is_success() {
        return Ok(stream);
    }
    Err(SendError::because(Stage::Proxy, NoTunnel(status)))
}

fn question(proxy: &Proxy, origin: &Origin) -> Vec<u8> {
    let place = format!("{}:{}", origin.host(), origin.port());
    let mut text = format!("CONNECT {place} HTTP/1.1\r\nhost: {place}\r\n").into_bytes();
    if let Some(authorization) = &proxy.authorization {
        text.extend_from_slice(b"proxy-authorization: ");
        text.extend_from_slice(authorization.as_bytes());
        text.extend_from_slice(b"\r\n");
    }
    text.extend_from_slice(b"\r\n");
    text
}

/// Reads the answer's head and not a byte more than came with it: TLS begins with our own hello.
async fn answer(stream: &mut TcpStream) -> io::Result<StatusCode> {
    let mut head = Vec::with_capacity(1024);
    loop {
        if stream.read_buf(&mut head).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut parsed = httparse::Response::new(&mut headers);
        match parsed.parse(&head) {
            Ok(httparse::Status::Complete(_)) => {
                let code = parsed.code.unwrap_or_default();
                return StatusCode::from_u16(code).map_err(|_| io::ErrorKind::InvalidData.into());
            }
            Ok(httparse::Status::Partial) if head.len() < MOST => {}
            Ok(httparse::Status::Partial) | Err(_) => return Err(io::ErrorKind::InvalidData.into()),
        }
    }
}
