//! All credentials of ours, as long as the process lives: a reload finds those again that it names again.

use std::sync::{Arc, Mutex, PoisonError};

use super::file::KeyFileError;
use super::keeper::Keeper;
use super::own::Own;
use crate::config::Key;
use crate::net::OriginError;

/// Why a key can't be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// Its file.
    #[error("the key can't be taken from {file}: {source}")]
    File {
        /// The file.
        file: String,
        /// What is wrong with it.
        source: KeyFileError,
    },
    /// The place where tokens are fetched.
    #[error("tokens can't be fetched at that URL")]
    TokenUrl(#[from] OriginError),
    /// It can't be sent.
    #[error("the key has characters that can't stand in a header")]
    Unfit,
}

/// The credentials of a process.
///
/// None is forgotten: a token server may have exchanged what was configured for something that only we have. A process
/// knows only so many configurations.
#[derive(Debug, Default)]
pub(crate) struct Credentials(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    keepers: Vec<Arc<Keeper>>,
    own: Vec<Arc<Own>>,
}

impl Credentials {
    /// The credential of an upstream with this key.
    ///
    /// # Errors
    /// It is a new one, and there is no key where it should be.
    pub(crate) fn find(&self, upstream: &Arc<str>, key: &Key) -> Result<Arc<Own>, KeyError> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let own = known.own.iter().find(|own| own.upstream == *upstream && own.keeper.key() == key);
        if let Some(own) = own {
            return Ok(Arc::clone(own));
        }
        let keeper = known.keepers.iter().find(|keeper| keeper.key() == key).cloned();
        let keeper = match keeper {
            Some(keeper) => keeper,
            None => {
                let keeper = Arc::new(Keeper::new(key.clone())?);
                known.keepers.push(Arc::clone(&keeper));
                keeper
            }
        };
        let own = Arc::new(Own::new(Arc::clone(upstream), keeper));
        known.own.push(Arc::clone(&own));
        Ok(own)
    }
}
