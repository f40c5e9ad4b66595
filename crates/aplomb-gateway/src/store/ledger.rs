//! The ledger: every change of a balance, written once and never changed.

use serde_json::json;

use super::account::{self, AccountId};
use super::audit::{self, By, PAGE};
use super::conn::Conn;
use super::error::{Refused, StoreError};
use super::handle::Store;
use super::job::Operation;
use super::moment::Moment;

/// The most that one entry may change, in micro-units: a thousand million whole units. Sums stay far from 64 bits.
const MOST: u64 = 1_000_000_000_000_000;

/// Why a balance changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EntryKind {
    /// Somebody paid.
    TopUp,
    /// A request cost something.
    Charge,
    /// Somebody mends a mistake.
    Correction,
}

impl EntryKind {
    /// As the table has it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::TopUp => "top_up",
            Self::Charge => "charge",
            Self::Correction => "correction",
        }
    }

    fn of(text: &str) -> Self {
        match text {
            "top_up" => Self::TopUp,
            "charge" => Self::Charge,
            _ => Self::Correction,
        }
    }
}

/// One change of a balance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Its number; later ones have larger ones.
    pub(crate) n: i64,
    /// Why.
    pub(crate) kind: EntryKind,
    /// What the balance changed by, in micro-units; a charge is negative.
    pub(crate) amount: i64,
    /// A charge's reservation, or the payment behind a top-up.
    pub(crate) reference: Option<String>,
    /// Who wrote it.
    pub(crate) who: String,
    /// What they said about it.
    pub(crate) note: Option<String>,
    /// When.
    pub(crate) at: Moment,
}

/// Money that is added to an account, or a mistake that is mended.
#[derive(Clone, Debug)]
pub(crate) struct Payment {
    /// An account's id or name.
    pub(crate) account: String,
    /// [`EntryKind::TopUp`] or [`EntryKind::Correction`].
    pub(crate) kind: EntryKind,
    /// In micro-units; a correction may be negative.
    pub(crate) amount: i64,
    /// The payment's own name: the same never counts twice.
    pub(crate) reference: Option<String>,
    /// What is to be remembered about it.
    pub(crate) note: Option<String>,
}

/// What a payment came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TopUp {
    /// The balance now, in micro-units.
    pub(crate) balance: i64,
    /// Whether it counted; not if its reference did before.
    pub(crate) counted: bool,
}

/// A line of the ledger that is to be written.
pub(super) struct Line<'l> {
    pub(super) account: &'l str,
    pub(super) kind: EntryKind,
    pub(super) amount: i64,
    pub(super) reference: Option<&'l str>,
    pub(super) who: &'l str,
    pub(super) note: Option<&'l str>,
    pub(super) at: Moment,
}

/// Writes a line, unless its reference is there already; the balance is the caller's to change with it.
pub(super) async fn write(conn: &mut Conn<'_>, line: &Line<'_>) -> Result<bool, sqlx::Error> {
    const SQL: &str = "INSERT INTO ledger (account, kind, amount, reference, who, note, at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (reference) DO NOTHING";
    let values = [
        line.account.into(),
        line.kind.as_str().into(),
        line.amount.into(),
        line.reference.into(),
        line.who.into(),
        line.note.into(),
        line.at.0.into(),
    ];
    Ok(conn.run(SQL, &values).await? == 1)
}

struct Pay {
    payment: Payment,
    by: By,
}

impl Operation for Pay {
    type Answer = Result<TopUp, Refused>;

    async fn run(&self, conn: &mut Conn<'_>) -> Result<Self::Answer, sqlx::Error> {
        const SQL: &str = "UPDATE accounts SET balance = balance + $2 WHERE id = $1 RETURNING balance";
        let Payment { account, kind, amount, reference, note } = &self.payment;
        let Some(known) = account::find(conn, account).await? else {
            return Ok(Err(Refused::NoAccount(account.clone())));
        };
        let id = known.id.as_str();
        let line = Line {
            account: id,
            kind: *kind,
            amount: *amount,
            reference: reference.as_deref(),
            who: &self.by.who,
            note: note.as_deref(),
            at: self.by.at,
        };
        if !write(conn, &line).await? {
            return Ok(Ok(TopUp { balance: known.balance, counted: false }));
        }
        let row = conn.one(SQL, &[id.into(), (*amount).into()]).await?.ok_or(sqlx::Error::RowNotFound)?;
        let balance: i64 = row.take(0)?;
        let (before, after) = (json!({ "balance": balance - amount }), json!({ "balance": balance }));
        let what = format!("account.{}", kind.as_str());
        audit::write(conn, &self.by, &what, id, (Some(&before), Some(&after))).await?;
        Ok(Ok(TopUp { balance, counted: true }))
    }
}

struct List {
    account: String,
    before: i64,
}

impl Operation for List {
    type Answer = Vec<Entry>;

    async fn run(&self, conn: &mut Conn<'_>) -> Result<Vec<Entry>, sqlx::Error> {
        const SQL: &str = "SELECT n, kind, amount, reference, who, note, at FROM ledger \
             WHERE account = $1 AND n < $2 ORDER BY n DESC LIMIT $3";
        let rows = conn.all(SQL, &[self.account.as_str().into(), self.before.into(), PAGE.into()]).await?;
        rows.iter()
            .map(|row| {
                Ok(Entry {
                    n: row.take(0)?,
                    kind: EntryKind::of(row.take(1)?),
                    amount: row.take(2)?,
                    reference: row.take(3)?,
                    who: row.take(4)?,
                    note: row.take(5)?,
                    at: Moment(row.take(6)?),
                })
            })
            .collect()
    }
}

impl Store {
    /// Adds money to an account, or mends a mistake.
    ///
    /// # Errors
    /// No such account, or a sum beyond all reason; the store's trouble.
    pub(crate) async fn pay(&self, payment: Payment, who: &str) -> Result<TopUp, StoreError> {
        if payment.amount.unsigned_abs() > MOST {
            return Err(Refused::TooMuch.into());
        }
        let by = By { who: who.to_owned(), at: Moment::now() };
        Ok(self.ask(Pay { payment, by }).await??)
    }

    /// An account's ledger before that number, the latest first; a thousand lines at most.
    ///
    /// # Errors
    /// The store's trouble.
    pub(crate) async fn ledger(
        &self,
        account: &AccountId,
        before: Option<i64>,
    ) -> Result<Vec<Entry>, StoreError> {
        let account = account.as_str().to_owned();
        self.ask(List { account, before: before.unwrap_or(i64::MAX) }).await
    }
}
