//! How many gateways count together: what one of them may let in while it has to count alone.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

/// How often a gateway that counts says that it is there.
const SAID: Duration = Duration::from_secs(5);

/// How long its word counts: two may be lost before the others share what it had.
pub(super) const COUNTS: Duration = Duration::from_secs(15);

/// What this process knows of the others.
#[derive(Debug)]
pub(super) struct Fleet {
    /// Its own name among them.
    pub(super) name: String,
    began: Instant,
    /// When it said last that it is there, in milliseconds since its beginning; zero: never.
    said: AtomicU64,
    size: AtomicU64,
}

impl Default for Fleet {
    fn default() -> Self {
        Self {
            name: Uuid::now_v7().to_string(),
            began: Instant::now(),
            said: AtomicU64::new(0),
            size: AtomicU64::new(1),
        }
    }
}

impl Fleet {
    /// Whether it is to be said now; of several threads that ask at once, one is told so.
    pub(super) fn is_due(&self) -> bool {
        let now = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX).saturating_add(1);
        let said = self.said.load(Ordering::Relaxed);
        let due =
            said == 0 || now.saturating_sub(said) >= u64::try_from(SAID.as_millis()).unwrap_or(u64::MAX);
        due && self.said.compare_exchange(said, now, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// So many were there.
    pub(super) fn count(&self, size: u64) {
        self.size.store(size.max(1), Ordering::Relaxed);
    }

    /// How many there were when they could last be counted; nobody counted yet: one.
    pub(super) fn size(&self) -> u64 {
        self.size.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_is_said_every_few_seconds_by_one() {
        let fleet = Fleet::default();
        assert_eq!((fleet.is_due(), fleet.is_due(), fleet.size()), (true, false, 1));
        tokio::time::advance(SAID).await;
        assert_eq!((fleet.is_due(), fleet.is_due()), (true, false));
        fleet.count(3);
        fleet.count(0);
        assert_eq!(fleet.size(), 1);
    }
}
