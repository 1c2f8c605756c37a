//! What happens to stored messages: edits, deletions, and the end of their time.

use super::chat::{joined, message};
use super::*;

const DAY_MS: u64 = 24 * 3_600 * 1_000;

pub(super) async fn get(store: &Engine, room: &RoomId, seq: u64) -> Result<ChatMessage> {
    let row = sqlx::query("SELECT room_id, seq, user_id, name, device_id, client_id, text, created_at, mentions, edited_at, deleted_at
         FROM messages WHERE room_id = $1 AND seq = $2 AND deleted_at IS NULL")
        .bind(room.as_str())
        .bind(integer(seq))
        .fetch_optional(store.reader())
        .await?
        .ok_or(StoreError::Absent)?;
    message(&row)
}

pub(super) async fn edit(store: &Engine, edit: &MessageEdit) -> Result<ChatMessage> {
    // The later edit wins where two have the same time or a clock went back.
    let row = sqlx::query(
        "UPDATE messages SET text = $1, mentions = $2, edited_at = CASE WHEN edited_at >= $3 THEN edited_at + 1 ELSE $3 END
         WHERE room_id = $4 AND seq = $5 AND deleted_at IS NULL
         RETURNING room_id, seq, user_id, name, device_id, client_id, text, created_at, mentions, edited_at, deleted_at",
    )
    .bind(text(&edit.text))
    .bind(joined(&edit.mentions))
    .bind(integer(edit.now))
    .bind(edit.room_id.as_str())
    .bind(integer(edit.seq))
    .fetch_optional(store.writer())
    .await?
    .ok_or(StoreError::Absent)?;
    message(&row)
}

pub(super) async fn delete(store: &Engine, room: &RoomId, seq: u64, now: u64) -> Result<()> {
    let query = sqlx::query(
        "UPDATE messages SET text = '', mentions = '', edited_at = NULL, deleted_at = $1
         WHERE room_id = $2 AND seq = $3 AND deleted_at IS NULL",
    )
    .bind(integer(now))
    .bind(room.as_str())
    .bind(integer(seq));
    touched(query.execute(store.writer()).await?.rows_affected())
}

/// The oldest `limit` of each room are looked at, so that one transaction is short however much there is.
pub(super) async fn expire(store: &Engine, limit: u32, now: u64) -> Result<u64> {
    let rooms = sqlx::query("SELECT id, retention_days FROM rooms WHERE retention_days IS NOT NULL")
        .fetch_all(store.reader())
        .await?;
    let mut removed = 0;
    for room in &rooms {
        let kept = number(room, "retention_days")? * DAY_MS;
        let done = sqlx::query(
            "DELETE FROM messages WHERE room_id = $1 AND created_at <= $2
             AND seq < (SELECT min(seq) FROM messages WHERE room_id = $1) + $3",
        )
        .bind(room.try_get::<&str, _>("id")?)
        .bind(integer(now.saturating_sub(kept)))
        .bind(i64::from(limit))
        .execute(store.writer())
        .await?;
        removed += done.rows_affected();
    }
    Ok(removed)
}
