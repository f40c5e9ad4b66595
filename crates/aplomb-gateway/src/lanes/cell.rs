//! One lane with its callers that wait, and the driver that wakes them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aplomb_core::lane::State;
use aplomb_core::lane::{
    Asked, Call, Cost, Entry, Heard, Lane, LaneState, Pacer, Pass, Polled, Priority, Quota, Settings,
};
use aplomb_core::{Failure, Limit};
use tokio::sync::{Notify, oneshot};
use tokio::time::{sleep_until, timeout_at};

use super::group::Group;
use super::news::{self, Told};
use super::permit::Permit;
use super::registry::{Lanes, lock};
use crate::worker::Worker;

/// The limits of a credential over all its lanes.
#[derive(Debug)]
pub(super) struct Quotas {
    pacer: Mutex<Pacer>,
    /// Lanes that wait for a call of another lane to end.
    full: Mutex<Vec<std::sync::Weak<Cell>>>,
}

impl Quotas {
    pub(super) fn new(pacer: Pacer) -> Self {
        Self { pacer: Mutex::new(pacer), full: Mutex::default() }
    }
}

/// A lane.
#[derive(Debug)]
pub(crate) struct Cell {
    /// The upstream's name.
    pub(crate) upstream: Arc<str>,
    /// The model, where requests name one.
    pub(crate) model: Option<Box<str>>,
    /// What it is told with in metrics.
    pub(super) group: Arc<Group>,
    lanes: Arc<Lanes>,
    quotas: Option<Arc<Quotas>>,
    inner: Mutex<Inner>,
    /// Something happened that the driver should look at.
    stirred: Notify,
}

#[derive(Debug)]
struct Inner {
    lane: Lane,
    waiting: HashMap<u64, oneshot::Sender<Pass>>,
    /// A driver is at work.
    driven: bool,
    /// What the upstream last failed with: the cause of a wait.
    cause: Option<Box<Failure>>,
    /// What the log heard of the lane.
    told: Told,
}

/// What a request wants of a lane.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wish {
    /// Its place in the order of arrival, if it was in this lane before.
    pub(crate) number: Option<u64>,
    /// Whose it is.
    pub(crate) caller: u64,
    /// How urgent it is.
    pub(crate) priority: Priority,
    /// What it will take.
    pub(crate) cost: Cost,
    /// When it is too late to start.
    pub(crate) deadline: Duration,
    /// How many may wait.
    pub(crate) size: usize,
    /// There is somebody else to ask: nobody knows how long a broken lane stays broken, so that it is not waited for.
    pub(crate) passes: bool,
    /// How often it was sent to this upstream.
    pub(crate) sends: u32,
    /// It can't be sent once more.
    pub(crate) last: bool,
}

/// A request that can't start in time.
#[derive(Debug, Default)]
pub(crate) struct Refused {
    /// The queue is full.
    pub(crate) full: bool,
    /// How long it waited in vain.
    pub(crate) waited: Duration,
    /// How much longer a request like it would wait.
    pub(crate) wait: Duration,
    /// What the upstream last failed with, if that is why.
    pub(crate) cause: Option<Box<Failure>>,
}

impl Cell {
    pub(super) fn new(
        lanes: Arc<Lanes>,
        group: Arc<Group>,
        model: Option<&str>,
        settings: Settings,
        quotas: Option<Arc<Quotas>>,
        now: Duration,
    ) -> Self {
        let lane = Lane::new(settings, now);
        Self {
            upstream: Arc::clone(&group.upstream),
            model: model.map(Box::from),
            group,
            lanes,
            quotas,
            inner: Mutex::new(Inner {
                lane,
                waiting: HashMap::new(),
                driven: false,
                cause: None,
                told: Told::default(),
            }),
            stirred: Notify::new(),
        }
    }

    /// Waits until the request may be sent.
    ///
    /// # Errors
    /// It can't start in time, or too many wait.
    pub(crate) async fn enter(
        self: &Arc<Self>,
        worker: &Worker,
        wish: &Wish,
    ) -> Result<Box<Permit>, Refused> {
        let (entry, mut turn) = match self.ask(worker, wish) {
            Step::Go(pass) => return Ok(Permit::new(Arc::clone(self), pass, Duration::ZERO)),
            Step::Refused(refused) => return Err(refused),
            Step::Wait(entry, turn) => (entry, turn),
        };
        let asked = self.now();
        let waited = || self.now().saturating_sub(asked);
        let mut place = Place { cell: self, entry: Some(entry) };
        match timeout_at(self.lanes.instant(wish.deadline), &mut turn).await {
            Ok(Ok(pass)) => {
                place.entry = None;
                Ok(Permit::new(Arc::clone(self), pass, waited()))
            }
            // The driver saw that its time was over, or it is over just now.
            Ok(Err(_)) | Err(_) => {
                // The last moment: a pass may be on its way.
                turn.close();
                match turn.try_recv() {
                    Ok(pass) => {
                        place.entry = None;
                        Ok(Permit::new(Arc::clone(self), pass, waited()))
                    }
                    Err(_) => {
                        drop(place);
                        Err(Refused { waited: waited(), ..self.refusal(wish) })
                    }
                }
            }
        }
    }

    fn ask(self: &Arc<Self>, worker: &Worker, wish: &Wish) -> Step {
        let now = self.lanes.now();
        let call = Call {
            number: wish.number,
            caller: wish.caller,
            priority: wish.priority,
            cost: wish.cost,
            deadline: wish.deadline,
            sends: wish.sends,
            last: wish.last,
        };
        let mut inner = lock(&self.inner);
        let full = wish.number.is_none() && inner.lane.waiting() >= wish.size;
        let asked = self.with_quotas(|pacer| inner.lane.ask(now, &call, pacer, worker.random()));
        match asked {
            Asked::Go(pass) => Step::Go(pass),
            Asked::Refuse(refusal) => {
                let cause = inner.cause.clone();
                Step::Refused(Refused {
                    full: refusal.full,
                    waited: Duration::ZERO,
                    wait: refusal.wait,
                    cause,
                })
            }
            Asked::Wait(entry) if full || (wish.passes && inner.lane.trouble().breaker != State::Closed) => {
                inner.lane.remove(&entry);
                let wait = inner.lane.expected(now, wish.caller, wish.priority);
                Step::Refused(Refused { full, waited: Duration::ZERO, wait, cause: inner.cause.clone() })
            }
            Asked::Wait(entry) => {
                let (send, turn) = oneshot::channel();
                inner.waiting.insert(entry.number, send);
                if std::mem::replace(&mut inner.driven, true) {
                    self.stirred.notify_one();
                } else {
                    tokio::task::spawn_local(Arc::clone(self).drive(worker.clone()));
                }
                Step::Wait(entry, turn)
            }
        }
    }

    /// Wakes callers when it is their turn, as long as any wait.
    async fn drive(self: Arc<Self>, worker: Worker) {
        let guard = Driving(&self);
        loop {
            match self.release(&worker) {
                Next::Never => {
                    std::mem::forget(guard);
                    return;
                }
                Next::At(when) => {
                    tokio::select! {
                        () = sleep_until(self.lanes.instant(when)) => {}
                        () = self.stirred.notified() => {}
                    }
                }
                Next::Stir => self.stirred.notified().await,
            }
        }
    }

    /// Releases all whose turn it is.
    fn release(self: &Arc<Self>, worker: &Worker) -> Next {
        let mut inner = lock(&self.inner);
        loop {
            let now = self.lanes.now();
            match self.with_quotas(|pacer| inner.lane.poll(now, pacer, worker.random())) {
                Polled::Go(entry, pass) => {
                    let Some(send) = inner.waiting.remove(&entry.number) else {
                        self.close(&mut inner, &pass, None, now);
                        continue;
                    };
                    if let Err(pass) = send.send(pass) {
                        // Its caller went away in this moment.
                        self.close(&mut inner, &pass, None, now);
                    }
                }
                Polled::Expired(entry) => drop(inner.waiting.remove(&entry.number)),
                Polled::Later(when) => return Next::At(when),
                Polled::Full => {
                    if let Some(quotas) = &self.quotas {
                        lock(&quotas.full).push(Arc::downgrade(self));
                    }
                    return Next::Stir;
                }
                Polled::Idle => {
                    inner.driven = false;
                    return Next::Never;
                }
            }
        }
    }

    fn refusal(&self, wish: &Wish) -> Refused {
        let inner = lock(&self.inner);
        let wait = inner.lane.expected(self.lanes.now(), wish.caller, wish.priority);
        Refused { full: false, waited: Duration::ZERO, wait, cause: inner.cause.clone() }
    }

    pub(super) fn hear(
        &self,
        pass: &mut Pass,
        heard: Heard,
        limits: &[Limit],
        failure: Option<&Failure>,
        random: f64,
    ) {
        let now = self.lanes.now();
        let mut inner = lock(&self.inner);
        if !limits.is_empty() {
            inner.lane.tell(pass, limits, now);
        }
        inner.lane.hear(pass, heard, now, random);
        inner.cause = match heard {
            Heard::Answer => None,
            _ => failure.map(|failure| Box::new(failure.clone())).or_else(|| inner.cause.take()),
        };
        if !inner.waiting.is_empty() {
            self.stirred.notify_one();
        }
        let trouble = inner.lane.trouble();
        let news = inner.told.news(&trouble, now);
        drop(inner);
        if !news.is_empty() {
            news::tell(self, &news, failure.map(|failure| failure.kind));
        }
    }

    pub(super) fn end(&self, pass: &Pass, actual: Option<Cost>) {
        let now = self.lanes.now();
        let mut inner = lock(&self.inner);
        self.close(&mut inner, pass, actual, now);
        let waits = !inner.waiting.is_empty();
        drop(inner);
        if waits {
            self.stirred.notify_one();
        }
        if let Some(quotas) = &self.quotas {
            for cell in lock(&quotas.full).drain(..).filter_map(|cell| cell.upgrade()) {
                cell.stirred.notify_one();
            }
        }
    }

    fn close(&self, inner: &mut Inner, pass: &Pass, actual: Option<Cost>, now: Duration) {
        self.with_quotas(|pacer| inner.lane.end(pass, actual, pacer, now));
    }

    /// The lane's lock is taken before that of the credential's limits, always.
    fn with_quotas<T>(&self, run: impl FnOnce(Option<&mut Pacer>) -> T) -> T {
        match &self.quotas {
            Some(quotas) => run(Some(&mut lock(&quotas.pacer))),
            None => run(None),
        }
    }

    pub(super) fn now(&self) -> Duration {
        self.lanes.now()
    }

    /// Whether a retry can be paid for, by the lane and by the process; if so it is.
    pub(crate) fn spend(&self, throttled: bool) -> bool {
        let mut inner = lock(&self.inner);
        if !inner.lane.spend(throttled) {
            return false;
        }
        let paid = self.lanes.spend(throttled);
        if !paid {
            inner.lane.unspend(throttled);
        }
        paid
    }

    /// A call succeeded; `retried` says what its retry cost, if it was one.
    pub(crate) fn succeeded(&self, retried: Option<bool>) {
        self.lanes.succeeded(retried);
    }

    /// What its choice among equals depends on: calls that wait or are under way, and until when others are preferred.
    pub(crate) fn load(&self) -> (u32, Option<Duration>) {
        let inner = lock(&self.inner);
        let waiting = u32::try_from(inner.lane.waiting()).unwrap_or(u32::MAX);
        (inner.lane.in_flight().saturating_add(waiting), inner.lane.rests_until())
    }

    /// Whether tokens are limited by something known.
    pub(super) fn counts_tokens(&self) -> bool {
        self.with_quotas(|pacer| pacer.is_some_and(|pacer| pacer.counts_tokens()))
            || lock(&self.inner).lane.counts_tokens()
    }

    /// After how long without a first byte a second call may be made.
    pub(crate) fn hedge_after(&self) -> Option<Duration> {
        lock(&self.inner).lane.hedge_after()
    }

    /// Whether a second call may be made now; if so it is counted.
    pub(crate) fn may_hedge(&self) -> bool {
        let now = self.lanes.now();
        lock(&self.inner).lane.may_hedge(now)
    }

    /// The lane as it stands, with the limits of its credential.
    pub(crate) fn state(&self) -> LaneState {
        let now = self.lanes.now();
        let mut inner = lock(&self.inner);
        let mut state = inner.lane.state(now);
        state
            .limits
            .extend(self.with_quotas(|pacer| pacer.map(|pacer| pacer.limits(now))).into_iter().flatten());
        state
    }

    pub(super) fn idle_since(&self, now: Duration) -> Option<Duration> {
        lock(&self.inner).lane.idle_since(now)
    }

    pub(super) fn configure(
        &self,
        settings: Settings,
        quotas: &[Quota],
        concurrency: Option<u32>,
        now: Duration,
    ) {
        lock(&self.inner).lane.configure(settings, now);
        if let Some(shared) = &self.quotas {
            lock(&shared.pacer).configure(quotas, concurrency, now);
        }
        self.stirred.notify_one();
    }
}

enum Step {
    Go(Pass),
    Wait(Entry, oneshot::Receiver<Pass>),
    Refused(Refused),
}

enum Next {
    At(Duration),
    Stir,
    Never,
}

/// A place in the queue, given up when nobody waits for it any more.
struct Place<'a> {
    cell: &'a Arc<Cell>,
    entry: Option<Entry>,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let Some(entry) = &self.entry else { return };
        let mut inner = lock(&self.cell.inner);
        inner.lane.remove(entry);
        inner.waiting.remove(&entry.number);
    }
}

/// A driver at work: should its thread end, the next request that waits starts another one.
struct Driving<'a>(&'a Arc<Cell>);

impl Drop for Driving<'_> {
    fn drop(&mut self) {
        lock(&self.0.inner).driven = false;
    }
}
