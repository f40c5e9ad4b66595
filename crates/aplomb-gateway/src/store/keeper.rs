//! The store's own thread: it takes jobs, hands them to the database, and sees to what nobody asks for.

use std::collections::VecDeque;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::time::sleep;

use super::error::{OpenError, StoreError};
use super::gateways::{Beat, Recover, Watch};
use super::health::{self, Health};
use super::idempotency::Sweep;
use super::job::{Asked, Job, Operation, Sure, WhenDown};
use super::moment::Moment;
use super::place::StorePlace;
use super::{postgres, sqlite};

/// How many jobs wait for a store that can't be reached. Each is a settlement or an answer of some kilobytes; more than
/// that many mean an outage of hours, and what is beyond is lost, loudly.
const PUT_OFF: usize = 100_000;

/// How often a gateway says that it lives.
const BEAT: Duration = Duration::from_secs(5);

/// How often one looks whether a store that was lost is back.
const PROBE: Duration = Duration::from_millis(500);

/// How often what is over its time is removed.
const SWEEP: Duration = Duration::from_secs(60);

/// Starts the thread and waits until the store is open.
pub(super) fn start(
    place: StorePlace,
    desk: Desk,
    own: mpsc::WeakSender<Box<dyn Job>>,
) -> Result<JoinHandle<()>, OpenError> {
    let (opened, told) = std::sync::mpsc::channel();
    let keep = move || {
        let built = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = match built {
            Ok(runtime) => runtime,
            Err(error) => return drop(opened.send(Err(OpenError::Thread(error)))),
        };
        let local = tokio::task::LocalSet::new();
        local.block_on(&runtime, async move {
            match open(place, &desk.gateway).await {
                Ok(database) => {
                    let housework = housework(own, desk.gateway.clone(), desk.aftermath.health.clone());
                    let housework = tokio::task::spawn_local(housework);
                    let _nobody = opened.send(Ok(()));
                    match database {
                        Database::File(file) => file.keep(desk).await,
                        Database::Server(server) => server.keep(desk).await,
                    }
                    housework.abort();
                }
                Err(error) => drop(opened.send(Err(error))),
            }
        });
    };
    let thread =
        std::thread::Builder::new().name("aplomb-store".to_owned()).spawn(keep).map_err(OpenError::Thread)?;
    match told.recv() {
        Ok(Ok(())) => Ok(thread),
        Ok(Err(error)) => Err(error),
        Err(_ended) => Err(OpenError::Thread(std::io::Error::other("it ended at once"))),
    }
}

enum Database {
    File(sqlite::File),
    Server(postgres::Server),
}

async fn open(place: StorePlace, gateway: &str) -> Result<Database, OpenError> {
    Ok(match place {
        StorePlace::Sqlite(path) => Database::File(sqlite::open(&path, gateway).await?),
        StorePlace::Postgres(options) => Database::Server(postgres::open(*options).await?),
    })
}

/// Where jobs arrive.
pub(super) struct Desk {
    asks: mpsc::Receiver<Box<dyn Job>>,
    sure: mpsc::UnboundedReceiver<Box<dyn Job>>,
    pub(super) aftermath: Aftermath,
    pub(super) gateway: String,
    /// Nobody asks any more, and what was left was tried.
    tried_last: bool,
}

/// What becomes of a job when it was tried.
pub(super) struct Aftermath {
    health: Arc<Health>,
    /// Jobs to do again once the store can be reached, and what takes others back.
    again: VecDeque<Box<dyn Job>>,
}

impl Desk {
    /// A desk at which jobs come by these two ways.
    pub(super) fn new(
        asks: mpsc::Receiver<Box<dyn Job>>,
        sure: mpsc::UnboundedReceiver<Box<dyn Job>>,
        health: Arc<Health>,
        gateway: String,
    ) -> Self {
        Self {
            asks,
            sure,
            aftermath: Aftermath { health, again: VecDeque::new() },
            gateway,
            tried_last: false,
        }
    }

    /// The next jobs, so many at most; nothing once nobody can ask any more and everything was tried.
    pub(super) async fn batch(&mut self, most: usize) -> Option<Vec<Box<dyn Job>>> {
        loop {
            let mut batch = self.aftermath.due(most);
            if batch.is_empty() {
                let first = tokio::select! {
                    biased;
                    Some(job) = self.sure.recv() => job,
                    Some(job) = self.asks.recv() => job,
                    else => return self.last(),
                };
                batch.push(first);
            }
            while batch.len() < most {
                let Ok(job) = self.sure.try_recv().or_else(|_| self.asks.try_recv()) else { break };
                batch.push(job);
            }
            let batch = self.aftermath.worth_trying(batch);
            if !batch.is_empty() {
                return Some(batch);
            }
        }
    }

    /// What is left when nobody asks any more: tried once, whether the store can be reached or not.
    fn last(&mut self) -> Option<Vec<Box<dyn Job>>> {
        let left: Vec<_> = self.aftermath.again.drain(..).collect();
        let lost = left.len();
        if self.tried_last && lost > 0 {
            let what = "settlements and answers could not be kept before the end";
            tracing::error!(target: "aplomb::store", lost, "{what}");
        }
        (!std::mem::replace(&mut self.tried_last, true) && lost > 0).then_some(left)
    }
}

impl Aftermath {
    /// Jobs that waited for the store, now that it can be reached.
    fn due(&mut self, most: usize) -> Vec<Box<dyn Job>> {
        let count = if self.health.is_up() { self.again.len().min(most) } else { 0 };
        self.again.drain(..count).collect()
    }

    /// Leaves out what nobody waits for any more, and what can't be had now.
    fn worth_trying(&mut self, jobs: Vec<Box<dyn Job>>) -> Vec<Box<dyn Job>> {
        let is_up = self.health.is_up();
        let mut worth = Vec::with_capacity(jobs.len());
        for job in jobs.into_iter().filter(|job| job.is_wanted()) {
            match job.when_down() {
                _ if is_up => worth.push(job),
                WhenDown::Try => worth.push(job),
                WhenDown::Wait => self.put_off(job),
                WhenDown::Fail => {
                    job.end(Err(StoreError::Down));
                }
            }
        }
        worth
    }

    /// Tells how a job went.
    pub(super) fn conclude(&mut self, job: Box<dyn Job>, outcome: Result<(), sqlx::Error>) {
        let Err(error) = outcome else {
            self.health.succeeded();
            self.again.extend(job.end(Ok(())));
            return;
        };
        let is_trouble = health::is_trouble(&error);
        if is_trouble {
            self.health.failed(&error);
        }
        if job.when_down() == WhenDown::Wait {
            if is_trouble {
                return self.put_off(job);
            }
            tracing::error!(target: "aplomb::store", %error, "a settlement or an answer can't be kept");
        }
        let told = if is_trouble { StoreError::Down } else { StoreError::Failed(error) };
        if let Some(undo) = job.end(Err(told)) {
            self.put_off(undo);
        }
    }

    fn put_off(&mut self, mut job: Box<dyn Job>) {
        job.put_off();
        if self.again.len() < PUT_OFF {
            self.again.push_back(job);
        } else {
            tracing::error!(target: "aplomb::store", "too much waits for the store: a settlement is lost");
        }
    }
}

/// What nobody asks for: a sign of life, the work of others that died, and what is over its time.
async fn housework(own: mpsc::WeakSender<Box<dyn Job>>, gateway: String, health: Arc<Health>) {
    let (mut beat, mut watch, mut swept) = (0, Watch::default(), None::<Instant>);
    loop {
        beat += 1;
        let others =
            ask(&own, Beat { gateway: gateway.clone(), beat, at: Moment::now() }, WhenDown::Try).await;
        let Some(others) = others else {
            sleep(PROBE).await;
            continue;
        };
        for dead in watch.look(others, Instant::now()) {
            recover(&own, dead).await;
        }
        if swept.is_none_or(|swept| swept.elapsed() >= SWEEP) {
            while ask(&own, Sweep(Moment::now()), WhenDown::Fail).await == Some(true) {}
            swept = Some(Instant::now());
        }
        let next = Instant::now() + BEAT;
        while health.is_up() && Instant::now() < next {
            sleep(PROBE).await;
        }
    }
}

async fn recover(own: &mpsc::WeakSender<Box<dyn Job>>, dead: String) {
    while let Some(left) = ask(own, Recover(dead.clone()), WhenDown::Fail).await {
        left.tell(&dead);
        if !left.more {
            break;
        }
    }
}

/// Asks as anybody does; nothing if that failed, or if nobody else can ask any more.
async fn ask<O: Operation>(
    own: &mpsc::WeakSender<Box<dyn Job>>,
    operation: O,
    when_down: WhenDown,
) -> Option<O::Answer> {
    let (job, answer) = Asked::job(operation, when_down);
    own.upgrade()?.send(job).await.ok()?;
    answer.await.ok()?.ok()
}

/// The last thing that a gateway does: nothing is under way for it any more.
pub(super) fn farewell(gateway: &str) -> Box<dyn Job> {
    Sure::job(Recover(gateway.to_owned()))
}
