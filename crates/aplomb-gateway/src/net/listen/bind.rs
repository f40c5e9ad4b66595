//! One listening socket per worker on one address.

use std::io;
use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};

use super::spread;

/// How many connections may wait to be accepted.
const BACKLOG: i32 = 4096;

/// Listens `workers` times on one address; port 0 is one free port for all of them.
///
/// # Errors
///
/// Fails if the address cannot be listened on, also because another process already does.
pub fn bind(address: SocketAddr, workers: usize) -> io::Result<Vec<TcpListener>> {
    spread::listeners(address, workers.max(1))
}

/// A socket for an address, not bound yet.
pub(super) fn socket(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    // A restart must not wait for the connections of the process before it. Windows needs no such leave,
    // and would let two processes share the port by it.
    if !cfg!(windows) {
        socket.set_reuse_address(true)?;
    }
    Ok(socket)
}

/// Binds the socket and begins to listen.
pub(super) fn listen(socket: Socket, address: SocketAddr) -> io::Result<TcpListener> {
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_workers_listen_on_one_free_port() {
        let listeners = bind("127.0.0.1:0".parse().unwrap(), 3).unwrap();
        let ports: Vec<_> = listeners.iter().map(|one| one.local_addr().unwrap().port()).collect();
        assert_eq!(ports, [ports[0]; 3]);
        assert_ne!(ports[0], 0);
    }

    #[test]
    fn a_port_that_another_gateway_has_is_not_shared_silently() {
        let first = bind("127.0.0.1:0".parse().unwrap(), 2).unwrap();
        let error = bind(first[0].local_addr().unwrap(), 2).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    }
}
