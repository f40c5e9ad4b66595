//! The callers' side: threads, listeners, connections, and the gate that refuses what has two readings.
//!
//! A worker is one thread with one runtime; the kernel spreads connections over the workers' listeners.
//! Within a worker [`serve`] accepts, and every request ends up in the [`Service`].
//!
//! ```no_run
//! use std::rc::Rc;
//! use std::time::Duration;
//!
//! use aplomb_gateway::net::{Body, ConnInfo, ListenSettings, Refusal, Service, bind, serve, stopper, work};
//! use http::{Request, Response};
//! use hyper::body::Incoming;
//!
//! struct Hello;
//!
//! impl Service for Hello {
//!     async fn call(&self, _: Request<Incoming>, _: ConnInfo) -> Response<Body> {
//!         Response::new(Body::full("hello\n"))
//!     }
//!
//!     fn refuse(&self, refusal: Refusal, _: ConnInfo) -> Response<Body> {
//!         let mut answer = Response::new(Body::full(refusal.to_string()));
//!         *answer.status_mut() = refusal.status();
//!         answer
//!     }
//! }
//!
//! let (stop, stopped) = stopper();
//! let listeners = bind(([127, 0, 0, 1], 4100).into(), 2)?;
//! let settings = ListenSettings::default();
//! let workers = work(listeners, move |listener| {
//!     serve(listener, settings.clone(), Rc::new(Hello), stopped.clone())
//! })?;
//! // … and once it is enough:
//! stop.within(Duration::from_secs(30));
//! for worker in workers {
//!     worker.join().expect("no worker panics")?;
//! }
//! # Ok::<(), std::io::Error>(())
//! ```

mod bind;
pub use bind::bind;
#[cfg_attr(target_os = "linux", path = "spread_by_kernel.rs")]
#[cfg_attr(not(target_os = "linux"), path = "spread_by_clones.rs")]
mod spread;
mod workers;
pub use workers::work;
mod serve;
pub use serve::{Drained, ListenSettings, serve};
mod stop;
pub use stop::{Stop, Stopper, stopper};
mod service;
pub use service::{ConnInfo, Service};
mod refusal;
pub use refusal::Refusal;
mod tls;
pub use tls::{ServerTls, ServerTlsError};
mod chunks;
mod connection;
mod gate;
mod guarded;
mod head;
pub use head::HeadLimits;
mod sniff;
mod watch;
