//! A path prefix, whom to ask behind it in order, and the policy for it.

use std::sync::Arc;
use std::time::Duration;

use crate::config::{Credential, Protect, Upstream};

/// A row of `[[route]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The prefix: begins with a slash, doesn't end with one unless it is `/` itself.
    pub path: String,
    /// Whom to ask first.
    pub upstream: Arc<Upstream>,
    /// How much of the load it takes beside its equals.
    pub weight: u32,
    /// Whom to ask as well, at the same rank.
    pub equals: Vec<Equal>,
    /// Whom to ask then, in order.
    pub fallback: Vec<Fallback>,
    /// The dialect in which callers hear of failures; absent: the upstream's own once it is known, else `problem`.
    pub answer: Option<String>,
    /// Whether callers nobody identifies may spend a credential of ours from other machines.
    pub open: bool,
    /// When to ask again.
    pub retry: Retry,
    /// How long to wait for a turn.
    pub queue: Queue,
    /// Whether to ask a second time before an answer began, when it takes longer than usual.
    pub hedge: bool,
    /// How much of an upstream's failure callers see.
    pub disclose: Disclose,
    /// Where callers see what was tried.
    pub trail: Trail,
    /// How an upstream's limit on a credential of ours is shown.
    pub shared_quota: SharedQuota,
    /// Whether a stream is delivered as it comes, or once it is whole.
    pub stream: Streaming,
    /// How often a caller that waits for a stream is sent a comment; nothing is sent when it is zero.
    pub keepalive: Duration,
    /// The largest request body that is kept so that it can be sent again, in bytes; a larger one is sent once.
    pub replay_bytes: usize,
    /// What it asks of its callers.
    pub protect: Protect,
}

impl Route {
    /// How much of a request is kept by default: whole conversations with images in them.
    pub const REPLAY_BYTES: usize = 10 << 20;

    /// A route with every default, for the upstream's own callers.
    pub fn new(path: &str, upstream: Arc<Upstream>) -> Self {
        Self {
            path: path.to_owned(),
            answer: upstream.dialect.clone(),
            disclose: Disclose::default_for([&upstream.credential]),
            upstream,
            weight: 1,
            equals: Vec::new(),
            fallback: Vec::new(),
            open: false,
            retry: Retry::default(),
            queue: Queue::default(),
            hedge: false,
            trail: Trail::default(),
            shared_quota: SharedQuota::default(),
            stream: Streaming::default(),
            keepalive: Duration::ZERO,
            replay_bytes: Self::REPLAY_BYTES,
            protect: Protect::default(),
        }
    }

    /// Everybody who may be asked, in order.
    pub fn hops(&self) -> impl Iterator<Item = Hop<'_>> {
        let first = Hop {
            upstream: &self.upstream,
            rank: 0,
            weight: self.weight,
            model: None,
            context: self.upstream.context,
        };
        let equals = self.equals.iter().map(|equal| {
            let Equal { upstream, weight } = equal;
            Hop { upstream, rank: 0, weight: *weight, model: None, context: upstream.context }
        });
        let fallbacks = self.fallback.iter().enumerate().map(|(index, fallback)| {
            let Fallback { upstream, model, context } = fallback;
            let context = context.or(upstream.context);
            Hop { upstream, rank: index + 1, weight: 1, model: model.as_deref(), context }
        });
        std::iter::once(first).chain(equals).chain(fallbacks)
    }
}

/// One of those who may be asked.
#[derive(Clone, Copy, Debug)]
pub struct Hop<'a> {
    /// Whom.
    pub upstream: &'a Arc<Upstream>,
    /// Those of a lower rank are asked first.
    pub rank: usize,
    /// How much of its rank's load it takes.
    pub weight: u32,
    /// The model to name instead of the caller's.
    pub model: Option<&'a str>,
    /// How many tokens fit, if told.
    pub context: Option<u64>,
}

/// One of those who are asked first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Equal {
    /// Whom.
    pub upstream: Arc<Upstream>,
    /// How much of the load it takes, beside the others.
    pub weight: u32,
}

/// Whom to ask when those before failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fallback {
    /// Whom.
    pub upstream: Arc<Upstream>,
    /// The model to name instead of the caller's.
    pub model: Option<String>,
    /// How many tokens fit, if it is not as its upstream says; a request that was too long is not sent to one that is
    /// declared to be no larger.
    pub context: Option<u64>,
}

/// When to ask again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// Sends per upstream, the first included; at least 1.
    pub attempts: u32,
    /// Until when a wait or an attempt may begin, counted from the request's arrival, fallbacks included.
    pub deadline: Duration,
    /// Whether to repeat what may have been done.
    pub repeat: Repeat,
}

impl Default for Retry {
    fn default() -> Self {
        Self { attempts: 3, deadline: Duration::from_secs(60), repeat: Repeat::default() }
    }
}

/// Whether to repeat a request whose outcome is unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Repeat {
    /// If the method, the dialect or an idempotency key says that it does no harm.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// How long to wait for a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Queue {
    /// The longest wait that is taken up for a caller; a longer one is passed on as a hint instead.
    pub max_wait: Duration,
    /// How many requests may wait in each lane.
    pub size: usize,
    /// With a fallback at hand, a lane is not waited for longer than this.
    pub prefer_fallback_after: Duration,
    /// Whether callers may say how urgent a request is.
    pub priority: Priorities,
}

/// Whether callers may say how urgent a request is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Priorities {
    /// All are equal.
    #[default]
    None,
    /// By the header `aplomb-priority: interactive` or `batch`.
    Header,
}

impl Default for Queue {
    fn default() -> Self {
        Self {
            max_wait: Duration::from_secs(60),
            size: 10_000,
            prefer_fallback_after: Duration::from_secs(2),
            priority: Priorities::None,
        }
    }
}

/// How much of an upstream's failure callers see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disclose {
    /// Everything but secrets.
    Full,
    /// No names or addresses of upstreams and no trail.
    Safe,
    /// The kind's own sentence, no code and no details.
    None,
}

impl Disclose {
    /// Full where callers use their own credential only: the failure is theirs. Else safe.
    pub(super) fn default_for<'a>(credentials: impl IntoIterator<Item = &'a Credential>) -> Self {
        if credentials.into_iter().all(Credential::is_callers) { Self::Full } else { Self::Safe }
    }
}

/// Where callers see what was tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Trail {
    /// In headers.
    #[default]
    Headers,
    /// In a member `aplomb` of the failure's body too.
    Body,
}

/// How an upstream's limit on a credential of ours is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SharedQuota {
    /// As a 429: callers know how to wait.
    #[default]
    RateLimit,
    /// As a 503: it is no limit of the caller's.
    Unavailable,
}

/// How a stream is delivered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Streaming {
    /// As it comes: what breaks is told in the stream.
    #[default]
    Live,
    /// Once it is whole: what breaks is repaired unseen.
    Hold,
}
