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
}

impl Books {
    /// Reads them.
    pub(super) fn read(store: &Path) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut conn = SqliteConnectOptions::new().filename(store).connect().await.unwrap();
            let check: String =
                sqlx::query("PRAGMA integrity_check").fetch_one(&mut conn).await.unwrap().get(0);
            let sql = "SELECT COUNT(*) FROM idempotency WHERE state = $1";
            let mut counts = Vec::new();
            for state in ["finished", "unknown", "running"] {
                let row = sqlx::query(sql).bind(state).fetch_one(&mut conn).await.unwrap();
                counts.push(row.get::<i64, _>(0));
            }
            let [finished, unknown, running] = counts[..] else { unreachable!() };
            Self { is_sound: check == "ok", finished, unknown, running }
        })
    }
}
