//! Keys: made and shown once, listed, shown without their secret, taken back.

use aplomb_core::{KEY_BYTES, Key as KeyText, NewKey};
use ring::rand::{SecureRandom as _, SystemRandom};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::asked::Asked;
use super::desk::{Desk, OfficeAnswer};
use super::time;
use super::trouble::Trouble;
use crate::keys::{Scopes, hash};
use crate::store::{self, AccountId, Moment};

/// A key that is to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeyWish {
    /// Whose it is: an account's id or name.
    #[schema(example = "acme")]
    account: String,
    /// What people call it.
    #[serde(default)]
    #[schema(example = "production")]
    name: String,
    /// A tier of its own; absent: the account's, else the route's.
    tier: Option<String>,
    /// What it may be used for; absent: everything.
    #[serde(default)]
    scopes: Scopes,
    /// When it ends, in RFC 3339; absent: never.
    #[schema(example = "2027-01-31T00:00:00Z")]
    expires: Option<String>,
}

/// A key, without its secret.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct KeyShown {
    /// The part of it that may be shown.
    #[schema(example = "0bPELAU4eqF")]
    id: String,
    /// The id of the account that it belongs to.
    account: String,
    /// What people call it.
    name: String,
    /// What it is good for now: `active`, `expired` or `revoked`.
    status: &'static str,
    /// A tier of its own.
    tier: Option<String>,
    /// What it may be used for.
    #[schema(value_type = Scopes)]
    scopes: serde_json::Value,
    /// When it was made.
    created: String,
    /// When it ends.
    expires: Option<String>,
    /// When it was taken back.
    revoked: Option<String>,
    /// When it was last used, to about a minute.
    last_used: Option<String>,
}

/// A key that was just made.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct KeyMade {
    /// The key itself. It is shown this once and kept nowhere.
    #[schema(example = "apl_0bPELAU4eqF_…")]
    key: String,
    #[serde(flatten)]
    shown: KeyShown,
}

/// A page of keys.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct KeyPage {
    /// The keys, by their ids.
    data: Vec<KeyShown>,
    /// What to give as `after` for the next page; `null`: this is the last.
    next: Option<String>,
}

impl KeyShown {
    fn new(key: store::Key, now: Moment) -> Self {
        let status = match (&key.revoked, &key.expires) {
            (Some(_), _) => "revoked",
            (None, Some(end)) if *end <= now => "expired",
            (None, _) => "active",
        };
        Self {
            id: key.id,
            account: key.account.as_str().to_owned(),
            name: key.name,
            status,
            tier: key.tier,
            scopes: key.scopes,
            created: time::written(key.created),
            expires: key.expires.map(time::written),
            revoked: key.revoked.map(time::written),
            last_used: key.last_used.map(time::written),
        }
    }
}

/// Make a key
///
/// The key is in the answer, and nowhere else from then on.
#[utoipa::path(post, path = "/keys", operation_id = "create_key", tag = "keys", request_body = KeyWish, responses(
    (status = 201, description = "The key, shown this once", body = KeyMade),
    (status = 404, description = "No such account"),
    (status = 422, description = "A field that can't be as it is"),
))]
pub(super) async fn create(desk: &Desk<'_>, asked: &Asked<'_>) -> Result<OfficeAnswer, Trouble> {
    let wish: KeyWish = asked.body()?;
    if wish.name.chars().count() > 128 || wish.name.contains(char::is_control) {
        return Err(Trouble::field("name", "expected at most 128 characters, none of them invisible"));
    }
    if wish.scopes.is_unfit() {
        return Err(Trouble::field(
            "scopes",
            "expected at most 100 names of each sort, of 1 to 200 characters",
        ));
    }
    desk.check_tier(wish.tier.as_deref())?;
    let expires = wish.expires.as_deref().map(|text| time::read("expires", text)).transpose()?;
    if expires.is_some_and(|end| end <= Moment::now()) {
        return Err(Trouble::field("expires", "this time is over"));
    }
    let made = made();
    let new = store::NewKey {
        id: made.id().to_owned(),
        hash: hash(made.text()).bytes(),
        account: wish.account,
        name: wish.name,
        tier: wish.tier,
        scopes: wish.scopes.json(),
        expires,
    };
    let kept = desk.store.create_key(new, asked.who).await?;
    let key = made.text().to_owned();
    OfficeAnswer::json(201, &KeyMade { key, shown: KeyShown::new(kept, Moment::now()) })
}

/// List keys
#[utoipa::path(get, path = "/keys", operation_id = "list_keys", tag = "keys", params(
    ("account" = Option<String>, Query, description = "Only those of this account, by its id or name"),
    ("after" = Option<String>, Query, description = "Only those after this id"),
), responses((status = 200, description = "At most a thousand keys", body = KeyPage)))]
pub(super) async fn list(desk: &Desk<'_>, asked: &Asked<'_>) -> Result<OfficeAnswer, Trouble> {
    let account = match asked.param("account") {
        Some(known) => Some(desk.account(&known).await?.id),
        None => None,
    };
    let after = asked.param("after");
    let keys = desk.store.keys(account.as_ref().map(|id: &AccountId| id), after.as_deref()).await?;
    let next = (keys.len() >= super::desk::PAGE).then(|| keys.last().map(|key| key.id.clone())).flatten();
    let now = Moment::now();
    let data = keys.into_iter().map(|key| KeyShown::new(key, now)).collect();
    OfficeAnswer::json(200, &KeyPage { data, next })
}

/// Show a key, without its secret
#[utoipa::path(get, path = "/keys/{id}", operation_id = "show_key", tag = "keys", params(("id" = String, Path, description = "Its public id")), responses(
    (status = 200, description = "The key", body = KeyShown),
    (status = 404, description = "No such key"),
))]
pub(super) async fn show(desk: &Desk<'_>, id: &str) -> Result<OfficeAnswer, Trouble> {
    let id = id_of(id);
    let found = desk.store.find_key(id).await?;
    let found = found.ok_or_else(|| Trouble::nothing(format!("there is no key `{}`", short(id))))?;
    OfficeAnswer::json(200, &KeyShown::new(found.key, Moment::now()))
}

/// Revoke a key
///
/// It is refused everywhere within a second. A key that was revoked stays so; make another one instead.
#[utoipa::path(delete, path = "/keys/{id}", operation_id = "revoke_key", tag = "keys", params(("id" = String, Path, description = "Its public id")), responses(
    (status = 200, description = "The key, revoked now or before", body = KeyShown),
    (status = 404, description = "No such key"),
))]
pub(super) async fn revoke(desk: &Desk<'_>, asked: &Asked<'_>, id: &str) -> Result<OfficeAnswer, Trouble> {
    let key = desk.store.revoke_key(id_of(id), asked.who).await?;
    OfficeAnswer::json(200, &KeyShown::new(key, Moment::now()))
}

/// Whoever found a leaked key has the whole of it at hand.
fn id_of(text: &str) -> &str {
    KeyText::read(text.as_bytes()).map_or(text, |key| key.id())
}

/// What isn't an id may be a secret, or long.
fn short(id: &str) -> String {
    id.chars().take(16).collect()
}

fn made() -> NewKey {
    let mut random = [0; KEY_BYTES];
    SystemRandom::new().fill(&mut random).expect("the system gives random bytes to a process that runs");
    NewKey::make(&random)
}
