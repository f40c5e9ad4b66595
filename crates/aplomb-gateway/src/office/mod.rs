//! The office: whatever is asked about accounts, keys and money, by the admin port and by the commands alike.
//!
//! `desk` has the table of what can be asked; every other file is one kind of thing. Each change is in the audit table
//! of the store, with who asked for it.

mod asked;
pub(crate) use asked::LARGEST;

mod trouble;
pub(crate) use trouble::Trouble;

mod time;

mod accounts;
mod audit;
mod keys;
mod ledger;
mod records;
mod tiers;

mod openapi;
pub use openapi::openapi;

mod desk;
pub use desk::{Office, OfficeAnswer};

mod remote;
pub(crate) use remote::WHO;
pub use remote::{RemoteError, RemoteOffice};
