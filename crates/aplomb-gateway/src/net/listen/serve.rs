//! Accepts connections until told to stop, then lets them finish.

use std::io;
use std::net::TcpListener;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::net::{self, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use super::connection::serve_one;
use super::watch::{SWEEP_EVERY, Watches};
use super::{HeadLimits, ServerTls, Service, Stop};

/// How long to wait before accepting again when the system gives no more sockets.
const OUT_OF_SOCKETS: Duration = Duration::from_millis(50);

/// How callers are received; clones share the count of open connections.
#[derive(Debug, Clone)]
pub struct ListenSettings {
    /// What is shown to callers that come by TLS; absent: plain.
    pub tls: Option<ServerTls>,
    /// How large heads may be, and how long they may take.
    pub head: HeadLimits,
    /// How long a connection may stay open without a request. Default 120 s, longer than the pools of
    /// common clients keep one, so that it is they who close. It is looked at every 5 s.
    pub idle: Duration,
    /// The most connections of the process; one more is closed at once. Default 10,000.
    pub most_connections: usize,
    open: Arc<AtomicUsize>,
}

impl Default for ListenSettings {
    fn default() -> Self {
        Self {
            tls: None,
            head: HeadLimits::default(),
            idle: Duration::from_secs(120),
            most_connections: 10_000,
            open: Arc::default(),
        }
    }
}

impl ListenSettings {
    /// How many connections are open, over all workers with these settings.
    pub fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }
}

/// How the connections ended that were open when a worker was told to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drained {
    /// By themselves, in time.
    pub finished: usize,
    /// By us, because the time was over.
    pub cut: usize,
}

/// One place among the connections of the process.
struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Serves a listener on this thread until told to stop; then no connection is accepted, and those open may
/// finish what is under way for as long as the stopper allows.
///
/// # Errors
///
/// Fails if the listener cannot be used on this thread's runtime; what happens to a connection is no error.
pub async fn serve<S: Service>(
    listener: TcpListener,
    settings: ListenSettings,
    service: Rc<S>,
    mut stop: Stop,
) -> io::Result<Drained> {
    let listener = net::TcpListener::from_std(listener)?;
    let (mut connections, mut watches) = (JoinSet::new(), Watches::default());
    let mut sweep = interval(SWEEP_EVERY);
    sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let grace = loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    let Some((stream, place)) = admit(stream, &settings) else { continue };
                    let shown = (settings.tls.clone(), settings.head);
                    let (service, watch) = (service.clone(), watches.add());
                    connections.spawn_local(async move {
                        serve_one(stream, peer, shown, service, watch).await;
                        drop(place);
                    });
                }
                Err(error) => pause_after(&error).await,
            },
            Some(_) = connections.join_next() => {}
            _ = sweep.tick() => watches.sweep(settings.idle),
            grace = stop.told() => break grace,
        }
    };
    drop(listener);
    watches.close_all();
    Ok(drain(connections, grace).await)
}

/// Takes a place for a new connection, if one is left.
fn admit(stream: TcpStream, settings: &ListenSettings) -> Option<(TcpStream, Place)> {
    let place = Place(settings.open.clone());
    if settings.open.fetch_add(1, Ordering::Relaxed) >= settings.most_connections {
        return None;
    }
    stream.set_nodelay(true).ok()?;
    Some((stream, place))
}

/// Waits where trying again at once would only spin; a caller that left before it was accepted is no reason.
async fn pause_after(error: &io::Error) {
    let callers_own = [
        io::ErrorKind::ConnectionAborted,
        io::ErrorKind::ConnectionReset,
        io::ErrorKind::ConnectionRefused,
        io::ErrorKind::Interrupted,
    ];
    if !callers_own.contains(&error.kind()) {
        tracing::warn!(%error, "no connection can be accepted");
        sleep(OUT_OF_SOCKETS).await;
    }
}

async fn drain(mut connections: JoinSet<()>, grace: Duration) -> Drained {
    let open = connections.len();
    let all = async { while connections.join_next().await.is_some() {} };
    let _ = timeout(grace, all).await;
    let cut = connections.len();
    connections.shutdown().await;
    Drained { finished: open - cut, cut }
}
