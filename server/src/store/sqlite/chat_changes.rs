//! What happens to stored messages: edits, deletions, and the end of their time.

use super::chat::{joined, message};
use super::*;

const DAY_MS: u64 = 24 * 3_600 * 1_000;

pub(super) async fn get(store: &SqliteStore, room: &RoomId, seq: u64) -> Result<ChatMessage> {
    let row = sqlx::query("SELECT * FROM messages WHERE room_id = ? AND seq = ? AND deleted_at IS NULL")
        .bind(room.as_str())
        .bind(integer(seq))
        .fetch_optional(&store.reader)
        .await?
        .ok_or(StoreError::Absent)?;
    message(&row)
}

pub(super) async fn edit(store: &SqliteStore, edit: &MessageEdit) -> Result<ChatMessage> {
    // The later edit wins where two have the same time or a clock went back.
    let row = sqlx::query(
        "UPDATE messages SET text = ?, mentions = ?, edited_at = max(?, coalesce(edited_at + 1, 0))
         WHERE room_id = ? AND seq = ? AND deleted_at IS NULL RETURNING *",
    )
    .bind(&edit.text)
    .bind(joined(&edit.mentions))
    .bind(integer(edit.now))
    .bind(edit.room_id.as_str())
    .bind(integer(edit.seq))
    .fetch_optional(&store.writer)
    .await?
    .ok_or(StoreError::Absent)?;
    message(&row)
}

pub(super) async fn delete(store: &SqliteStore, room: &RoomId, seq: u64, now: u64) -> Result<()> {
    let query = sqlx::query(
        "UPDATE messages SET text = '', mentions = '', edited_at = NULL, deleted_at = ?
         WHERE room_id = ? AND seq = ? AND deleted_at IS NULL",
    )
    .bind(integer(now))
    .bind(room.as_str())
    .bind(integer(seq));
    touched(&query.execute(&store.writer).await?)
}

/// The oldest `limit` of each room are looked at, so that one transaction is short however much there is.
pub(super) async fn expire(store: &SqliteStore, limit: u32, now: u64) -> Result<u64> {
    let rooms = sqlx::query("SELECT id, retention_days FROM rooms WHERE retention_days IS NOT NULL")
        .fetch_all(&store.reader)
        .await?;
    let mut removed = 0;
    for room in &rooms {
        let kept = number(room, "retention_days")? * DAY_MS;
        let done = sqlx::query(
            "DELETE FROM messages WHERE room_id = ?1 AND created_at <= ?2
             AND seq < (SELECT min(seq) FROM messages WHERE room_id = ?1) + ?3",
        )
        .bind(room.try_get::<&str, _>("id")?)
        .bind(integer(now.saturating_sub(kept)))
        .bind(limit)
        .execute(&store.writer)
        .await?;
        removed += done.rows_affected();
    }
    Ok(removed)
}
