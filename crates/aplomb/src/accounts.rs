//! `aplomb accounts`: who may call, in which tier, with how much money.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use http::Method;
use serde_json::{Value, json};

use crate::office::{Desk, Failed, WHERE, Where, escaped, facts, millionths, table, text, written};
use crate::say;

/// Make accounts, set their tier, and top them up
///
/// An account has keys, a tier and a prepaid balance. Amounts are in whole units, such as 12.50; what is kept are
/// millionths of them, and --json shows those.
#[derive(Args, Debug)]
#[command(disable_help_subcommand = true, after_help = format!("Examples:
  aplomb accounts create acme --tier free
  aplomb accounts tier acme gold
  aplomb accounts top-up acme 25 --reference invoice-117
  aplomb accounts ledger acme
  aplomb accounts list --json

{WHERE}"))]
pub(crate) struct AccountsArgs {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    at: Where,
}

#[derive(Subcommand, Debug)]
enum Action {
    /// Make an account
    Create {
        /// What people call it; no two have the same
        name: String,
        /// Its tier; else the route's
        #[arg(long, value_name = "TIER")]
        tier: Option<String>,
    },
    /// List accounts
    List,
    /// Show an account
    Show {
        /// Its id or name
        account: String,
    },
    /// Give an account another tier; without one it has the route's
    Tier {
        /// Its id or name
        account: String,
        /// The tier
        tier: Option<String>,
    },
    /// Give an account another name
    Rename {
        /// Its id or name
        account: String,
        /// The name
        name: String,
    },
    /// Let an account do nothing from now on, with any of its keys
    Disable {
        /// Its id or name
        account: String,
    },
    /// Let a disabled account call again
    Enable {
        /// Its id or name
        account: String,
    },
    /// Add money to an account's balance
    TopUp {
        /// Its id or name
        account: String,
        /// How much, such as 12.50
        amount: String,
        /// The payment's own name: the same never counts twice
        #[arg(long)]
        reference: Option<String>,
        /// What is to be remembered about it
        #[arg(long)]
        note: Option<String>,
    },
    /// Mend a mistake in a balance, by an amount that may be negative
    Correct {
        /// Its id or name
        account: String,
        /// By how much, such as -12.50
        #[arg(allow_hyphen_values = true)]
        amount: String,
        /// Why
        #[arg(long)]
        note: String,
    },
    /// Show what came into an account and went out
    Ledger {
        /// Its id or name
        account: String,
    },
    /// Show who changed what
    Audit {
        /// Only changes of this account or key, by its id
        #[arg(long, value_name = "ID")]
        target: Option<String>,
    },
}

/// Does it and says what came of it.
pub(crate) fn run(args: AccountsArgs) -> ExitCode {
    match args.at.open().and_then(|desk| act(&args, &desk)) {
        Ok(told) => {
            say::out(&told);
            ExitCode::SUCCESS
        }
        Err(failed) => failed.tell(),
    }
}

fn act(args: &AccountsArgs, desk: &Desk) -> Result<String, Failed> {
    let json = args.at.json;
    let change = |account: &str, change: Value| {
        let shown = desk.ask(&Method::PATCH, &at(account), Some(&change))?;
        Ok(told(json, &shown, one))
    };
    match &args.action {
        Action::Create { name, tier } => {
            let wish = json!({ "name": name, "tier": tier });
            Ok(told(json, &desk.ask(&Method::POST, "/accounts", Some(&wish))?, one))
        }
        Action::Show { account } => Ok(told(json, &desk.ask(&Method::GET, &at(account), None)?, one)),
        Action::Tier { account, tier } => change(account, json!({ "tier": tier })),
        Action::Rename { account, name } => change(account, json!({ "name": name })),
        Action::Disable { account } => change(account, json!({ "disabled": true })),
        Action::Enable { account } => change(account, json!({ "disabled": false })),
        Action::TopUp { account, amount, reference, note } => {
            let wish =
                json!({ "kind": "top_up", "amount": micro(amount)?, "reference": reference, "note": note });
            pay(desk, json, account, &wish)
        }
        Action::Correct { account, amount, note } => {
            let wish = json!({ "kind": "correction", "amount": micro(amount)?, "note": note });
            pay(desk, json, account, &wish)
        }
        Action::List => Ok(told(json, &Value::Array(desk.all("/accounts", "after")?), accounts)),
        Action::Ledger { account } => {
            let rows = desk.all(&format!("{}/ledger", at(account)), "before")?;
            Ok(told(json, &Value::Array(rows), ledger))
        }
        Action::Audit { target } => {
            let target = target.as_ref().map(|target| format!("?target={}", escaped(target)));
            let rows = desk.all(&format!("/audit{}", target.unwrap_or_default()), "before")?;
            Ok(told(json, &Value::Array(rows), events))
        }
    }
}

fn at(account: &str) -> String {
    format!("/accounts/{}", escaped(account))
}

fn micro(amount: &str) -> Result<i64, Failed> {
    millionths(amount).map_err(Failed::Refused)
}

fn pay(desk: &Desk, json: bool, account: &str, wish: &Value) -> Result<String, Failed> {
    let answer = desk.ask(&Method::POST, &format!("{}/ledger", at(account)), Some(wish))?;
    Ok(told(json, &answer, |answer| {
        let balance = amount(answer, "balance").unwrap_or_default();
        match answer.get("counted") {
            Some(Value::Bool(false)) => {
                format!("this reference counted before; the balance is still {balance}\n")
            }
            _ => format!("the balance is {balance} now\n"),
        }
    }))
}

/// JSON for programs, or whatever is for people.
fn told(json: bool, answer: &Value, for_people: impl Fn(&Value) -> String) -> String {
    if json { format!("{answer:#}\n") } else { for_people(answer) }
}

/// Millionths as units.
fn amount(answer: &Value, name: &str) -> Option<String> {
    answer.get(name)?.as_i64().map(written)
}

fn one(account: &Value) -> String {
    facts(&[
        ("id", text(account, "id")),
        ("name", text(account, "name")),
        ("status", text(account, "status")),
        ("tier", text(account, "tier").or_else(|| Some("the route's".to_owned()))),
        ("balance", amount(account, "balance")),
        ("reserved", amount(account, "reserved").filter(|amount| amount != "0.00")),
        ("created", text(account, "created")),
        ("disabled", text(account, "disabled")),
    ])
}

/// The rows of a list.
fn rows<const N: usize>(list: &Value, row: impl Fn(&Value) -> [Option<String>; N]) -> Vec<[String; N]> {
    let all = list.as_array().map_or(&[][..], Vec::as_slice);
    all.iter().map(|one| row(one).map(|cell| cell.unwrap_or_else(|| "-".to_owned()))).collect()
}

fn accounts(list: &Value) -> String {
    let rows = rows(list, |one| {
        [text(one, "id"), text(one, "name"), text(one, "status"), text(one, "tier"), amount(one, "balance")]
    });
    if rows.is_empty() {
        "no accounts\n".to_owned()
    } else {
        table(["ID", "NAME", "STATUS", "TIER", "BALANCE"], &rows)
    }
}

fn ledger(list: &Value) -> String {
    let rows = rows(list, |one| {
        [
            text(one, "at"),
            text(one, "kind"),
            amount(one, "amount"),
            text(one, "reference"),
            text(one, "who"),
            text(one, "note"),
        ]
    });
    match rows.is_empty() {
        true => "nothing came in or went out\n".to_owned(),
        false => table(["AT", "KIND", "AMOUNT", "REFERENCE", "WHO", "NOTE"], &rows),
    }
}

fn events(list: &Value) -> String {
    let rows = rows(list, |one| {
        [text(one, "at"), text(one, "who"), text(one, "what"), text(one, "target"), text(one, "after")]
    });
    if rows.is_empty() {
        "nothing was changed\n".to_owned()
    } else {
        table(["AT", "WHO", "WHAT", "TARGET", "NOW"], &rows)
    }
}
