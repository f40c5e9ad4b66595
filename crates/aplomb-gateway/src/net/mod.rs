//! The network: bodies, upstream connections and the callers' listener.
//!
//! It knows HTTP and nothing of what an answer means.
//! Everything here lives on one thread: a worker has its own runtime, listener and pool, and shares none of them.

mod body;
pub use body::{Body, LocalBody};
mod at_most;
pub use at_most::{Overflow, at_most};
mod body_error;
pub use body_error::{BodyError, BodyFault};
mod upstream;
pub use upstream::{
    Dial, Origin, OriginError, Patience, Pool, PoolSettings, Proxies, ProxyError, SendError, Stage, Trust,
    TrustError, UpstreamBody,
};
mod cidr;
pub use cidr::{Cidr, CidrError};
mod executor;
#[cfg_attr(not(unix), path = "open_files_elsewhere.rs")]
mod open_files;
pub use open_files::allow_many_files;
mod hop;
mod listen;
pub use hop::{strip_answer, strip_request};
mod via;
pub use via::{Via, ViaLoop};
mod forwarded;
pub use forwarded::TrustedProxies;
mod replay;
pub use replay::{KEEP_AT_MOST, Kept, keep};
mod transport;
pub use listen::{
    ConnInfo, Drained, HeadLimits, ListenSettings, Refusal, ServerTls, ServerTlsError, Service, Stop,
    Stopper, bind, serve, stopper, work,
};
