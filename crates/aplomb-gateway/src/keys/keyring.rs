//! What this gateway knows of keys and accounts: looked up once, remembered within bounds, and forgotten within a
//! second of any change.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use super::known::{KnownAccount, KnownKey};
use super::recent::Recent;
use crate::store::{Changed, Changes, Store};

/// How many keys are remembered; one takes less than a kilobyte.
const KEYS: usize = 50_000;

/// How many ids are remembered that nobody has: fewer, so that they never crowd out keys.
const UNKNOWN: usize = 20_000;

/// How many accounts are remembered, for tokens.
const ACCOUNTS: usize = 50_000;

/// How often it is asked what has changed: a revocation counts everywhere within a second, answers included.
const POLL: Duration = Duration::from_millis(250);

/// How long what is remembered is believed without having heard that nothing changed.
const BELIEVED: Duration = Duration::from_millis(900);

/// How many look-ups are under way at once: who guesses may not take the whole store.
const LOOK_UPS: usize = 32;

/// How long a look-up may take, waiting included, until the store counts as out of reach.
const PATIENCE: Duration = Duration::from_secs(2);

/// How often the store hears which keys were used.
const TOUCH: Duration = Duration::from_secs(60);

/// What is known of a key or an account.
#[derive(Clone, Debug)]
pub(crate) enum Looked<T> {
    /// The store has it.
    Known(T),
    /// The store has none of that name.
    Unknown,
    /// The store can't be asked; what was known when it last could.
    Down(Option<T>),
}

/// What is remembered of keys and accounts.
#[derive(Debug)]
pub(crate) struct Keyring {
    /// Absent where no route needs keys.
    store: Option<Store>,
    memory: Mutex<Memory>,
    began: Instant,
    /// Until when what is remembered is believed, in milliseconds since the beginning.
    believed: AtomicU64,
    look_ups: Semaphore,
}

#[derive(Debug)]
struct Memory {
    keys: Recent<Arc<str>, Arc<KnownKey>>,
    unknown: Recent<Box<str>, ()>,
    accounts: Recent<Box<str>, Option<KnownAccount>>,
    /// Grows with every forgetting: what was looked up before one is not remembered after it.
    forgotten: u64,
}

impl Default for Memory {
    fn default() -> Self {
        Self {
            keys: Recent::of(KEYS),
            unknown: Recent::of(UNKNOWN),
            accounts: Recent::of(ACCOUNTS),
            forgotten: 0,
        }
    }
}

impl Keyring {
    /// A keyring over this store.
    pub(crate) fn new(store: Option<Store>) -> Self {
        Self {
            store,
            memory: Mutex::default(),
            began: Instant::now(),
            believed: AtomicU64::new(0),
            look_ups: Semaphore::new(LOOK_UPS),
        }
    }

    /// What is remembered of a key, and whether it is believed without asking.
    pub(crate) fn remembered(&self, id: &str) -> Option<(Arc<KnownKey>, bool)> {
        let believed = self.is_believed();
        self.memory().keys.find(id).map(|known| (Arc::clone(known), believed))
    }

    /// Looks for a key by its public id.
    pub(crate) async fn key(&self, id: &str) -> Looked<Arc<KnownKey>> {
        let (known, unknown, forgotten) = {
            let mut memory = self.memory();
            let known = memory.keys.find(id).map(|known| Arc::clone(known));
            (known, memory.unknown.find(id).is_some(), memory.forgotten)
        };
        if self.is_believed() {
            match known {
                Some(known) => return Looked::Known(known),
                None if unknown => return Looked::Unknown,
                None => {}
            }
        }
        let Some(found) = self.ask(|store| async move { store.find_key(id).await.ok() }).await else {
            return Looked::Down(known);
        };
        let mut memory = self.memory();
        let is_current = memory.forgotten == forgotten;
        match found.map(|found| Arc::new(KnownKey::new(found))) {
            Some(known) => {
                if is_current {
                    memory.unknown.forget(id);
                    memory.keys.put(Arc::clone(&known.id), Arc::clone(&known));
                }
                Looked::Known(known)
            }
            None => {
                memory.keys.forget(id);
                if is_current {
                    memory.unknown.put(id.into(), ());
                }
                Looked::Unknown
            }
        }
    }

    /// Looks for an account by its id or name.
    pub(crate) async fn account(&self, name: &str) -> Looked<KnownAccount> {
        let (known, forgotten) = {
            let mut memory = self.memory();
            (memory.accounts.find(name).cloned(), memory.forgotten)
        };
        match &known {
            Some(Some(known)) if self.is_believed() => return Looked::Known(known.clone()),
            Some(None) if self.is_believed() => return Looked::Unknown,
            _ => {}
        }
        let Some(found) = self.ask(|store| async move { store.account(name).await.ok() }).await else {
            return Looked::Down(known.flatten());
        };
        let found = found.map(KnownAccount::new);
        let mut memory = self.memory();
        if memory.forgotten == forgotten {
            memory.accounts.put(name.into(), found.clone());
        }
        found.map_or(Looked::Unknown, Looked::Known)
    }

    /// Hears of changes as long as it is polled. Without a store there is nothing to hear.
    pub(crate) async fn watch(&self) {
        let Some(store) = &self.store else { return };
        let mut number = 0;
        let mut touched = Instant::now();
        loop {
            let asked = Instant::now();
            // Without an answer nothing is believed any more once the last word is too old; the store tells the log.
            if let Ok(Ok(changes)) = timeout(PATIENCE, store.changes_since(number)).await {
                number = changes.upto;
                self.heard(&changes, asked);
            }
            if touched.elapsed() >= TOUCH {
                touched = Instant::now();
                self.tell_used(store).await;
            }
            sleep(POLL).await;
        }
    }

    fn heard(&self, changes: &Changes, asked: Instant) {
        let mut memory = self.memory();
        if changes.everything {
            memory.forgotten += 1;
            memory.keys.clear();
            memory.unknown.clear();
            memory.accounts.clear();
        }
        for change in &changes.list {
            memory.forgotten += 1;
            match change.what {
                Changed::Key => {
                    memory.keys.forget(change.id.as_str());
                    memory.unknown.forget(change.id.as_str());
                }
                Changed::Account => {
                    memory.keys.retain(|key| *key.account.id != *change.id);
                    // They are remembered by their names too, which may have changed.
                    memory.accounts.clear();
                }
            }
        }
        drop(memory);
        let until = asked + BELIEVED;
        let until = until.saturating_duration_since(self.began).as_millis();
        self.believed.fetch_max(u64::try_from(until).unwrap_or(u64::MAX), Ordering::AcqRel);
    }

    async fn tell_used(&self, store: &Store) {
        let used: Vec<_> = {
            let memory = self.memory();
            memory.keys.values().filter_map(|key| Some((key.id.to_string(), key.take_used()?))).collect()
        };
        if !used.is_empty() {
            // It is a hint for people; the next minute has another.
            let _lost = timeout(PATIENCE, store.touch_keys(used)).await;
        }
    }

    fn is_believed(&self) -> bool {
        let now = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        now < self.believed.load(Ordering::Acquire)
    }

    /// Asks the store; `None` if it can't be.
    async fn ask<'s, T, F: Future<Output = Option<T>>>(
        &'s self,
        ask: impl FnOnce(&'s Store) -> F,
    ) -> Option<T> {
        let store = self.store.as_ref()?;
        let asked = async {
            let _turn = self.look_ups.acquire().await.ok()?;
            ask(store).await
        };
        timeout(PATIENCE, asked).await.ok().flatten()
    }

    /// The lock is held for a look, never across a wait.
    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
