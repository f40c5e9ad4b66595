//! The connections of one thread to all upstreams, and the one way to send a request on them.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::rc::{Rc, Weak};
use std::time::Duration;

use http::{Request, Response};
use tokio::task::spawn_local;
use tokio::time::{Instant, interval, timeout, timeout_at};

use super::super::body::Body;
use super::answer::{Held, UpstreamBody, bind};
use super::dial::{Dial, dial};
use super::error::{SendError, Stage};
use super::h1::{self, H1};
use super::h2::{self, H2};
use super::origin::Origin;
use super::shelf::{Carrier, Lease, Shelf, Spoken};

/// How many rounds of the reaper make up the idle timeout.
const ROUNDS: u32 = 4;

/// How a pool is set up.
#[derive(Debug, Clone)]
pub struct PoolSettings {
    /// How connections are made.
    pub dial: Dial,
    /// How long a connection may wait unused. Default 60 s: less than what common upstreams allow, so that
    /// it is us who close, not they under a request. A connection goes between three quarters of it and all of it.
    pub idle: Duration,
}

impl Default for PoolSettings {
    fn default() -> Self {
        Self { dial: Dial::default(), idle: Duration::from_secs(60) }
    }
}

/// How long the parts of sending may take.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Resolving, connecting, passing the proxy and setting up TLS, together.
    pub connect: Duration,
    /// From sending until the answer's head is there; the body's pace is the reader's matter.
    pub headers: Duration,
}

/// A thread's connections; clones are the same pool.
#[derive(Clone)]
pub struct Pool(Rc<Shelves>);

struct Shelves {
    settings: PoolSettings,
    /// Few enough that comparing pointers is cheaper than hashing a name.
    by_origin: RefCell<Vec<(Origin, Rc<Shelf>)>>,
    reaping: Cell<bool>,
}

impl Pool {
    /// A pool without connections; must be used within the runtime of one thread.
    pub fn new(settings: PoolSettings) -> Self {
        Self(Rc::new(Shelves { settings, by_origin: RefCell::default(), reaping: Cell::new(false) }))
    }

    /// Sends a request and waits for the head of its answer.
    ///
    /// The request carries exactly the headers given, in their order, except that `host`, the target's form
    /// and the framing (`content-length`, `transfer-encoding`) are set here from origin and body.
    /// If a reused connection turns out to be closed before a byte was written, a new one is used unseen.
    /// Dropping the future cancels the request upstream.
    ///
    /// # Errors
    ///
    /// Says how far the request came; see [`SendError::never_sent`].
    pub fn send(
        &self,
        origin: &Origin,
        request: Request<Body>,
        patience: Patience,
    ) -> impl Future<Output = Result<Response<UpstreamBody>, SendError>> {
        let shelf = self.shelf(origin);
        // Captured rather than an argument, which an `async fn` would hold a second time.
        let mut request = Some(request);
        async move {
            if let Some(carrier) = shelf.reuse() {
                match self.exchange(&shelf, origin, carrier, &mut request, patience.headers).await {
                    Ok(answer) => return Ok(answer),
                    // Not a byte of it was written.
                    Err(_) if request.is_some() => {}
                    Err(why) => return Err(SendError::of(why?, true)),
                }
            }
            // Boxed: a new connection is rare, and its state is large.
            let answer = Box::pin(async {
                let carrier = self.connect(&shelf, origin, patience.connect).await.map_err(Err)?;
                self.exchange(&shelf, origin, carrier, &mut request, patience.headers).await
            })
            .await;
            answer.map_err(|why| match why {
                Ok(why) => SendError::of(why, false),
                Err(error) => error,
            })
        }
    }

    /// How many connections wait for requests, of all origins together.
    pub fn waiting(&self) -> usize {
        self.0.by_origin.borrow().iter().map(|(_, shelf)| shelf.waiting()).sum()
    }

    /// Sends on one connection; a request of which not a byte was written is put back.
    async fn exchange(
        &self,
        shelf: &Rc<Shelf>,
        origin: &Origin,
        carrier: Carrier,
        request: &mut Option<Request<Body>>,
        patience: Duration,
    ) -> Result<Response<UpstreamBody>, Unanswered> {
        let mut message = request.take().expect("a request is sent again only when it was put back");
        let (outcome, held) = match carrier {
            Carrier::H1(mut connection) => {
                let proxy = (!origin.is_tls()).then(|| self.0.settings.dial.proxies.towards(origin));
                h1::address(&mut message, origin, proxy.flatten());
                let sending = connection.sender.try_send_request(message);
                let outcome = timeout(patience, sending).await;
                (outcome, Held::Connection(Lease::new(connection, shelf.clone())))
            }
            Carrier::H2(mut connection, stream) => {
                h2::address(&mut message, origin);
                let sending = connection.sender.try_send_request(message);
                (timeout(patience, sending).await, Held::Stream(stream))
            }
        };
        match outcome {
            Ok(Ok(answer)) => Ok(bind(answer, held)),
            Ok(Err(mut error)) => {
                *request = error.take_message();
                Err(Ok(error.into_error()))
            }
            Err(_elapsed) => Err(Err(SendError::new(Stage::Silent))),
        }
    }

    async fn connect(
        &self,
        shelf: &Rc<Shelf>,
        origin: &Origin,
        patience: Duration,
    ) -> Result<Carrier, SendError> {
        self.start_reaper();
        let deadline = Instant::now() + patience;
        let _turn = match shelf.spoken() {
            Spoken::H1 => None,
            Spoken::Unknown | Spoken::H2 => {
                let turn = timeout_at(deadline, shelf.connecting.acquire()).await;
                let turn = turn.map_err(|_elapsed| SendError::new(Stage::ConnectTimeout))?;
                // Whoever was here before may have brought a connection for all.
                if shelf.spoken() == Spoken::H2
                    && let Some(carrier) = shelf.reuse()
                {
                    return Ok(carrier);
                }
                Some(turn)
            }
        };
        let transport = dial(&self.0.settings.dial, origin, deadline).await?;
        if !transport.agreed_on_h2() {
            shelf.heard_h1();
            return Ok(Carrier::H1(H1::over(transport, shelf.round()).await?));
        }
        let connection = H2::over(transport).await?;
        shelf.publish(connection).ok_or_else(|| SendError::new(Stage::Refused))
    }

    fn shelf(&self, origin: &Origin) -> Rc<Shelf> {
        let find = |is: fn(&Origin, &Origin) -> bool| {
            let shelves = self.0.by_origin.borrow();
            shelves.iter().find(|(known, _)| is(known, origin)).map(|(_, shelf)| shelf.clone())
        };
        if let Some(shelf) = find(Origin::is_the_very).or_else(|| find(Origin::eq)) {
            return shelf;
        }
        let shelf = Rc::new(Shelf::new(origin.is_tls()));
        self.0.by_origin.borrow_mut().push((origin.clone(), shelf.clone()));
        shelf
    }

    /// Starts the task that closes what waited too long; it ends with the pool.
    fn start_reaper(&self) {
        if !self.0.reaping.replace(true) {
            spawn_local(reap(Rc::downgrade(&self.0), self.0.settings.idle / ROUNDS));
        }
    }
}

/// Why a request got no answer: what its connection said, or what was found out here.
type Unanswered = Result<hyper::Error, SendError>;

async fn reap(shelves: Weak<Shelves>, round: Duration) {
    let mut rounds = interval(round.max(Duration::from_millis(1)));
    rounds.tick().await;
    loop {
        rounds.tick().await;
        let Some(shelves) = shelves.upgrade() else { return };
        for (_, shelf) in shelves.by_origin.borrow().iter() {
            shelf.age(ROUNDS);
        }
    }
}
