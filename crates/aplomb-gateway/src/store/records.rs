//! Kept answers as whoever runs the gateway sees them: listed, shown without their bodies, removed.

use serde_json::json;

use super::audit::{self, By, PAGE};
use super::conn::{Conn, Row};
use super::error::StoreError;
use super::handle::Store;
use super::job::Operation;
use super::moment::Moment;

/// A request that was made under a key, and what is kept of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeptRecord {
    /// Whose key it is.
    pub(crate) scope: String,
    /// The key.
    pub(crate) key: String,
    /// `running`, `finished` or `unknown`.
    pub(crate) state: String,
    /// When it was claimed.
    pub(crate) since: Moment,
    /// Until when it is kept.
    pub(crate) expires: Moment,
    /// The status of the answer that is kept, if one is.
    pub(crate) status: Option<i64>,
    /// How many bytes its body has.
    pub(crate) bytes: Option<i64>,
}

/// What became of removing one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Removed {
    /// It is gone.
    Gone,
    /// Its request is under way: whoever waits for it would do it a second time.
    Running,
    /// There is none.
    Missing,
}

/// The columns in the order that [`record`] reads.
macro_rules! columns {
    () => {
        "scope, key, state, since, expires, status, CAST(LENGTH(body) AS BIGINT)"
    };
}

fn record(row: &Row) -> Result<KeptRecord, sqlx::Error> {
    Ok(KeptRecord {
        scope: row.take(0)?,
        key: row.take(1)?,
        state: row.take(2)?,
        since: Moment(row.take(3)?),
        expires: Moment(row.take(4)?),
        status: row.take(5)?,
        bytes: row.take(6)?,
    })
}

async fn find(conn: &mut Conn<'_>, scope: &str, key: &str) -> Result<Option<KeptRecord>, sqlx::Error> {
    const SQL: &str = concat!("SELECT ", columns!(), " FROM idempotency WHERE scope = $1 AND key = $2");
    conn.one(SQL, &[scope.into(), key.into()]).await?.map(|row| record(&row)).transpose()
}

struct List {
    scope: Option<String>,
    after: (String, String),
}

impl Operation for List {
    type Answer = Vec<KeptRecord>;

    async fn run(&self, conn: &mut Conn<'_>) -> Result<Self::Answer, sqlx::Error> {
        const SQL: &str = concat!(
            "SELECT ",
            columns!(),
            " FROM idempotency WHERE (scope, key) > ($1, $2) AND (CAST($3 AS TEXT) IS NULL OR scope = $3) \
             ORDER BY scope, key LIMIT $4"
        );
        let (scope, key) = &self.after;
        let values = [scope.as_str().into(), key.as_str().into(), self.scope.as_deref().into(), PAGE.into()];
        conn.all(SQL, &values).await?.iter().map(record).collect()
    }
}

struct Find(String, String);

impl Operation for Find {
    type Answer = Option<KeptRecord>;

    async fn run(&self, conn: &mut Conn<'_>) -> Result<Self::Answer, sqlx::Error> {
        find(conn, &self.0, &self.1).await
    }
}

struct Remove {
    scope: String,
    key: String,
    by: By,
}

impl Operation for Remove {
    type Answer = Removed;

    async fn run(&self, conn: &mut Conn<'_>) -> Result<Removed, sqlx::Error> {
        const SQL: &str = "DELETE FROM idempotency WHERE scope = $1 AND key = $2 AND state <> 'running'";
        let Some(before) = find(conn, &self.scope, &self.key).await? else { return Ok(Removed::Missing) };
        if conn.run(SQL, &[self.scope.as_str().into(), self.key.as_str().into()]).await? == 0 {
            return Ok(Removed::Running);
        }
        let told = json!({ "key": self.key, "state": before.state, "status": before.status });
        audit::write(conn, &self.by, "idempotency.delete", &self.scope, (Some(&told), None)).await?;
        Ok(Removed::Gone)
    }
}

impl Store {
    /// The kept answers after that scope and key, of one scope or of all; a thousand at most.
    ///
    /// # Errors
    /// The store's trouble.
    pub(crate) async fn records(
        &self,
        scope: Option<&str>,
        after: (String, String),
    ) -> Result<Vec<KeptRecord>, StoreError> {
        self.ask(List { scope: scope.map(str::to_owned), after }).await
    }

    /// One kept answer.
    ///
    /// # Errors
    /// The store's trouble.
    pub(crate) async fn record(&self, scope: &str, key: &str) -> Result<Option<KeptRecord>, StoreError> {
        self.ask(Find(scope.to_owned(), key.to_owned())).await
    }

    /// Removes a kept answer: the next request under its key is done anew.
    ///
    /// # Errors
    /// The store's trouble.
    pub(crate) async fn remove_record(
        &self,
        scope: &str,
        key: &str,
        who: &str,
    ) -> Result<Removed, StoreError> {
        let by = By { who: who.to_owned(), at: Moment::now() };
        self.ask(Remove { scope: scope.to_owned(), key: key.to_owned(), by }).await
    }
}
