//! Counting together with other gateways, in a Valkey or Redis server: one call of a script per decision.
//!
//! Keys are tagged by their subject, `aplomb:{…}`, so that a cluster keeps what belongs together in one place.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

use aplomb_core::Limit;
use aplomb_core::lane::Cost;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, RedisError, Script};
use tokio::time::Instant;

use super::entry::{Entry, Over, moves, quota_count, returns, spans};
use super::fleet::COUNTS;
use super::lease::{self, Lease, Leases, share};
use super::line::Line;
use super::{Ask, Subject};
use crate::config::{SharedMode, SharedPlace, Tier};
use crate::id::RequestId;

/// How long a server may take to answer: on a network of one's own it takes less than a millisecond.
const PATIENCE: Duration = Duration::from_millis(250);

/// How long nobody asks a server that did not answer.
const PAUSE: Duration = Duration::from_secs(1);

/// How long a request holds its place among those under way at most: a gateway that was killed gives none back.
const PLACE: Duration = Duration::from_secs(15 * 60);

/// Where gateways say that they are there; no subject is called so.
const FLEET: &str = "aplomb:gateways";

/// How many keys a server looks at in one step of a search, and how many steps one question takes at most: others wait
/// for each step.
const SCANNED: usize = 1_000;
const ROUNDS: usize = 200;

/// One thread's connection to the server where gateways count together.
#[derive(Clone)]
pub(crate) struct Together(Rc<Share>);

struct Share {
    client: Client,
    connection: RefCell<Option<ConnectionManager>>,
    take: Script,
    settle: Script,
    look: Script,
    here: Script,
    down_until: Cell<Option<Instant>>,
    /// What all threads know of the server.
    line: Line,
    /// What this process has borrowed, where gateways borrow.
    leases: Option<Leases>,
}

/// The server can't be asked now.
#[derive(Debug, thiserror::Error)]
#[error("the server where limits are counted together can't be reached")]
pub(crate) struct Down;

impl Together {
    /// Connects when it is first asked.
    ///
    /// # Errors
    /// What is no URL of such a server; told without it, since it may hold a password.
    pub(crate) fn new(place: &SharedPlace, leases: &Leases, line: &Line) -> Result<Self, Down> {
        // The protocol is the same, whatever the fork is called.
        let url = place.url.expose().replacen("valkey", "redis", 1);
        let client = Client::open(url).map_err(|_| Down)?;
        Ok(Self(Rc::new(Share {
            client,
            connection: RefCell::default(),
            take: Script::new(include_str!("take.lua")),
            settle: Script::new(include_str!("settle.lua")),
            look: Script::new(include_str!("look.lua")),
            here: Script::new(include_str!("here.lua")),
            down_until: Cell::default(),
            line: line.clone(),
            leases: (place.mode == SharedMode::Lease).then(|| leases.clone()),
        })))
    }

    /// Takes what a request asks for, from every subject or from none.
    ///
    /// # Errors
    /// The server can't be asked.
    pub(crate) async fn take(&self, ask: Ask<'_>, id: &RequestId) -> Result<Taken, Down> {
        self.say_here().await?;
        let mut limits = Vec::new();
        for (index, subject) in ask.subjects.iter().enumerate() {
            let (over, stands) = self.borrow(subject, ask.tier, ask.cost, id).await?;
            if let Some(over) = over {
                // What those before gave is given back: the request is not made.
                let before = &ask.subjects[..index];
                self.settle(Ask { subjects: before, ..ask }, Cost::default(), id).await;
                return Ok(Err((index, over, stands)));
            }
            limits.extend(stands);
        }
        Ok(Ok(limits))
    }

    /// Says now and then that this gateway counts here: each has to know how many do when it must count alone.
    async fn say_here(&self) -> Result<(), Down> {
        let fleet = self.0.line.fleet();
        if !fleet.is_due() {
            return Ok(());
        }
        let mut call = self.0.here.key(FLEET);
        call.arg(&fleet.name).arg(COUNTS.as_millis().to_string());
        let mut connection = self.connection()?;
        let told: Result<u64, RedisError> = call.invoke_async(&mut connection).await;
        fleet.count(self.heard(told)?);
        Ok(())
    }

    /// Pays a request from a borrowed share where gateways borrow, and borrows another one when it is used up.
    async fn borrow(
        &self,
        subject: &Subject,
        tier: &Tier,
        cost: Cost,
        id: &RequestId,
    ) -> Result<(Option<Over>, Vec<Limit>), Down> {
        let share = if self.0.leases.is_some() { share(tier) } else { 1 };
        let Some(leases) = self.0.leases.as_ref().filter(|_| share > 1) else {
            return self.take_one(subject, tier, (1, cost), id).await;
        };
        let old = match leases.pay(&subject.name, cost) {
            lease::Share::Paid(limits) => return Ok((None, limits)),
            lease::Share::Ask(old) => old,
        };
        if let Some(old) = old {
            self.give_back(subject, tier, &old).await;
        }
        let many = Cost { input: cost.input.saturating_mul(share), output: 0 };
        let (over, limits) = self.take_one(subject, tier, (share, many), id).await?;
        if over.is_some() {
            // Not so much is left: what there is, one by one.
            return self.take_one(subject, tier, (1, cost), id).await;
        }
        let rest = many.input.saturating_sub(cost.input);
        if let Some(other) = leases.keep(&subject.name, Lease::new(share - 1, rest, limits.clone())) {
            self.give_back(subject, tier, &other).await;
        }
        Ok((None, limits))
    }

    async fn give_back(&self, subject: &Subject, tier: &Tier, lease: &Lease) {
        let (requests, tokens) = lease.rest();
        self.move_one(subject, "", &returns(tier, requests, tokens)).await;
    }

    async fn take_one(
        &self,
        subject: &Subject,
        tier: &Tier,
        (requests, cost): (u64, Cost),
        id: &RequestId,
    ) -> Result<(Option<Over>, Vec<Limit>), Down> {
        let rows = spans(tier, cost, requests);
        let mut call = self.0.take.prepare_invoke();
        for key in keys(&subject.name) {
            call.key(key);
        }
        call.arg(rows.len()).arg(tier.daily.unwrap_or(0)).arg(tier.concurrency.unwrap_or(0));
        call.arg(&**id).arg(micros(nanos(PLACE))).arg(requests);
        for (span, tolerance) in &rows {
            call.arg(micros(*span)).arg(micros(*tolerance));
        }
        let mut connection = self.connection()?;
        let told: Result<Vec<u64>, RedisError> = call.invoke_async(&mut connection).await;
        let told = self.heard(told)?;
        let [over, wait, now, day, today, busy, tats @ ..] = &told[..] else { return Err(Down) };
        let now = now.saturating_mul(1_000);
        let tats = tats.iter().map(|tat| tat.saturating_mul(1_000)).collect();
        let entry = Entry::seen(tats, *day, *today, u32::try_from(*busy).unwrap_or(u32::MAX));
        let place = usize::try_from(*over).unwrap_or(usize::MAX).checked_sub(1);
        let over = place.map(|place| Over::at(tier, place, Duration::from_micros(*wait)));
        Ok((over, entry.limits(tier, now)))
    }

    /// A request is over, and took this; what can't be told is forgotten by itself.
    pub(crate) async fn settle(&self, ask: Ask<'_>, took: Cost, id: &RequestId) {
        let moved = moves(ask.tier, ask.cost, took);
        let held = if ask.tier.concurrency.is_some() { &**id } else { "" };
        if held.is_empty() && moved.iter().all(|moved| *moved == 0) {
            return;
        }
        for subject in ask.subjects {
            self.move_one(subject, held, &moved).await;
        }
    }

    /// How the limits of a subject stand for all gateways, and whether anything is remembered of it.
    ///
    /// # Errors
    /// The server can't be asked.
    pub(crate) async fn look(&self, subject: &str, tier: &Tier) -> Result<(bool, Vec<Limit>), Down> {
        let mut call = self.0.look.prepare_invoke();
        for key in keys(subject) {
            call.key(key);
        }
        call.arg(quota_count(tier));
        let mut connection = self.connection()?;
        let told: Result<Vec<u64>, RedisError> = call.invoke_async(&mut connection).await;
        let told = self.heard(told)?;
        let [known, now, day, today, busy, tats @ ..] = &told[..] else { return Err(Down) };
        let tats = tats.iter().map(|tat| tat.saturating_mul(1_000)).collect();
        let entry = Entry::seen(tats, *day, *today, u32::try_from(*busy).unwrap_or(u32::MAX));
        Ok((*known > 0, entry.limits(tier, now.saturating_mul(1_000))))
    }

    /// Names of subjects from a cursor on, about so many, and the cursor for more; zero begins, and zero is the end.
    ///
    /// A name may come twice, and one that is forgotten meanwhile not at all.
    ///
    /// # Errors
    /// The server can't be asked.
    pub(crate) async fn names(&self, mut cursor: u64, many: usize) -> Result<(BTreeSet<String>, u64), Down> {
        let mut connection = self.connection()?;
        let mut names = BTreeSet::new();
        for _ in 0..ROUNDS {
            let mut scan = redis::cmd("SCAN");
            scan.arg(cursor).arg("MATCH").arg("aplomb:{*").arg("COUNT").arg(SCANNED);
            let told: Result<(u64, Vec<String>), RedisError> = scan.query_async(&mut connection).await;
            let (next, found) = self.heard(told)?;
            let named = |key: &String| Some(key.strip_prefix("aplomb:{")?.rsplit_once('}')?.0.to_owned());
            names.extend(found.iter().filter_map(named));
            cursor = next;
            if cursor == 0 || names.len() >= many {
                break;
            }
        }
        Ok((names, cursor))
    }

    async fn move_one(&self, subject: &Subject, held: &str, moved: &[i64]) {
        let Ok(mut connection) = self.connection() else { return };
        let mut call = self.0.settle.prepare_invoke();
        for key in keys(&subject.name) {
            call.key(key);
        }
        call.arg(held);
        for nanos in moved {
            call.arg(nanos / 1_000);
        }
        let told: Result<u64, RedisError> = call.invoke_async(&mut connection).await;
        let _put_off = self.heard(told);
    }

    fn connection(&self) -> Result<ConnectionManager, Down> {
        if self.0.down_until.get().is_some_and(|until| until > Instant::now()) {
            return Err(Down);
        }
        let mut held = self.0.connection.borrow_mut();
        if held.is_none() {
            let config = ConnectionManagerConfig::new()
                .set_number_of_retries(1)
                .set_response_timeout(Some(PATIENCE))
                .set_connection_timeout(Some(PATIENCE));
            let made = ConnectionManager::new_lazy_with_config(self.0.client.clone(), config);
            *held = Some(self.heard(made)?);
        }
        held.clone().ok_or(Down)
    }

    /// What a call came to, noted for all.
    fn heard<T>(&self, told: Result<T, RedisError>) -> Result<T, Down> {
        match told {
            Ok(told) => {
                self.0.line.succeeded();
                Ok(told)
            }
            Err(error) => {
                self.0.line.failed(&error);
                self.0.down_until.set(Some(Instant::now() + PAUSE));
                Err(Down)
            }
        }
    }
}

/// How limits stand, or the limit in the way with its subject's place and how that one's limits stand.
pub(crate) type Taken = Result<Vec<Limit>, (usize, Over, Vec<Limit>)>;

fn keys(name: &str) -> [String; 2] {
    [format!("aplomb:{{{name}}}"), format!("aplomb:{{{name}}}:under-way")]
}

/// Rounded up: who waits for it must not come too early.
fn micros(nanos: u64) -> u64 {
    nanos.div_ceil(1_000)
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
