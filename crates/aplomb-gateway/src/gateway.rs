//! A running gateway: its threads, its two listeners, and the way to stop or reload it.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

use aplomb_core::Catalog;
use http::{Request, Response};
use hyper::body::Incoming;
use tokio::time::{Instant, timeout};

use crate::admin::{Admin, AdminToken, state_folder};
use crate::config::{Config, Mistake, Server};
use crate::credential::Credentials;
use crate::lanes::LaneGlance;
use crate::net::{
    Body, ConnInfo, Dial, Drained, HeadLimits, ListenSettings, PoolSettings, Proxies, ProxyError, Refusal,
    ServerTls, ServerTlsError, Service, Stopper, Trust, bind, serve, stopper, work,
};
use crate::pipeline;
use crate::setup::{Setup, SetupError};
use crate::store::{OpenError, Store};
use crate::worker::{Shared, Worker};

/// Reads the configuration anew: the new one, or every mistake in it.
pub type Reload = Arc<dyn Fn() -> Result<Config, Vec<Mistake>> + Send + Sync>;

/// A gateway that serves; it stops when told to, or when this is dropped.
pub struct Gateway {
    listen: SocketAddr,
    admin: SocketAddr,
    shared: Arc<Shared>,
    stopper: Option<Stopper>,
    threads: Vec<JoinHandle<io::Result<Drained>>>,
    reload: Option<Reload>,
}

/// Why a gateway can't start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An upstream can't be reached as it is configured.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// The listener's certificate or key.
    #[error("the listener's TLS can't be used")]
    Tls(#[from] ServerTlsError),
    /// A proxy named in the environment.
    #[error("a proxy in the environment can't be used")]
    Proxy(#[from] ProxyError),
    /// An address can't be listened on.
    #[error("{address} can't be listened on")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// What must outlive the process can't be kept.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// The system gives no more threads.
    #[error("no threads can be started")]
    Threads(#[source] io::Error),
}

impl Gateway {
    /// Starts serving.
    ///
    /// `env` gives environment variables: proxies are read from it. `reload` reads the configuration anew when asked to.
    /// `token` is whom the admin port lets in.
    ///
    /// # Errors
    /// What keeps it from serving; nothing is left running then.
    pub fn start(
        config: Config,
        catalog: &'static Catalog,
        env: impl Fn(&str) -> Option<String>,
        reload: Option<Reload>,
        token: AdminToken,
    ) -> Result<Self, StartError> {
        let server = config.server.clone();
        let credentials = Credentials::default();
        let place = config.needed_store();
        let setup = Setup::new(config, catalog, &credentials, None)?;
        let settings = listen_settings(&server)?;
        let proxies = Arc::new(Proxies::from_env(&env)?);
        let dial = Dial { trust: Arc::new(Trust::system()), proxies };
        let pool = PoolSettings { dial, ..PoolSettings::default() };
        let workers = server.workers.unwrap_or_else(cores).max(1);
        crate::net::allow_many_files();
        let bound =
            |address, count| bind(address, count).map_err(|source| StartError::Bind { address, source });
        let callers = bound(server.listen, workers)?;
        let mut admins = bound(server.admin, 1)?;
        let address = |listeners: &[std::net::TcpListener], else_: SocketAddr| {
            listeners.first().and_then(|listener| listener.local_addr().ok()).unwrap_or(else_)
        };
        let (listen, admin) = (address(&callers, server.listen), address(&admins, server.admin));
        let store = place.map(|place| Store::open_configured(&place, state_folder(&env))).transpose()?;
        let shared = Arc::new(Shared::new(setup, credentials, store));
        let (stop, stopped) = stopper();
        let inputs: Vec<_> = callers
            .into_iter()
            .enumerate()
            .map(|(i, one)| (one, if i == 0 { admins.pop() } else { None }))
            .collect();
        let start = {
            let shared = Arc::clone(&shared);
            let reload = reload.clone();
            move |(listener, admin): (std::net::TcpListener, Option<std::net::TcpListener>)| {
                let worker = Worker::new(Arc::clone(&shared), pool.clone());
                let own = Admin::new(worker.clone(), reload.clone(), token.clone());
                let (settings, stop) = (settings.clone(), stopped.clone());
                async move {
                    if let Some(admin) = admin {
                        // One thread hears of changes for all of them.
                        let shared = Arc::clone(own.shared());
                        tokio::task::spawn_local(async move { shared.keyring.watch().await });
                        let settings = ListenSettings::default();
                        tokio::task::spawn_local(serve(admin, settings, Rc::new(own), stop.clone()));
                    }
                    let mut ending = stop.clone();
                    let served = serve(listener, settings, Rc::new(Callers { worker: worker.clone() }), stop);
                    let told = async { (ending.told().await, Instant::now()) };
                    let (drained, (grace, since)) = tokio::join!(served, told);
                    // Whoever hung up may ask again for what it began: that gets the same time as everything else.
                    let _cut = timeout(grace.saturating_sub(since.elapsed()), worker.idle()).await;
                    drained
                }
            }
        };
        let threads = work(inputs, start).map_err(StartError::Threads)?;
        Ok(Self { listen, admin, shared, stopper: Some(stop), threads, reload })
    }

    /// Where callers are served; the port is the real one when 0 was asked for.
    pub fn listen(&self) -> SocketAddr {
        self.listen
    }

    /// Where health and reload are served.
    pub fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// Requests under way now.
    pub fn in_flight(&self) -> u64 {
        self.shared.in_flight.load(Ordering::Relaxed)
    }

    /// Every lane as it stands, in the order of upstreams and models.
    pub fn lanes(&self) -> Vec<LaneGlance> {
        self.shared.lanes.glance()
    }

    /// How long an end waits for what is under way, as the configuration says now.
    pub fn drain(&self) -> Duration {
        self.shared.setup().config.server.drain
    }

    /// Reads the configuration anew and serves it from the next request on.
    ///
    /// # Errors
    /// Every mistake in it; then nothing changes.
    pub fn reload(&self) -> Result<(), Vec<Mistake>> {
        crate::admin::reload(&self.shared, self.reload.as_ref())
    }

    /// Takes no new connections, lets what is under way finish for this long, and tells how the connections ended.
    pub fn stop(mut self, grace: Duration) -> Drained {
        self.shared.draining.store(true, Ordering::Relaxed);
        if let Some(stopper) = &self.stopper {
            stopper.within(grace);
        }
        let mut sum = Drained { finished: 0, cut: 0 };
        for thread in self.threads.drain(..) {
            if let Ok(Ok(drained)) = thread.join() {
                sum.finished += drained.finished;
                sum.cut += drained.cut;
            }
        }
        sum
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.stopper.take();
        for thread in self.threads.drain(..) {
            // A worker that panicked has said so already.
            let _panicked = thread.join();
        }
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn listen_settings(server: &Server) -> Result<ListenSettings, ServerTlsError> {
    let tls = match &server.tls {
        Some(tls) => Some(ServerTls::from_pem(&tls.cert, &tls.key)?),
        None => None,
    };
    let mut settings = ListenSettings::default();
    (settings.tls, settings.idle) = (tls, server.keep_alive);
    settings.head =
        HeadLimits { bytes: server.max_headers, target: server.max_url, within: server.header_timeout };
    Ok(settings)
}

/// What stands behind the callers' listener.
struct Callers {
    worker: Worker,
}

impl Service for Callers {
    fn call(&self, request: Request<Incoming>, from: ConnInfo) -> impl Future<Output = Response<Body>> {
        pipeline::answer(self.worker.clone(), request, from)
    }

    fn refuse(&self, refusal: Refusal, _from: ConnInfo) -> Response<Body> {
        pipeline::refuse(&self.worker, refusal)
    }
}
