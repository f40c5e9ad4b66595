//! A run: one request that is done under an idempotency key, until it is known what becomes of the key.

use aplomb_core::policy::Fate;

use crate::store::{Claim, Record, Reservation, Store, StoreError};

/// The right to do a request, and the duty to say how it ended.
///
/// Dropped without a word it frees the key if nothing was sent, and leaves it open how it ended otherwise.
#[derive(Debug)]
pub(crate) struct Run {
    store: Store,
    claim: Option<Claim>,
    sent: bool,
    /// The largest answer that is kept, in bytes.
    pub(crate) most: usize,
}

impl Run {
    /// Begins.
    pub(crate) fn new(store: Store, claim: Claim, most: usize) -> Self {
        Self { store, claim: Some(claim), sent: false, most }
    }

    /// From now on somebody may have acted.
    pub(crate) fn send(&mut self) {
        self.sent = true;
    }

    /// Says how it ended: the answer and the charge for it, in one transaction. When this is over, it outlives everything.
    ///
    /// # Errors
    /// The store can't be reached; it is done as soon as it can be.
    pub(crate) async fn end(
        mut self,
        fate: Fate,
        record: Option<Record>,
        charge: Option<(Reservation, i64)>,
    ) -> Result<(), StoreError> {
        let Some(claim) = self.claim.take() else { return Ok(()) };
        match fate {
            Fate::Keep => self.store.finish(claim, record, charge).await,
            Fate::Unknown => self.store.leave_unknown(claim, record, charge).await,
            Fate::Release => {
                if let Some((reservation, amount)) = charge {
                    self.store.settle(reservation, amount);
                }
                self.store.forgotten(claim).await
            }
        }
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        match self.claim.take() {
            Some(claim) if self.sent => self.store.abandon(claim, None),
            Some(claim) => self.store.forget(claim),
            None => {}
        }
    }
}
