//! From an origin to a connected stream: resolve, connect, pass the proxy, set up TLS.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::io;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout_at};

use super::super::transport::Transport;
use super::error::{SendError, Stage};
use super::origin::{Host, Origin};
use super::proxy::{Proxies, Proxy};
use super::tls::{self, Trust};
use super::tunnel;

/// The least time that one of several addresses is given before the next is tried.
const LEAST_SLICE: Duration = Duration::from_millis(250);

/// How connections are made; the same for a whole process.
#[derive(Debug, Clone, Default)]
pub struct Dial {
    /// Whom TLS trusts.
    pub trust: Arc<Trust>,
    /// Which proxies stand in the way.
    pub proxies: Arc<Proxies>,
}

/// Connects to an origin before `deadline`, through its proxy if it has one.
pub(super) async fn dial(how: &Dial, origin: &Origin, deadline: Instant) -> Result<Transport, SendError> {
    let within = async {
        let stream = match how.proxies.towards(origin) {
            Some(proxy) => through(proxy, origin, deadline).await?,
            None => tcp(origin.host(), origin.port(), deadline).await?,
        };
        if !origin.is_tls() {
            return Ok(Transport::Plain(stream));
        }
        let stream = tls::secure(&how.trust, origin.host(), stream).await?;
        Ok(Transport::Tls(Box::new(stream)))
    };
    match timeout_at(deadline, within).await {
        Ok(connected) => connected,
        Err(_elapsed) => Err(SendError::new(Stage::ConnectTimeout)),
    }
}

/// Connects to the proxy, and for TLS asks it for a tunnel.
async fn through(proxy: &Proxy, origin: &Origin, deadline: Instant) -> Result<TcpStream, SendError> {
    let stream = tcp(&proxy.host, proxy.port, deadline).await.map_err(|error| match error.stage() {
        Stage::ConnectTimeout => error,
        _ => SendError::because(Stage::Proxy, error),
    })?;
    if origin.is_tls() { tunnel::open(stream, proxy, origin).await } else { Ok(stream) }
}

async fn tcp(host: &Host, port: u16, deadline: Instant) -> Result<TcpStream, SendError> {
    let name = match host {
        Host::Address(address) => return one(SocketAddr::new(*address, port)).await,
        Host::Name(name) => name,
    };
    let found = lookup_host((&**name, port)).await;
    let found = found.map_err(|error| SendError::because(Stage::Resolve, error))?;
    any(&spread(found.collect()), deadline).await
}

/// Tries addresses in turn, each with its share of the time that is left, until one accepts.
async fn any(addresses: &[SocketAddr], deadline: Instant) -> Result<TcpStream, SendError> {
    let mut last = SendError::new(Stage::Resolve);
    for (index, address) in addresses.iter().enumerate() {
        let now = Instant::now();
        let share = (deadline - now) / (addresses.len() - index) as u32;
        match timeout_at(now + share.max(LEAST_SLICE), one(*address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = error,
            Err(_elapsed) => last = SendError::new(Stage::ConnectTimeout),
        }
    }
    Err(last)
}

async fn one(address: SocketAddr) -> Result<TcpStream, SendError> {
    let connected: io::Result<TcpStream> = async {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
    .await;
    connected.map_err(|error| match error.kind() {
        io::ErrorKind::TimedOut => SendError::because(Stage::ConnectTimeout, error),
        _ => SendError::because(Stage::Connect, error),
    })
}

/// Takes turns between the families, beginning with the resolver's first choice, so that a dead one costs one try.
fn spread(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let Some(first) = addresses.first().map(SocketAddr::ip) else { return addresses };
    let like_first = |ip: IpAddr| ip.is_ipv4() == first.is_ipv4();
    let (some, others): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|address| like_first(address.ip()));
    let mut others = others.into_iter();
    let mut spread = Vec::new();
    for address in some {
        spread.push(address);
        spread.extend(others.next());
    }
    spread.extend(others);
    spread
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_families_take_turns() {
        let addresses =
            |list: &[&str]| -> Vec<SocketAddr> { list.iter().map(|text| text.parse().unwrap()).collect() };
        let found = addresses(&["[::1]:1", "[::2]:1", "[::3]:1", "1.0.0.1:1"]);
        let wanted = addresses(&["[::1]:1", "1.0.0.1:1", "[::2]:1", "[::3]:1"]);
        assert_eq!(spread(found), wanted);
        assert!(spread(Vec::new()).is_empty());
    }
}
