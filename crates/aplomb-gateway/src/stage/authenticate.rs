//! Authenticate: whose request it is, and whether its key is for this. What it was shown goes no further.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use aplomb_core::{Dialect, Key, NoKey};

use crate::caller::Caller;
use crate::config::{Jwt, Keys, OnStoreDown, Tier};
use crate::keys::{KnownKey, Looked, Refused, Shown, find, hash};
use crate::model;
use crate::problem::Problem;
use crate::stage::receive::Received;
use crate::store::Moment;
use crate::trail::Trail;
use crate::worker::Worker;

/// Finds out whose request it is, by its head. What its caller showed is taken out of it.
///
/// Where nobody has to be known, or nobody can tell and the route lets everybody in then, the caller has no name.
///
/// # Errors
/// The route asks for a key, and there is none that is good for this.
pub(crate) async fn check(
    worker: &Worker,
    received: &mut Received,
    trail: &mut Trail,
) -> Result<Caller, Box<Problem>> {
    let protect = &received.way.route.protect;
    if protect.keys == Keys::None {
        return Ok(Caller::default());
    }
    let dialect = received.answer.or(received.way.answer);
    let answer = dialect.or_else(|| received.setup.without_route(&received.headers));
    let signed = protect.jwt.is_some();
    let shown = find(&received.setup, dialect, &received.headers, received.rest.query(), signed);
    received.setup.credential_headers.remove_from(&mut received.headers);
    received.rest.strip_credentials(&received.setup);
    let address = received.proxies.caller(&received.headers, &received.from);
    let asker = Asker { worker, received, address };
    let known = match asker.at_once(&shown, trail) {
        Some(known) => known,
        // Boxed: nearly every request's key is remembered, and what it takes to ask for one is large.
        None => Box::pin(asker.ask(&shown, trail)).await,
    };
    match known {
        Ok(caller) => Ok(caller),
        Err(refused) => Err(Box::pin(refuse(worker, &refused, address, answer)).await),
    }
}

/// Refuses a caller; who may be guessing waits for it.
async fn refuse(
    worker: &Worker,
    refused: &Refused,
    address: IpAddr,
    answer: Option<&'static Dialect>,
) -> Box<Problem> {
    let shared = worker.shared();
    shared.tally.refuse(refused);
    if refused.is_guess() {
        let wait = shared.attempts.failed(address, Instant::now());
        shared.attempts.hold_back(wait).await;
    }
    Box::new(refused.problem(answer))
}

/// Whether the caller's key is for the model that the request names, once it is read.
///
/// # Errors
/// It isn't, or nobody can tell.
pub(crate) fn check_model(worker: &Worker, received: &Received, caller: &Caller) -> Result<(), Box<Problem>> {
    let Some(scopes) = &caller.scopes else { return Ok(()) };
    let model = model_of(received);
    scopes.allow_model(&received.method, model.as_deref()).map_err(|told| {
        let refused = Refused::OutOfScope(told);
        worker.shared().tally.refuse(&refused);
        received.told(refused.problem(received.answer.or(received.way.answer)))
    })
}

/// Somebody who wants to be let in.
struct Asker<'a> {
    worker: &'a Worker,
    received: &'a Received,
    address: IpAddr,
}

impl Asker<'_> {
    /// What can be told without asking anybody.
    fn at_once(&self, shown: &Shown, trail: &mut Trail) -> Option<Result<Caller, Refused>> {
        let text = match shown {
            Shown::Nothing => return Some(Err(Refused::Missing)),
            Shown::OtherScheme => return Some(Err(Refused::OtherScheme)),
            Shown::Text(text) => text,
        };
        let key = match Key::read(text) {
            Ok(key) => key,
            Err(NoKey::Token) if self.jwt().is_some() => return None,
            Err(why) => return Some(Err(Refused::Malformed(why))),
        };
        let (known, believed) = self.worker.shared().keyring.remembered(key.id())?;
        (believed && known.hash.is(&hash(key.text()))).then(|| self.let_in(&known, trail))
    }

    async fn ask(&self, shown: &Shown, trail: &mut Trail) -> Result<Caller, Refused> {
        let Shown::Text(text) = shown else { return Err(Refused::Missing) };
        match (Key::read(text), self.jwt()) {
            (Ok(key), _) => self.by_key(&key, trail).await,
            (Err(NoKey::Token), Some(jwt)) => self.by_token(jwt, text, trail).await,
            (Err(why), _) => Err(Refused::Malformed(why)),
        }
    }

    fn jwt(&self) -> Option<&Jwt> {
        self.received.way.route.protect.jwt.as_ref()
    }

    async fn by_key(&self, key: &Key<'_>, trail: &mut Trail) -> Result<Caller, Refused> {
        let hash = hash(key.text());
        let is_its = |known: &Arc<KnownKey>| known.hash.is(&hash);
        // A good key that is remembered isn't refused for what others guess beside it.
        if !self.worker.shared().keyring.remembered(key.id()).is_some_and(|(known, _)| is_its(&known)) {
            self.refuse_guessing()?;
        }
        match self.look_up(key.id()).await? {
            LookedUp::Anybody => Ok(Caller::default()),
            LookedUp::Key(known) => {
                let known = known.filter(is_its).ok_or(Refused::Unknown)?;
                self.let_in(&known, trail)
            }
        }
    }

    /// Lets in whoever has the right key, if it is good for this now.
    fn let_in(&self, known: &KnownKey, trail: &mut Trail) -> Result<Caller, Refused> {
        let caller = Caller {
            account: Some(Arc::clone(&known.account.id)),
            key: Some(Arc::clone(&known.id)),
            tier: self.tier(known.tier.as_deref()),
            scopes: known.scopes.clone().filter(|scopes| scopes.needs_model()),
        };
        // From here on the log may say whose it was.
        trail.caller = caller.clone();
        let now = Moment::now();
        self.admit_key(known, now)?;
        known.use_at(now);
        Ok(caller)
    }

    async fn look_up(&self, id: &str) -> Result<LookedUp, Refused> {
        match self.worker.shared().keyring.key(id).await {
            Looked::Known(known) => Ok(LookedUp::Key(Some(known))),
            Looked::Unknown => Ok(LookedUp::Key(None)),
            Looked::Down(known) => match (self.on_store_down(), known) {
                (OnStoreDown::Open | OnStoreDown::Local, Some(known)) => Ok(LookedUp::Key(Some(known))),
                (OnStoreDown::Open, None) => Ok(LookedUp::Anybody),
                (OnStoreDown::Local | OnStoreDown::Closed, _) => Err(store_is_down()),
            },
        }
    }

    /// The tier of that name; one that isn't configured here is as good as none.
    fn tier(&self, name: Option<&str>) -> Option<Arc<Tier>> {
        let name = name?;
        self.received.setup.config.tiers.iter().find(|tier| tier.name == name).map(Arc::clone)
    }

    /// Whether a key that is the right one is good for this now.
    fn admit_key(&self, known: &KnownKey, now: Moment) -> Result<(), Refused> {
        if known.revoked {
            return Err(Refused::Revoked);
        }
        if known.has_ended(now) {
            return Err(Refused::Expired);
        }
        if known.account.disabled {
            return Err(Refused::Disabled);
        }
        match &known.scopes {
            // How it stands, every key may ask.
            Some(_) if self.received.asks_state() => Ok(()),
            Some(scopes) => scopes
                .allow_place(&self.received.way.route.path, &self.received.method)
                .map_err(Refused::OutOfScope),
            None => Err(Refused::OutOfScope(
                "this key's scopes can't be read here, so that it may do nothing".into(),
            )),
        }
    }

    async fn by_token(&self, jwt: &Jwt, token: &[u8], trail: &mut Trail) -> Result<Caller, Refused> {
        let shared = self.worker.shared();
        let signed = match shared.issuers.remembered(jwt, token) {
            Some(signed) => signed,
            None => {
                self.refuse_guessing()?;
                shared.issuers.check(jwt, token, &self.worker.plain_pool()).await?
            }
        };
        let known = match shared.keyring.account(&signed.account).await {
            Looked::Known(known) => Some(known),
            Looked::Unknown => None,
            // The token says who it is; what else is known of the account may be old.
            Looked::Down(known) if self.on_store_down() != OnStoreDown::Closed => known,
            Looked::Down(_) => return Err(store_is_down()),
        };
        let tier = signed.tier.as_deref().or_else(|| known.as_ref()?.tier.as_deref());
        let account = known.as_ref().map(|known| Arc::clone(&known.id));
        let caller = Caller {
            account: Some(account.unwrap_or(signed.account)),
            tier: self.tier(tier),
            ..Caller::default()
        };
        trail.caller = caller.clone();
        match known.is_some_and(|known| known.disabled) {
            true => Err(Refused::Disabled),
            false => Ok(caller),
        }
    }

    fn refuse_guessing(&self) -> Result<(), Refused> {
        let wait = self.worker.shared().attempts.refuses(self.address, Instant::now());
        wait.map_or(Ok(()), |wait| Err(Refused::TooOften(wait)))
    }

    fn on_store_down(&self) -> OnStoreDown {
        self.received.way.route.protect.on_store_down
    }
}

/// What a look-up came to.
enum LookedUp {
    /// Nobody can tell, and then the route lets everybody in.
    Anybody,
    /// The key of that id, if there is one.
    Key(Option<Arc<KnownKey>>),
}

fn store_is_down() -> Refused {
    Refused::NotNow("API keys can't be checked now")
}

/// The model that a request names, where its API keeps it; `None` if it can't be read.
fn model_of(received: &Received) -> Option<String> {
    let way = &received.way;
    let upstream = way.targets.first().and_then(|target| target.dialect);
    let place = upstream.or(way.answer).and_then(|dialect: &'static Dialect| dialect.model.as_ref())?;
    let body = received.body.kept().map_or(&[][..], |body| body);
    model::named(place, received.rest.with_query(), body).map(std::borrow::Cow::into_owned)
}
