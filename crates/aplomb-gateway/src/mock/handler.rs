//! The life of a request in the mock: read, choose, write down, play.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use super::asked::Asked;
use super::body::{CutOff, Playback, Witness};
use super::choose::Memory;
use super::journal::{Journal, Seen};
use super::line::Plug;
use super::perform::Stage;
use super::scenario::Act;
use super::script::{Opening, Script};
use super::{MockSettings, redact};

/// The largest request body that is read.
const BODY: usize = 16 * 1024 * 1024;

/// How long a request body may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long silence lasts at most.
const SILENCE: Duration = Duration::from_secs(3_600);

/// What all connections share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) settings: MockSettings,
    started: Instant,
    state: Mutex<State>,
}

/// What changes from request to request; locked for one decision at a time.
#[derive(Debug)]
pub(super) struct State {
    pub(super) journal: Journal,
    pub(super) memory: Memory,
}

impl Shared {
    pub(super) fn new(settings: MockSettings) -> Self {
        let state = State { journal: Journal::default(), memory: Memory::new(&settings) };
        Self { settings, started: Instant::now(), state: Mutex::new(state) }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn end(&self, number: u64, hung_up: bool) {
        let now = self.started.elapsed();
        self.state().journal.end(number, now, hung_up);
    }

    /// Forgets log, counts, sequences and attempts, and has the outage come anew.
    pub(super) fn clear(&self) {
        let now = self.started.elapsed();
        let mut state = self.state();
        state.journal.clear();
        state.memory.clear(now);
    }
}

/// Answers one request.
///
/// # Errors
/// The connection has to end without an answer.
pub(super) async fn handle(
    shared: Arc<Shared>,
    plug: Arc<Plug>,
    connection: u64,
    request: Request<Incoming>,
) -> Result<Response<Playback>, CutOff> {
    let at = shared.started.elapsed();
    let (parts, body) = request.into_parts();
    if let Some(name) = parts.uri.path().strip_prefix("/_mock/") {
        return Ok(about_itself(&shared, &parts.method, name));
    }
    let (head, version) = (parts.method == Method::HEAD, parts.version);
    let (asked, too_large) = read(&shared, parts, body).await?;
    let mut seen = Seen { at, connection, version: version_name(version), ..Seen::default() };
    let (script, number) = decide(&shared, &asked, too_large, &mut seen);
    let mut witness = Witness::new(Arc::clone(&shared), number);
    if !script.delay.is_zero() {
        sleep(script.delay).await;
    }
    match script.opening {
        Opening::Head { status, headers, length } => {
            let bare = head || status == 204 || status == 304;
            let steps = if bare { std::collections::VecDeque::new() } else { script.steps };
            let length = length.filter(|_| !bare || head);
            Ok(response(status, &headers, length, Playback::new(steps, plug, witness)))
        }
        Opening::Silence => {
            sleep(SILENCE).await;
            Err(CutOff)
        }
        Opening::Close | Opening::Reset => {
            witness.end();
            plug.pull(script.opening == Opening::Reset);
            sleep(SILENCE).await;
            Err(CutOff)
        }
    }
}

async fn read(shared: &Shared, parts: Parts, body: Incoming) -> Result<(Asked, bool), CutOff> {
    let dialect = shared.settings.dialect;
    match timeout(PATIENCE, Limited::new(body, BODY).collect()).await {
        Ok(Ok(body)) => Ok((Asked::read(dialect, parts, body.to_bytes()), false)),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            Ok((Asked::read(dialect, parts, Bytes::new()), true))
        }
        Ok(Err(_)) | Err(_) => Err(CutOff),
    }
}

/// Chooses, makes the script and writes the row, all in one moment.
fn decide(shared: &Shared, asked: &Asked, too_large: bool, seen: &mut Seen) -> (Script, u64) {
    let settings = &shared.settings;
    let now = shared.started.elapsed();
    let mut state = shared.state();
    let mut chosen = state.memory.choose(settings, asked, now);
    if too_large {
        chosen.act = Act::refuse(aplomb_core::Kind::PayloadTooLarge, None);
    }
    let number = state.journal.next();
    let id = format!("req_mock_{number:08}");
    let limits = &chosen.limits;
    let stage = Stage { settings, asked, id: &id, limits, now: SystemTime::now() };
    let mut script = stage.perform(&chosen.act);
    if chosen.entered {
        script.delay += settings.latency;
    }
    state.journal.write(Seen {
        method: asked.method.to_string(),
        path: redact::path(settings.dialect, &asked.path, asked.query.as_deref()),
        headers: redact::headers(settings.dialect, &asked.headers),
        body_bytes: asked.body.len() as u64,
        model: asked.model.clone(),
        scenario: asked.scenario.clone(),
        key: asked.key.clone(),
        attempt: chosen.attempt,
        act: chosen.act.to_string(),
        status: script.status(),
        ..std::mem::take(seen)
    });
    (script, number)
}

fn response(
    status: u16,
    headers: &[(String, String)],
    length: Option<u64>,
    body: Playback,
) -> Response<Playback> {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in headers {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(value)) {
            response.headers_mut().append(name, value);
        }
    }
    if let Some(length) = length {
        response.headers_mut().insert(http::header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    response
}

/// `/_mock/log` and `/_mock/stats`.
fn about_itself(shared: &Shared, method: &Method, name: &str) -> Response<Playback> {
    let (status, body) = match (name, method.as_str()) {
        ("log", "GET") => {
            let rows: Vec<_> = shared.state().journal.rows().map(Seen::to_json).collect();
            (200, Value::from(rows))
        }
        ("log", "DELETE") => {
            shared.clear();
            (200, json!({}))
        }
        ("stats", "GET") => (200, shared.state().journal.tally().to_json()),
        ("log" | "stats", _) => (405, json!({"error": "GET, or DELETE for the log"})),
        _ => (404, json!({"error": "there is /_mock/log and /_mock/stats"})),
    };
    let body = Bytes::from(body.to_string());
    let headers = [("content-type".to_owned(), "application/json".to_owned())];
    response(status, &headers, Some(body.len() as u64), Playback::plain(body))
}

fn version_name(version: Version) -> &'static str {
    match version {
        Version::HTTP_2 => "2",
        Version::HTTP_10 => "1.0",
        _ => "1.1",
    }
}
