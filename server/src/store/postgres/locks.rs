//! What a transaction must hold while it decides, since others write beside it: then it sees what the one before it left, as
//! if it were alone.
//!
//! The order, in which nobody waits for each other: rooms by their ids, then users by theirs, then rows, then bulletins. Where
//! PostgreSQL finds a circle all the same, it ends one of the two, which is done again (`PostgresStore::run`).

use std::collections::BTreeSet;

use mesh_protocol::ids::{RoomId, UserId};

use super::{Connection, Result};
use crate::store::TokenHash;

/// Who is in the room, what it is set to, what is numbered in it.
pub(super) async fn room(tx: &mut Connection, room: &RoomId) -> Result<()> {
    rooms(tx, &BTreeSet::from([room.as_str()])).await
}

pub(super) async fn rooms(tx: &mut Connection, rooms: &BTreeSet<&str>) -> Result<()> {
    let ids: Vec<&str> = rooms.iter().copied().collect();
    sqlx::query("SELECT 1 FROM rooms WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE")
        .bind(ids)
        .fetch_all(tx)
        .await?;
    Ok(())
}

/// The room into which the invitation leads.
pub(super) async fn room_of_invite(tx: &mut Connection, invite: &TokenHash) -> Result<()> {
    sqlx::query(
        "SELECT 1 FROM rooms r JOIN invites i ON i.room_id = r.id WHERE i.token_hash = $1 FOR NO KEY UPDATE OF r",
    )
    .bind(invite.0.as_slice())
    .fetch_optional(tx)
    .await?;
    Ok(())
}

/// What waits for the users.
pub(super) async fn users(tx: &mut Connection, users: &BTreeSet<&str>) -> Result<()> {
    let ids: Vec<&str> = users.iter().copied().collect();
    sqlx::query("SELECT 1 FROM users WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE")
        .bind(ids)
        .fetch_all(tx)
        .await?;
    Ok(())
}

/// The user, whom no further row can name then, and their rooms.
pub(super) async fn user_with_rooms(tx: &mut Connection, user: &UserId) -> Result<()> {
    const ROOMS: &str = "SELECT 1 FROM rooms r JOIN members m ON m.room_id = r.id WHERE m.user_id = $1
         ORDER BY r.id FOR NO KEY UPDATE OF r";
    sqlx::query(ROOMS).bind(user.as_str()).fetch_all(&mut *tx).await?;
    sqlx::query("SELECT 1 FROM users WHERE id = $1 FOR UPDATE")
        .bind(user.as_str())
        .fetch_all(&mut *tx)
        .await?;
    // One that they came into meanwhile.
    sqlx::query(ROOMS).bind(user.as_str()).fetch_all(tx).await?;
    Ok(())
}

/// That nobody makes an account meanwhile.
pub(super) async fn accounts(tx: &mut Connection) -> Result<()> {
    sqlx::query("LOCK TABLE users IN SHARE ROW EXCLUSIVE MODE")
        .execute(tx)
        .await?;
    Ok(())
}

/// That bulletins are seen in the order of their numbers: who reads goes on after the last one.
pub(super) async fn bulletins(tx: &mut Connection) -> Result<()> {
    sqlx::query("LOCK TABLE bulletins IN EXCLUSIVE MODE")
        .execute(tx)
        .await?;
    Ok(())
}
