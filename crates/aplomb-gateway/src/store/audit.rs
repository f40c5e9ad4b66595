//! The audit table: who changed what, with what was there before and after, and never a secret.

use serde_json::Value as Json;

use super::conn::Conn;
use super::error::StoreError;
use super::handle::Store;
use super::job::Operation;
use super::moment::Moment;

/// The most rows that one page of a list has.
pub(super) const PAGE: i64 = 1000;

/// Who asks for a change, and when.
#[derive(Clone, Debug)]
pub(super) struct By {
    /// A person, a token's name or the gateway itself.
    pub(super) who: String,
    /// When.
    pub(super) at: Moment,
}

/// One change.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Event {
    /// Its number; later ones have larger ones.
    pub(crate) n: i64,
    /// When.
    pub(crate) at: Moment,
    /// Who.
    pub(crate) who: String,
    /// What was done, such as `key.revoke`.
    pub(crate) what: String,
    /// To which account or key.
    pub(crate) target: String,
    /// What was there before.
    pub(crate) before: Option<Json>,
    /// What is there now.
    pub(crate) after: Option<Json>,
}

/// Writes a change down, in the transaction that makes it.
pub(super) async fn write(
    conn: &mut Conn<'_>,
    by: &By,
    what: &str,
    target: &str,
    (before, after): (Option<&Json>, Option<&Json>),
) -> Result<(), sqlx::Error> {
    const SQL: &str =
        "INSERT INTO audit (at, who, what, target, before, after) VALUES ($1, $2, $3, $4, $5, $6)";
    let (before, after) = (before.map(Json::to_string), after.map(Json::to_string));
    let values = [
        by.at.0.into(),
        by.who.as_str().into(),
        what.into(),
        target.into(),
        before.as_deref().into(),
        after.as_deref().into(),
    ];
    conn.run(SQL, &values).await.map(drop)
}

struct List {
    before: i64,
    target: Option<String>,
}

impl Operation for List {
    type Answer = Vec<Event>;

    async fn run(&self, conn: &mut Conn<'_>) -> Result<Vec<Event>, sqlx::Error> {
        const SQL: &str = "SELECT n, at, who, what, target, before, after FROM audit \
             WHERE n < $1 AND (CAST($2 AS TEXT) IS NULL OR target = $2) ORDER BY n DESC LIMIT $3";
        let rows = conn.all(SQL, &[self.before.into(), self.target.as_deref().into(), PAGE.into()]).await?;
        let json = |text: Option<String>| text.and_then(|text| serde_json::from_str(&text).ok());
        rows.iter()
            .map(|row| {
                Ok(Event {
                    n: row.take(0)?,
                    at: Moment(row.take(1)?),
                    who: row.take(2)?,
                    what: row.take(3)?,
                    target: row.take(4)?,
                    before: json(row.take(5)?),
                    after: json(row.take(6)?),
                })
            })
            .collect()
    }
}

impl Store {
    /// The changes before that number, the latest first, of one target or of all; a thousand at most.
    ///
    /// # Errors
    /// The store's trouble.
    pub(crate) async fn audit(
        &self,
        before: Option<i64>,
        target: Option<&str>,
    ) -> Result<Vec<Event>, StoreError> {
        self.ask(List { before: before.unwrap_or(i64::MAX), target: target.map(str::to_owned) }).await
    }
}
