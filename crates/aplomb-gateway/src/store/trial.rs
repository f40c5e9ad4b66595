//! A store for one test: a file in a folder of its own, or a database of its own on the server that the environment
//! names by `APLOMB_TEST_POSTGRES`.

use std::path::PathBuf;

use sqlx::postgres::PgConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Row as _};

use super::handle::Store;
use super::place::StorePlace;

/// Where one test keeps its store; gone when the test is over.
pub(super) enum Trial {
    /// A folder.
    File(PathBuf),
    /// A database.
    Server { server: Box<PgConnectOptions>, database: String },
}

fn name() -> String {
    format!("aplomb_test_{}", uuid::Uuid::now_v7().simple())
}

impl Trial {
    /// In a file.
    pub(super) fn file() -> Self {
        Self::File(std::env::temp_dir().join(name()))
    }

    /// On the server, if there is one.
    pub(super) async fn server() -> Option<Self> {
        let url = std::env::var("APLOMB_TEST_POSTGRES").ok().filter(|url| !url.is_empty())?;
        let StorePlace::Postgres(server) = StorePlace::new(&url, None).unwrap() else { panic!("no server") };
        let database = name();
        let mut conn = server.connect().await.unwrap();
        let sql = AssertSqlSafe(format!("CREATE DATABASE {database}"));
        sqlx::query(sql).execute(&mut conn).await.unwrap();
        Some(Self::Server { server, database })
    }

    /// Where that is.
    pub(super) fn place(&self) -> StorePlace {
        match self {
            Self::File(folder) => StorePlace::Sqlite(folder.join("store.db")),
            Self::Server { server, database } => {
                StorePlace::Postgres(Box::new(server.as_ref().clone().database(database)))
            }
        }
    }

    /// Opens it.
    pub(super) fn open(&self) -> Store {
        Store::open(self.place()).unwrap()
    }

    /// What an operator sees who asks the database itself.
    pub(super) async fn number(&self, sql: &'static str) -> i64 {
        match self.place() {
            StorePlace::Sqlite(path) => {
                let mut conn = SqliteConnectOptions::new().filename(path).connect().await.unwrap();
                sqlx::query(sql).fetch_one(&mut conn).await.unwrap().get(0)
            }
            StorePlace::Postgres(options) => {
                let mut conn = options.connect().await.unwrap();
                let number = sqlx::query(sql).fetch_one(&mut conn).await.unwrap().get(0);
                conn.close().await.unwrap();
                number
            }
        }
    }

    /// What an operator does to the database itself.
    pub(super) async fn run(&self, sql: &'static str) -> Result<(), sqlx::Error> {
        match self.place() {
            StorePlace::Sqlite(path) => {
                let mut conn = SqliteConnectOptions::new().filename(path).connect().await?;
                sqlx::query(sql).execute(&mut conn).await?;
            }
            StorePlace::Postgres(options) => {
                let mut conn = options.connect().await?;
                sqlx::query(sql).execute(&mut conn).await?;
            }
        }
        Ok(())
    }

    /// Whether the books are right: each balance the sum of its ledger, each sum put aside that of its reservations.
    pub(super) async fn books_are_right(&self) -> bool {
        let wrong = "SELECT COUNT(*) FROM accounts a WHERE \
             balance <> (SELECT COALESCE(CAST(SUM(amount) AS BIGINT), 0) FROM ledger l WHERE l.account = a.id) OR \
             reserved <> (SELECT COALESCE(CAST(SUM(amount) AS BIGINT), 0) FROM reservations r WHERE r.account = a.id)";
        self.number(wrong).await == 0
    }

    /// Throws it away.
    pub(super) async fn end(self) {
        match self {
            Self::File(folder) => {
                let _never_made = std::fs::remove_dir_all(folder);
            }
            Self::Server { server, database } => {
                let mut conn = server.connect().await.unwrap();
                let sql = AssertSqlSafe(format!("DROP DATABASE {database} WITH (FORCE)"));
                sqlx::query(sql).execute(&mut conn).await.unwrap();
            }
        }
    }
}

/// Every test of the suite, over a file and over a server.
macro_rules! over_both {
    ($($name:ident),* $(,)?) => {
        mod over_sqlite {
            $(#[tokio::test]
            async fn $name() {
                let trial = super::Trial::file();
                super::$name(&trial).await;
                trial.end().await;
            })*
        }
        mod over_postgres {
            $(#[tokio::test]
            async fn $name() {
                let Some(trial) = super::Trial::server().await else { return };
                super::$name(&trial).await;
                trial.end().await;
            })*
        }
    };
}
pub(super) use over_both;
