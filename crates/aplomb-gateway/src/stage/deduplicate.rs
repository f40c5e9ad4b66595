//! Deduplicate: whether the request was made before under the same key; then its answer is given, and nobody is asked.

use std::time::{Duration, Instant};

use aplomb_core::{Advice, Failure, Fault, Kind};
use http::header::HeaderName;
use http::{HeaderValue, Response, StatusCode};
use tokio::time::sleep;

use crate::caller::Caller;
use crate::config::{Idempotency, IdempotencyMode, OnStoreDown, OnUnknown, WhileRunning};
use crate::digest::{Fields, hex};
use crate::net::Body;
use crate::problem::Problem;
use crate::reply::Reply;
use crate::run::Run;
use crate::stage::receive::Received;
use crate::store::{Claimed, Claiming, Moment, Record, Store, StoreError};
use crate::trail::Trail;
use crate::worker::Worker;

const KEY: HeaderName = HeaderName::from_static("idempotency-key");
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
const OUTCOME: HeaderName = HeaderName::from_static("aplomb-outcome");
const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

/// The longest key: as Stripe has it, who began with them.
const LONGEST: usize = 255;

/// When to ask again while the first request runs: nobody knows how long that will be.
const SOON: Duration = Duration::from_secs(1);

/// How often one who waits looks whether the first request has ended, at first and at last.
const LOOK: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));

/// What is known about the request.
pub(crate) enum Seen {
    /// It has no key, or nobody can tell.
    Unkeyed,
    /// It is the first one under its key.
    First(Run),
    /// It was made before, and this is the answer.
    Before(Box<Reply>),
}

/// Looks whether the request was made before.
///
/// # Errors
/// A key that is missing, can't be one, is in use or stands for another request; or nobody can tell, and the route lets
/// nobody in then.
pub(crate) async fn check(
    worker: &Worker,
    received: &Received,
    caller: &Caller,
    trail: &mut Trail,
) -> Result<Seen, Box<Problem>> {
    let protect = &received.way.route.protect;
    let Some(store) = &worker.shared().store else { return Ok(Seen::Unkeyed) };
    let Some(claiming) = claiming(received, caller).map_err(|problem| received.told(problem))? else {
        return Ok(Seen::Unkeyed);
    };
    match claim(store, received, claiming, trail.began).await {
        Ok(Claimed::Mine(claim)) => {
            let most = usize::try_from(protect.idempotency.record).unwrap_or(usize::MAX);
            Ok(Seen::First(Run::new(store.clone(), claim, most)))
        }
        Ok(Claimed::Finished(Some(record))) => Ok(Seen::Before(Box::new(replay(received, record, false)))),
        Ok(Claimed::Unknown(Some(record))) => Ok(Seen::Before(Box::new(replay(received, record, true)))),
        Ok(Claimed::Finished(None)) => Err(received.told(not_kept())),
        Ok(Claimed::Unknown(None)) => Err(received.told(nobody_knows())),
        Ok(Claimed::Running { .. }) => Err(received.told(in_progress())),
        Ok(Claimed::OtherPayload) => Err(received.told(other_payload(received))),
        Err(error) => {
            if !matches!(error, StoreError::Down) {
                tracing::error!(target: "aplomb::store", id = &*received.id, %error, "a key can't be claimed");
            }
            trail.store_down = true;
            match protect.on_store_down {
                OnStoreDown::Closed => Err(received.told(Problem::store_down("idempotency keys"))),
                OnStoreDown::Open | OnStoreDown::Local => Ok(Seen::Unkeyed),
            }
        }
    }
}

/// Claims the key; where the route says so, waits for the one who has it.
async fn claim(
    store: &Store,
    received: &Received,
    claiming: Claiming,
    began: Instant,
) -> Result<Claimed, StoreError> {
    let route = &received.way.route;
    let waits = route.protect.idempotency.while_running == WhileRunning::Wait;
    let patience = received.patience.unwrap_or(route.queue.max_wait).min(route.queue.max_wait);
    let mut look = LOOK.0;
    loop {
        let claimed = store.claim(Claiming { at: Moment::now(), ..claiming.clone() }).await?;
        let may_wait = waits && began.elapsed() + look < patience;
        if !matches!(claimed, Claimed::Running { .. }) || !may_wait {
            return Ok(claimed);
        }
        sleep(look).await;
        look = (look * 2).min(LOOK.1);
    }
}

/// What is to be claimed, if anything is.
fn claiming(received: &Received, caller: &Caller) -> Result<Option<Claiming>, Problem> {
    let protect = &received.way.route.protect;
    let Idempotency { mode, methods, ttl, on_unknown, .. } = &protect.idempotency;
    if !methods.contains(&received.method) {
        return Ok(None);
    }
    let key = match mode {
        IdempotencyMode::Off => None,
        IdempotencyMode::Optional | IdempotencyMode::Required => key(received)?,
    };
    let fingerprint = fingerprint(received);
    let (key, ttl) = match key {
        Some(key) => (key, *ttl),
        None if *mode == IdempotencyMode::Required => return Err(missing()),
        // No caller can name a key so: it has a blank in it.
        None if !protect.dedupe.is_zero() => (format!("same {}", hex(&fingerprint)), protect.dedupe),
        None => return Ok(None),
    };
    let again_if_unknown = *on_unknown == OnUnknown::Run;
    let (scope, at) = (scope(received, caller), Moment::now());
    Ok(Some(Claiming { scope, key, fingerprint, ttl, again_if_unknown, at }))
}

/// The caller's key.
fn key(received: &Received) -> Result<Option<String>, Problem> {
    let mut values = received.headers.get_all(&KEY).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let fits = (1..=LONGEST).contains(&value.len()) && value.as_bytes().iter().all(u8::is_ascii_graphic);
    if !fits || values.next().is_some() {
        let message =
            "`Idempotency-Key` is one value of 1 to 255 visible characters of ASCII, without blanks";
        return Err(mistaken(message, "idempotency_key_invalid"));
    }
    Ok(value.to_str().ok().map(str::to_owned))
}

/// Whose key it is: what two callers name alike are two requests.
fn scope(received: &Received, caller: &Caller) -> String {
    if let Some(account) = &caller.account {
        return format!("account {account}");
    }
    let mut credentials = Fields::new();
    let sent = received.setup.credential_headers.all_in(&received.headers);
    for (name, value) in &sent {
        credentials.add(name.as_str().as_bytes());
        credentials.add(value.as_bytes());
    }
    match !sent.is_empty() {
        true => format!("credential {}", hex(&credentials.finish())),
        false => format!("address {}", received.proxies.caller(&received.headers, &received.from)),
    }
}

/// What the request is: method, path, query and body.
///
/// Of a body that is too large to be kept only the rest is compared.
fn fingerprint(received: &Received) -> [u8; 32] {
    let mut print = Fields::new();
    print.add(received.method.as_str().as_bytes());
    print.add(received.way.route.path.as_bytes());
    print.add(received.rest.as_bytes());
    print.add(received.rest.query().unwrap_or_default().as_bytes());
    print.add(received.body.kept().map(|body| &body[..]).unwrap_or_default());
    print.finish()
}

/// The answer that was given before.
fn replay(received: &Received, record: Record, unknown: bool) -> Reply {
    let Record { status, headers, body } = record;
    let mut response = Response::new(Body::full(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    *response.headers_mut() = headers;
    let headers = response.headers_mut();
    headers.insert(REPLAYED, HeaderValue::from_static("true"));
    if unknown {
        headers.insert(OUTCOME, HeaderValue::from_static("unknown"));
        headers.insert(SHOULD_RETRY, HeaderValue::from_static("false"));
    }
    Reply::of_ours(response, received.answer.or(received.way.answer))
}

fn mistaken(message: &str, code: &str) -> Problem {
    Problem::local(Failure::new(Kind::InvalidRequest).message(message).code(code).param("Idempotency-Key"))
}

fn missing() -> Problem {
    let message = "this needs an `Idempotency-Key` header: a name of your own for the request, the same each time \
                   that you repeat it";
    mistaken(message, "idempotency_key_missing")
}

fn in_progress() -> Problem {
    let mut failure = Failure::new(Kind::Conflict)
        .message("a request with this idempotency key is in progress; ask again for its answer in a moment")
        .code("idempotency_key_in_progress")
        .wait(SOON);
    (failure.retryable, failure.advice) = (true, Advice::Retry);
    Problem { should_retry: true, ..Problem::local(failure) }
}

fn other_payload(received: &Received) -> Problem {
    let dialect = received.answer.or(received.way.answer);
    let kind = dialect.map_or(Kind::Validation, |dialect| dialect.idempotency_reused);
    let message = "this idempotency key was used for another request; use a new key for a new request";
    let failure = Failure::new(kind).fault(Fault::Caller).message(message).code("idempotency_key_reused");
    Problem::local(failure.param("Idempotency-Key"))
}

fn not_kept() -> Problem {
    let message = "the request with this idempotency key was carried out, but its answer was too large to be kept; \
                   look at what it did, or use a new key to do it again";
    let failure = Failure::new(Kind::Conflict).message(message).code("idempotency_answer_not_kept");
    replayed(Problem::local(failure))
}

fn nobody_knows() -> Problem {
    let message = "the request with this idempotency key broke off, and nobody knows whether it was carried out; \
                   look whether it was, or use a new key to do it again";
    let failure = Failure::new(Kind::BadGateway)
        .fault(Fault::Gateway)
        .message(message)
        .code("idempotency_outcome_unknown")
        .not_retryable(Advice::GiveUp);
    replayed(Problem { outcome_unknown: true, ..Problem::local(failure) })
}

fn replayed(mut problem: Problem) -> Problem {
    problem.headers.insert(REPLAYED, HeaderValue::from_static("true"));
    problem
}
