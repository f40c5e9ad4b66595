//! An account's ledger: what came in and went out, and how more comes in.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::asked::Asked;
use super::desk::{Desk, OfficeAnswer, PAGE};
use super::time;
use super::trouble::Trouble;
use crate::store::{Entry, EntryKind, Payment};

/// Money that is added, or a mistake that is mended.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EntryWish {
    /// Which of both it is.
    kind: EntryWishKind,
    /// In millionths; a correction may be negative.
    #[schema(example = 5_000_000)]
    amount: i64,
    /// The payment's own name: the same never counts twice.
    #[schema(example = "invoice-2026-117")]
    reference: Option<String>,
    /// What is to be remembered about it.
    note: Option<String>,
}

/// Why a balance is to change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum EntryWishKind {
    /// Somebody paid.
    TopUp,
    /// Somebody mends a mistake.
    Correction,
}

/// A line of the ledger.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EntryShown {
    /// Its number; later ones have larger ones.
    n: i64,
    /// `top_up`, `charge` or `correction`.
    kind: &'static str,
    /// What the balance changed by, in millionths; a charge is negative.
    amount: i64,
    /// A charge's reservation, or the payment behind a top-up.
    reference: Option<String>,
    /// Who wrote it.
    who: String,
    /// What they said about it.
    note: Option<String>,
    /// When.
    at: String,
}

/// A page of a ledger.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EntryPage {
    /// The lines, the latest first.
    data: Vec<EntryShown>,
    /// What to give as `before` for the next page; `null`: this is the last.
    next: Option<i64>,
}

/// What a payment came to.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BalanceShown {
    /// The balance now, in millionths.
    balance: i64,
    /// Whether it counted; not if its reference did before.
    counted: bool,
}

impl From<Entry> for EntryShown {
    fn from(entry: Entry) -> Self {
        Self {
            n: entry.n,
            kind: entry.kind.as_str(),
            amount: entry.amount,
            reference: entry.reference,
            who: entry.who,
            note: entry.note,
            at: time::written(entry.at),
        }
    }
}

/// Top up an account, or correct its balance
#[utoipa::path(post, path = "/accounts/{account}/ledger", operation_id = "add_to_ledger", tag = "balances", params(
    ("account" = String, Path, description = "Its id or name"),
), request_body = EntryWish, responses(
    (status = 201, description = "It counted", body = BalanceShown),
    (status = 200, description = "The same reference counted before; nothing changed", body = BalanceShown),
    (status = 404, description = "No such account"),
    (status = 422, description = "A field that can't be as it is"),
))]
pub(super) async fn add(desk: &Desk<'_>, asked: &Asked<'_>, known: &str) -> Result<OfficeAnswer, Trouble> {
    let wish: EntryWish = asked.body()?;
    let kind = match wish.kind {
        EntryWishKind::TopUp if wish.amount <= 0 => {
            return Err(Trouble::field("amount", "a top-up adds something; take away with a correction"));
        }
        EntryWishKind::Correction if wish.amount == 0 => {
            return Err(Trouble::field("amount", "a correction of nothing changes nothing"));
        }
        EntryWishKind::TopUp => EntryKind::TopUp,
        EntryWishKind::Correction => EntryKind::Correction,
    };
    let is_long = |text: &Option<String>| text.as_ref().is_some_and(|text| text.chars().count() > 500);
    if is_long(&wish.reference) || is_long(&wish.note) {
        return Err(Trouble::field("note", "a note and a reference have at most 500 characters"));
    }
    let EntryWish { amount, reference, note, .. } = wish;
    let payment = Payment { account: known.to_owned(), kind, amount, reference, note };
    let paid = desk.store.pay(payment, asked.who).await?;
    let status = if paid.counted { 201 } else { 200 };
    OfficeAnswer::json(status, &BalanceShown { balance: paid.balance, counted: paid.counted })
}

/// Show an account's ledger
#[utoipa::path(get, path = "/accounts/{account}/ledger", operation_id = "list_ledger", tag = "balances", params(
    ("account" = String, Path, description = "Its id or name"),
    ("before" = Option<i64>, Query, description = "Only lines before this number"),
), responses(
    (status = 200, description = "At most a thousand lines", body = EntryPage),
    (status = 404, description = "No such account"),
))]
pub(super) async fn list(desk: &Desk<'_>, asked: &Asked<'_>, known: &str) -> Result<OfficeAnswer, Trouble> {
    let before = asked.number("before")?;
    let account = desk.account(known).await?;
    let entries = desk.store.ledger(&account.id, before).await?;
    let next = entries.last().filter(|_| entries.len() >= PAGE).map(|entry| entry.n);
    OfficeAnswer::json(200, &EntryPage { data: entries.into_iter().map(Into::into).collect(), next })
}
