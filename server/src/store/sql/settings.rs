//! Values that one process leaves for another.

use super::*;

pub(super) async fn get(store: &Engine, key: &str) -> Result<Option<String>> {
    let row = sqlx::query("SELECT value FROM settings WHERE key = $1")
        .bind(key)
        .fetch_optional(store.reader())
        .await?;
    Ok(row.map(|row| row.try_get("value")).transpose()?)
}

pub(super) async fn put(store: &Engine, key: &str, value: &str) -> Result<()> {
    sqlx::query(
        "INSERT INTO settings (key, value) VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = $2",
    )
    .bind(key)
    .bind(value)
    .execute(store.writer())
    .await?;
    Ok(())
}

pub(super) async fn swap(store: &Engine, key: &str, before: Option<&str>, after: &str) -> Result<bool> {
    let swap = match before {
        None => sqlx::query("INSERT INTO settings (key, value) VALUES ($1, $2) ON CONFLICT (key) DO NOTHING")
            .bind(key)
            .bind(after),
        Some(before) => sqlx::query("UPDATE settings SET value = $2 WHERE key = $1 AND value = $3")
            .bind(key)
            .bind(after)
            .bind(before),
    };
    Ok(swap.execute(store.writer()).await?.rows_affected() == 1)
}
