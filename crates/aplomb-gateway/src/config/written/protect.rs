//! The keys of `[[route]]` that stand before an API, as written.

use std::time::Duration;

use http::Method;
use toml::de::DeValue;

use crate::config::written::value::{bytes, choice, line, patience, text, wait, whole};
use crate::config::written::{At, Section};
use crate::config::{
    Cost, Idempotency, IdempotencyMode, Jwt, Keys, ModelPrice, OnStoreDown, OnUnknown, Price, WhileRunning,
};

/// What is said about callers; [`Protect`](crate::config::Protect) has the page of every key.
#[derive(Debug)]
pub(crate) struct WrittenProtect {
    pub(crate) keys: Option<Keys>,
    pub(crate) jwt: Option<At<Jwt>>,
    pub(crate) tier: Option<At<String>>,
    pub(crate) validate: Option<At<String>>,
    pub(crate) idempotency: Option<Idempotency>,
    pub(crate) dedupe: Option<Duration>,
    pub(crate) price: Option<At<Price>>,
    pub(crate) on_store_down: Option<OnStoreDown>,
}

impl WrittenProtect {
    /// Reads the keys that are its own out of a row.
    pub(super) fn read(row: &mut Section<'_>) -> Self {
        let keys = [("none", Keys::None), ("required", Keys::Required)];
        let down =
            [("open", OnStoreDown::Open), ("closed", OnStoreDown::Closed), ("local", OnStoreDown::Local)];
        Self {
            keys: row.take("keys", choice(&keys)).map(|at| at.value),
            jwt: read_jwt(row),
            tier: row.take("tier", line),
            validate: row.take("validate", |value| text(value).map(str::to_owned)),
            idempotency: read_idempotency(row),
            dedupe: row.take("dedupe", wait).map(|at| at.value),
            price: read_price(row),
            on_store_down: row.take("on_store_down", choice(&down)).map(|at| at.value),
        }
    }
}

fn read_jwt(row: &mut Section<'_>) -> Option<At<Jwt>> {
    let spot = row.spot_of("jwt")?;
    let mut table = row.section("jwt")?;
    let jwks = table.required("jwks", "where the signing keys are, `https://…/jwks.json`", key_server);
    let issuer = table.required("issuer", "who must have issued a token", line);
    let audience = table.required("audience", "for whom a token must be", line);
    let account = table.take("account", line).map_or_else(|| "sub".to_owned(), |at| at.value);
    let tier = table.take("tier", line).map_or_else(|| "tier".to_owned(), |at| at.value);
    table.finish();
    let value = Jwt { jwks: jwks?.value, issuer: issuer?.value, audience: audience?.value, account, tier };
    Some(At { value, spot })
}

/// Keys that anybody on the way could change sign nothing.
fn key_server(value: &DeValue<'_>) -> Result<String, String> {
    let url = line(value)?;
    let uri: http::Uri =
        url.parse().map_err(|_| "expected a URL such as `https://login.example.com/jwks.json`")?;
    let local = uri.host().is_some_and(|host| matches!(host, "localhost" | "127.0.0.1" | "[::1]"));
    match uri.scheme_str() {
        Some("https") => Ok(url),
        Some("http") if local => Ok(url),
        _ => Err("expected `https://…`; plain `http://` only on this machine".to_owned()),
    }
}

/// A word, or a table.
fn read_idempotency(row: &mut Section<'_>) -> Option<Idempotency> {
    let modes = [
        ("off", IdempotencyMode::Off),
        ("optional", IdempotencyMode::Optional),
        ("required", IdempotencyMode::Required),
    ];
    let default = Idempotency::default();
    if !row.raw("idempotency")?.value.is_table() {
        let mode = row.take("idempotency", choice(&modes))?.value;
        return Some(Idempotency { mode, ..default });
    }
    let mut table = row.section("idempotency")?;
    let unknown = [("replay", OnUnknown::Replay), ("run", OnUnknown::Run)];
    let running = [("conflict", WhileRunning::Conflict), ("wait", WhileRunning::Wait)];
    let names_methods = table.has("methods");
    let methods = read_methods(&mut table);
    let idempotency = Idempotency {
        mode: table.take("mode", choice(&modes)).map_or(IdempotencyMode::Optional, |at| at.value),
        methods: if names_methods { methods } else { default.methods },
        ttl: table.take("ttl", patience).map_or(default.ttl, |at| at.value),
        record: table.take("record", bytes(0..=64 << 20)).map_or(default.record, |at| at.value),
        on_unknown: table.take("on_unknown", choice(&unknown)).map_or(default.on_unknown, |at| at.value),
        while_running: table
            .take("while_running", choice(&running))
            .map_or(default.while_running, |at| at.value),
    };
    table.finish();
    Some(idempotency)
}

fn read_methods(table: &mut Section<'_>) -> Vec<Method> {
    let spot = table.spot_of("methods");
    let list = table.list("methods", "[\"POST\"]");
    if let Some(spot) = spot.filter(|_| list.is_empty()) {
        table.note(&spot, "name a method, or say `idempotency = \"off\"`");
    }
    let one = |value: &DeValue<'_>| {
        let name = text(value)?;
        let is_known = matches!(name, "POST" | "PUT" | "PATCH" | "DELETE");
        let method = name.parse::<Method>().ok().filter(|_| is_known);
        method.ok_or_else(|| "expected `\"POST\"`, `\"PUT\"`, `\"PATCH\"` or `\"DELETE\"`".to_owned())
    };
    list.into_iter()
        .filter_map(|found| one(found.value).map_err(|told| table.note(&found.spot, told)).ok())
        .collect()
}

/// A million whole units for one request is more than anybody asks; beyond it sums could overflow.
const DEAREST: u64 = 1_000_000_000_000;

fn read_price(row: &mut Section<'_>) -> Option<At<Price>> {
    let spot = row.spot_of("price")?;
    let mut table = row.section("price")?;
    let base = take_cost(&mut table);
    let list = table.list("models", "[{ model = \"llama-*\", token_in = 1, token_out = 3 }]");
    let read = |one| {
        let mut row = table.open(one, "expected a table such as `{ model = \"llama-*\", token_out = 3 }`")?;
        let model = row.required("model", "the model, or a pattern such as `llama-*`", line);
        let cost = take_cost(&mut row);
        row.finish();
        Some(ModelPrice { model: model?.value, cost })
    };
    let models = list.into_iter().filter_map(read).collect();
    table.finish();
    Some(At { value: Price { base, models }, spot })
}

fn take_cost(table: &mut Section<'_>) -> Cost {
    let mut micros = |key| table.take(key, whole(0..=DEAREST)).map_or(0, |at| at.value);
    Cost { request: micros("request"), token_in: micros("token_in"), token_out: micros("token_out") }
}
