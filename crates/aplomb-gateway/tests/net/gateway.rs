//! A listener in the test's own thread, in front of whatever a test wants.

use std::future::Future;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use aplomb_gateway::net::{
    Body, ConnInfo, Drained, ListenSettings, Origin, Patience, Pool, PoolSettings, Refusal, Service, Stopper,
    bind, serve, stopper, strip_answer, strip_request,
};
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use tokio::task::{JoinHandle, spawn_local};

pub(super) const PATIENCE: Patience =
    Patience { connect: Duration::from_secs(5), headers: Duration::from_secs(5) };

/// A running listener.
pub(super) struct Gateway {
    pub(super) address: SocketAddr,
    pub(super) stop: Stopper,
    pub(super) ended: JoinHandle<std::io::Result<Drained>>,
}

impl Gateway {
    /// Answers every request with what `call` makes of it.
    pub(super) fn start<F, A>(call: F) -> Self
    where
        F: Fn(Request<Incoming>, ConnInfo) -> A + 'static,
        A: Future<Output = Response<Body>> + 'static,
    {
        Self::with(ListenSettings::default(), call)
    }

    pub(super) fn with<F, A>(settings: ListenSettings, call: F) -> Self
    where
        F: Fn(Request<Incoming>, ConnInfo) -> A + 'static,
        A: Future<Output = Response<Body>> + 'static,
    {
        let listener = bind("127.0.0.1:0".parse().unwrap(), 1).unwrap().remove(0);
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = stopper();
        let ended = spawn_local(serve(listener, settings, Rc::new(Closure(call)), stopped));
        Self { address, stop, ended }
    }

    /// Passes every request on to an upstream and its answer back.
    pub(super) fn before(upstream: &str) -> Self {
        let origin = Origin::of(&upstream.parse().unwrap()).unwrap();
        let pool = Pool::new(PoolSettings::default());
        Self::start(move |request, _| relay(pool.clone(), origin.clone(), request))
    }
}

async fn relay(pool: Pool, origin: Origin, request: Request<Incoming>) -> Response<Body> {
    let mut request = request.map(Body::caller);
    strip_request(request.headers_mut(), |_| false);
    match pool.send(&origin, request, PATIENCE).await {
        Ok(mut answer) => {
            strip_answer(answer.headers_mut(), |_| false);
            answer.map(Body::from)
        }
        Err(error) => text(StatusCode::BAD_GATEWAY, error.to_string()),
    }
}

pub(super) fn get(path: &str) -> Request<Body> {
    Request::get(path).body(Body::empty()).unwrap()
}

pub(super) fn text(status: StatusCode, text: impl Into<String>) -> Response<Body> {
    let mut answer = Response::new(Body::full(text.into()));
    *answer.status_mut() = status;
    answer
}

struct Closure<F>(F);

impl<F, A> Service for Closure<F>
where
    F: Fn(Request<Incoming>, ConnInfo) -> A + 'static,
    A: Future<Output = Response<Body>> + 'static,
{
    async fn call(&self, request: Request<Incoming>, from: ConnInfo) -> Response<Body> {
        (self.0)(request, from).await
    }

    fn refuse(&self, refusal: Refusal, _: ConnInfo) -> Response<Body> {
        text(refusal.status(), format!("refused: {refusal}"))
    }
}
