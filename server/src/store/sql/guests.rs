//! Guests: people without an account, each in the one room of the invitation by which they came.

use sqlx::Row as _;

use super::*;

/// A guest who has just come has a membership a moment before the session.
const ARRIVAL_MS: u64 = 60_000;

pub(super) async fn admit(store: &Engine, invite: &TokenHash, guest: &NewUser) -> Result<Entry> {
    let mut tx = store.begin().await?;
    locks::room_of_invite(&mut tx, invite).await?;
    let used = invites::use_one(&mut tx, invite, guest.now).await?;
    if !used.guest {
        return Err(StoreError::InviteInvalid);
    }
    // Whose session has run out cannot come back: their membership is nobody's.
    sqlx::query(
        "DELETE FROM members WHERE room_id = $1 AND user_id IN (
            SELECT u.id FROM users u WHERE u.guest_invite IS NOT NULL AND u.created_at < $2 AND NOT EXISTS (
                SELECT 1 FROM sessions s WHERE s.user_id = u.id AND s.ended_at IS NULL AND s.expires_at > $3))",
    )
    .bind(used.room_id.as_str())
    .bind(integer(guest.now.saturating_sub(ARRIVAL_MS)))
    .bind(integer(guest.now))
    .execute(&mut *tx)
    .await?;
    accounts::insert(&mut tx, guest).await?;
    sqlx::query("UPDATE users SET guest_invite = $1 WHERE id = $2")
        .bind(used.id.as_str())
        .bind(guest.id.as_str())
        .execute(&mut *tx)
        .await?;
    let used = invites::Used {
        role: Role::Guest,
        ..used
    };
    let entry = door::enter(&mut tx, &used, &guest.id, guest.now).await?;
    tx.commit().await?;
    Ok(entry)
}

/// Ends the sessions of who has no account, within the caller's transaction: they are for one room only.
pub(super) async fn end_sign_ins(tx: &mut Connection, user: &UserId, now: u64) -> Result<Vec<SignInId>> {
    let query = sqlx::query(
        "UPDATE sessions SET ended_at = $1 WHERE user_id = $2 AND ended_at IS NULL
            AND user_id IN (SELECT id FROM users WHERE guest_invite IS NOT NULL) RETURNING id",
    );
    let rows = query.bind(integer(now)).bind(user.as_str()).fetch_all(tx).await?;
    rows.iter().map(|row| Ok(SignInId(row.try_get("id")?))).collect()
}

/// The same for all guests of a room, those who wait before it too.
pub(super) async fn end_all(tx: &mut Connection, room: &RoomId, now: u64) -> Result<Vec<SignInId>> {
    let rows = sqlx::query(
        "SELECT user_id FROM members WHERE room_id = $1 UNION SELECT user_id FROM lobby WHERE room_id = $1",
    )
    .bind(room.as_str())
    .fetch_all(&mut *tx)
    .await?;
    let mut ended = Vec::new();
    for row in &rows {
        ended.extend(end_sign_ins(tx, &parsed(row, "user_id")?, now).await?);
    }
    Ok(ended)
}
