//! The office: whatever is asked about accounts, keys and money, by the admin port and by the commands alike.
//!
//! `desk` has the table of what can be asked; every other file is one kind of thing. Each change is in the audit table
//! of the store, with who asked for it.

mod asked;
pub(crate) use asked::{Asked, LARGEST};

mod trouble;
pub(crate) use trouble::Trouble;

mod time;

mod accounts;
mod audit;
mod keys;
mod ledger;
mod limits;
mod records;
mod tiers;

pub(crate) use limits::{Counted, LimitShown};

mod openapi;
pub use openapi::openapi;

mod desk;
pub use desk::{Office, OfficeAnswer};

mod remote;
pub(crate) use remote::WHO;
pub use remote::{RemoteError, RemoteOffice};
