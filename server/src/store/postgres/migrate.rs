//! Brings the tables up to date: each file of `migrations/postgres/` once, in order, each in its own transaction.

use sqlx::{Connection as _, Row as _};

use super::{Connection, Result, StoreError};

const MIGRATIONS: &[&str] = &[include_str!("../../../migrations/postgres/0001_foundation.sql")];

/// Held while tables are made or filled: two processes may start at once. "mesh", as a number.
const LOCK: i64 = 0x6d_65_73_68;

const VERSION: &str = "CREATE TABLE IF NOT EXISTS schema_version (version BIGINT NOT NULL)";

/// How many there are: the newest version of the tables that this program knows.
pub(super) fn known() -> usize {
    MIGRATIONS.len()
}

/// Takes the lock until the transaction ends.
pub(super) async fn lock(tx: &mut Connection) -> Result<()> {
    sqlx::query("SELECT pg_advisory_xact_lock($1)")
        .bind(LOCK)
        .execute(tx)
        .await?;
    Ok(())
}

pub(super) async fn run(connection: &mut Connection) -> Result<()> {
    loop {
        let mut tx = connection.begin().await?;
        let done = step(&mut tx).await?;
        tx.commit().await?;
        if done {
            return Ok(());
        }
    }
}

/// All of them within the caller's transaction.
pub(super) async fn run_within(tx: &mut Connection) -> Result<()> {
    while !step(tx).await? {}
    Ok(())
}

/// The version of the tables; `None` where there are none.
pub(super) async fn version(connection: &mut Connection) -> Result<Option<usize>> {
    let row = sqlx::query("SELECT to_regclass('schema_version') IS NOT NULL AS present")
        .fetch_one(&mut *connection)
        .await?;
    if !row.try_get::<bool, _>("present")? {
        return Ok(None);
    }
    let row = sqlx::query("SELECT version FROM schema_version")
        .fetch_optional(connection)
        .await?;
    let version: Option<i64> = row.map(|row| row.try_get("version")).transpose()?;
    Ok(version.and_then(|version| usize::try_from(version).ok()))
}

/// Why the version cannot be used, if it cannot.
pub(super) fn too_new(version: usize) -> Option<String> {
    (version > known()).then(|| {
        format!(
            "a newer version of Mesh wrote it (schema {version}, this one knows {}): run that version, or restore a dump",
            known()
        )
    })
}

/// One migration; whether there is none left. What is up to date is only read.
async fn step(tx: &mut Connection) -> Result<bool> {
    if version(tx).await? == Some(known()) {
        return Ok(true);
    }
    lock(tx).await?;
    // Another server may have made them while this one waited. PostgreSQL remembers in a transaction that it saw no such
    // table; asked to make one, it looks again.
    sqlx::raw_sql(VERSION).execute(&mut *tx).await?;
    let version = version(tx).await?.unwrap_or(0);
    if let Some(text) = too_new(version) {
        return Err(StoreError::Corrupt(text));
    }
    let Some(migration) = MIGRATIONS.get(version) else {
        return Ok(true);
    };
    // What stands in its way was not made by this program; nothing of it remains.
    let made = sqlx::raw_sql(*migration).execute(&mut *tx).await;
    made.map_err(|error| {
        StoreError::Corrupt(format!(
            "it cannot be brought to schema {}: {error}. Nothing was changed: give Mesh a database of its own, or restore a dump",
            version + 1
        ))
    })?;
    let stored = if version == 0 {
        "INSERT INTO schema_version (version) VALUES ($1)"
    } else {
        "UPDATE schema_version SET version = $1"
    };
    sqlx::query(stored)
        .bind(i64::try_from(version + 1).unwrap_or(i64::MAX))
        .execute(tx)
        .await?;
    Ok(false)
}
