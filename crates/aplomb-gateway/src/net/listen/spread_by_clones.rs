//! Where the system does not spread connections over sockets, all workers accept from one.

use std::io;
use std::net::{SocketAddr, TcpListener};

use super::bind::{listen, socket};

/// So many handles of one socket.
pub(super) fn listeners(address: SocketAddr, workers: usize) -> io::Result<Vec<TcpListener>> {
    let first = listen(socket(address)?, address)?;
    let mut listeners = (1..workers).map(|_| first.try_clone()).collect::<io::Result<Vec<_>>>()?;
    listeners.push(first);
    Ok(listeners)
}
