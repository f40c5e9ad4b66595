//! One thread's share of the gateway: its connection pool, its chance, and the setup that it serves.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::HashMap;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use tokio::sync::watch;

use crate::credential::Credentials;
use crate::id::RequestId;
use crate::keys::{Attempts, Issuers, Keyring, Tally};
use crate::lanes::Lanes;
use crate::limits::{Counts, Leases, Line, Together};
use crate::money::Remembered;
use crate::net::{Dial, Pool, PoolSettings, Trust, Via};
use crate::office::Office;
use crate::setup::{Setup, Target};
use crate::store::Store;

/// What all threads of a process share.
#[derive(Debug)]
pub(crate) struct Shared {
    setup: ArcSwap<Setup>,
    /// No new requests are taken: the process is about to end.
    pub(crate) draining: AtomicBool,
    /// Requests under way.
    pub(crate) in_flight: AtomicU64,
    /// Bytes of bodies held for replay or until they are whole.
    pub(crate) held: AtomicU64,
    /// The queues towards every upstream quota.
    pub(crate) lanes: Arc<Lanes>,
    /// What callers used of their limits.
    pub(crate) counts: Arc<Counts>,
    /// What was borrowed of limits that gateways count together.
    pub(crate) leases: Leases,
    /// What is known of the server where gateways count together.
    pub(crate) line: Line,
    /// Our own credentials.
    pub(crate) credentials: Credentials,
    /// What is asked about accounts and keys; absent where no route needs any.
    pub(crate) office: Option<Office>,
    /// What is known of callers' keys.
    pub(crate) keyring: Keyring,
    /// Whose signed tokens are taken.
    pub(crate) issuers: Issuers,
    /// Who tried to guess a key.
    pub(crate) attempts: Attempts,
    /// What is counted of callers.
    pub(crate) tally: Tally,
    /// What outlives the process; absent where no route needs it.
    pub(crate) store: Option<Store>,
    /// What accounts had, for when the store can't be reached.
    pub(crate) remembered: Remembered,
    via: Via,
}

impl Shared {
    /// Begins with this setup.
    pub(crate) fn new(setup: Setup, credentials: Credentials, store: Option<Store>) -> Self {
        Self {
            setup: ArcSwap::from_pointee(setup),
            draining: AtomicBool::new(false),
            in_flight: AtomicU64::new(0),
            held: AtomicU64::new(0),
            lanes: Arc::new(Lanes::new()),
            counts: Arc::new(Counts::new()),
            leases: Leases::default(),
            line: Line::default(),
            credentials,
            office: store.clone().map(Office::of),
            keyring: Keyring::new(store.clone()),
            issuers: Issuers::default(),
            attempts: Attempts::default(),
            tally: Tally::default(),
            store,
            remembered: Remembered::default(),
            via: Via::new(
                uuid::Uuid::now_v7().as_fields().3[4..].iter().fold(0, |n, byte| n << 8 | u32::from(*byte)),
            ),
        }
    }

    /// The setup for a request that begins now.
    pub(crate) fn setup(&self) -> Arc<Setup> {
        self.setup.load_full()
    }

    /// Serves another setup from the next request on.
    pub(crate) fn replace(&self, setup: Setup) {
        self.lanes.configure(&setup.targets());
        self.setup.store(Arc::new(setup));
    }

    /// How much memory held bodies may take together.
    pub(crate) fn setup_memory(&self) -> u64 {
        self.setup.load().config.server.memory
    }

    /// A share of the memory for held bodies that is to grow with one.
    pub(crate) fn hold(self: &Arc<Self>) -> Hold {
        Hold { shared: Arc::clone(self), bytes: 0 }
    }
}

/// Memory that is counted until it is dropped.
#[derive(Debug)]
pub(crate) struct Hold {
    shared: Arc<Shared>,
    bytes: u64,
}

impl Hold {
    /// Counts more bytes, and says whether the server's bound still holds; they are counted either way.
    pub(crate) fn grow(&mut self, bytes: usize, bound: u64) -> bool {
        let bytes = bytes as u64;
        self.bytes += bytes;
        let before = self.shared.held.fetch_add(bytes, Ordering::Relaxed);
        before.saturating_add(bytes) <= bound
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.shared.held.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// A request that runs by itself, for whoever waits for the last of them.
pub(crate) struct Busy(Worker);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.0.alone.send_modify(|count| *count -= 1);
    }
}

/// One thread's share; clones are the same share.
#[derive(Clone)]
pub(crate) struct Worker(Rc<Share>);

struct Share {
    shared: Arc<Shared>,
    settings: PoolSettings,
    pool: Pool,
    /// Pools of upstreams with certificate authorities of their own.
    trusting: RefCell<HashMap<PathBuf, Pool>>,
    random: Cell<u64>,
    /// Requests that run by themselves, and who waits until there are none.
    alone: watch::Sender<u64>,
    /// The line to other gateways' counts, once somebody asked for it; none if there are no others.
    together: OnceCell<Option<Together>>,
}

impl Worker {
    /// A worker of this thread.
    pub(crate) fn new(shared: Arc<Shared>, settings: PoolSettings) -> Self {
        let seed = uuid::Uuid::now_v7().as_u64_pair();
        Self(Rc::new(Share {
            shared,
            pool: Pool::new(settings.clone()),
            settings,
            trusting: RefCell::default(),
            random: Cell::new(seed.0.rotate_left(32) ^ seed.1),
            alone: watch::Sender::new(0),
            together: OnceCell::new(),
        }))
    }

    /// What all threads share.
    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.0.shared
    }

    /// The thread's connections to a target.
    pub(crate) fn pool(&self, target: &Target) -> Pool {
        let Some(file) = &target.upstream.ca else { return self.0.pool.clone() };
        if let Some(pool) = self.0.trusting.borrow().get(file) {
            return pool.clone();
        }
        // The file was read when the configuration was; if it is gone since, the system's own authorities remain.
        let trust = Trust::with_file(file).unwrap_or_else(|_| Trust::system());
        let dial = Dial { trust: Arc::new(trust), ..self.0.settings.dial.clone() };
        let pool = Pool::new(PoolSettings { dial, ..self.0.settings.clone() });
        self.0.trusting.borrow_mut().insert(file.clone(), pool.clone());
        pool
    }

    /// A request that runs by itself until this is dropped.
    pub(crate) fn busy(&self) -> Busy {
        self.0.alone.send_modify(|count| *count += 1);
        Busy(self.clone())
    }

    /// Waits until no request runs by itself.
    pub(crate) async fn idle(&self) {
        // The sender is this worker's own, so that it isn't gone.
        let mut alone = self.0.alone.subscribe();
        let _never_gone = alone.wait_for(|count| *count == 0).await;
    }

    /// Where limits are counted together with other gateways, if they are.
    pub(crate) fn together(&self) -> Option<Together> {
        let shared = &self.0.shared;
        let place = || shared.setup.load().config.shared.clone();
        // A wrong URL was refused with the configuration.
        self.0.together.get_or_init(|| Together::new(&place()?, &shared.leases, &shared.line).ok()).clone()
    }

    /// The thread's connections to whom the system's own authorities vouch for.
    pub(crate) fn plain_pool(&self) -> Pool {
        self.0.pool.clone()
    }

    /// The queues towards every upstream quota.
    pub(crate) fn lanes(&self) -> &Arc<Lanes> {
        &self.0.shared.lanes
    }

    /// Our mark in `via`.
    pub(crate) fn via(&self) -> &Via {
        &self.0.shared.via
    }

    /// Sixty-four random bits: for jitter and ids, not for secrets (splitmix64).
    pub(crate) fn random_bits(&self) -> u64 {
        let state = self.0.random.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.0.random.set(state);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A random number from `[0, 1)`.
    pub(crate) fn random(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "53 bits fit a double exactly")]
        let fraction = (self.random_bits() >> 11) as f64;
        fraction / (1u64 << 53) as f64
    }

    /// A new request id, of a UUIDv7, so that ids sort by time.
    pub(crate) fn new_id(&self) -> RequestId {
        RequestId::new(self.new_uuid())
    }

    /// A new name for anything else.
    pub(crate) fn new_uuid(&self) -> uuid::Uuid {
        let millis = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_millis();
        let mut random = [0; 10];
        random[..8].copy_from_slice(&self.random_bits().to_le_bytes());
        random[8..].copy_from_slice(&self.random_bits().to_le_bytes()[..2]);
        let millis = u64::try_from(millis).unwrap_or(u64::MAX);
        uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
    }
}
