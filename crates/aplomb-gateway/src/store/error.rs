//! What can go wrong with the store: it can't be opened, it can't be reached now, or it refuses what it was asked.

use std::error::Error;

use super::place::PlaceError;

/// Why an operation has no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    /// Nothing can be kept now; it heals by itself.
    #[error("the store can't be reached now")]
    Down,
    /// What was asked can't be.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The database failed at this operation.
    #[error("the store failed")]
    Failed(#[source] sqlx::Error),
}

impl StoreError {
    /// Whether it is the asker's mistake, and not the store's trouble.
    pub(crate) fn refused(&self) -> Option<&Refused> {
        match self {
            Self::Refused(refused) => Some(refused),
            Self::Down | Self::Failed(_) => None,
        }
    }
}

/// Why something can't be kept as it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    /// An account that is not there.
    #[error("there is no account `{0}`")]
    NoAccount(String),
    /// A key that is not there.
    #[error("there is no key `{0}`")]
    NoKey(String),
    /// A name that another account has.
    #[error("an account is called `{0}` already; give this one another name")]
    NameTaken(String),
    /// A key with this public id is there already.
    #[error("there is a key `{0}` already")]
    KeyTaken(String),
    /// A name that can't be one.
    #[error("a name has 1 to 128 characters, none of them invisible, and doesn't begin with `acc_`")]
    BadName,
    /// A sum that would leave the range of 64 bits.
    #[error("the balance would be larger than can be kept")]
    TooMuch,
}

/// Why the store can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The URL.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// The file or its folder.
    #[error("the store's file {path} can't be used")]
    File {
        /// Which.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// Two gateways with one file would take each other's work for that of a dead one.
    #[error(
        "the store's file {0} is used by another gateway; give this one a file of its own (`sqlite:PATH`), or let \
         both share a PostgreSQL"
    )]
    InUse(String),
    /// A newer version of Aplomb made it.
    #[error(
        "the store {0} was made by a newer version of Aplomb; use that version, or go back to a backup from before \
         the update"
    )]
    Newer(String),
    /// What is there is not a store of ours.
    #[error("{0} holds something else than Aplomb's store; give it a database of its own")]
    Foreign(String),
    /// The database can't be reached or used.
    #[error("the store {name} can't be opened")]
    Database {
        /// Which, without its password.
        name: String,
        /// What it said.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The system gives no thread.
    #[error("the store's thread can't be started")]
    Thread(#[source] std::io::Error),
}
