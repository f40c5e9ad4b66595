//! The network layer, seen from a raw socket on the other side.

mod gateway;
mod wire;

pub(crate) mod h2;
mod listen;
mod pool;
mod proxies;
mod slow;
mod smuggling;
pub(crate) mod tls;
