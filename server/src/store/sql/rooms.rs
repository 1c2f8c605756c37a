//! Rooms and their members.

use mesh_protocol::http::{Policy, RoomSettings};
use sqlx::Row as _;

use super::*;

pub(super) async fn insert(tx: &mut Connection, room: &NewRoom) -> Result<()> {
    sqlx::query("INSERT INTO rooms (id, name, created_at, expires_at) VALUES ($1, $2, $3, $4)")
        .bind(room.id.as_str())
        .bind(&room.name)
        .bind(integer(room.now))
        .bind(room.expires_at.map(integer))
        .execute(&mut *tx)
        .await?;
    sqlx::query("INSERT INTO members (room_id, user_id, role, joined_at) VALUES ($1, $2, 'owner', $3)")
        .bind(room.id.as_str())
        .bind(room.owner.as_str())
        .bind(integer(room.now))
        .execute(tx)
        .await?;
    Ok(())
}

pub(super) async fn create(store: &Engine, room: &NewRoom) -> Result<()> {
    let mut tx = store.begin().await?;
    insert(&mut tx, room).await?;
    Ok(tx.commit().await?)
}

fn settings(row: &Row) -> Result<RoomSettings> {
    let policy: Option<&str> = row.try_get("policy")?;
    let policy = policy.map(serde_json::from_str).transpose();
    Ok(RoomSettings {
        locked: row.try_get("locked")?,
        lobby: row.try_get("lobby")?,
        retention_days: match row.try_get::<Option<i64>, _>("retention_days")? {
            Some(_) => Some(small(row, "retention_days")?),
            None => None,
        },
        policy: policy
            .map_err(|_| StoreError::Corrupt("column policy".into()))?
            .unwrap_or_default(),
    })
}

fn room(row: &Row) -> Result<Room> {
    Ok(Room {
        room_id: parsed(row, "id")?,
        name: row.try_get("name")?,
        role: parsed(row, "role")?,
        last_seq: number(row, "last_seq")?,
        settings: settings(row)?,
    })
}

pub(super) async fn room_of(store: &Engine, id: &RoomId, user: &UserId) -> Result<Option<Room>> {
    let query = sqlx::query(
        "SELECT r.id, r.name, r.last_seq, r.locked, r.lobby, r.retention_days, r.policy, m.role
         FROM rooms r JOIN members m ON m.room_id = r.id
         WHERE r.id = $1 AND m.user_id = $2",
    );
    let row = query
        .bind(id.as_str())
        .bind(user.as_str())
        .fetch_optional(store.reader())
        .await?;
    row.as_ref().map(room).transpose()
}

pub(super) async fn rooms_of(store: &Engine, user: &UserId) -> Result<Vec<Room>> {
    let query = sqlx::query(
        "SELECT r.id, r.name, r.last_seq, r.locked, r.lobby, r.retention_days, r.policy, m.role
         FROM rooms r JOIN members m ON m.room_id = r.id
         WHERE m.user_id = $1 ORDER BY m.joined_at, r.id",
    );
    query
        .bind(user.as_str())
        .fetch_all(store.reader())
        .await?
        .iter()
        .map(room)
        .collect()
}

pub(super) async fn members(store: &Engine, room: &RoomId) -> Result<Vec<Member>> {
    let query = sqlx::query(
        "SELECT m.user_id, u.name, m.role FROM members m JOIN users u ON u.id = m.user_id
         WHERE m.room_id = $1 ORDER BY m.joined_at, m.user_id",
    );
    let rows = query.bind(room.as_str()).fetch_all(store.reader()).await?;
    rows.iter()
        .map(|row| {
            Ok(Member {
                user_id: parsed(row, "user_id")?,
                name: row.try_get("name")?,
                role: parsed(row, "role")?,
            })
        })
        .collect()
}

/// Fails where the member is the only owner.
async fn spare_owner(tx: &mut Connection, room: &RoomId, user: &UserId) -> Result<()> {
    let row = sqlx::query(
        "SELECT role, (SELECT count(*) FROM members WHERE room_id = $1 AND role = 'owner') AS owners
         FROM members WHERE room_id = $1 AND user_id = $2",
    )
    .bind(room.as_str())
    .bind(user.as_str())
    .fetch_optional(tx)
    .await?
    .ok_or(StoreError::Absent)?;
    let role: Role = parsed(&row, "role")?;
    if role == Role::Owner && number(&row, "owners")? < 2 {
        Err(StoreError::LastOwner)
    } else {
        Ok(())
    }
}

pub(super) async fn set_role(store: &Engine, room: &RoomId, user: &UserId, role: Role) -> Result<()> {
    let mut tx = store.begin().await?;
    locks::room(&mut tx, room).await?;
    if role != Role::Owner {
        spare_owner(&mut tx, room, user).await?;
    }
    let done = sqlx::query("UPDATE members SET role = $1 WHERE room_id = $2 AND user_id = $3")
        .bind(role.as_str())
        .bind(room.as_str())
        .bind(user.as_str())
        .execute(&mut *tx)
        .await?;
    touched(done.rows_affected())?;
    Ok(tx.commit().await?)
}

pub(super) async fn delete(store: &Engine, room: &RoomId, now: u64) -> Result<Vec<SignInId>> {
    let mut tx = store.begin_long().await?;
    locks::room(&mut tx, room).await?;
    let ended = guests::end_all(&mut tx, room, now).await?;
    let done = sqlx::query("DELETE FROM rooms WHERE id = $1")
        .bind(room.as_str())
        .execute(&mut *tx)
        .await?;
    touched(done.rows_affected())?;
    tx.commit().await?;
    Ok(ended)
}

pub(super) async fn expired(store: &Engine, limit: u32, now: u64) -> Result<Vec<RoomId>> {
    let rows = sqlx::query("SELECT id FROM rooms WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2")
        .bind(integer(now))
        .bind(i64::from(limit))
        .fetch_all(store.reader())
        .await?;
    rows.iter().map(|row| parsed(row, "id")).collect()
}

/// The member goes by themselves.
pub(super) async fn leave(store: &Engine, room: &RoomId, user: &UserId, now: u64) -> Result<Vec<SignInId>> {
    let mut tx = store.begin().await?;
    locks::room(&mut tx, room).await?;
    remove_member(&mut tx, room, user).await?;
    let ended = guests::end_sign_ins(&mut tx, user, now).await?;
    tx.commit().await?;
    Ok(ended)
}

/// Within the caller's transaction.
pub(super) async fn remove_member(tx: &mut Connection, room: &RoomId, user: &UserId) -> Result<()> {
    spare_owner(tx, room, user).await?;
    sqlx::query("DELETE FROM members WHERE room_id = $1 AND user_id = $2")
        .bind(room.as_str())
        .bind(user.as_str())
        .execute(tx)
        .await?;
    Ok(())
}

pub(super) async fn change(store: &Engine, room: &RoomId, change: &ChangeRoom) -> Result<RoomChange> {
    let mut tx = store.begin().await?;
    locks::room(&mut tx, room).await?;
    let row = sqlx::query("SELECT name, locked, lobby, retention_days, policy FROM rooms WHERE id = $1")
        .bind(room.as_str())
        .fetch_optional(&mut *tx)
        .await?
        .ok_or(StoreError::Absent)?;
    let before = settings(&row)?;
    let policy = change.policy.clone().unwrap_or_default();
    let name: String = row.try_get("name")?;
    let now = RoomChange {
        room_id: room.clone(),
        name: change.name.clone().unwrap_or(name),
        settings: RoomSettings {
            locked: change.locked.unwrap_or(before.locked),
            lobby: change.lobby.unwrap_or(before.lobby),
            retention_days: change.retention_days.unwrap_or(before.retention_days),
            policy: Policy {
                guest: policy.guest.unwrap_or(before.policy.guest),
                member: policy.member.unwrap_or(before.policy.member),
                moderator: policy.moderator.unwrap_or(before.policy.moderator),
            },
        },
    };
    let policy = serde_json::to_string(&now.settings.policy)
        .map_err(|error| StoreError::Corrupt(error.to_string()))?;
    sqlx::query(
        "UPDATE rooms SET name = $1, locked = $2, lobby = $3, retention_days = $4, policy = $5 WHERE id = $6",
    )
    .bind(&now.name)
    .bind(now.settings.locked)
    .bind(now.settings.lobby)
    .bind(now.settings.retention_days.map(i64::from))
    .bind(policy)
    .bind(room.as_str())
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(now)
}
