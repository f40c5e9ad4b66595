//! The store: what must outlive a process, in SQLite or PostgreSQL. Money, keys, answers to repeat, who changed what.
//!
//! `handle` is what the gateway holds; `job` what travels to the store's own thread; `keeper` the thread.
//! Every other file is one kind of operation. `docs/guide/store.md` has the tables.

mod place;
pub use place::PlaceError;
pub(crate) use place::StorePlace;

mod error;
pub use error::OpenError;
pub(crate) use error::{Refused, StoreError};

mod moment;
pub(crate) use moment::Moment;

mod conn;
mod job;

mod health;
pub(crate) use health::Health;

mod handle;
pub(crate) use handle::Store;

mod configured;

mod keeper;
mod postgres;
mod schema;
mod sqlite;

mod account;
pub(crate) use account::{Account, AccountId, AccountUpdate};

mod key;
pub(crate) use key::{Key, KeyWithAccount, NewKey};

mod ledger;
pub(crate) use ledger::{Entry, EntryKind, Payment, TopUp};

mod reservation;
pub(crate) use reservation::{Reservation, Reserve};

mod idempotency;
pub(crate) use idempotency::{Claim, Claimed, Claiming, Record};

mod records;
pub(crate) use records::{KeptRecord, Removed};

mod audit;
pub(crate) use audit::Event;

mod changes;
pub(crate) use changes::{Change, Changed, Changes};

mod gateways;

#[cfg(test)]
mod postgres_tests;
#[cfg(test)]
mod records_tests;
#[cfg(test)]
mod sqlite_tests;
#[cfg(test)]
mod store_tests;
#[cfg(test)]
mod trial;
