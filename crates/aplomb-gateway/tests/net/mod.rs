//! The network layer, seen from a raw socket on the other side.

mod wire;

mod pool;
