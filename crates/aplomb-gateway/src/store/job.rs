//! What travels to the store's thread: an operation, and the place where its answer is waited for.

use std::future::Future;

use futures_util::future::LocalBoxFuture;
use tokio::sync::oneshot;

use super::conn::Conn;
use super::error::StoreError;

/// Something that the store can do, in one transaction.
///
/// It may be run more than once: what a run has written is taken back before the next, or makes the next harmless.
pub(super) trait Operation: Send + 'static {
    /// What it comes to.
    type Answer: Send + 'static;

    /// Does it.
    fn run(&self, conn: &mut Conn<'_>) -> impl Future<Output = Result<Self::Answer, sqlx::Error>>;

    /// What takes it back when nobody heard the answer; harmless if it was never done.
    fn undo(&self) -> Option<Box<dyn Job>> {
        None
    }
}

/// An operation whose type nobody needs to know.
pub(super) trait Job: Send {
    /// Does it and keeps the answer until the transaction is over.
    fn attempt<'a>(&'a mut self, conn: &'a mut Conn<'_>) -> LocalBoxFuture<'a, Result<(), sqlx::Error>>;

    /// Tells how it ended; gives what takes it back if that is needed.
    fn end(self: Box<Self>, outcome: Result<(), StoreError>) -> Option<Box<dyn Job>>;

    /// Tells whoever waits that it will be done later.
    fn put_off(&mut self) {}

    /// What becomes of it when the store can't be reached.
    fn when_down(&self) -> WhenDown;

    /// Whether anybody is left who wants it.
    fn is_wanted(&self) -> bool {
        true
    }
}

/// What becomes of a job when the store can't be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WhenDown {
    /// It fails.
    Fail,
    /// It is done as soon as it can be: money or an answer depends on it.
    Wait,
    /// It is tried: by it one sees whether the store can be reached again.
    Try,
}

/// Where an answer comes.
pub(super) type Coming<T> = oneshot::Receiver<Result<T, StoreError>>;

/// An operation that somebody waits for.
pub(super) struct Asked<O: Operation> {
    operation: O,
    answer: Option<O::Answer>,
    /// Something of it may have been written.
    attempted: bool,
    when_down: WhenDown,
    waits: oneshot::Sender<Result<O::Answer, StoreError>>,
}

impl<O: Operation> Asked<O> {
    /// The job, and where its answer comes.
    pub(super) fn job(operation: O, when_down: WhenDown) -> (Box<dyn Job>, Coming<O::Answer>) {
        let (waits, answer) = oneshot::channel();
        (Box::new(Self { operation, answer: None, attempted: false, when_down, waits }), answer)
    }
}

impl<O: Operation> Job for Asked<O> {
    fn attempt<'a>(&'a mut self, conn: &'a mut Conn<'_>) -> LocalBoxFuture<'a, Result<(), sqlx::Error>> {
        Box::pin(async {
            self.attempted = true;
            self.answer = Some(self.operation.run(conn).await?);
            Ok(())
        })
    }

    fn end(self: Box<Self>, outcome: Result<(), StoreError>) -> Option<Box<dyn Job>> {
        let Self { operation, answer, attempted, waits, .. } = *self;
        let told = outcome.and_then(|()| answer.ok_or(StoreError::Down));
        // An answer that nobody takes, and a failure of which nobody knows how far it came, are taken back.
        let failed = told.is_err();
        let heard = waits.send(told).is_ok();
        if heard && !failed || !attempted { None } else { operation.undo() }
    }

    fn when_down(&self) -> WhenDown {
        self.when_down
    }

    fn is_wanted(&self) -> bool {
        !self.waits.is_closed()
    }
}

/// An operation that must be done, whether anybody waits for it or not.
pub(super) struct Sure<O: Operation> {
    operation: O,
    waits: Option<oneshot::Sender<Result<(), StoreError>>>,
}

impl<O: Operation> Sure<O> {
    /// Nobody waits for it.
    pub(super) fn job(operation: O) -> Box<dyn Job> {
        Box::new(Self { operation, waits: None })
    }

    /// Somebody waits until it is done or put off.
    pub(super) fn awaited(operation: O) -> (Box<dyn Job>, Coming<()>) {
        let (waits, told) = oneshot::channel();
        (Box::new(Self { operation, waits: Some(waits) }), told)
    }
}

impl<O: Operation> Job for Sure<O> {
    fn attempt<'a>(&'a mut self, conn: &'a mut Conn<'_>) -> LocalBoxFuture<'a, Result<(), sqlx::Error>> {
        Box::pin(async { self.operation.run(conn).await.map(drop) })
    }

    fn end(self: Box<Self>, outcome: Result<(), StoreError>) -> Option<Box<dyn Job>> {
        if let Some(waits) = self.waits {
            // Who waited may have gone; the work is done all the same.
            let _gone = waits.send(outcome);
        }
        None
    }

    fn put_off(&mut self) {
        if let Some(waits) = self.waits.take() {
            let _gone = waits.send(Err(StoreError::Down));
        }
    }

    fn when_down(&self) -> WhenDown {
        WhenDown::Wait
    }
}
