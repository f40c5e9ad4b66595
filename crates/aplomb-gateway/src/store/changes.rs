//! The numbers of changes: by asking what is new, every gateway learns within a second what others changed.
//!
//! A number is taken under a lock that lasts until its transaction is over, so that a higher one is never seen first.

use super::audit::By;
use super::conn::Conn;
use super::error::StoreError;
use super::handle::Store;
use super::job::Operation;

/// How many changes are told at once; who is further behind forgets everything it remembers.
const MOST: i64 = 1000;

/// How many are kept.
pub(super) const KEPT: i64 = 10_000;

/// What changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Changed {
    /// An account: its tier, its name, whether it may do anything.
    Account,
    /// A key: made, revoked, or with another tier or scope.
    Key,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    /// What.
    pub(crate) what: Changed,
    /// Its id.
    pub(crate) id: String,
}

/// What changed since a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Changes {
    /// The number to ask from next time.
    pub(crate) upto: i64,
    /// More than can be told: whatever is remembered may be old.
    pub(crate) everything: bool,
    /// The changes in order.
    pub(crate) list: Vec<Change>,
}

/// Notes a change, in the transaction that makes it.
pub(super) async fn note(conn: &mut Conn<'_>, what: Changed, id: &str, by: &By) -> Result<(), sqlx::Error> {
    const NEXT: &str = "UPDATE last_change SET n = n + 1 WHERE one = 1 RETURNING n";
    const NOTE: &str = "INSERT INTO changes (n, what, id, at) VALUES ($1, $2, $3, $4)";
    let Some(row) = conn.one(NEXT, &[]).await? else { return Err(sqlx::Error::RowNotFound) };
    let n: i64 = row.take(0)?;
    let what = match what {
        Changed::Account => "account",
        Changed::Key => "key",
    };
    conn.run(NOTE, &[n.into(), what.into(), id.into(), by.at.0.into()]).await.map(drop)
}

struct Since(i64);

impl Operation for Since {
    type Answer = Changes;

    async fn run(&self, conn: &mut Conn<'_>) -> Result<Changes, sqlx::Error> {
        const LIST: &str = "SELECT n, what, id FROM changes WHERE n > $1 ORDER BY n LIMIT $2";
        const LAST: &str = "SELECT n FROM last_change";
        let rows = conn.all(LIST, &[self.0.into(), (MOST + 1).into()]).await?;
        let Some(first) = rows.first() else {
            let last: i64 = conn.one(LAST, &[]).await?.map_or(Ok(0), |row| row.take(0))?;
            // A lower number than before: another database stands there now.
            return Ok(Changes { upto: last, everything: last != self.0, list: Vec::new() });
        };
        let upto = rows.last().unwrap_or(first).take(0)?;
        if first.take::<i64>(0)? != self.0 + 1 || rows.len() > usize::try_from(MOST).unwrap_or(0) {
            let upto = conn.one(LAST, &[]).await?.map_or(Ok(upto), |row| row.take(0))?;
            return Ok(Changes { upto, everything: true, list: Vec::new() });
        }
        let change = |row: &super::conn::Row| {
            let what = if row.take::<String>(1)? == "key" { Changed::Key } else { Changed::Account };
            Ok(Change { what, id: row.take(2)? })
        };
        let list = rows.iter().map(change).collect::<Result<_, sqlx::Error>>()?;
        Ok(Changes { upto, everything: false, list })
    }
}

impl Store {
    /// What changed since that number.
    ///
    /// # Errors
    /// The store's trouble.
    pub(crate) async fn changes_since(&self, n: i64) -> Result<Changes, StoreError> {
        self.ask(Since(n)).await
    }
}
