//! The store in a PostgreSQL database, which several servers may share.
//!
//! Transactions are `READ COMMITTED` and hold what they decide about (`locks`); one that lost a race all the same is done
//! again. A database that hangs is told within [`DEADLINE`]: each call has one, each statement, and each wait for a
//! connection. `synchronous_commit` is on, so that `Ok` means on disk here too.

mod connect;
mod health;
mod import;
mod locks;
mod migrate;
#[path = "../sql/mod.rs"]
#[allow(clippy::duplicate_mod, reason = "the same statements for another database")]
mod sql;

use std::time::Duration;

use sqlx::postgres::{PgConnection, PgPool, PgPoolOptions, PgRow};
use sqlx::{Connection as _, Postgres, Row as _, Transaction};
use tokio::time::timeout;

use super::{Result, StoreError};
use crate::config::Secret;

pub use connect::{check, without_password};
pub use health::{Health, look};
pub use import::{Carried, import};

/// What a call may take, with every wait in it and every further try.
const DEADLINE: Duration = Duration::from_secs(5);
/// The same for what removes a great deal at once.
const LONG_DEADLINE: Duration = Duration::from_secs(60);
/// How long it may take to say that the database is there.
const PING_DEADLINE: Duration = Duration::from_secs(2);
/// How long a caller waits for a connection of the pool. Then it fails: nothing queues up behind a database that is gone.
const ACQUIRE: Duration = Duration::from_secs(3);
/// A connection that rested for longer is asked whether it still lives before it is used.
const RESTED: Duration = Duration::from_secs(1);
/// Of one server: PostgreSQL's default bounds all of them to 100.
const CONNECTIONS: u32 = 10;
/// Further tries of a transaction that met another one.
const TRIES: u32 = 5;

const READ_ONLY_TEXT: &str = "it is read-only: a standby, or default_transaction_read_only is on. Name the primary server in MESH_DATABASE_URL";

type Engine = PostgresStore;
type Connection = PgConnection;
type Row = PgRow;

/// The store in a PostgreSQL database.
pub struct PostgresStore {
    pool: PgPool,
}

impl PostgresStore {
    /// Connects, and brings the tables up to date. The URL is as libpq has it: `postgres://user:password@host/database`.
    pub async fn open(url: &Secret) -> Result<Self> {
        let options = connect::options(url)?;
        let mut first = connect::connect(&options).await?;
        connect::examine(&mut first).await?;
        migrate::run(&mut first).await?;
        // It has done its work: the pool's have bounds that a migration must not have.
        let _ = first.close().await;
        let pool = PgPoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(ACQUIRE)
            .test_before_acquire(false)
            .before_acquire(|connection, meta| {
                Box::pin(async move {
                    if meta.idle_for > RESTED {
                        alive(connection).await?;
                    }
                    Ok(true)
                })
            })
            // The pool would wait for ever for the answer to a statement whose caller gave up.
            .after_release(|connection, _| {
                Box::pin(async move {
                    alive(connection).await?;
                    Ok(true)
                })
            })
            .after_connect(|connection, _| Box::pin(connect::set_bounds(connection)))
            .connect_lazy_with(options);
        Ok(Self { pool })
    }

    fn reader(&self) -> &PgPool {
        &self.pool
    }

    fn writer(&self) -> &PgPool {
        &self.pool
    }

    async fn begin(&self) -> Result<Transaction<'static, Postgres>> {
        Ok(self.pool.begin().await?)
    }

    /// The same for one that may take long.
    async fn begin_long(&self) -> Result<Transaction<'static, Postgres>> {
        let mut tx = self.begin().await?;
        let statement = format!("SET LOCAL statement_timeout = {}", LONG_DEADLINE.as_millis());
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement))
            .execute(&mut *tx)
            .await?;
        Ok(tx)
    }

    /// Does it within the deadline, and again where another transaction was in the way. Where it fails by the deadline while it
    /// is committed, it may have happened: whoever says it again is told what it is then.
    async fn run<T, F: Future<Output = Result<T>>>(&self, work: impl Fn() -> F) -> Result<T> {
        within(DEADLINE, work).await
    }

    /// The same for what may take long.
    async fn run_long<T, F: Future<Output = Result<T>>>(&self, work: impl Fn() -> F) -> Result<T> {
        within(LONG_DEADLINE, work).await
    }

    /// Whether it can be read and written.
    async fn answers(&self) -> Result<()> {
        within(PING_DEADLINE, async || {
            let row = sqlx::query(
                "SELECT current_setting('transaction_read_only') = 'on' AS read_only, (SELECT count(*) FROM
                   (SELECT 1 FROM settings LIMIT 1) s) AS found",
            )
            .fetch_one(&self.pool)
            .await?;
            if row.try_get("read_only")? {
                return Err(refusal(READ_ONLY_TEXT));
            }
            Ok(())
        })
        .await
    }

    async fn end(&self) {
        // Those that hang are not waited for.
        let _ = timeout(DEADLINE, self.pool.close()).await;
    }
}

async fn alive(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    match timeout(RESTED, connection.ping()).await {
        Ok(answered) => answered,
        Err(_) => Err(sqlx::Error::PoolTimedOut),
    }
}

async fn within<T, F: Future<Output = Result<T>>>(deadline: Duration, work: impl Fn() -> F) -> Result<T> {
    let tries = async {
        let mut left = TRIES;
        loop {
            match work().await {
                Err(error) if left > 0 && lost_a_race(&error) => left -= 1,
                done => return done,
            }
        }
    };
    match timeout(deadline, tries).await {
        Ok(done) => done,
        Err(_) => Err(refusal(format!(
            "it did not answer within {} s",
            deadline.as_secs()
        ))),
    }
}

/// Whether another transaction was in the way: it could not be put in an order with this one, the two waited for each other,
/// or it made a row that this one was about to make.
fn lost_a_race(error: &StoreError) -> bool {
    const CODES: [&str; 3] = ["40001", "40P01", "23505"];
    let StoreError::Unavailable(source) = error else {
        return false;
    };
    let code = source
        .downcast_ref::<sqlx::Error>()
        .and_then(|error| error.as_database_error())
        .and_then(|error| error.code());
    code.is_some_and(|code| CODES.contains(&&*code))
}

/// Something that keeps the database from being used, in words.
fn refusal(text: impl Into<String>) -> StoreError {
    StoreError::Unavailable(text.into().into())
}
