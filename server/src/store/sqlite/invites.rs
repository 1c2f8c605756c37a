//! Invitations: counted within the transaction that uses them.

use sqlx::Row as _;
use sqlx::sqlite::SqliteConnection;

use super::*;

pub(super) async fn create(store: &SqliteStore, invite: &NewInvite) -> Result<()> {
    sqlx::query(
        "INSERT INTO invites (id, room_id, token_hash, role, created_by, created_at, expires_at, max_uses, guest)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(invite.id.as_str())
    .bind(invite.room_id.as_str())
    .bind(invite.token_hash.0.as_slice())
    .bind(invite.role.as_str())
    .bind(invite.created_by.as_str())
    .bind(integer(invite.now))
    .bind(integer(invite.expires_at))
    .bind(invite.max_uses)
    .bind(invite.guest)
    .execute(&store.writer)
    .await?;
    Ok(())
}

pub(super) async fn list(store: &SqliteStore, room: &RoomId, now: u64) -> Result<Vec<InviteRow>> {
    let rows = sqlx::query(
        "SELECT id, role, expires_at, max_uses, uses, guest FROM invites
         WHERE room_id = ? AND revoked_at IS NULL AND expires_at > ? AND uses < max_uses ORDER BY created_at, id",
    )
    .bind(room.as_str())
    .bind(integer(now))
    .fetch_all(&store.reader)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(InviteRow {
                id: parsed(row, "id")?,
                role: parsed(row, "role")?,
                expires_at: number(row, "expires_at")?,
                max_uses: row.try_get("max_uses")?,
                uses: row.try_get("uses")?,
                guest: row.try_get("guest")?,
            })
        })
        .collect()
}

pub(super) async fn revoke(store: &SqliteStore, room: &RoomId, invite: &InviteId, now: u64) -> Result<()> {
    let query =
        sqlx::query("UPDATE invites SET revoked_at = ? WHERE id = ? AND room_id = ? AND revoked_at IS NULL")
            .bind(integer(now))
            .bind(invite.as_str())
            .bind(room.as_str());
    touched(&query.execute(&store.writer).await?)
}

pub(super) async fn peek(store: &SqliteStore, hash: &TokenHash, now: u64) -> Result<Invited> {
    let row = sqlx::query(
        "SELECT i.room_id, r.name, i.guest FROM invites i JOIN rooms r ON r.id = i.room_id
         WHERE i.token_hash = ? AND i.revoked_at IS NULL AND i.expires_at > ? AND i.uses < i.max_uses",
    )
    .bind(hash.0.as_slice())
    .bind(integer(now))
    .fetch_optional(&store.reader)
    .await?
    .ok_or(StoreError::InviteInvalid)?;
    Ok(Invited {
        room_id: parsed(&row, "room_id")?,
        room_name: row.try_get("name")?,
        guest: row.try_get("guest")?,
    })
}

/// An invitation that was just used.
pub(super) struct Used {
    pub(super) id: InviteId,
    pub(super) room_id: RoomId,
    pub(super) role: Role,
    pub(super) guest: bool,
}

/// Counts one use within the caller's transaction.
pub(super) async fn use_one(tx: &mut SqliteConnection, hash: &TokenHash, now: u64) -> Result<Used> {
    let row = sqlx::query(
        "UPDATE invites SET uses = uses + 1
         WHERE token_hash = ? AND revoked_at IS NULL AND expires_at > ? AND uses < max_uses
         RETURNING id, room_id, role, guest",
    )
    .bind(hash.0.as_slice())
    .bind(integer(now))
    .fetch_optional(tx)
    .await?
    .ok_or(StoreError::InviteInvalid)?;
    Ok(Used {
        id: parsed(&row, "id")?,
        room_id: parsed(&row, "room_id")?,
        role: parsed(&row, "role")?,
        guest: row.try_get("guest")?,
    })
}

pub(super) async fn join(store: &SqliteStore, hash: &TokenHash, user: &UserId, now: u64) -> Result<RoomId> {
    let mut tx = store.begin().await?;
    let member = sqlx::query(
        "SELECT i.room_id FROM invites i JOIN members m ON m.room_id = i.room_id
         WHERE i.token_hash = ? AND m.user_id = ?",
    )
    .bind(hash.0.as_slice())
    .bind(user.as_str())
    .fetch_optional(&mut *tx)
    .await?;
    if let Some(row) = member {
        return parsed(&row, "room_id");
    }
    let used = use_one(&mut tx, hash, now).await?;
    add_member(&mut tx, &used.room_id, user, used.role, now).await?;
    tx.commit().await?;
    Ok(used.room_id)
}
