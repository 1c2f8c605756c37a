//! Invitations: counted within the transaction that uses them.

use sqlx::Row as _;

use super::*;

pub(super) async fn create(store: &Engine, invite: &NewInvite) -> Result<()> {
    sqlx::query(
        "INSERT INTO invites (id, room_id, token_hash, role, created_by, created_at, expires_at, max_uses, guest)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind(invite.id.as_str())
    .bind(invite.room_id.as_str())
    .bind(invite.token_hash.0.as_slice())
    .bind(invite.role.as_str())
    .bind(invite.created_by.as_str())
    .bind(integer(invite.now))
    .bind(integer(invite.expires_at))
    .bind(i64::from(invite.max_uses))
    .bind(invite.guest)
    .execute(store.writer())
    .await?;
    Ok(())
}

pub(super) async fn list(store: &Engine, room: &RoomId, now: u64) -> Result<Vec<InviteRow>> {
    let rows = sqlx::query(
        "SELECT id, role, expires_at, max_uses, uses, guest FROM invites
         WHERE room_id = $1 AND revoked_at IS NULL AND expires_at > $2 AND uses < max_uses ORDER BY created_at, id",
    )
    .bind(room.as_str())
    .bind(integer(now))
    .fetch_all(store.reader())
    .await?;
    rows.iter()
        .map(|row| {
            Ok(InviteRow {
                id: parsed(row, "id")?,
                role: parsed(row, "role")?,
                expires_at: number(row, "expires_at")?,
                max_uses: small(row, "max_uses")?,
                uses: small(row, "uses")?,
                guest: row.try_get("guest")?,
            })
        })
        .collect()
}

pub(super) async fn revoke(store: &Engine, room: &RoomId, invite: &InviteId, now: u64) -> Result<()> {
    let query = sqlx::query(
        "UPDATE invites SET revoked_at = $1 WHERE id = $2 AND room_id = $3 AND revoked_at IS NULL",
    )
    .bind(integer(now))
    .bind(invite.as_str())
    .bind(room.as_str());
    touched(query.execute(store.writer()).await?.rows_affected())
}

pub(super) async fn peek(store: &Engine, hash: &TokenHash, now: u64) -> Result<Invited> {
    let row = sqlx::query(
        "SELECT i.room_id, r.name, i.guest FROM invites i JOIN rooms r ON r.id = i.room_id
         WHERE i.token_hash = $1 AND i.revoked_at IS NULL AND i.expires_at > $2 AND i.uses < i.max_uses",
    )
    .bind(hash.0.as_slice())
    .bind(integer(now))
    .fetch_optional(store.reader())
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
    /// When the invitation was made.
    pub(super) created_at: u64,
}

/// Counts one use within the caller's transaction. Fails with `InviteInvalid` or `RoomLocked`.
pub(super) async fn use_one(tx: &mut Connection, hash: &TokenHash, now: u64) -> Result<Used> {
    let row = sqlx::query(
        "UPDATE invites SET uses = uses + 1
         WHERE token_hash = $1 AND revoked_at IS NULL AND expires_at > $2 AND uses < max_uses
         RETURNING id, room_id, role, guest, created_at, (SELECT locked FROM rooms WHERE rooms.id = invites.room_id) AS locked",
    )
    .bind(hash.0.as_slice())
    .bind(integer(now))
    .fetch_optional(tx)
    .await?
    .ok_or(StoreError::InviteInvalid)?;
    if row.try_get("locked")? {
        return Err(StoreError::RoomLocked);
    }
    Ok(Used {
        id: parsed(&row, "id")?,
        room_id: parsed(&row, "room_id")?,
        role: parsed(&row, "role")?,
        guest: row.try_get("guest")?,
        created_at: number(&row, "created_at")?,
    })
}

pub(super) async fn role(store: &Engine, room: &RoomId, invite: &InviteId) -> Result<Role> {
    let row = sqlx::query("SELECT role FROM invites WHERE id = $1 AND room_id = $2")
        .bind(invite.as_str())
        .bind(room.as_str())
        .fetch_optional(store.reader())
        .await?
        .ok_or(StoreError::Absent)?;
    parsed(&row, "role")
}

pub(super) async fn join(store: &Engine, hash: &TokenHash, user: &UserId, now: u64) -> Result<Entry> {
    let mut tx = store.begin().await?;
    locks::room_of_invite(&mut tx, hash).await?;
    let known = sqlx::query(
        "SELECT i.room_id, m.user_id IS NOT NULL AS member FROM invites i
         LEFT JOIN members m ON m.room_id = i.room_id AND m.user_id = $2
         LEFT JOIN lobby l ON l.room_id = i.room_id AND l.user_id = $2
         WHERE i.token_hash = $1 AND (m.user_id IS NOT NULL OR l.user_id IS NOT NULL)",
    )
    .bind(hash.0.as_slice())
    .bind(user.as_str())
    .fetch_optional(&mut *tx)
    .await?;
    if let Some(row) = known {
        let room = parsed(&row, "room_id")?;
        let member = row.try_get("member")?;
        return Ok(if member {
            Entry::Known(room)
        } else {
            Entry::Waits(room)
        });
    }
    let used = use_one(&mut tx, hash, now).await?;
    let entry = door::enter(&mut tx, &used, user, now).await?;
    tx.commit().await?;
    Ok(entry)
}
