//! The network layer, seen from a raw socket on the other side.

mod gateway;
mod wire;

mod listen;
mod pool;
mod smuggling;
