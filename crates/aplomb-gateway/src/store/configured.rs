//! The store that a configuration names.

use std::path::PathBuf;

use super::error::OpenError;
use super::handle::Store;
use super::place::StorePlace;
use crate::config;

impl Store {
    /// Opens the store of a configuration, or makes it; `state` is the folder for a file that isn't named.
    ///
    /// # Errors
    /// What is there can't be used, or can't be reached in time.
    pub(crate) fn open_configured(
        place: &config::StorePlace,
        state: Option<PathBuf>,
    ) -> Result<Self, OpenError> {
        Self::open(match place {
            config::StorePlace::File(Some(path)) => StorePlace::Sqlite(path.clone()),
            config::StorePlace::File(None) => StorePlace::new("sqlite:", state)?,
            config::StorePlace::Postgres(url) => StorePlace::new(url.expose(), None)?,
        })
    }
}
