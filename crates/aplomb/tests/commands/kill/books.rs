//! What a killed gateway's database says.

use std::path::Path;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Row as _};

/// The books after the end.
#[derive(Debug)]
pub(super) struct Books {
    /// SQLite finds nothing wrong with its file.
    pub(super) is_sound: bool,
    /// Requests under keys whose answer is kept.
    pub(super) finished: i64,
    /// Those of which nobody knows how they went.
    pub(super) unknown: i64,
    /// Those that seem to be under way.
    pub(super) running: i64,
    /// Charges in the ledger, and their sum in micro-units.
    pub(super) charges: i64,
    pub(super) charged: i64,
    /// Money that is still put aside.
    pub(super) reservations: i64,
    /// What the accounts have, and what of it counts as put aside.
    pub(super) balance: i64,
    pub(super) reserved: i64,
}

impl Books {
    /// Reads them.
    pub(super) fn read(store: &Path) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut conn = SqliteConnectOptions::new().filename(store).connect().await.unwrap();
            let check: String =
                sqlx::query("PRAGMA integrity_check").fetch_one(&mut conn).await.unwrap().get(0);
            let sql = "SELECT \
                 (SELECT COUNT(*) FROM idempotency WHERE state = 'finished'), \
                 (SELECT COUNT(*) FROM idempotency WHERE state = 'unknown'), \
                 (SELECT COUNT(*) FROM idempotency WHERE state = 'running'), \
                 (SELECT COUNT(*) FROM ledger WHERE kind = 'charge'), \
                 (SELECT COALESCE(SUM(-amount), 0) FROM ledger WHERE kind = 'charge'), \
                 (SELECT COUNT(*) FROM reservations), \
                 (SELECT SUM(balance) FROM accounts), (SELECT SUM(reserved) FROM accounts)";
            let row = sqlx::query(sql).fetch_one(&mut conn).await.unwrap();
            Self {
                is_sound: check == "ok",
                finished: row.get(0),
                unknown: row.get(1),
                running: row.get(2),
                charges: row.get(3),
                charged: row.get(4),
                reservations: row.get(5),
                balance: row.get(6),
                reserved: row.get(7),
            }
        })
    }
}
