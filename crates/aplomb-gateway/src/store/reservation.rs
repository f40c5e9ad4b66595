//! Reservations: money put aside before a request is sent, and charged or given back when it is over.

use super::account::AccountId;
use super::conn::Conn;
use super::error::{Refused, StoreError};
use super::handle::Store;
use super::job::{Job, Operation, Sure};
use super::ledger::{self, EntryKind, Line};
use super::moment::Moment;

/// Money that was put aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reservation {
    /// Its own name; also the reference of the charge that it becomes.
    pub(crate) id: String,
    /// Whose money it is.
    pub(crate) account: AccountId,
    /// In micro-units.
    pub(crate) amount: i64,
}

/// What asking for a reservation came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reserve {
    /// It is put aside.
    Reserved {
        /// What.
        reservation: Reservation,
        /// What the account has beside all that is put aside, in micro-units.
        left: i64,
    },
    /// The account hasn't got it.
    NotEnough {
        /// What it has, in micro-units.
        balance: i64,
        /// What of that is put aside for requests under way.
        reserved: i64,
        /// What this one needs.
        needed: i64,
    },
}

struct Put {
    reservation: Reservation,
    gateway: String,
    at: Moment,
}

impl Operation for Put {
    type Answer = Result<Reserve, Refused>;

    async fn run(&self, conn: &mut Conn<'_>) -> Result<Self::Answer, sqlx::Error> {
        const TAKE: &str = "UPDATE accounts SET reserved = reserved + $2 \
             WHERE id = $1 AND balance - reserved >= $2 RETURNING balance - reserved";
        const LOOK: &str = "SELECT balance, reserved FROM accounts WHERE id = $1";
        const PUT: &str =
            "INSERT INTO reservations (id, account, amount, gateway, at) VALUES ($1, $2, $3, $4, $5)";
        let Reservation { id, account, amount } = &self.reservation;
        let Some(row) = conn.one(TAKE, &[account.as_str().into(), (*amount).into()]).await? else {
            let Some(row) = conn.one(LOOK, &[account.as_str().into()]).await? else {
                return Ok(Err(Refused::NoAccount(account.as_str().to_owned())));
            };
            let (balance, reserved) = (row.take(0)?, row.take(1)?);
            return Ok(Ok(Reserve::NotEnough { balance, reserved, needed: *amount }));
        };
        let values = [
            id.as_str().into(),
            account.as_str().into(),
            (*amount).into(),
            self.gateway.as_str().into(),
            self.at.0.into(),
        ];
        conn.run(PUT, &values).await?;
        Ok(Ok(Reserve::Reserved { reservation: self.reservation.clone(), left: row.take(0)? }))
    }

    fn undo(&self) -> Option<Box<dyn Job>> {
        Some(Sure::job(Settle { reservation: self.reservation.clone(), amount: 0, at: self.at }))
    }
}

/// The end of a reservation: a charge, or nothing.
#[derive(Clone, Debug)]
pub(super) struct Settle {
    pub(super) reservation: Reservation,
    pub(super) amount: i64,
    pub(super) at: Moment,
}

impl Operation for Settle {
    type Answer = ();

    async fn run(&self, conn: &mut Conn<'_>) -> Result<(), sqlx::Error> {
        settle(conn, self).await
    }
}

/// Ends a reservation, in somebody's transaction.
///
/// Whether it is still there doesn't matter for the charge: another gateway may have taken this one for dead. What
/// makes it count once is the reference in the ledger.
pub(super) async fn settle(conn: &mut Conn<'_>, settle: &Settle) -> Result<(), sqlx::Error> {
    const TAKE: &str = "DELETE FROM reservations WHERE id = $1 RETURNING amount";
    const BOOK: &str = "UPDATE accounts SET balance = balance - $2, reserved = reserved - $3 WHERE id = $1";
    let Settle { reservation: Reservation { id, account, .. }, amount, at } = settle;
    let held = match conn.one(TAKE, &[id.as_str().into()]).await? {
        Some(row) => row.take(0)?,
        None => 0,
    };
    let line = Line {
        account: account.as_str(),
        kind: EntryKind::Charge,
        amount: -amount,
        reference: Some(id),
        who: "gateway",
        note: None,
        at: *at,
    };
    let charged = if *amount > 0 && ledger::write(conn, &line).await? { *amount } else { 0 };
    if charged != 0 || held != 0 {
        conn.run(BOOK, &[account.as_str().into(), charged.into(), held.into()]).await?;
    }
    Ok(())
}

impl Store {
    /// Puts money aside.
    ///
    /// # Errors
    /// No such account; the store's trouble.
    pub(crate) async fn reserve(
        &self,
        account: &AccountId,
        amount: i64,
        id: &str,
    ) -> Result<Reserve, StoreError> {
        let reservation = Reservation { id: id.to_owned(), account: account.clone(), amount: amount.max(0) };
        let gateway = self.gateway().to_owned();
        Ok(self.ask(Put { reservation, gateway, at: Moment::now() }).await??)
    }

    /// Ends a reservation with a charge, which may be less or more than what was put aside; once, however often.
    ///
    /// It is done even if the store can't be reached now, as soon as it can.
    pub(crate) fn settle(&self, reservation: Reservation, amount: i64) {
        self.see_to(Settle { reservation, amount: amount.max(0), at: Moment::now() });
    }

    /// The same, awaited: when this is over, it outlives everything.
    ///
    /// # Errors
    /// The store's trouble; then it is done as soon as it is over.
    pub(crate) async fn settled(&self, reservation: Reservation, amount: i64) -> Result<(), StoreError> {
        self.ask_surely(Settle { reservation, amount: amount.max(0), at: Moment::now() }).await
    }

    /// Gives back what was put aside.
    pub(crate) fn release(&self, reservation: Reservation) {
        self.settle(reservation, 0);
    }
}
