//! The schema, brought up to date when the store is opened; a newer one than this version knows is left alone.

use std::borrow::Cow;

use sqlx::migrate::{Migrate, MigrateError, Migration, MigrationType, Migrator};
use sqlx::{Acquire, SqlSafeStr as _};

use super::error::OpenError;

/// Which steps of the schema a database has taken.
const TABLE: &str = "aplomb_migrations";

/// The steps for SQLite.
pub(super) const SQLITE: &[&str] = &[include_str!("../../migrations/sqlite/0001_begin.sql")];

/// The steps for PostgreSQL.
pub(super) const POSTGRES: &[&str] = &[include_str!("../../migrations/postgres/0001_begin.sql")];

/// Takes the steps that a database hasn't taken yet.
pub(super) async fn bring_up_to_date<'a, A>(
    connection: A,
    steps: &[&'static str],
    name: &str,
) -> Result<(), OpenError>
where
    A: Acquire<'a>,
    <A::Connection as std::ops::Deref>::Target: Migrate,
{
    let step = |(version, sql): (i64, &&'static str)| {
        let name = Cow::Borrowed("aplomb");
        Migration::new(version, name, MigrationType::Simple, (*sql).into_sql_str(), false)
    };
    let mut migrator = Migrator::with_migrations((1..).zip(steps).map(step).collect());
    migrator.dangerous_set_table_name(TABLE);
    migrator.run(connection).await.map_err(|error| match &error {
        MigrateError::VersionMissing(_) => OpenError::Newer(name.to_owned()),
        MigrateError::ExecuteMigration(sqlx::Error::Database(told), _)
            if is_there(told.code().as_deref(), told.message()) =>
        {
            OpenError::Foreign(name.to_owned())
        }
        MigrateError::Execute(sqlx::Error::Database(told)) if told.code().as_deref() == Some("26") => {
            OpenError::Foreign(name.to_owned())
        }
        _ => OpenError::Database { name: name.to_owned(), source: Box::new(error) },
    })
}

/// Whether a table can't be made because somebody else's has its name.
fn is_there(code: Option<&str>, message: &str) -> bool {
    code == Some("42P07") || message.contains("already exists")
}
