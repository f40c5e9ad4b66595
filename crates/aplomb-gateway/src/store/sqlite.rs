//! SQLite: one connection, and many operations in one transaction, so that they share one write to the disk.

use std::fs::TryLockError;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection};

use super::conn::Conn;
use super::error::OpenError;
use super::gateways::{Beat, Recover};
use super::job::{Job, Operation};
use super::keeper::{Desk, farewell};
use super::moment::Moment;
use super::schema;
use crate::admin::private;

/// How many operations share a transaction: enough for one to a request of each of hundreds at once, and few enough
/// that none waits long for the others.
const BATCH: usize = 512;

/// How long another program may hold the file, such as one that makes a backup.
const BUSY: Duration = Duration::from_secs(2);

/// A file that is open.
pub(super) struct File {
    conn: SqliteConnection,
    /// Held as long as the file is ours.
    _lock: std::fs::File,
}

/// Opens the file, makes it if it isn't there, and sees to what a gateway that was killed has left in it.
///
/// # Errors
/// It can't be used.
pub(super) async fn open(path: &Path, gateway: &str) -> Result<File, OpenError> {
    let name = path.display().to_string();
    let broken = |source| OpenError::File { path: name.clone(), source };
    let lock = lock(path).map_err(broken)?.ok_or_else(|| OpenError::InUse(name.clone()))?;
    let options = SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        // Money survives a power cut: each transaction is on the disk before anybody hears of it.
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(BUSY)
        .disable_statement_logging();
    let opened = options.connect().await;
    let mut conn = opened.map_err(|error| match &error {
        sqlx::Error::Database(told) if told.code().as_deref() == Some("26") => {
            OpenError::Foreign(name.clone())
        }
        _ => OpenError::Database { name: name.clone(), source: Box::new(error) },
    })?;
    schema::bring_up_to_date(&mut conn, schema::SQLITE, &name).await?;
    let mut file = File { conn, _lock: lock };
    file.recover(gateway).await.map_err(|error| OpenError::Database { name, source: Box::new(error) })?;
    Ok(file)
}

/// Makes the file for its owner alone, and takes the lock beside it; nothing if another gateway has it.
fn lock(path: &Path) -> io::Result<Option<std::fs::File>> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        private::folder(folder)?;
    }
    let mut beside = path.as_os_str().to_owned();
    beside.push("-lock");
    for file in [path, &PathBuf::from(&beside)] {
        match private::file(file) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            Ok(_) | Err(_) => {}
        }
    }
    // Whoever may not write the store is told now, in the system's own words.
    std::fs::OpenOptions::new().read(true).write(true).open(path)?;
    let lock = std::fs::OpenOptions::new().write(true).open(&beside)?;
    match lock.try_lock() {
        Ok(()) => Ok(Some(lock)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

impl File {
    /// The file is ours alone: whoever else is in it is dead.
    async fn recover(&mut self, gateway: &str) -> Result<(), sqlx::Error> {
        let beat = Beat { gateway: gateway.to_owned(), beat: 0, at: Moment::now() };
        for (dead, _) in self.one(&beat).await? {
            loop {
                let left = self.one(&Recover(dead.clone())).await?;
                left.tell(&dead);
                if !left.more {
                    break;
                }
            }
        }
        Ok(())
    }

    async fn one<O: Operation>(&mut self, operation: &O) -> Result<O::Answer, sqlx::Error> {
        let mut transaction = self.conn.begin_with("BEGIN IMMEDIATE").await?;
        let answer = operation.run(&mut Conn::Sqlite(&mut transaction)).await?;
        transaction.commit().await?;
        Ok(answer)
    }

    /// Does what is asked until nobody can ask any more.
    pub(super) async fn keep(mut self, mut desk: Desk) {
        while let Some(mut batch) = desk.batch(BATCH).await {
            if self.transact(&mut batch).await.is_ok() {
                batch.into_iter().for_each(|job| desk.aftermath.conclude(job, Ok(())));
                continue;
            }
            // One of them spoilt it for all: each by itself, so that only that one fails.
            for mut job in batch {
                let outcome = self.transact(std::slice::from_mut(&mut job)).await;
                desk.aftermath.conclude(job, outcome);
            }
        }
        let _tried = self.transact(&mut [farewell(&desk.gateway)]).await;
        let _closed = self.conn.close().await;
    }

    /// All of them or none.
    async fn transact(&mut self, jobs: &mut [Box<dyn Job>]) -> Result<(), sqlx::Error> {
        let mut transaction = self.conn.begin_with("BEGIN IMMEDIATE").await?;
        for job in jobs {
            job.attempt(&mut Conn::Sqlite(&mut transaction)).await?;
        }
        transaction.commit().await
    }
}
