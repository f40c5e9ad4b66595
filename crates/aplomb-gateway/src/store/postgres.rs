//! PostgreSQL: a pool, and as many operations at once as it has connections, each in a transaction of its own.

use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use sqlx::ConnectOptions as _;
use sqlx::migrate::MigrateError;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use tokio::time::{sleep, timeout};

use super::conn::Conn;
use super::error::OpenError;
use super::health;
use super::job::Job;
use super::keeper::{Desk, farewell};
use super::place::StorePlace;
use super::schema;

/// How many connections one gateway uses: a server takes a hundred from all of them, unless it is told otherwise.
const CONNECTIONS: u32 = 10;

/// How long a connection is waited for.
const CONNECT: Duration = Duration::from_secs(2);

/// How long one operation may take, from end to end.
const OPERATION: Duration = Duration::from_secs(5);

/// How long a start waits for a server that starts too.
const START: Duration = Duration::from_secs(10);

/// A server that can be reached.
pub(super) struct Server {
    pool: PgPool,
}

/// Connects and brings the schema up to date.
///
/// # Errors
/// It can't be reached within ten seconds, or what is there can't be used.
pub(super) async fn open(options: PgConnectOptions) -> Result<Server, OpenError> {
    let name = StorePlace::Postgres(Box::new(options.clone())).to_string();
    // The server ends by itself what nobody waits for any more.
    let bounds = [("statement_timeout", "5s"), ("idle_in_transaction_session_timeout", "10s")];
    let pool = PgPoolOptions::new()
        .max_connections(CONNECTIONS)
        .acquire_timeout(CONNECT)
        .connect_lazy_with(options.options(bounds).disable_statement_logging());
    let began = std::time::Instant::now();
    loop {
        match schema::bring_up_to_date(&pool, schema::POSTGRES, &name).await {
            Ok(()) => return Ok(Server { pool }),
            Err(error) if is_worth_waiting(&error) && began.elapsed() < START => {
                sleep(Duration::from_millis(250)).await;
            }
            Err(error) => return Err(error),
        }
    }
}

/// Whether the server isn't there yet; what it says when it is won't change.
fn is_worth_waiting(error: &OpenError) -> bool {
    let OpenError::Database { source, .. } = error else { return false };
    match source.downcast_ref::<MigrateError>() {
        // 57P03: it starts.
        Some(MigrateError::Execute(sqlx::Error::Database(told))) => told.code().as_deref() == Some("57P03"),
        Some(MigrateError::Execute(error)) => health::is_trouble(error),
        _ => false,
    }
}

impl Server {
    /// Does what is asked until nobody can ask any more.
    pub(super) async fn keep(self, mut desk: Desk) {
        let (mut flying, mut open) = (FuturesUnordered::new(), true);
        while open || !flying.is_empty() {
            tokio::select! {
                biased;
                Some((job, outcome)) = flying.next(), if !flying.is_empty() => {
                    desk.aftermath.conclude(job, outcome);
                    // What was put off may be due now.
                    open = true;
                }
                batch = desk.batch(1), if open && flying.len() < CONNECTIONS as usize => match batch {
                    Some(batch) => flying.extend(batch.into_iter().map(|job| attempt(&self.pool, job))),
                    None => open = false,
                },
            }
        }
        let _tried = attempt(&self.pool, farewell(&desk.gateway)).await;
        // Whoever doesn't say goodbye in time is not waited for.
        let _closed = timeout(CONNECT, self.pool.close()).await;
    }
}

async fn attempt(pool: &PgPool, mut job: Box<dyn Job>) -> (Box<dyn Job>, Result<(), sqlx::Error>) {
    let outcome = timeout(OPERATION, transact(pool, &mut job)).await;
    (job, outcome.unwrap_or(Err(sqlx::Error::PoolTimedOut)))
}

/// Once more where two got in each other's way: each of them is right by itself.
async fn transact(pool: &PgPool, job: &mut Box<dyn Job>) -> Result<(), sqlx::Error> {
    for _ in 0..2 {
        match once(pool, job).await {
            Err(error) if is_clash(&error) => {}
            outcome => return outcome,
        }
    }
    once(pool, job).await
}

async fn once(pool: &PgPool, job: &mut Box<dyn Job>) -> Result<(), sqlx::Error> {
    let mut transaction = pool.begin().await?;
    job.attempt(&mut Conn::Postgres(&mut transaction)).await?;
    transaction.commit().await
}

/// A deadlock, or a transaction that another one overtook.
fn is_clash(error: &sqlx::Error) -> bool {
    let sqlx::Error::Database(told) = error else { return false };
    matches!(told.code().as_deref(), Some("40001" | "40P01"))
}
