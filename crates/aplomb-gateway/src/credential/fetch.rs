//! Fetching a token: one flight for all who wait, on whatever thread they are.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use aplomb_core::policy::delay;
use http::Uri;
use tokio::sync::Notify;
use tokio::task::spawn_local;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::file::read_key;
use super::keeper::{Keeper, Times};
use super::registry::KeyError;
use super::token::{self, NoToken, Token};
use crate::collect;
use crate::config::{Confided, Grant, OAuth, Secret};
use crate::net::{Origin, Patience, Pool};
use crate::worker::Worker;

/// How long one try may take, from connecting to the last byte.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long connecting may take of that.
const CONNECT: Duration = Duration::from_secs(5);

/// How often a flight tries; then whoever waits is told, and the next request begins another one.
const TRIES: u32 = 3;

/// A longer wait than this is not made in a flight.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// How long after a failed flight at least nobody begins another one.
const PAUSE: Duration = Duration::from_secs(1);

/// How long before its end a token is renewed at least.
const MARGIN: Duration = Duration::from_secs(30);

/// Why there is no credential to send with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lack {
    /// In words, without secrets.
    pub(crate) told: String,
    /// It may be had later.
    pub(crate) later: bool,
    /// How much later.
    pub(crate) wait: Duration,
}

/// How a token is fetched, and what came of it so far.
#[derive(Debug)]
pub(super) struct Fetcher {
    oauth: OAuth,
    origin: Origin,
    flight: Mutex<Flight>,
    /// A flight is over.
    landed: Notify,
    /// Tokens up to this number were refused by an upstream.
    refused: AtomicU64,
}

#[derive(Debug, Default)]
struct Flight {
    under_way: bool,
    /// How often in a row it failed.
    failures: u32,
    /// What the last one failed with, and until when there is no other.
    failed: Option<(Lack, Instant)>,
    /// What was configured, and what the server gave in its place.
    rotated: Option<(Secret, Secret)>,
}

impl Fetcher {
    pub(super) fn new(oauth: OAuth) -> Result<Self, KeyError> {
        let place: Uri = oauth.token_url.base.origin().parse().map_err(|_| crate::net::OriginError::Host)?;
        let origin = Origin::of(&place)?;
        let (landed, refused) = (Notify::new(), AtomicU64::new(0));
        Ok(Self { oauth, origin, flight: Mutex::default(), landed, refused })
    }

    /// Whether there is a token that will do for a while.
    pub(super) fn has(&self, keeper: &Keeper) -> bool {
        matches!(self.state(keeper), State::Good)
    }

    /// Waits until there is a token; one that will run out soon is renewed meanwhile, and waited for by nobody.
    ///
    /// # Errors
    /// There is none, or not in time.
    pub(super) async fn ready(
        &self,
        keeper: &Arc<Keeper>,
        worker: &Worker,
        pool: impl FnOnce() -> Pool,
        until: Instant,
    ) -> Result<(), Lack> {
        let before = match self.state(keeper) {
            State::Good => return Ok(()),
            State::Due(number) | State::None(number) => number,
        };
        let mut landed = std::pin::pin!(self.landed.notified());
        landed.as_mut().enable();
        let begun = self.begin(keeper, before);
        if let Begun::Mine = begun {
            // It goes on when who began it goes away: others wait for it too.
            spawn_local(fly(Landing(Arc::clone(keeper)), worker.clone(), pool()));
        }
        match (begun, self.state(keeper)) {
            (Begun::Landed, _) | (_, State::Good | State::Due(_)) => return Ok(()),
            (Begun::Not(lack), State::None(_)) => return Err(lack),
            (Begun::Mine | Begun::Others, State::None(_)) => {}
        }
        if timeout_at(until, landed).await.is_err() {
            let told = "the token server took too long".to_owned();
            return Err(Lack { told, later: true, wait: PAUSE });
        }
        // However short it holds, it was fetched for this.
        if keeper.number() > before {
            return Ok(());
        }
        let now = Instant::now();
        let failed = self.flight().failed.clone();
        Err(failed.map_or_else(Lack::unsaid, |(lack, over)| Lack { wait: over - now, ..lack }))
    }

    /// That token was refused by an upstream: it is as good as none.
    pub(super) fn refused(&self, number: u64) {
        self.refused.fetch_max(number, Ordering::AcqRel);
    }

    /// There is no newer one: what there is may still do, better than none.
    pub(super) fn refused_in_vain(&self) {
        self.refused.store(0, Ordering::Release);
    }

    pub(super) fn state(&self, keeper: &Keeper) -> State {
        let Some(present) = keeper.present() else { return State::None(0) };
        let number = present.number;
        let now = Instant::now();
        match present.times {
            _ if number <= self.refused.load(Ordering::Acquire) => State::None(number),
            Some(times) if times.over <= now => State::None(number),
            Some(times) if times.due <= now => State::Due(number),
            _ => State::Good,
        }
    }

    /// Begins a flight, unless one is under way or there is a newer token than `before` meanwhile.
    pub(super) fn begin(&self, keeper: &Keeper, before: u64) -> Begun {
        let now = Instant::now();
        let mut flight = self.flight();
        if flight.under_way {
            return Begun::Others;
        }
        if keeper.number() > before {
            return Begun::Landed;
        }
        if let Some((lack, over)) = flight.failed.as_ref().filter(|(_, over)| *over > now) {
            return Begun::Not(Lack { wait: *over - now, ..lack.clone() });
        }
        flight.under_way = true;
        Begun::Mine
    }

    /// Why there is no newer token, and how long nobody tries again.
    pub(super) fn failed(&self) -> Option<(String, Duration)> {
        let flight = self.flight();
        flight
            .failed
            .as_ref()
            .map(|(lack, over)| (lack.told.clone(), over.saturating_duration_since(Instant::now())))
    }

    /// The lock is held for a look, never across a wait.
    fn flight(&self) -> MutexGuard<'_, Flight> {
        self.flight.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One try.
    async fn fetch(&self, pool: &Pool) -> Result<Token, NoToken> {
        let secret = self.oauth.client_secret.as_ref().map(value).transpose()?;
        let configured = match &self.oauth.grant {
            Grant::ClientCredentials => None,
            Grant::RefreshToken(token) => Some(value(token)?),
        };
        let rotated = self.flight().rotated.clone();
        // One that was configured anew counts more than what came of the old one.
        let rotated = rotated.filter(|(from, _)| configured.as_ref() == Some(from)).map(|(_, to)| to);
        let refresh = rotated.as_ref().or(configured.as_ref());
        let request = token::request(&self.oauth, secret.as_ref(), refresh);
        let hidden: Vec<&Secret> =
            [secret.as_ref(), refresh, configured.as_ref()].into_iter().flatten().collect();
        let mut outcome = timeout(PATIENCE, self.exchange(pool, request))
            .await
            .unwrap_or_else(|_late| Err(NoToken::later("the token server took too long".to_owned())));
        if let Err(no) = &mut outcome {
            for secret in hidden {
                no.told = no.told.replace(secret.expose(), "[redacted]");
            }
            if no.spent {
                self.flight().rotated = None;
            }
        }
        if let (Ok(Token { refresh: Some(next), .. }), Some(configured)) = (&outcome, configured) {
            self.flight().rotated = Some((configured, next.clone()));
        }
        outcome
    }

    async fn exchange(
        &self,
        pool: &Pool,
        request: http::Request<crate::net::Body>,
    ) -> Result<Token, NoToken> {
        let patience = Patience { connect: CONNECT, headers: PATIENCE };
        let sent = pool.send(&self.origin, request, patience).await;
        let answer = sent.map_err(|error| NoToken::later(format!("the token server: {error}")))?;
        let (head, body) = answer.into_parts();
        let (body, whole) = collect::short_body(body, PATIENCE).await;
        if !whole {
            return Err(NoToken::later("the token server's answer was cut, or is too large".to_owned()));
        }
        token::read(head.status, &head.headers, &body, SystemTime::now())
    }

    /// A flight failed: how long nobody begins another one.
    pub(super) fn give_up(&self, no: NoToken, random: f64) {
        let mut flight = self.flight();
        let pause = match no.wait.filter(|wait| !wait.is_zero()) {
            Some(hint) => delay::after_hint(hint.min(Duration::from_secs(60)), random),
            None => delay::backoff(flight.failures, true, random).max(PAUSE),
        };
        flight.failures = flight.failures.saturating_add(1);
        let lack = Lack { told: no.told, later: no.later, wait: pause };
        flight.failed = Some((lack, Instant::now() + pause));
        drop(flight);
        self.refused_in_vain();
    }
}

/// A flight: tries until there is a token, or no hope for one.
async fn fly(landing: Landing, worker: Worker, pool: Pool) {
    let keeper = &landing.0;
    let Some(fetcher) = keeper.fetcher() else { return };
    let host = &fetcher.oauth.token_url.base.host;
    for tried in 0..TRIES {
        let taken = match fetcher.fetch(&pool).await {
            Ok(token) => keeper.put(&token.access, times(token.lasts)).map_err(|told| NoToken {
                later: false,
                ..NoToken::later(format!("the token server gave what can't be sent: {told}"))
            }),
            Err(no) => Err(no),
        };
        let Err(no) = taken else {
            let mut flight = fetcher.flight();
            (flight.failures, flight.failed) = (0, None);
            tracing::debug!(target: "aplomb::credential", host, "a token was fetched");
            return;
        };
        let wait = match no.wait {
            Some(hint) => delay::after_hint(hint, worker.random()),
            None => delay::backoff(tried, false, worker.random()),
        };
        if !no.later || tried + 1 == TRIES || wait > LONGEST_WAIT {
            tracing::error!(target: "aplomb::credential", host, error = no.told, "no token could be fetched");
            fetcher.give_up(no, worker.random());
            return;
        }
        tracing::warn!(target: "aplomb::credential", host, error = no.told, "no token yet");
        sleep(wait).await;
    }
}

/// Everybody who waits looks again, however the flight ended: its thread may have.
pub(super) struct Landing(pub(super) Arc<Keeper>);

impl Drop for Landing {
    fn drop(&mut self) {
        let Some(fetcher) = self.0.fetcher() else { return };
        fetcher.flight().under_way = false;
        fetcher.landed.notify_waiters();
    }
}

/// When a token that holds so long is renewed and when it is over.
///
/// Half a minute or a tenth before its end, but never before half of it is over.
pub(super) fn times(lasts: Option<Duration>) -> Option<Times> {
    let lasts = lasts?;
    let margin = (lasts / 10).max(MARGIN).min(lasts / 2);
    let now = Instant::now();
    Some(Times { due: now.checked_add(lasts - margin)?, over: now.checked_add(lasts)? })
}

fn value(confided: &Confided) -> Result<Secret, NoToken> {
    match confided {
        Confided::Given(secret) => Ok(secret.clone()),
        Confided::File(path) => read_key(path)
            .map_err(|error| NoToken::later(format!("can't take a secret from {}: {error}", path.display()))),
    }
}

impl NoToken {
    pub(super) fn later(told: String) -> Self {
        Self { told, later: true, wait: None, spent: false }
    }
}

impl Lack {
    /// The flight ended with its thread.
    fn unsaid() -> Self {
        Self { told: "fetching a token was given up".to_owned(), later: true, wait: PAUSE }
    }
}

pub(super) enum State {
    /// There is a token to send with.
    Good,
    /// There is, but not for long.
    Due(u64),
    /// There is none.
    None(u64),
}

pub(super) enum Begun {
    /// Who asks has to fly.
    Mine,
    /// Somebody's flight landed just now.
    Landed,
    /// Somebody does.
    Others,
    /// It failed just now.
    Not(Lack),
}
