//! Guests: people without an account, each in the one room of the invitation by which they came.

use sqlx::Row as _;

use super::*;

/// A guest who has just come has a membership a moment before the session.
const ARRIVAL_MS: u64 = 60_000;

pub(super) async fn admit(store: &SqliteStore, invite: &TokenHash, guest: &NewUser) -> Result<RoomId> {
    let mut tx = store.begin().await?;
    let used = invites::use_one(&mut tx, invite, guest.now).await?;
    if !used.guest {
        return Err(StoreError::InviteInvalid);
    }
    // Whose session has run out cannot come back: their membership is nobody's.
    sqlx::query(
        "DELETE FROM members WHERE room_id = ?1 AND user_id IN (
            SELECT u.id FROM users u WHERE u.guest_invite IS NOT NULL AND u.created_at < ?2 AND NOT EXISTS (
                SELECT 1 FROM sessions s WHERE s.user_id = u.id AND s.ended_at IS NULL AND s.expires_at > ?3))",
    )
    .bind(used.room_id.as_str())
    .bind(integer(guest.now.saturating_sub(ARRIVAL_MS)))
    .bind(integer(guest.now))
    .execute(&mut *tx)
    .await?;
    accounts::insert(&mut tx, guest).await?;
    sqlx::query("UPDATE users SET guest_invite = ? WHERE id = ?")
        .bind(used.id.as_str())
        .bind(guest.id.as_str())
        .execute(&mut *tx)
        .await?;
    add_member(&mut tx, &used.room_id, &guest.id, Role::Guest, guest.now).await?;
    tx.commit().await?;
    Ok(used.room_id)
}

pub(super) async fn dismiss(
    store: &SqliteStore,
    room: &RoomId,
    who: Dismissal<'_>,
    now: u64,
) -> Result<Vec<SignInId>> {
    let one = match who {
        Dismissal::Left(user) | Dismissal::Removed(user) => Some(user.as_str()),
        Dismissal::RoomGone => None,
    };
    let mut tx = store.begin().await?;
    let gone = sqlx::query(
        "DELETE FROM members WHERE room_id = ?1 AND (?2 IS NULL OR user_id = ?2)
            AND user_id IN (SELECT id FROM users WHERE guest_invite IS NOT NULL) RETURNING user_id",
    )
    .bind(room.as_str())
    .bind(one)
    .fetch_all(&mut *tx)
    .await?;
    if one.is_some() && gone.is_empty() {
        return Err(StoreError::Absent);
    }
    let mut ended = Vec::new();
    for row in &gone {
        let user: &str = row.try_get("user_id")?;
        if matches!(who, Dismissal::Removed(_)) {
            sqlx::query(
                "UPDATE invites SET revoked_at = ?1
                 WHERE id = (SELECT guest_invite FROM users WHERE id = ?2) AND revoked_at IS NULL",
            )
            .bind(integer(now))
            .bind(user)
            .execute(&mut *tx)
            .await?;
        }
        let sign_ins = sqlx::query(
            "UPDATE sessions SET ended_at = ? WHERE user_id = ? AND ended_at IS NULL RETURNING id",
        )
        .bind(integer(now))
        .bind(user)
        .fetch_all(&mut *tx)
        .await?;
        for row in &sign_ins {
            ended.push(SignInId(row.try_get("id")?));
        }
    }
    tx.commit().await?;
    Ok(ended)
}
