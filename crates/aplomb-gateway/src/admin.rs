//! The admin port: health, readiness and reload; never on the callers' port.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use serde_json::json;

use crate::browser;
use crate::config::{Mistake, Server};
use crate::gateway::Reload;
use crate::net::{Body, ConnInfo, Refusal, Service};
use crate::setup::Setup;
use crate::worker::Shared;

/// What stands behind the admin listener.
pub(crate) struct Admin {
    shared: Arc<Shared>,
    reload: Option<Reload>,
}

impl Admin {
    /// An admin port of this process.
    pub(crate) fn new(shared: Arc<Shared>, reload: Option<Reload>) -> Self {
        Self { shared, reload }
    }

    fn answer(&self, request: &Request<Incoming>) -> Response<Body> {
        let setup = self.shared.setup();
        let server = &setup.config.server;
        let own = Server { listen: server.admin, cors: Vec::new(), ..server.clone() };
        let (parts, _body) = request_parts(request);
        if browser::check(&own, &parts).is_err() {
            return text(StatusCode::FORBIDDEN, "this host or page may not use the admin port\n");
        }
        let reads = matches!(*request.method(), Method::GET | Method::HEAD);
        match request.uri().path() {
            "/healthz" if reads => text(StatusCode::OK, "ok\n"),
            "/readyz" if reads => self.ready(),
            "/config/reload" if *request.method() == Method::POST => self.reloaded(),
            "/healthz" | "/readyz" => not_allowed("GET, HEAD"),
            "/config/reload" => not_allowed("POST"),
            _ => text(StatusCode::NOT_FOUND, "there are /healthz, /readyz and POST /config/reload\n"),
        }
    }

    fn ready(&self) -> Response<Body> {
        let draining = self.shared.draining.load(Ordering::Relaxed);
        let status = if draining { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
        let setup = self.shared.setup();
        let body = json!({
            "ready": !draining,
            "draining": draining,
            "in_flight": self.shared.in_flight.load(Ordering::Relaxed),
            "held_bytes": self.shared.held.load(Ordering::Relaxed),
            "routes": setup.config.routes.iter().count(),
        });
        as_json(status, &body)
    }

    fn reloaded(&self) -> Response<Body> {
        match reload(&self.shared, self.reload.as_ref()) {
            Ok(()) => as_json(StatusCode::OK, &json!({"reloaded": true})),
            Err(mistakes) => {
                let told: Vec<_> = mistakes.iter().map(ToString::to_string).collect();
                as_json(StatusCode::UNPROCESSABLE_ENTITY, &json!({"reloaded": false, "mistakes": told}))
            }
        }
    }
}

impl Service for Admin {
    async fn call(&self, request: Request<Incoming>, _from: ConnInfo) -> Response<Body> {
        self.answer(&request)
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
    let setup = Setup::new(config, old.catalog).map_err(|err| wrong(&err.to_string()))?;
    shared.replace(setup);
    tracing::info!("the configuration was read anew");
    Ok(())
}

fn request_parts(request: &Request<Incoming>) -> (http::request::Parts, ()) {
    let mut copy = Request::new(());
    *copy.uri_mut() = request.uri().clone();
    *copy.method_mut() = request.method().clone();
    *copy.headers_mut() = request.headers().clone();
    copy.into_parts()
}

fn text(status: StatusCode, body: &str) -> Response<Body> {
    answer(status, "text/plain; charset=utf-8", body.to_owned().into_bytes())
}

fn as_json(status: StatusCode, body: &serde_json::Value) -> Response<Body> {
    answer(status, "application/json", format!("{body}\n").into_bytes())
}

fn not_allowed(methods: &'static str) -> Response<Body> {
    let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "this method is not served here\n");
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(methods));
    response
}

fn answer(status: StatusCode, content_type: &'static str, body: Vec<u8>) -> Response<Body> {
    let mut response = Response::new(Body::full(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
