//! Plan: whom to ask in which order, and what is known about the request that decides about repeating it.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use aplomb_core::policy::{RepeatFacts, RepeatRule, Repeatable, is_idempotent, is_safe};
use aplomb_core::spec::{Endpoint, StreamWhen};
use aplomb_core::{Catalog, Dialect};

use crate::caller::Caller;
use crate::config::{Repeat, Streaming};
use crate::keepalive::Keepalive;
use crate::model;
use crate::problem::Problem;
use crate::setup::{Setup, Target, Way};
use crate::stage::receive::Received;

/// What is to be done.
pub(crate) struct Plan {
    /// The request.
    pub(crate) received: Box<Received>,
    /// Who asks.
    pub(crate) caller: Caller,
    /// The caller asks for a stream.
    pub(crate) wants_stream: bool,
    /// What is known about it at each target, in order.
    pub(crate) hops: Vec<Hop>,
    /// The method changes nothing.
    pub(crate) safe: bool,
    /// What a lane wants to know of the tokens that its answer takes.
    pub(crate) count: Count,
    /// How its caller sees that it waits, where the route says so.
    pub(crate) keepalive: Option<Rc<Keepalive>>,
}

/// What is counted of an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Count {
    /// The tokens: the request asks for its usage, and the answer's is read.
    pub(crate) tokens: bool,
    /// They are, whatever the lane wants: the caller's limits or a price count them.
    pub(crate) wanted: bool,
    /// The attempt under way asked for what its caller didn't ask for.
    pub(crate) withhold: Cell<bool>,
}

/// What is known about a request at one target.
pub(crate) struct Hop {
    /// The endpoint that it names, when the target's dialect knows it.
    pub(crate) endpoint: Option<&'static Endpoint>,
    /// Whether it may be sent again although it may have been acted on.
    pub(crate) repeatable: Repeatable,
}

impl Plan {
    /// The setup that the request began with.
    pub(crate) fn setup(&self) -> &Arc<Setup> {
        &self.received.setup
    }

    /// The route with its targets.
    pub(crate) fn way(&self) -> &Arc<Way> {
        &self.received.way
    }

    /// The endpoint that it names at a target.
    pub(crate) fn endpoint(&self, target: &Target) -> Option<&'static Endpoint> {
        let at = self.way().targets.iter().position(|one| std::ptr::eq(one, target))?;
        self.hops.get(at)?.endpoint
    }

    /// The dialect of what a target says; of one whose dialect isn't known, what any edge may say.
    pub(crate) fn spoken(&self, target: &Target) -> &'static Dialect {
        let catalog: &'static Catalog = self.setup().catalog;
        let edge = || catalog.get("edge").or_else(|| catalog.dialects().next());
        target.dialect.or_else(edge).expect("the catalogue is never empty")
    }

    /// The dialect in which the caller hears of failures.
    pub(crate) fn answer_dialect(&self, upstream: Option<&'static Dialect>) -> &'static Dialect {
        let catalog: &'static Catalog = self.setup().catalog;
        let plain = || catalog.get("problem").or_else(|| catalog.dialects().next());
        let own = self.received.answer.or(self.way().answer).or(upstream);
        own.or_else(plain).expect("the catalogue is never empty")
    }
}

/// Chooses whom to ask.
///
/// # Errors
/// None yet: every route has an upstream. The place is for lanes that refuse at once.
pub(crate) fn choose(
    received: Box<Received>,
    caller: Caller,
    counts_tokens: bool,
) -> Result<Plan, Box<Problem>> {
    let hops: Vec<Hop> = received.way.targets.iter().map(|target| hop(&received, target)).collect();
    let endpoint = hops.first().and_then(|hop| hop.endpoint);
    let wants_stream = match endpoint.and_then(|endpoint| endpoint.stream_when.as_ref()) {
        Some(StreamWhen::Path) => true,
        Some(StreamWhen::Member(path)) => model::is_true(received.body.kept(), path),
        None => received.accepts_events,
    };
    let safe = is_safe(received.method.as_str());
    let keepalive = keepalive(&received, endpoint).filter(|_| wants_stream);
    let protect = &received.way.route.protect;
    let priced = protect.price.counts_tokens();
    let count = Count { wanted: counts_tokens || priced, ..Count::default() };
    Ok(Plan { wants_stream, hops, safe, count, keepalive, received, caller })
}

/// Signs of life for a caller that reads events.
fn keepalive(received: &Received, endpoint: Option<&Endpoint>) -> Option<Rc<Keepalive>> {
    let route = &received.way.route;
    if route.keepalive.is_zero() {
        return None;
    }
    let asks = |param: &String| {
        received.rest.query().into_iter().flat_map(|query| query.split('&')).any(|own| own == param)
    };
    let events =
        |endpoint: &Endpoint| endpoint.stream.is_some() && endpoint.stream_query.as_ref().is_none_or(asks);
    let reads_events = received.accepts_events || endpoint.is_some_and(events);
    let always = route.stream == Streaming::Hold;
    let (method, rest) = (received.method.clone(), received.rest.to_string());
    reads_events.then(|| Rc::new(Keepalive::new(route.keepalive, always, method, rest)))
}

fn hop(received: &Received, target: &Target) -> Hop {
    let method = received.method.as_str();
    let rule = match received.way.route.retry.repeat {
        Repeat::Auto => RepeatRule::Auto,
        Repeat::Always => RepeatRule::Always,
        Repeat::Never => RepeatRule::Never,
    };
    let endpoint = target.dialect.and_then(|dialect| dialect.endpoint(method, &received.rest));
    let key = target
        .dialect
        .and_then(|dialect| dialect.idempotency_header.as_deref())
        .is_some_and(|name| received.headers.contains_key(name));
    let facts = RepeatFacts {
        idempotent: is_idempotent(method),
        endpoint: endpoint.is_some_and(|endpoint| endpoint.repeatable),
        key,
    };
    Hop { endpoint, repeatable: Repeatable::new(rule, facts) }
}
