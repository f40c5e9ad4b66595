//! Linux spreads connections over all sockets that listen on one address, so every worker has its own.

use std::io;
use std::net::{SocketAddr, TcpListener};

use super::bind::{listen, socket};

/// So many sockets on one address.
pub(super) fn listeners(address: SocketAddr, workers: usize) -> io::Result<Vec<TcpListener>> {
    // A socket that shares nothing finds out whether somebody else is there, who would otherwise get
    // a part of our callers without either of us noticing.
    let alone = socket(address)?;
    alone.bind(&address.into())?;
    let address = alone.local_addr()?.as_socket().unwrap_or(address);
    drop(alone);
    let shared = |_| {
        let socket = socket(address)?;
        socket.set_reuse_port(true)?;
        listen(socket, address)
    };
    (0..workers).map(shared).collect()
}
