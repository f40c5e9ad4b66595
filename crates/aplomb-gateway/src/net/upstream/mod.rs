//! The way to upstreams: a pool of connections per thread, TLS, proxies, and what may go wrong.
//!
//! [`Pool::send`] is all that the rest of the gateway calls.

mod origin;
pub use origin::{Origin, OriginError};
mod error;
pub use error::{SendError, Stage};
mod pool;
pub use pool::{Patience, Pool, PoolSettings};
mod answer;
mod h1;
mod h2;
mod shelf;
pub use answer::UpstreamBody;
mod dial;
pub use dial::Dial;
mod tls;
pub use tls::{Trust, TrustError};
mod proxy;
pub use proxy::{Proxies, ProxyError};
mod tunnel;
