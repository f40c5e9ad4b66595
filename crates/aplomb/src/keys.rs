//! `aplomb keys`: callers' keys, made and shown once, listed, taken back.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use http::Method;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::office::{Desk, Failed, WHERE, Where, end, escaped, facts, table, text};
use crate::say;

/// Make, list and revoke callers' keys
///
/// A key is printed once, when it is made; only its hash is kept. What it may be used for, and until when, is said
/// when it is made.
#[derive(Args, Debug)]
#[command(disable_help_subcommand = true, after_help = format!("Examples:
  aplomb keys create --account acme --name production --expires 90d
  aplomb keys create --account acme --model 'llama-*' --json | jq -r .key
  aplomb keys list --account acme
  aplomb keys revoke 0bPELAU4eqF
  aplomb keys list --config aplomb.toml

{WHERE}"))]
pub(crate) struct KeysArgs {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    at: Where,
}

#[derive(Subcommand, Debug)]
enum Action {
    /// Make a key, and print it this once
    Create(CreateArgs),
    /// List keys, without their secrets
    List {
        /// Only those of this account, by its id or name
        #[arg(long, value_name = "ACCOUNT")]
        account: Option<String>,
    },
    /// Show what is kept of a key
    Show {
        /// Its public id, or the whole key
        id: String,
    },
    /// Take a key back: it is refused everywhere within a second, for ever
    Revoke {
        /// Its public id, or the whole key
        id: String,
    },
}

#[derive(Args, Debug)]
struct CreateArgs {
    /// Whose it is: an account's id or name
    #[arg(long, value_name = "ACCOUNT")]
    account: String,
    /// What people call it
    #[arg(long, default_value = "")]
    name: String,
    /// A tier of its own; else the account's, else the route's
    #[arg(long, value_name = "TIER")]
    tier: Option<String>,
    /// Only for routes with this path; may be given again, and `*` stands for anything
    #[arg(long = "route", value_name = "PATH")]
    routes: Vec<String>,
    /// Only for this method; may be given again
    #[arg(long = "method", value_name = "METHOD")]
    methods: Vec<String>,
    /// Only for this model; may be given again, and `*` stands for anything
    #[arg(long = "model", value_name = "MODEL")]
    models: Vec<String>,
    /// When it ends: 90d, 12h, 2027-01-31 or RFC 3339; else never
    #[arg(long, value_name = "END")]
    expires: Option<String>,
}

/// Does it and says what came of it.
pub(crate) fn run(args: KeysArgs) -> ExitCode {
    match args.at.open().and_then(|desk| act(&args, &desk)) {
        Ok(told) => {
            say::out(&told);
            ExitCode::SUCCESS
        }
        Err(failed) => failed.tell(),
    }
}

fn act(args: &KeysArgs, desk: &Desk) -> Result<String, Failed> {
    let shown = match &args.action {
        Action::Create(wish) => desk.ask(&Method::POST, "/keys", Some(&body(wish)?))?,
        Action::Show { id } => desk.ask(&Method::GET, &at(id), None)?,
        Action::Revoke { id } => desk.ask(&Method::DELETE, &at(id), None)?,
        Action::List { account } => {
            let target = match account {
                Some(account) => format!("/keys?account={}", escaped(account)),
                None => "/keys".to_owned(),
            };
            let keys = desk.all(&target, "after")?;
            return Ok(if args.at.json { pretty(&Value::Array(keys)) } else { listed(&keys) });
        }
    };
    Ok(if args.at.json { pretty(&shown) } else { one(&shown) })
}

/// Whoever has the whole key at hand needn't send it anywhere to name it.
fn at(id: &str) -> String {
    let id = aplomb_core::Key::read(id.as_bytes()).map_or(id, |key| key.id());
    format!("/keys/{}", escaped(id))
}

fn body(wish: &CreateArgs) -> Result<Value, Failed> {
    let expires = wish.expires.as_deref().map(|text| end(text, Timestamp::now())).transpose();
    let expires = expires.map_err(|told| Failed::Refused(format!("--expires: {told}")))?;
    Ok(json!({
        "account": wish.account,
        "name": wish.name,
        "tier": wish.tier,
        "scopes": { "routes": wish.routes, "methods": wish.methods, "models": wish.models },
        "expires": expires.map(|end| end.to_string()),
    }))
}

/// One key, as facts.
fn one(key: &Value) -> String {
    let made = text(key, "key").map(|key| format!("{key}\n     shown this once; only its hash is kept"));
    facts(&[
        ("key", made),
        ("id", text(key, "id")),
        ("account", text(key, "account")),
        ("name", text(key, "name").filter(|name| !name.is_empty())),
        ("status", text(key, "status")),
        ("tier", text(key, "tier")),
        ("only for", scopes(key)),
        ("created", text(key, "created")),
        ("expires", text(key, "expires")),
        ("revoked", text(key, "revoked")),
        ("last used", text(key, "last_used")),
    ])
}

fn listed(keys: &[Value]) -> String {
    if keys.is_empty() {
        return "no keys\n".to_owned();
    }
    let cell = |key: &Value, name: &str| text(key, name).unwrap_or_else(|| "-".to_owned());
    let row =
        |key: &Value| ["id", "account", "name", "status", "expires", "last_used"].map(|name| cell(key, name));
    table(
        ["ID", "ACCOUNT", "NAME", "STATUS", "EXPIRES", "LAST USED"],
        &keys.iter().map(row).collect::<Vec<_>>(),
    )
}

/// What a key may be used for, if that is less than everything.
fn scopes(key: &Value) -> Option<String> {
    let scopes = key.get("scopes")?.as_object()?;
    let sort = |(name, list): (&String, &Value)| {
        let names: Vec<_> = list.as_array()?.iter().filter_map(Value::as_str).collect();
        (!names.is_empty()).then(|| format!("{name} {}", names.join(", ")))
    };
    let sorts: Vec<_> = scopes.iter().filter_map(sort).collect();
    (!sorts.is_empty()).then(|| sorts.join("; "))
}

/// JSON for programs.
fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}
