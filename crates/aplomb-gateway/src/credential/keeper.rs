//! The keeper of a key: its present value, and whatever is needed to have a newer one.

use std::sync::{Arc, Mutex, PoisonError, TryLockError};

use arc_swap::ArcSwapOption;
use http::{HeaderName, HeaderValue};
use tokio::time::Instant;

use super::fetch::{Fetcher, Lack};
use super::file::Watched;
use super::registry::KeyError;
use crate::config::{Key, KeySource, Secret};
use crate::net::Pool;
use crate::worker::Worker;

/// How many values a keeper remembers as secret: calls that began with an older one may still be under way.
const REMEMBERED: usize = 4;

/// A key of ours with its present value.
#[derive(Debug)]
pub(crate) struct Keeper {
    key: Key,
    present: ArcSwapOption<Present>,
    source: Source,
}

/// The value that a key has now.
#[derive(Debug)]
pub(crate) struct Present {
    /// The header's whole value.
    pub(crate) value: HeaderValue,
    /// The key itself, and those before it: what must be redacted wherever it appears.
    pub(crate) secrets: Vec<Secret>,
    /// Which of the key's values it is, counted from 1.
    pub(crate) number: u64,
    /// When a newer one is to be fetched, and when this one runs out.
    pub(super) times: Option<Times>,
}

/// When a value is over.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    pub(super) due: Instant,
    pub(super) over: Instant,
}

#[derive(Debug)]
enum Source {
    /// It never changes.
    Given,
    File(Mutex<Watched>),
    Fetched(Box<Fetcher>),
}

impl Keeper {
    /// Begins to keep a key; one that is fetched has no value yet.
    ///
    /// # Errors
    /// There is no key where it should be.
    pub(super) fn new(key: Key) -> Result<Self, KeyError> {
        let (source, first) = match &key.source {
            KeySource::Given(secret) => (Source::Given, Some(secret.clone())),
            KeySource::File(path) => {
                let wrong = |source| KeyError::File { file: path.display().to_string(), source };
                let (watched, secret) = Watched::new(path).map_err(wrong)?;
                (Source::File(Mutex::new(watched)), Some(secret))
            }
            KeySource::OAuth(oauth) => (Source::Fetched(Box::new(Fetcher::new((**oauth).clone())?)), None),
        };
        let keeper = Self { key, present: ArcSwapOption::empty(), source };
        if let Some(secret) = first {
            keeper.put(&secret, None).map_err(|_| KeyError::Unfit)?;
        }
        Ok(keeper)
    }

    /// As configured.
    pub(super) fn key(&self) -> &Key {
        &self.key
    }

    /// The header that carries it.
    pub(crate) fn header(&self) -> &HeaderName {
        &self.key.header
    }

    /// Its value now; none before the first was fetched.
    pub(crate) fn present(&self) -> Option<Arc<Present>> {
        self.present.load_full()
    }

    /// Which value it has now; 0 before the first.
    pub(crate) fn number(&self) -> u64 {
        self.present.load().as_ref().map_or(0, |present| present.number)
    }

    /// Takes over a newer value; the one before stays secret.
    ///
    /// # Errors
    /// It can't stand in a header.
    pub(super) fn put(&self, secret: &Secret, times: Option<Times>) -> Result<(), String> {
        let value = self.key.carry(secret)?;
        let before = self.present();
        let (number, known) = before.as_ref().map_or((0, &[][..]), |old| (old.number, &old.secrets));
        let others = known.iter().filter(|old| *old != secret).take(REMEMBERED - 1).cloned();
        let secrets = std::iter::once(secret.clone()).chain(others).collect();
        self.present.store(Some(Arc::new(Present { value, secrets, number: number + 1, times })));
        Ok(())
    }

    /// Whether it can change at all.
    pub(crate) fn is_renewable(&self) -> bool {
        !matches!(self.source, Source::Given)
    }

    /// Waits until there is a value to send with, fetched if need be.
    ///
    /// # Errors
    /// There is none, or not in time.
    pub(super) async fn ready(
        self: &Arc<Self>,
        worker: &Worker,
        pool: impl FnOnce() -> Pool,
        until: Instant,
    ) -> Result<(), Lack> {
        match &self.source {
            Source::Given => Ok(()),
            Source::File(watched) => {
                self.look(watched, false);
                Ok(())
            }
            Source::Fetched(fetcher) if fetcher.has(self) => Ok(()),
            // Boxed: it is rare, and would make every request larger.
            Source::Fetched(fetcher) => Box::pin(fetcher.ready(self, worker, pool, until)).await,
        }
    }

    /// After this value was refused: whether there is a newer one now.
    ///
    /// One that was renewed already by somebody else isn't renewed again.
    pub(super) async fn renew(
        self: &Arc<Self>,
        worker: &Worker,
        pool: impl FnOnce() -> Pool,
        used: u64,
        until: Instant,
    ) -> bool {
        if self.number() == used {
            match &self.source {
                Source::Given => {}
                Source::File(watched) => self.look(watched, true),
                Source::Fetched(fetcher) => {
                    fetcher.refused(used);
                    // Why there is none is in the log. What there is may still do for other calls.
                    if fetcher.ready(self, worker, pool, until).await.is_err() {
                        fetcher.refused_in_vain();
                    }
                }
            }
        }
        self.number() > used
    }

    /// Looks at the file; if that isn't urgent, somebody else who does so in this moment will do.
    fn look(&self, watched: &Mutex<Watched>, at_once: bool) {
        let mut watched = match watched.try_lock() {
            Ok(watched) => watched,
            Err(TryLockError::WouldBlock) if !at_once => return,
            Err(_) => watched.lock().unwrap_or_else(PoisonError::into_inner),
        };
        let Some(secret) = watched.look(at_once) else { return };
        let same = self.present.load().as_ref().is_some_and(|present| present.secrets[0] == secret);
        if !same && self.put(&secret, None).is_ok() {
            tracing::info!(target: "aplomb::credential", header = %self.key.header, "a key was read anew");
        }
    }

    /// Looks for a newer value where that costs nothing, although nobody uses the present one.
    pub(super) fn glance(&self) {
        if let Source::File(watched) = &self.source {
            self.look(watched, false);
        }
    }

    /// The fetcher, where the key is fetched.
    pub(super) fn fetcher(&self) -> Option<&Fetcher> {
        match &self.source {
            Source::Fetched(fetcher) => Some(fetcher),
            Source::Given | Source::File(_) => None,
        }
    }
}
