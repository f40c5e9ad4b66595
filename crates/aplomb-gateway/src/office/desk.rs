//! The desk: what can be asked, in one table, and the store behind it.

use std::path::PathBuf;
use std::sync::Arc;

use http::Method;
use serde::Serialize;

use super::asked::Asked;
use super::trouble::Trouble;
use super::{accounts, audit, keys, ledger, records, tiers};
use crate::config::{Config, StorePlace, Tier};
use crate::store::{Account, OpenError, Store};

/// How many rows a page of the store has at most.
pub(super) const PAGE: usize = 1_000;

/// The office of a store.
#[derive(Clone, Debug)]
pub struct Office {
    store: Store,
}

/// What the office answers.
#[derive(Debug)]
pub struct OfficeAnswer {
    /// An HTTP status.
    pub status: u16,
    /// `application/json`, or `application/problem+json` where something is wrong.
    pub content_type: &'static str,
    /// The body: JSON.
    pub body: Vec<u8>,
    /// The methods that are served there, where another one was asked for.
    pub allow: Option<&'static str>,
}

impl OfficeAnswer {
    pub(super) fn json(status: u16, body: &impl Serialize) -> Result<Self, Trouble> {
        let mut body = serde_json::to_vec(body).expect("what is shown is made of texts and numbers");
        body.push(b'\n');
        Ok(Self { status, content_type: "application/json", body, allow: None })
    }
}

impl Office {
    /// The office of a store that no gateway has open; `state` is the folder for a file that isn't named.
    ///
    /// # Errors
    /// The store can't be opened.
    pub fn open(place: &StorePlace, state: Option<PathBuf>) -> Result<Self, OpenError> {
        Ok(Self { store: Store::open_configured(place, state)? })
    }

    /// The office of a store that is open.
    pub(crate) fn of(store: Store) -> Self {
        Self { store }
    }

    /// Whether a path is asked here.
    pub(crate) fn has(path: &str) -> bool {
        let first = path.split('/').nth(1).unwrap_or_default();
        ["keys", "accounts", "tiers", "audit", "idempotency", "limits"].contains(&first)
    }

    /// Answers one question: a method and a target such as `/keys?account=acme`. `config` names the tiers; without one any
    /// name may be given.
    pub async fn answer(
        &self,
        config: Option<&Config>,
        who: &str,
        method: &Method,
        target: &str,
        body: &[u8],
    ) -> OfficeAnswer {
        let desk = Desk { store: &self.store, tiers: config.map(|config| config.tiers.as_slice()) };
        let asked = Asked::new(who, method, target, body);
        desk.answer(&asked).await.unwrap_or_else(|trouble| trouble.answer())
    }
}

/// What a question is answered with.
pub(super) struct Desk<'a> {
    pub(super) store: &'a Store,
    /// Absent where nobody knows the configuration.
    tiers: Option<&'a [Arc<Tier>]>,
}

impl Desk<'_> {
    async fn answer(&self, asked: &Asked<'_>) -> Result<OfficeAnswer, Trouble> {
        let pieces: Vec<&str> = asked.path.iter().map(String::as_str).collect();
        match (pieces.as_slice(), asked.method.as_str()) {
            (["keys"], "GET" | "HEAD") => keys::list(self, asked).await,
            (["keys"], "POST") => keys::create(self, asked).await,
            (["keys"], _) => Err(Trouble::method("GET, HEAD, POST")),
            (["keys", id], "GET" | "HEAD") => keys::show(self, id).await,
            (["keys", id], "DELETE") => keys::revoke(self, asked, id).await,
            (["keys", _], _) => Err(Trouble::method("GET, HEAD, DELETE")),
            (["accounts"], "GET" | "HEAD") => accounts::list(self, asked).await,
            (["accounts"], "POST") => accounts::create(self, asked).await,
            (["accounts"], _) => Err(Trouble::method("GET, HEAD, POST")),
            (["accounts", known], "GET" | "HEAD") => accounts::show(self, known).await,
            (["accounts", known], "PATCH") => accounts::change(self, asked, known).await,
            (["accounts", _], _) => Err(Trouble::method("GET, HEAD, PATCH")),
            (["accounts", known, "ledger"], "GET" | "HEAD") => ledger::list(self, asked, known).await,
            (["accounts", known, "ledger"], "POST") => ledger::add(self, asked, known).await,
            (["accounts", _, "ledger"], _) => Err(Trouble::method("GET, HEAD, POST")),
            (["tiers"], "GET" | "HEAD") => tiers::list(self.tiers.unwrap_or_default()),
            (["audit"], "GET" | "HEAD") => audit::list(self, asked).await,
            (["idempotency"], "GET" | "HEAD") => records::list(self, asked).await,
            (["idempotency", scope, key], "GET" | "HEAD") => records::show(self, scope, key).await,
            (["idempotency", scope, key], "DELETE") => records::remove(self, asked, scope, key).await,
            (["idempotency", _, _], _) => Err(Trouble::method("GET, HEAD, DELETE")),
            (["tiers" | "audit" | "idempotency"], _) => Err(Trouble::method("GET, HEAD")),
            _ => Err(Trouble::nothing("there is no such place; GET /openapi.json lists them")),
        }
    }

    /// The account of that id or name.
    pub(super) async fn account(&self, known: &str) -> Result<Account, Trouble> {
        let found = self.store.account(known).await?;
        found.ok_or_else(|| {
            Trouble::nothing(format!("there is no account `{}`", known.chars().take(128).collect::<String>()))
        })
    }

    /// A tier that isn't configured would be as good as none.
    pub(super) fn check_tier(&self, name: Option<&str>) -> Result<(), Trouble> {
        self.tiers.map_or(Ok(()), |tiers| check_tier(tiers, name))
    }
}

/// A tier that isn't configured is a mistake.
pub(super) fn check_tier(tiers: &[Arc<Tier>], name: Option<&str>) -> Result<(), Trouble> {
    let Some(name) = name else { return Ok(()) };
    if tiers.iter().any(|tier| tier.name == name) {
        return Ok(());
    }
    let names: Vec<_> = tiers.iter().map(|tier| format!("`{}`", tier.name)).collect();
    Err(Trouble::field(
        "tier",
        &match names.is_empty() {
            true => "no tier is configured; write `[tier.NAME]`, or leave it out".to_owned(),
            false => format!("there is no such tier; configured are {}", names.join(", ")),
        },
    ))
}
