//! The store in one SQLite file: WAL, `synchronous=FULL`, one writing connection and a few that read.
//!
//! The writer pool has one connection, so that writers of this process wait for each other in order instead of meeting
//! `SQLITE_BUSY`; other processes (the operator's commands) are waited for by `busy_timeout`.

mod locks;
pub(super) mod migrate;
pub mod snapshot;
#[path = "../sql/mod.rs"]
#[allow(clippy::duplicate_mod, reason = "the same statements for another database")]
mod sql;

use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteRow,
    SqliteSynchronous,
};
use sqlx::{Sqlite, Transaction};

use super::{Result, StoreError};

/// How long a writer waits for another process.
const BUSY: Duration = Duration::from_secs(5);
/// How long a caller waits for a connection of the pool.
const ACQUIRE: Duration = Duration::from_secs(10);
const READERS: u32 = 3;

type Engine = SqliteStore;
type Connection = SqliteConnection;
type Row = SqliteRow;

/// The store in one SQLite file.
pub struct SqliteStore {
    writer: SqlitePool,
    reader: SqlitePool,
}

impl SqliteStore {
    /// Opens or makes the file, and brings its tables up to date.
    pub async fn open(path: &Path) -> Result<Self> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY)
            .foreign_keys(true);
        let pool = |connections| {
            SqlitePoolOptions::new()
                .max_connections(connections)
                .acquire_timeout(ACQUIRE)
        };
        let writer = pool(1).connect_with(options.clone()).await?;
        migrate::run(&writer).await?;
        let reader = pool(READERS).connect_with(options).await?;
        Ok(Self { writer, reader })
    }

    fn reader(&self) -> &SqlitePool {
        &self.reader
    }

    fn writer(&self) -> &SqlitePool {
        &self.writer
    }

    async fn begin(&self) -> Result<Transaction<'static, Sqlite>> {
        // The lock is taken before the first read, so no transaction fails at its first write.
        const BEGIN: &str = "BEGIN IMMEDIATE";
        match self.writer.begin_with(BEGIN).await {
            // A disk that was full or broken made SQLite end a transaction by itself, which the driver does not learn: it would
            // take this connection for one in a transaction for ever.
            Err(sqlx::Error::InvalidSavePointStatement) => {
                self.writer.acquire().await?.close().await?;
                Ok(self.writer.begin_with(BEGIN).await?)
            }
            begun => Ok(begun?),
        }
    }

    /// The same for one that may take long.
    async fn begin_long(&self) -> Result<Transaction<'static, Sqlite>> {
        self.begin().await
    }

    /// Once is enough: a transaction that has begun meets nobody.
    async fn run<T, F: Future<Output = Result<T>>>(&self, work: impl Fn() -> F) -> Result<T> {
        work().await
    }

    /// The same for what may take long.
    async fn run_long<T, F: Future<Output = Result<T>>>(&self, work: impl Fn() -> F) -> Result<T> {
        work().await
    }

    async fn answers(&self) -> Result<()> {
        sqlx::query("SELECT 1 FROM settings LIMIT 1")
            .fetch_optional(&self.reader)
            .await?;
        Ok(())
    }

    async fn end(&self) {
        self.reader.close().await;
        self.writer.close().await;
    }
}
