//! Admit: whether the caller's own limits allow the request, before anything of its body is read.

use std::sync::Arc;
use std::time::Duration;

use aplomb_core::lane::Cost;
use aplomb_core::{Failure, Fault, Kind, Limit};
use http::{HeaderValue, Response, header};
use http_body::Body as _;
use hyper::body::Incoming;

use crate::caller::Caller;
use crate::config::{CountedBy, OnStoreDown, Tier};
use crate::lanes::BYTES_PER_TOKEN;
use crate::limits::{self, Admission, Ask, Down, Over, Place, Subject, Taken, subjects};
use crate::net::Body;
use crate::office::LimitShown;
use crate::problem::Problem;
use crate::reply::Reply;
use crate::stage::receive::Received;
use crate::trail::Trail;
use crate::worker::Worker;

/// The tier that a request is counted by, if it is counted at all.
pub(crate) fn tier(received: &Received, caller: &Caller) -> Option<Arc<Tier>> {
    caller.tier.as_ref().or(received.way.route.protect.tier.as_ref()).map(Arc::clone)
}

/// Takes what the request asks for from everybody whose use it counts for.
///
/// # Errors
/// A limit is in the way: 429 with a wait after which the caller is let in, if nobody else comes before.
pub(crate) async fn ask(
    worker: &Worker,
    (received, incoming): (&Received, &Incoming),
    caller: &Caller,
    mut tier: Arc<Tier>,
    trail: &mut Trail,
) -> Result<Admission, Box<Problem>> {
    let subjects = subjects(&tier, caller, received);
    let asked = estimate(incoming);
    let there = match worker.together() {
        Some(together) => {
            let ask = Ask { subjects: &subjects, tier: &tier, cost: asked };
            let taken = together.take(ask, &received.id).await;
            Some((taken, Place::There(together, received.id.clone())))
        }
        None => None,
    };
    let (taken, place) = match there {
        Some((Ok(taken), place)) => (taken, place),
        unasked => {
            if let Some((Err(down), _)) = unasked {
                trail.shared_down = true;
                tier = alone(worker, received, tier, &down)?;
            }
            let counts = Arc::clone(&worker.shared().counts);
            (counts.take(Ask { subjects: &subjects, tier: &tier, cost: asked }), Place::Here(counts))
        }
    };
    match taken {
        Ok(limits) => Ok(Admission::new(place, Taken { subjects, tier, asked }, limits)),
        Err((index, over, limits)) => {
            let jitter = tier.jitter.mul_f64(worker.random());
            let mut failure = refused(&tier, &subjects[index], &over, jitter);
            failure.limits = limits;
            Err(received.told(Problem { should_retry: true, ..Problem::local(failure) }))
        }
    }
}

/// What a gateway lets in that has to count alone; nobody, where the route says so.
///
/// It is the share of a limit that each of as many gateways may let in as counted together last. A route that lets
/// everybody in meanwhile is counted all the same, by the whole limit: that costs nothing, and a limit of one gateway
/// lets in no fewer than the limit of all.
fn alone(
    worker: &Worker,
    received: &Received,
    tier: Arc<Tier>,
    down: &Down,
) -> Result<Arc<Tier>, Box<Problem>> {
    match received.way.route.protect.on_store_down {
        OnStoreDown::Local => Ok(Arc::new(tier.share(worker.shared().line.gateways()))),
        OnStoreDown::Open => Ok(tier),
        OnStoreDown::Closed => {
            let failure = Failure::new(Kind::Unavailable)
                .fault(Fault::Gateway)
                .message(down.to_string())
                .wait(Duration::from_secs(1));
            Err(received.told(Problem { should_retry: true, ..Problem::local(failure) }))
        }
    }
}

/// The tokens that a request is likely to take: what comes is settled by what the answer says.
fn estimate(incoming: &Incoming) -> Cost {
    let size = incoming.size_hint();
    let bytes = size.upper().unwrap_or_else(|| size.lower());
    Cost { input: bytes.div_ceil(BYTES_PER_TOKEN), output: 0 }
}

/// How the caller's limits and its balance stand.
pub(crate) async fn state(worker: &Worker, received: &Received, caller: &Caller, trail: &mut Trail) -> Reply {
    let tier = tier(received, caller);
    let told = match &tier {
        Some(tier) => stand(worker, tier, &subjects(tier, caller, received)).await,
        None => Vec::new(),
    };
    let balance = balance(worker, caller, trail).await;
    let one = |per: CountedBy, limit: &Limit| {
        let mut row =
            serde_json::to_value(LimitShown::from(limit)).expect("a limit is made of texts and numbers");
        row["per"] = per.as_str().into();
        row
    };
    let rows: Vec<_> =
        told.iter().flat_map(|(per, limits)| limits.iter().map(|limit| one(*per, limit))).collect();
    let body = serde_json::json!({
        "route": received.way.route.path,
        "account": caller.account.as_deref(),
        "key": caller.key.as_deref(),
        "tier": tier.as_ref().map(|tier| &tier.name),
        "limits": rows,
        "balance_micros": balance.map(|(balance, _)| balance),
        "reserved_micros": balance.map(|(_, reserved)| reserved),
    });
    let mut response = Response::new(Body::full(format!("{body}\n")));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let dialect = received.answer.or(received.way.answer);
    if let (Some(tier), Some(dialect)) = (&tier, dialect) {
        let all: Vec<Limit> = told.into_iter().flat_map(|(_, limits)| limits).collect();
        limits::write(headers, dialect, tier.fields, &all);
    }
    Reply::of_ours(response, dialect)
}

/// How the limits of each subject stand: for all gateways, or for this one where the others can't be asked.
async fn stand(worker: &Worker, tier: &Tier, subjects: &[Subject]) -> Vec<(CountedBy, Vec<Limit>)> {
    let mut told = Vec::with_capacity(subjects.len());
    for subject in subjects {
        let seen = match worker.together() {
            Some(together) => together.look(&subject.name, tier).await.ok().map(|(_, limits)| limits),
            None => None,
        };
        let limits = seen.unwrap_or_else(|| worker.shared().counts.limits(&subject.name, tier));
        told.push((subject.per, limits));
    }
    told
}

/// What the caller's account has, and what of that is put aside; none for who has no account, or if nobody can tell now.
async fn balance(worker: &Worker, caller: &Caller, trail: &mut Trail) -> Option<(i64, i64)> {
    let (store, id) = (worker.shared().store.as_ref()?, caller.account.as_deref()?);
    match store.account(id).await {
        Ok(account) => account.map(|account| (account.balance, account.reserved)),
        Err(_) => {
            trail.store_down = true;
            None
        }
    }
}

fn refused(tier: &Tier, subject: &Subject, over: &Over, jitter: Duration) -> Failure {
    let who = match subject.per {
        CountedBy::Key => "for each key",
        CountedBy::Account => "for each account",
        CountedBy::Address => "for each address",
        CountedBy::Route => "for all callers together",
    };
    let (name, limit) = (&tier.name, over.limit);
    let message = match (over.what, over.window) {
        ("concurrency", _) => {
            format!(
                "the tier `{name}` allows {limit} requests under way at once {who}; wait until one has ended"
            )
        }
        ("daily", _) => {
            format!("the tier `{name}` allows {limit} requests a day {who}, from midnight UTC on")
        }
        (what, window) => {
            let what = what.replace('_', " ");
            let window = window.map(|window| format!(" in {}", shown(window))).unwrap_or_default();
            format!("the tier `{name}` allows {limit} {what}{window} {who}")
        }
    };
    Failure::new(Kind::RateLimit).fault(Fault::Policy).message(message).wait(over.wait + jitter)
}

/// A window in words.
fn shown(window: Duration) -> String {
    match window.as_secs() {
        86_400 => "a day".to_owned(),
        3_600 => "an hour".to_owned(),
        60 => "a minute".to_owned(),
        1 if window.subsec_nanos() == 0 => "a second".to_owned(),
        0 => format!("{} ms", window.as_millis()),
        seconds => format!("{seconds} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_which_limit_it_was_and_how_long_it_takes() {
        let tier = Tier::named("free");
        let told = |what, per, window: Option<u64>| {
            let subject = Subject { per, name: "free:x".to_owned() };
            let window = window.map(Duration::from_secs);
            let over = Over { what, limit: 60, window, wait: Duration::from_secs(3) };
            refused(&tier, &subject, &over, Duration::from_millis(500))
        };
        let failure = told("requests", CountedBy::Key, Some(60));
        assert_eq!(failure.wait, Some(Duration::from_millis(3_500)));
        assert_eq!((failure.kind, failure.fault, failure.retryable), (Kind::RateLimit, Fault::Policy, true));
        let message = |failure: Failure| failure.message.unwrap();
        assert_eq!(message(failure), "the tier `free` allows 60 requests in a minute for each key");
        let tokens = told("input_tokens", CountedBy::Account, Some(10));
        assert_eq!(message(tokens), "the tier `free` allows 60 input tokens in 10 s for each account");
        let busy = told("concurrency", CountedBy::Address, None);
        assert!(
            message(busy)
                .starts_with("the tier `free` allows 60 requests under way at once for each address")
        );
        let daily = told("daily", CountedBy::Route, Some(86_400));
        assert!(message(daily).contains("60 requests a day for all callers together"));
    }
}
