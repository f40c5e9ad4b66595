//! What a gateway is told to do: a file, or a few options, turned into values that can't be wrong.
//!
//! Two stages: `written` is the file as a person wrote it, with the place of every value; `resolve` makes the types
//! below of it and reports every mistake at once. Nothing here reads the environment or a file by itself:
//! [`Surroundings`] says what can be asked, so that every rule is tested with plain values.
//!
//! What it is not: the place where anything is opened, connected or looked up at run time.

mod resolved;
pub use resolved::{Config, Single};

mod server;
pub use server::{Log, LogFormat, LogLevel, Server, Tls};

mod upstream;
pub use upstream::{Credential, Timeouts, Upstream};

mod key;
pub use key::{Key, KeySource};

mod oauth;
pub use oauth::{ClientAuth, Confided, Grant, OAuth, TokenUrl};

mod rate;
pub use rate::{Rate, RateError};

mod limits;
pub(crate) use limits::fits;
pub use limits::{Allowance, AllowanceError, Limits, ModelLimits};

mod tier;
pub use tier::{CountedBy, LimitFields, Tier};

mod store;
pub use store::{SharedMode, SharedPlace, StorePlace};

mod protect;
pub use protect::{
    Cost, Idempotency, IdempotencyMode, Jwt, Keys, ModelPrice, OnStoreDown, OnUnknown, Price, Protect,
    WhileRunning,
};

mod base;
pub use base::{Base, Scheme};

mod route;
pub use route::{
    Disclose, Equal, Fallback, Hop, Priorities, Queue, Repeat, Retry, Route, SharedQuota, Streaming, Trail,
};

mod routes;
pub use routes::{Found, NoRoute, Routes};

mod path;

mod secret;
pub use secret::Secret;

pub mod units;

mod surroundings;
pub use surroundings::Surroundings;

mod mistake;
pub use mistake::{Mistake, Place};

mod reload;

mod sample;
pub use sample::SAMPLE;

mod written;

mod resolve;

#[cfg(test)]
mod given;

#[cfg(test)]
mod guide;
