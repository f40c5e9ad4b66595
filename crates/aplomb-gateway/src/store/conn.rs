//! One connection, whichever database it leads to: the same SQL with `$1` for both, and three kinds of values.

use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{Decode, PgConnection, Postgres, Row as _, Sqlite, SqliteConnection, Type};

/// A connection inside of a transaction.
pub(super) enum Conn<'c> {
    /// To a file.
    Sqlite(&'c mut SqliteConnection),
    /// To a server.
    Postgres(&'c mut PgConnection),
}

/// A value of a statement.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value<'v> {
    /// A number, a moment or a sum.
    Int(Option<i64>),
    /// A text.
    Text(Option<&'v str>),
    /// Bytes.
    Bytes(Option<&'v [u8]>),
}

/// A row of an answer.
pub(super) enum Row {
    /// From a file.
    Sqlite(SqliteRow),
    /// From a server.
    Postgres(PgRow),
}

/// Binds every value; the two databases have types of their own for the same words.
macro_rules! bound {
    ($sql:expr, $values:expr) => {
        $values.iter().fold(sqlx::query($sql), |query, value| match *value {
            Value::Int(value) => query.bind(value),
            Value::Text(value) => query.bind(value),
            Value::Bytes(value) => query.bind(value),
        })
    };
}

impl Conn<'_> {
    /// Runs a statement; how many rows it touched.
    pub(super) async fn run(&mut self, sql: &'static str, values: &[Value<'_>]) -> Result<u64, sqlx::Error> {
        match self {
            Self::Sqlite(conn) => Ok(bound!(sql, values).execute(&mut **conn).await?.rows_affected()),
            Self::Postgres(conn) => Ok(bound!(sql, values).execute(&mut **conn).await?.rows_affected()),
        }
    }

    /// The row that a statement gives, if it gives one.
    pub(super) async fn one(
        &mut self,
        sql: &'static str,
        values: &[Value<'_>],
    ) -> Result<Option<Row>, sqlx::Error> {
        match self {
            Self::Sqlite(conn) => Ok(bound!(sql, values).fetch_optional(&mut **conn).await?.map(Row::Sqlite)),
            Self::Postgres(conn) => {
                Ok(bound!(sql, values).fetch_optional(&mut **conn).await?.map(Row::Postgres))
            }
        }
    }

    /// All rows that a statement gives; the statement bounds them.
    pub(super) async fn all(
        &mut self,
        sql: &'static str,
        values: &[Value<'_>],
    ) -> Result<Vec<Row>, sqlx::Error> {
        match self {
            Self::Sqlite(conn) => {
                let rows = bound!(sql, values).fetch_all(&mut **conn).await?;
                Ok(rows.into_iter().map(Row::Sqlite).collect())
            }
            Self::Postgres(conn) => {
                let rows = bound!(sql, values).fetch_all(&mut **conn).await?;
                Ok(rows.into_iter().map(Row::Postgres).collect())
            }
        }
    }
}

impl Row {
    /// The value at this place.
    pub(super) fn take<'r, T>(&'r self, at: usize) -> Result<T, sqlx::Error>
    where
        T: Decode<'r, Sqlite> + Type<Sqlite> + Decode<'r, Postgres> + Type<Postgres>,
    {
        match self {
            Self::Sqlite(row) => row.try_get(at),
            Self::Postgres(row) => row.try_get(at),
        }
    }
}

impl From<i64> for Value<'_> {
    fn from(value: i64) -> Self {
        Self::Int(Some(value))
    }
}

impl From<Option<i64>> for Value<'_> {
    fn from(value: Option<i64>) -> Self {
        Self::Int(value)
    }
}

impl<'v> From<&'v str> for Value<'v> {
    fn from(value: &'v str) -> Self {
        Self::Text(Some(value))
    }
}

impl<'v> From<Option<&'v str>> for Value<'v> {
    fn from(value: Option<&'v str>) -> Self {
        Self::Text(value)
    }
}

impl<'v> From<&'v [u8]> for Value<'v> {
    fn from(value: &'v [u8]) -> Self {
        Self::Bytes(Some(value))
    }
}
