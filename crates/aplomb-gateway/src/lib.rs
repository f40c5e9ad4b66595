//! The gateway: sockets, streams and the story of a request, around the decisions of `aplomb-core`.
//!
//! `pipeline` tells the life of a request; begin there.

mod pipeline;
mod stage;

mod attempt;
mod browser;
mod caller;
mod collect;
mod digest;
mod forward;
mod guard;
mod hedge;
mod hold;
mod id;
mod keep;
mod keepalive;
#[cfg_attr(not(feature = "mishap"), path = "no_mishap.rs")]
mod mishap;
mod model;
mod money;
mod names;
mod percent;
mod problem;
mod redact;
mod reply;
mod resume;
mod run;
mod teller;
mod trail;
mod turn;
mod unpack;
mod usage;

mod validate;
pub use validate::Rules;

mod lanes;
pub use lanes::LaneGlance;

mod limits;

mod metrics;

mod keys;

mod credential;
pub use credential::{KeyError, KeyFileError};

#[expect(dead_code, unused_imports, reason = "the stages that need it are on their way")]
mod store;
pub use store::{OpenError, PlaceError};

mod office;
pub use office::{Office, OfficeAnswer, RemoteError, RemoteOffice, openapi};

mod setup;
pub use setup::SetupError;

mod worker;

mod gateway;
pub use gateway::{Gateway, Reload, StartError};

mod admin;
pub use admin::{AdminToken, KeptToken, WeakToken, state_folder};

pub mod observe;

pub mod config;

pub mod net;

pub mod mock;
