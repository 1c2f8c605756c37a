//! A database as a file: a copy of one that is being written to, and whether one is whole.

use std::path::Path;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, Row as _};

use super::{BUSY, Result, StoreError, migrate};

/// Copies the database as it is at this moment, everything that was committed before included. Nobody who writes waits.
pub async fn copy(from: &Path, to: &Path) -> Result<()> {
    let mut connection = options(from).connect().await?;
    let Some(to) = to.to_str() else {
        return Err(StoreError::Corrupt("a path that is no text".into()));
    };
    sqlx::query("VACUUM INTO ?")
        .bind(to)
        .execute(&mut connection)
        .await?;
    Ok(connection.close().await?)
}

/// What is wrong with a database; `None` where it is whole and of a version that this program knows.
pub async fn flaw(path: &Path) -> Result<Option<String>> {
    let mut connection = options(path).connect().await?;
    let row = sqlx::query("PRAGMA integrity_check(1)")
        .fetch_one(&mut connection)
        .await?;
    let said: String = row.try_get(0)?;
    if said != "ok" {
        return Ok(Some(said));
    }
    let broken = sqlx::query("PRAGMA foreign_key_check")
        .fetch_optional(&mut connection)
        .await?;
    if broken.is_some() {
        return Ok(Some("rows point to rows that are gone".into()));
    }
    let version: i64 = sqlx::query("PRAGMA user_version")
        .fetch_one(&mut connection)
        .await?
        .try_get(0)?;
    connection.close().await?;
    Ok(match usize::try_from(version) {
        Ok(0) => Some("it is not a database of Mesh".into()),
        Ok(version) if version <= migrate::known() => None,
        _ => Some(migrate::too_new(version)),
    })
}

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .busy_timeout(BUSY)
}

/// When something was last noted, in Unix milliseconds.
pub async fn newest(path: &Path) -> Result<Option<u64>> {
    let mut connection = options(path).connect().await?;
    let row = sqlx::query("SELECT max(last_seen_at) AS newest FROM sessions")
        .fetch_one(&mut connection)
        .await?;
    let newest: Option<i64> = row.try_get("newest")?;
    connection.close().await?;
    Ok(newest.and_then(|newest| u64::try_from(newest).ok()))
}
