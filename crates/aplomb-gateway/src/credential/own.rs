//! A credential of ours at one upstream: its key, and the rest that it takes when the upstream doesn't want it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aplomb_core::policy::CredentialRest;
use aplomb_core::{Failure, Kind};
use http::HeaderName;
use tokio::time::Instant;

use super::fetch::Lack;
use super::keeper::{Keeper, Present};
use crate::setup::Target;
use crate::worker::Worker;

/// A credential of ours at one upstream; routes that ask the same upstream share it.
#[derive(Debug)]
pub(crate) struct Own {
    pub(super) upstream: Arc<str>,
    pub(super) keeper: Arc<Keeper>,
    /// Something stands in `rest`: successes need no lock as long as nothing does.
    noted: AtomicBool,
    rest: Mutex<Rest>,
}

#[derive(Debug, Default)]
struct Rest {
    rest: CredentialRest,
    /// Which value of the key it is about.
    number: u64,
}

impl Own {
    pub(super) fn new(upstream: Arc<str>, keeper: Arc<Keeper>) -> Self {
        Self { upstream, keeper, noted: AtomicBool::new(false), rest: Mutex::default() }
    }

    /// The header that carries it.
    pub(crate) fn header(&self) -> &HeaderName {
        self.keeper.header()
    }

    /// Its value now; none before the first was fetched.
    pub(crate) fn present(&self) -> Option<Arc<Present>> {
        self.keeper.present()
    }

    /// Which value it has now.
    pub(crate) fn number(&self) -> u64 {
        self.keeper.number()
    }

    /// Waits until there is a value to send with.
    ///
    /// # Errors
    /// There is none, or not in time.
    pub(crate) async fn ready(&self, worker: &Worker, target: &Target, until: Instant) -> Result<(), Lack> {
        self.keeper.ready(worker, || worker.pool(target), until).await
    }

    /// After that value was refused: whether there is a newer one now.
    pub(crate) async fn renew(&self, worker: &Worker, target: &Target, used: u64, until: Instant) -> bool {
        // Boxed: it is rare, and would make every request larger.
        Box::pin(self.keeper.renew(worker, || worker.pool(target), used, until)).await
    }

    /// Whether renewing is worth a try: while it rests, what there is to be had was refused already.
    pub(crate) fn may_renew(&self, now: Duration) -> bool {
        self.keeper.is_renewable() && self.rests_until(now).is_none()
    }

    /// Until when others are preferred, if it rests.
    pub(crate) fn rests_until(&self, now: Duration) -> Option<Duration> {
        self.rest(now).map(|(until, _)| until)
    }

    /// Until when others are preferred and what it was refused for, if it rests.
    pub(super) fn rest(&self, now: Duration) -> Option<(Duration, Kind)> {
        if !self.noted.load(Ordering::Acquire) {
            return None;
        }
        // It isn't used, so that nobody else would see that it was mended.
        self.keeper.glance();
        self.with_rest(|rest| rest.rest(now))
    }

    /// A call with that value failed: it may rest.
    pub(crate) fn failed(&self, now: Duration, used: u64, failure: &Failure) {
        // What an older value was refused for says nothing about this one.
        if CredentialRest::is_for(failure) && used == self.number() {
            self.noted.store(true, Ordering::Release);
            self.with_rest(|rest| rest.failed(now, failure));
        }
    }

    /// A call succeeded: it is wanted.
    pub(crate) fn succeeded(&self) {
        if self.noted.swap(false, Ordering::AcqRel) {
            self.with_rest(CredentialRest::succeeded);
        }
    }

    fn with_rest<T>(&self, run: impl FnOnce(&mut CredentialRest) -> T) -> T {
        let mut rest = self.rest.lock().unwrap_or_else(PoisonError::into_inner);
        let number = self.number();
        if std::mem::replace(&mut rest.number, number) != number {
            rest.rest.renewed();
        }
        run(&mut rest.rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Key, KeySource};

    #[tokio::test(start_paused = true)]
    async fn a_resting_credential_whose_file_has_another_key_rests_no_more() {
        let path = std::env::temp_dir().join(format!("aplomb-rest-{}.key", uuid::Uuid::now_v7()));
        std::fs::write(&path, "one").unwrap();
        let key = Key::new("authorization", "Bearer ", KeySource::File(path.clone())).unwrap();
        let own = Own::new(Arc::from("first"), Arc::new(Keeper::new(key).unwrap()));
        let now = Duration::from_secs(7);
        own.failed(now, own.number(), &Failure::new(Kind::PaymentRequired));
        assert_eq!(own.rest(now), Some((Duration::from_secs(67), Kind::PaymentRequired)));
        std::fs::write(&path, "another").unwrap();
        assert!(own.rests_until(now).is_some(), "files aren't looked at for every request");
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(own.rests_until(now), None);
        assert_eq!(own.present().unwrap().value, "Bearer another");
        std::fs::remove_file(path).unwrap();
    }
}
