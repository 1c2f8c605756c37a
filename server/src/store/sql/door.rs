//! Who comes into a room and who does not: entry by an invitation, the lobby, removals and bans.

use sqlx::Row as _;

use super::invites::Used;
use super::*;

/// Makes the user a member, or lets them wait. Fails with `InviteInvalid` or `Banned` for who was put out.
pub(super) async fn enter(tx: &mut Connection, used: &Used, user: &UserId, now: u64) -> Result<Entry> {
    let row = sqlx::query(
        "SELECT r.lobby, x.removed_at, x.banned FROM rooms r
         LEFT JOIN removals x ON x.room_id = r.id AND x.user_id = $1 WHERE r.id = $2",
    )
    .bind(user.as_str())
    .bind(used.room_id.as_str())
    .fetch_one(&mut *tx)
    .await?;
    if row.try_get::<Option<bool>, _>("banned")? == Some(true) {
        return Err(StoreError::Banned);
    }
    let removed_at: Option<i64> = row.try_get("removed_at")?;
    if removed_at.is_some_and(|at| integer(used.created_at) <= at) {
        return Err(StoreError::InviteInvalid);
    }
    if row.try_get("lobby")? {
        sqlx::query(
            "INSERT INTO lobby (room_id, user_id, role, invite_id, asked_at) VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(used.room_id.as_str())
        .bind(user.as_str())
        .bind(used.role.as_str())
        .bind(used.id.as_str())
        .bind(integer(now))
        .execute(tx)
        .await?;
        return Ok(Entry::Asks(used.room_id.clone(), user.clone()));
    }
    let member = add(tx, &used.room_id, user, used.role, &used.id, now).await?;
    Ok(Entry::Entered(used.room_id.clone(), member))
}

async fn add(
    tx: &mut Connection,
    room: &RoomId,
    user: &UserId,
    role: Role,
    invite: &InviteId,
    now: u64,
) -> Result<Member> {
    sqlx::query(
        "INSERT INTO members (room_id, user_id, role, joined_at, invite_id) VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(room.as_str())
    .bind(user.as_str())
    .bind(role.as_str())
    .bind(integer(now))
    .bind(invite.as_str())
    .execute(&mut *tx)
    .await?;
    // A newer invitation undoes an older removal.
    sqlx::query("DELETE FROM removals WHERE room_id = $1 AND user_id = $2")
        .bind(room.as_str())
        .bind(user.as_str())
        .execute(&mut *tx)
        .await?;
    let row = sqlx::query("SELECT name FROM users WHERE id = $1")
        .bind(user.as_str())
        .fetch_one(tx)
        .await?;
    Ok(Member {
        user_id: user.clone(),
        name: row.try_get("name")?,
        role,
    })
}

/// Keeps the user out. A guest's own invitation is revoked: whoever has no account comes back under another name.
async fn keep_out(tx: &mut Connection, room: &RoomId, user: &UserId, banned: bool, now: u64) -> Result<()> {
    sqlx::query(
        "UPDATE invites SET revoked_at = $3 WHERE revoked_at IS NULL AND id IN (
            SELECT invite_id FROM members WHERE room_id = $1 AND user_id = $2 AND role = 'guest'
            UNION SELECT invite_id FROM lobby WHERE room_id = $1 AND user_id = $2 AND role = 'guest')",
    )
    .bind(room.as_str())
    .bind(user.as_str())
    .bind(integer(now))
    .execute(&mut *tx)
    .await?;
    sqlx::query(
        "INSERT INTO removals (room_id, user_id, removed_at, banned) SELECT $1, id, $3, $4 FROM users WHERE id = $2
         ON CONFLICT (room_id, user_id) DO UPDATE SET removed_at = $3, banned = removals.banned OR $4",
    )
    .bind(room.as_str())
    .bind(user.as_str())
    .bind(integer(now))
    .bind(banned)
    .execute(tx)
    .await
    .map_err(StoreError::from)
    .and_then(|done| touched(done.rows_affected()))
}

async fn leave_lobby(tx: &mut Connection, room: &RoomId, user: &UserId) -> Result<()> {
    let query = sqlx::query("DELETE FROM lobby WHERE room_id = $1 AND user_id = $2")
        .bind(room.as_str())
        .bind(user.as_str());
    touched(query.execute(tx).await?.rows_affected())
}

pub(super) async fn expel(store: &Engine, room: &RoomId, user: &UserId, now: u64) -> Result<Vec<SignInId>> {
    let mut tx = store.begin().await?;
    locks::room(&mut tx, room).await?;
    keep_out(&mut tx, room, user, false, now).await?;
    rooms::remove_member(&mut tx, room, user).await?;
    let ended = guests::end_sign_ins(&mut tx, user, now).await?;
    tx.commit().await?;
    Ok(ended)
}

pub(super) async fn ban(store: &Engine, room: &RoomId, user: &UserId, now: u64) -> Result<Vec<SignInId>> {
    let mut tx = store.begin().await?;
    locks::room(&mut tx, room).await?;
    keep_out(&mut tx, room, user, true, now).await?;
    for left in [
        rooms::remove_member(&mut tx, room, user).await,
        leave_lobby(&mut tx, room, user).await,
    ] {
        match left {
            // Nobody has to be there to be banned.
            Ok(()) | Err(StoreError::Absent) => {}
            Err(error) => return Err(error),
        }
    }
    let ended = guests::end_sign_ins(&mut tx, user, now).await?;
    tx.commit().await?;
    Ok(ended)
}

pub(super) async fn bans(store: &Engine, room: &RoomId) -> Result<Vec<Ban>> {
    let rows = sqlx::query(
        "SELECT x.user_id, u.name, x.removed_at FROM removals x JOIN users u ON u.id = x.user_id
         WHERE x.room_id = $1 AND x.banned ORDER BY x.removed_at, x.user_id",
    )
    .bind(room.as_str())
    .fetch_all(store.reader())
    .await?;
    rows.iter()
        .map(|row| {
            Ok(Ban {
                user_id: parsed(row, "user_id")?,
                name: row.try_get("name")?,
                banned_at: number(row, "removed_at")?,
            })
        })
        .collect()
}

/// Invitations from before stay closed to them: a new one lets them in.
pub(super) async fn unban(store: &Engine, room: &RoomId, user: &UserId) -> Result<()> {
    let query =
        sqlx::query("UPDATE removals SET banned = FALSE WHERE room_id = $1 AND user_id = $2 AND banned")
            .bind(room.as_str())
            .bind(user.as_str());
    touched(query.execute(store.writer()).await?.rows_affected())
}

pub(super) async fn lobby(store: &Engine, room: &RoomId) -> Result<Vec<LobbyRequest>> {
    let rows = sqlx::query(
        "SELECT l.user_id, u.name, l.role, l.asked_at FROM lobby l JOIN users u ON u.id = l.user_id
         WHERE l.room_id = $1 ORDER BY l.asked_at, l.user_id",
    )
    .bind(room.as_str())
    .fetch_all(store.reader())
    .await?;
    rows.iter()
        .map(|row| {
            Ok(LobbyRequest {
                user_id: parsed(row, "user_id")?,
                name: row.try_get("name")?,
                role: parsed(row, "role")?,
                asked_at: number(row, "asked_at")?,
            })
        })
        .collect()
}

pub(super) async fn waits(store: &Engine, room: &RoomId, user: &UserId) -> Result<bool> {
    let query = sqlx::query("SELECT 1 FROM lobby WHERE room_id = $1 AND user_id = $2")
        .bind(room.as_str())
        .bind(user.as_str());
    Ok(query.fetch_optional(store.reader()).await?.is_some())
}

pub(super) async fn admit(store: &Engine, room: &RoomId, user: &UserId, now: u64) -> Result<Member> {
    let mut tx = store.begin().await?;
    locks::room(&mut tx, room).await?;
    let row = sqlx::query("DELETE FROM lobby WHERE room_id = $1 AND user_id = $2 RETURNING role, invite_id")
        .bind(room.as_str())
        .bind(user.as_str())
        .fetch_optional(&mut *tx)
        .await?
        .ok_or(StoreError::Absent)?;
    let (role, invite) = (parsed(&row, "role")?, parsed(&row, "invite_id")?);
    let member = add(&mut tx, room, user, role, &invite, now).await?;
    tx.commit().await?;
    Ok(member)
}

pub(super) async fn refuse(
    store: &Engine,
    room: &RoomId,
    user: &UserId,
    withdrawn: bool,
    now: u64,
) -> Result<Vec<SignInId>> {
    let mut tx = store.begin().await?;
    locks::room(&mut tx, room).await?;
    if !withdrawn {
        keep_out(&mut tx, room, user, false, now).await?;
    }
    leave_lobby(&mut tx, room, user).await?;
    let ended = guests::end_sign_ins(&mut tx, user, now).await?;
    tx.commit().await?;
    Ok(ended)
}
