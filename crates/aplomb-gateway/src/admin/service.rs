//! What is served on the admin port, and to whom.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use serde_json::json;

use super::desk;
use super::token::AdminToken;
use crate::browser;
use crate::config::{Mistake, OnStoreDown, Protect, Server};
use crate::credential;
use crate::gateway::Reload;
use crate::metrics;
use crate::net::{Body, ConnInfo, Refusal, Service};
use crate::office::{Office, openapi};
use crate::redact::redact;
use crate::setup::Setup;
use crate::worker::{Shared, Worker};

/// What a wrong token waits for its answer: nothing to a person, much to a program that guesses.
const WRONG_TOKEN: Duration = Duration::from_millis(250);

/// What stands behind the admin listener.
pub(crate) struct Admin {
    worker: Worker,
    reload: Option<Reload>,
    token: AdminToken,
}

/// One thing that is served.
struct Place {
    path: &'static str,
    methods: &'static [Method],
    /// Served to whoever asks: whoever watches a process has no token.
    open: bool,
    answer: fn(&Admin) -> Response<Body>,
}

const READ: &[Method] = &[Method::GET, Method::HEAD];

const PLACES: [Place; 6] = [
    Place { path: "/healthz", methods: READ, open: true, answer: |_| text(StatusCode::OK, "ok\n") },
    Place { path: "/readyz", methods: READ, open: true, answer: Admin::ready },
    Place { path: "/lanes", methods: READ, open: false, answer: Admin::lanes },
    Place { path: "/metrics", methods: READ, open: false, answer: Admin::metrics },
    Place {
        path: "/openapi.json",
        methods: READ,
        open: false,
        answer: |_| answer(StatusCode::OK, "application/json", openapi().into_bytes()),
    },
    Place { path: "/config/reload", methods: &[Method::POST], open: false, answer: Admin::reloaded },
];

impl Admin {
    /// An admin port of this process.
    pub(crate) fn new(worker: Worker, reload: Option<Reload>, token: AdminToken) -> Self {
        Self { worker, reload, token }
    }

    /// What all threads share.
    pub(crate) fn shared(&self) -> &Arc<Shared> {
        self.worker.shared()
    }

    async fn answer(&self, request: Request<Incoming>, from: ConnInfo) -> Response<Body> {
        if self.is_foreign(&request) {
            return text(StatusCode::FORBIDDEN, "this host or page may not use the admin port\n");
        }
        let place = PLACES.iter().find(|place| place.path == request.uri().path());
        let served = place.filter(|place| place.methods.contains(request.method()));
        if !served.is_some_and(|place| place.open) && !self.lets_in(&request, from).await {
            return no_token();
        }
        match (served, place) {
            (Some(served), _) => (served.answer)(self),
            (None, Some(place)) => not_allowed(place),
            (None, None) if Office::has(request.uri().path()) => desk::answer(&self.worker, request).await,
            (None, None) => {
                let there: Vec<_> = PLACES.iter().map(|place| place.path).collect();
                text(
                    StatusCode::NOT_FOUND,
                    &format!("there are {}, and what /openapi.json lists\n", there.join(", ")),
                )
            }
        }
    }

    fn is_foreign(&self, request: &Request<Incoming>) -> bool {
        let setup = self.shared().setup();
        let server = &setup.config.server;
        let own = Server { listen: server.admin, cors: Vec::new(), ..server.clone() };
        browser::check(&own, request.uri(), request.headers()).is_err()
    }

    /// Whether the request carries the token; a wrong one is told to the log, and answered late.
    async fn lets_in(&self, request: &Request<Incoming>, from: ConnInfo) -> bool {
        let given = self.token.is_in(request.headers());
        if given == Some(false) {
            tracing::warn!(peer = %from.peer, path = %redact(request.uri().path()), "a wrong token on the admin port");
            tokio::time::sleep(WRONG_TOKEN).await;
        }
        given == Some(true)
    }

    fn ready(&self) -> Response<Body> {
        let draining = self.shared().draining.load(Ordering::Relaxed);
        let setup = self.shared().setup();
        let store = self.shared().store.as_ref().map(|store| store.health().is_up());
        let shared = setup.config.shared.as_ref().map(|_| self.shared().line.is_up());
        let word = |is_up| if is_up { "up" } else { "down" };
        // Where no route can do anything without the store, others should be asked instead.
        let closed =
            |protect: &Protect| protect.needs_store() && protect.on_store_down == OnStoreDown::Closed;
        let stuck = store == Some(false) && setup.config.routes.iter().all(|route| closed(&route.protect));
        let ready = !draining && !stuck;
        let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        let body = json!({
            "ready": ready,
            "draining": draining,
            "store": store.map(word),
            "shared": shared.map(word),
            "in_flight": self.shared().in_flight.load(Ordering::Relaxed),
            "held_bytes": self.shared().held.load(Ordering::Relaxed),
            "routes": setup.config.routes.iter().count(),
        });
        as_json(status, &body)
    }

    fn lanes(&self) -> Response<Body> {
        let shared = self.shared();
        let mut body = shared.lanes.report();
        body["credentials"] = credential::report(&shared.setup().targets(), shared.lanes.now());
        as_json(StatusCode::OK, &body)
    }

    fn metrics(&self) -> Response<Body> {
        answer(StatusCode::OK, metrics::CONTENT_TYPE, metrics::page(self.shared()).into_bytes())
    }

    fn reloaded(&self) -> Response<Body> {
        match reload(self.shared(), self.reload.as_ref()) {
            Ok(()) => as_json(StatusCode::OK, &json!({"reloaded": true})),
            Err(mistakes) => {
                let told: Vec<_> = mistakes.iter().map(ToString::to_string).collect();
                as_json(StatusCode::UNPROCESSABLE_ENTITY, &json!({"reloaded": false, "mistakes": told}))
            }
        }
    }
}

impl Service for Admin {
    async fn call(&self, request: Request<Incoming>, from: ConnInfo) -> Response<Body> {
        self.answer(request, from).await
    }

    fn refuse(&self, refusal: Refusal, _from: ConnInfo) -> Response<Body> {
        text(refusal.status(), &format!("{refusal}\n"))
    }
}

/// Reads the configuration anew, and serves it from the next request on.
///
/// # Errors
/// Every mistake in it, and changes that need a restart; then nothing changes.
pub(crate) fn reload(shared: &Shared, read: Option<&Reload>) -> Result<(), Vec<Mistake>> {
    let wrong = |message: &str| {
        vec![Mistake {
            file: "reload".to_owned(),
            place: None,
            key: String::new(),
            message: message.to_owned(),
        }]
    };
    let read = read.ok_or_else(|| wrong("the gateway was started without a configuration file"))?;
    let old = shared.setup();
    let config = read()?;
    config.may_follow(&old.config, "the configuration")?;
    let setup = Setup::new(config, old.catalog, &shared.credentials, Some(&old))
        .map_err(|err| wrong(&err.to_string()))?;
    shared.replace(setup);
    tracing::info!("the configuration was read anew");
    Ok(())
}

fn text(status: StatusCode, body: &str) -> Response<Body> {
    answer(status, "text/plain; charset=utf-8", body.to_owned().into_bytes())
}

fn as_json(status: StatusCode, body: &serde_json::Value) -> Response<Body> {
    answer(status, "application/json", format!("{body}\n").into_bytes())
}

fn not_allowed(place: &Place) -> Response<Body> {
    let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "this method is not served here\n");
    let methods: Vec<_> = place.methods.iter().map(Method::as_str).collect();
    let methods = HeaderValue::try_from(methods.join(", ")).expect("names of methods are header values");
    response.headers_mut().insert(header::ALLOW, methods);
    response
}

fn no_token() -> Response<Body> {
    let told = "the admin port needs its token, `authorization: Bearer …`; it was printed when it was made, \
                and `aplomb serve --new-admin-token` makes another\n";
    let mut response = text(StatusCode::UNAUTHORIZED, told);
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    response
}

fn answer(status: StatusCode, content_type: &'static str, body: Vec<u8>) -> Response<Body> {
    let mut response = Response::new(Body::full(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
