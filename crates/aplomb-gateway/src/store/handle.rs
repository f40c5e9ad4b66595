//! The store as the gateway holds it: cheap to clone, asked from any thread, answered by the store's own.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use tokio::sync::mpsc;

use super::error::{OpenError, StoreError};
use super::health::Health;
use super::job::{Asked, Job, Operation, Sure, WhenDown};
use super::keeper;
use super::place::StorePlace;

/// How many operations may wait for the store's thread; a request that would be the next one hears that it is down.
pub(super) const QUEUE: usize = 10_000;

/// What must outlive the process.
///
/// No operation touches a database on the thread that asks for it. When the last clone is dropped, everything that was
/// begun is written, and what is put aside for nobody is given back.
#[derive(Clone)]
pub(crate) struct Store(Arc<Shared>);

struct Shared {
    /// This run of this gateway.
    gateway: String,
    health: Arc<Health>,
    asks: Option<mpsc::Sender<Box<dyn Job>>>,
    /// Jobs that must be done. Never more than there are requests under way: each has at most two.
    sure: Option<mpsc::UnboundedSender<Box<dyn Job>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Store {
    /// Opens the store, or makes it where nothing is yet.
    ///
    /// # Errors
    /// What is there can't be used, or can't be reached within ten seconds.
    pub(crate) fn open(place: StorePlace) -> Result<Self, OpenError> {
        let gateway = format!("gw_{}", uuid::Uuid::now_v7().simple());
        let health = Arc::new(Health::default());
        let (asks, jobs) = mpsc::channel(QUEUE);
        let (sure, sure_jobs) = mpsc::unbounded_channel();
        let desk = keeper::Desk::new(jobs, sure_jobs, Arc::clone(&health), gateway.clone());
        let thread = keeper::start(place, desk, asks.downgrade())?;
        let thread = Mutex::new(Some(thread));
        Ok(Self(Arc::new(Shared { gateway, health, asks: Some(asks), sure: Some(sure), thread })))
    }

    /// Whether it can be used now.
    pub(crate) fn health(&self) -> &Health {
        &self.0.health
    }

    /// The name of this run of this gateway.
    pub(super) fn gateway(&self) -> &str {
        &self.0.gateway
    }

    /// Does it and waits for the answer.
    pub(super) async fn ask<O: Operation>(&self, operation: O) -> Result<O::Answer, StoreError> {
        if !self.0.health.is_up() {
            return Err(StoreError::Down);
        }
        let (job, answer) = Asked::job(operation, WhenDown::Fail);
        let asks = self.0.asks.as_ref().ok_or(StoreError::Down)?;
        asks.try_send(job).map_err(|_full| StoreError::Down)?;
        answer.await.unwrap_or(Err(StoreError::Down))
    }

    /// Does it as soon as it can be, and waits until it is done or put off.
    pub(super) async fn ask_surely<O: Operation>(&self, operation: O) -> Result<(), StoreError> {
        let (job, told) = Sure::awaited(operation);
        self.hand_over(job);
        told.await.unwrap_or(Err(StoreError::Down))
    }

    /// Does it as soon as it can be; nobody waits.
    pub(super) fn see_to<O: Operation>(&self, operation: O) {
        self.hand_over(Sure::job(operation));
    }

    fn hand_over(&self, job: Box<dyn Job>) {
        if let Some(sure) = &self.0.sure {
            // The thread ends only after this channel does.
            let _never = sure.send(job);
        }
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Store({})", self.0.gateway)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        (self.asks, self.sure) = (None, None);
        let thread = self.thread.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // One that panicked has said so.
            let _panicked = thread.join();
        }
    }
}
