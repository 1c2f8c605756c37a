//! Brings the tables up to date: each file of `migrations/` once, in order, each in its own transaction.

use sqlx::Row as _;
use sqlx::sqlite::{SqliteConnection, SqlitePool};

use super::{Result, StoreError};

const MIGRATIONS: &[&str] = &[
    include_str!("../../../migrations/sqlite/0001_foundation.sql"),
    include_str!("../../../migrations/sqlite/0002_accounts.sql"),
    include_str!("../../../migrations/sqlite/0003_rooms.sql"),
    include_str!("../../../migrations/sqlite/0004_notifications.sql"),
    include_str!("../../../migrations/sqlite/0005_oidc.sql"),
    include_str!("../../../migrations/sqlite/0006_audit.sql"),
    include_str!("../../../migrations/sqlite/0007_short_rooms.sql"),
];

/// How many there are: the newest version of the tables that this program knows.
pub(super) fn known() -> usize {
    MIGRATIONS.len()
}

pub(super) fn too_new(version: impl std::fmt::Display) -> String {
    format!(
        "a newer version of Mesh wrote it (schema {version}, this one knows {}): run that version, or restore a backup",
        known()
    )
}

async fn version(connection: &mut SqliteConnection) -> Result<usize> {
    let version: i64 = sqlx::query("PRAGMA user_version")
        .fetch_one(connection)
        .await?
        .try_get(0)?;
    usize::try_from(version).map_err(|_| StoreError::Corrupt("user_version".into()))
}

/// Fails where the tables are of another version.
pub(in crate::store) async fn is_current(connection: &mut SqliteConnection) -> Result<()> {
    match version(connection).await? {
        version if version == known() => Ok(()),
        version if version > known() => Err(StoreError::Corrupt(too_new(version))),
        version => {
            let text = format!(
                "an older version of Mesh wrote the file (schema {version}, this one has {}): any command brings it up to \
                 date, such as mesh-server user list",
                known()
            );
            Err(StoreError::Unavailable(text.into()))
        }
    }
}

/// Two processes may start at once: the version is read under the write lock.
pub(super) async fn run(pool: &SqlitePool) -> Result<()> {
    loop {
        let mut tx = pool.begin_with("BEGIN IMMEDIATE").await?;
        let version = version(&mut tx).await?;
        if version > MIGRATIONS.len() {
            return Err(StoreError::Corrupt(too_new(version)));
        }
        let Some(migration) = MIGRATIONS.get(version) else {
            return Ok(());
        };
        // What stands in its way was not made by this program; nothing of it remains.
        sqlx::raw_sql(*migration).execute(&mut *tx).await.map_err(|error| {
            StoreError::Corrupt(format!(
                "it cannot be brought to schema {}: {error}. Nothing was changed: restore a backup (mesh-server restore FILE)",
                version + 1
            ))
        })?;
        let next = format!("PRAGMA user_version = {}", version + 1);
        sqlx::raw_sql(sqlx::AssertSqlSafe(next)).execute(&mut *tx).await?;
        tx.commit().await?;
    }
}
