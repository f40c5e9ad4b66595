//! What the admin port asks the office: the question taken out of a request, and the answer put into a response.

use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Incoming;
use tokio::time::timeout;

use crate::net::Body;
use crate::office::{Asked, Counted, LARGEST, OfficeAnswer, Trouble, WHO};
use crate::worker::Worker;

/// How long a question's body may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Answers a question about accounts, keys and limits.
pub(super) async fn answer(worker: &Worker, request: Request<Incoming>) -> Response<Body> {
    let answer = ask(worker, request).await.unwrap_or_else(|trouble| trouble.answer());
    let mut response = Response::new(Body::full(answer.body));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(answer.content_type));
    // A new key stands in one answer: nobody on the way keeps it.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(allow) = answer.allow {
        headers.insert(header::ALLOW, HeaderValue::from_static(allow));
    }
    response
}

async fn ask(worker: &Worker, request: Request<Incoming>) -> Result<OfficeAnswer, Trouble> {
    let (head, body) = request.into_parts();
    let (shared, setup) = (worker.shared(), worker.shared().setup());
    let target = head.uri.path_and_query().map_or("/", |target| target.as_str());
    if head.uri.path().split('/').nth(1) == Some("limits") {
        let together = worker.together();
        let tiers = &setup.config.tiers;
        let counted = Counted { here: &shared.counts, together: together.as_ref(), tiers };
        return Ok(counted.answer(&Asked::new(who(&head.headers), &head.method, target, &[])).await);
    }
    let office = shared.office.as_ref().ok_or_else(Trouble::no_store)?;
    let has_body = matches!(head.method, Method::POST | Method::PATCH);
    if has_body && !is_json(&head.headers) {
        return Err(Trouble::not_json());
    }
    let body = match has_body {
        false => Vec::new(),
        true => read(body).await?,
    };
    Ok(office.answer(Some(&setup.config), who(&head.headers), &head.method, target, &body).await)
}

async fn read(body: Incoming) -> Result<Vec<u8>, Trouble> {
    let whole = timeout(PATIENCE, Limited::new(body, LARGEST).collect()).await;
    match whole {
        Ok(Ok(whole)) => Ok(whole.to_bytes().to_vec()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Trouble::too_large(LARGEST)),
        Ok(Err(_)) | Err(_) => Err(Trouble::cut()),
    }
}

/// A page elsewhere can send other types without asking first.
fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = value.and_then(|value| value.split(';').next()).unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("application/json")
}

/// Who asks, as far as whoever holds the token says so.
fn who(headers: &HeaderMap) -> &str {
    const LONGEST: usize = 100;
    let named = headers.get(WHO).and_then(|value| value.to_str().ok());
    named.filter(|name| (1..=LONGEST).contains(&name.len())).unwrap_or("admin")
}
