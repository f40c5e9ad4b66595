//! What a worker knows of each of its connections, so that one sweep serves them all.
//!
//! A timer per connection would be set anew with every request; a mark that a sweep wipes costs nothing.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::Refusal;

/// How often idle connections are looked for.
pub(super) const SWEEP_EVERY: Duration = Duration::from_secs(5);

/// How many sweeps a new connection may pass without a request.
const SILENT_SWEEPS: u32 = 2;

/// How many sweeps an answer may wait for a caller that does not read.
const STALLED_SWEEPS: u32 = 12;

/// One connection's marks.
#[derive(Debug, Default)]
pub(super) struct Watch {
    /// Sweeps since the last request.
    quiet: Cell<u32>,
    asked: Cell<bool>,
    close: Cell<bool>,
    /// A request has begun to come, and is not whole enough to be read.
    amid: Cell<bool>,
    /// Sweeps since a write found no room, one more; 0 while there is room.
    stalled: Cell<u32>,
    lost: Cell<bool>,
    refusal: Cell<Option<Refusal>>,
    waker: RefCell<Option<Waker>>,
}

impl Watch {
    /// Marks that a request came.
    pub(super) fn asked(&self) {
        self.quiet.set(0);
        self.asked.set(true);
    }

    /// Marks whether a request has begun to come that nobody has read yet.
    pub(super) fn amid(&self, amid: bool) {
        self.amid.set(amid);
    }

    /// Whether the connection is to end as soon as what is under way is done; a request that has begun to come is
    /// heard to its end, so that its caller gets an answer.
    pub(super) fn is_closing(&self) -> bool {
        self.close.get() && !self.amid.get()
    }

    /// Marks that the last request was refused by the gate.
    pub(super) fn refuse(&self, refusal: Refusal) {
        self.refusal.set(Some(refusal));
    }

    /// Why the gate refused the last request, if it did.
    pub(super) fn refusal(&self) -> Option<Refusal> {
        self.refusal.get()
    }

    /// Whether the caller reads so little that the connection is to be cut.
    pub(super) fn is_lost(&self) -> bool {
        self.lost.get()
    }

    /// Marks whether a write found room.
    pub(super) fn wrote(&self, written: &Poll<io::Result<usize>>) {
        self.stalled.set(if written.is_pending() { self.stalled.get().max(1) } else { 0 });
    }

    /// Remembers how to wake the connection's task.
    pub(super) fn wake_by(&self, cx: &Context<'_>) {
        self.waker.replace(Some(cx.waker().clone()));
    }

    fn close(&self) {
        self.close.set(true);
        self.wake();
    }

    fn wake(&self) {
        if let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
    }

    /// One sweep later for a write that finds no room.
    fn waits(&self) {
        match self.stalled.get() {
            0 => {}
            sweeps if sweeps > STALLED_SWEEPS => {
                self.lost.set(true);
                self.wake();
            }
            sweeps => self.stalled.set(sweeps + 1),
        }
    }

    /// One sweep later; true if that is one too many.
    fn ages(&self, idle_sweeps: u32) -> bool {
        let quiet = self.quiet.get() + 1;
        self.quiet.set(quiet);
        quiet > if self.asked.get() { idle_sweeps } else { SILENT_SWEEPS }
    }
}

/// All connections of a worker.
#[derive(Debug, Default)]
pub(super) struct Watches(Vec<Weak<Watch>>);

impl Watches {
    /// Begins to watch a new connection.
    pub(super) fn add(&mut self) -> Rc<Watch> {
        let watch = Rc::new(Watch::default());
        self.0.push(Rc::downgrade(&watch));
        watch
    }

    /// Asks connections to end on which no request came for longer than `idle`, and forgets those gone.
    ///
    /// One that is busy with an answer finishes it first; one whose caller has read nothing of it for a minute
    /// is cut.
    pub(super) fn sweep(&mut self, idle: Duration) {
        let sweeps = idle.as_secs().div_ceil(SWEEP_EVERY.as_secs()) as u32;
        self.0.retain(|watch| {
            let Some(watch) = watch.upgrade() else { return false };
            watch.waits();
            if watch.ages(sweeps) {
                watch.close();
            }
            true
        });
    }

    /// Asks every connection to end.
    pub(super) fn close_all(&self) {
        self.0.iter().filter_map(Weak::upgrade).for_each(|watch| watch.close());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_that_asks_stays_and_one_that_never_did_goes_first() {
        let mut watches = Watches::default();
        let (busy, idle, mute) = (watches.add(), watches.add(), watches.add());
        idle.asked();
        let mut ended = Vec::new();
        for sweep in 1..=14 {
            busy.asked();
            watches.sweep(Duration::from_secs(60));
            let state = [&busy, &idle, &mute].map(|watch| watch.is_closing());
            if ended.last().is_none_or(|(_, last)| *last != state) {
                ended.push((sweep, state));
            }
        }
        assert_eq!(ended, [(1, [false; 3]), (3, [false, false, true]), (13, [false, true, true])]);
    }

    #[test]
    fn a_caller_that_reads_nothing_is_lost_and_one_that_reads_slowly_is_not() {
        let mut watches = Watches::default();
        let (slow, stuck) = (watches.add(), watches.add());
        stuck.wrote(&Poll::Pending);
        for _ in 0..=STALLED_SWEEPS {
            slow.wrote(&Poll::Pending);
            slow.wrote(&Poll::Ready(Ok(1)));
            slow.wrote(&Poll::Pending);
            assert!(!stuck.is_lost());
            watches.sweep(Duration::from_secs(600));
        }
        assert!(stuck.is_lost() && !slow.is_lost());
    }

    #[test]
    fn what_is_gone_is_forgotten() {
        let mut watches = Watches::default();
        drop(watches.add());
        watches.sweep(Duration::from_secs(60));
        assert!(watches.0.is_empty());
    }
}
