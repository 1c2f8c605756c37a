//! Rooms and their members.

use mesh_protocol::http::{Policy, RoomSettings};
use sqlx::Row as _;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::*;

pub(super) async fn insert(tx: &mut SqliteConnection, room: &NewRoom) -> Result<()> {
    sqlx::query("INSERT INTO rooms (id, name, created_at, expires_at) VALUES (?, ?, ?, ?)")
        .bind(room.id.as_str())
        .bind(&room.name)
        .bind(integer(room.now))
        .bind(room.expires_at.map(integer))
        .execute(&mut *tx)
        .await?;
    sqlx::query("INSERT INTO members (room_id, user_id, role, joined_at) VALUES (?, ?, 'owner', ?)")
        .bind(room.id.as_str())
        .bind(room.owner.as_str())
        .bind(integer(room.now))
        .execute(tx)
        .await?;
    Ok(())
}

fn settings(row: &SqliteRow) -> Result<RoomSettings> {
    let policy: Option<&str> = row.try_get("policy")?;
    let policy = policy.map(serde_json::from_str).transpose();
    Ok(RoomSettings {
        locked: row.try_get("locked")?,
        lobby: row.try_get("lobby")?,
        retention_days: row.try_get("retention_days")?,
        policy: policy
            .map_err(|_| StoreError::Corrupt("column policy".into()))?
            .unwrap_or_default(),
    })
}

fn room(row: &SqliteRow) -> Result<Room> {
    Ok(Room {
        room_id: parsed(row, "id")?,
        name: row.try_get("name")?,
        role: parsed(row, "role")?,
        last_seq: number(row, "last_seq")?,
        settings: settings(row)?,
    })
}

pub(super) async fn room_of(store: &SqliteStore, id: &RoomId, user: &UserId) -> Result<Option<Room>> {
    let query = sqlx::query(
        "SELECT r.*, m.role FROM rooms r JOIN members m ON m.room_id = r.id
         WHERE r.id = ? AND m.user_id = ?",
    );
    let row = query
        .bind(id.as_str())
        .bind(user.as_str())
        .fetch_optional(&store.reader)
        .await?;
    row.as_ref().map(room).transpose()
}

pub(super) async fn rooms_of(store: &SqliteStore, user: &UserId) -> Result<Vec<Room>> {
    let query = sqlx::query(
        "SELECT r.*, m.role FROM rooms r JOIN members m ON m.room_id = r.id
         WHERE m.user_id = ? ORDER BY m.joined_at, r.id",
    );
    query
        .bind(user.as_str())
        .fetch_all(&store.reader)
        .await?
        .iter()
        .map(room)
        .collect()
}

pub(super) async fn members(store: &SqliteStore, room: &RoomId) -> Result<Vec<Member>> {
    let query = sqlx::query(
        "SELECT m.user_id, u.name, m.role FROM members m JOIN users u ON u.id = m.user_id
         WHERE m.room_id = ? ORDER BY m.joined_at, m.user_id",
    );
    let rows = query.bind(room.as_str()).fetch_all(&store.reader).await?;
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
async fn spare_owner(tx: &mut SqliteConnection, room: &RoomId, user: &UserId) -> Result<()> {
    let row = sqlx::query(
        "SELECT role, (SELECT count(*) FROM members WHERE room_id = ?1 AND role = 'owner') AS owners
         FROM members WHERE room_id = ?1 AND user_id = ?2",
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

pub(super) async fn set_role(store: &SqliteStore, room: &RoomId, user: &UserId, role: Role) -> Result<()> {
    let mut tx = store.begin().await?;
    if role != Role::Owner {
        spare_owner(&mut tx, room, user).await?;
    }
    let done = sqlx::query("UPDATE members SET role = ? WHERE room_id = ? AND user_id = ?")
        .bind(role.as_str())
        .bind(room.as_str())
        .bind(user.as_str())
        .execute(&mut *tx)
        .await?;
    touched(&done)?;
    Ok(tx.commit().await?)
}

pub(super) async fn delete(store: &SqliteStore, room: &RoomId, now: u64) -> Result<Vec<SignInId>> {
    let mut tx = store.begin().await?;
    let ended = guests::end_all(&mut tx, room, now).await?;
    let done = sqlx::query("DELETE FROM rooms WHERE id = ?")
        .bind(room.as_str())
        .execute(&mut *tx)
        .await?;
    touched(&done)?;
    tx.commit().await?;
    Ok(ended)
}

pub(super) async fn expired(store: &SqliteStore, limit: u32, now: u64) -> Result<Vec<RoomId>> {
    let rows = sqlx::query("SELECT id FROM rooms WHERE expires_at <= ? ORDER BY expires_at LIMIT ?")
        .bind(integer(now))
        .bind(limit)
        .fetch_all(&store.reader)
        .await?;
    rows.iter().map(|row| parsed(row, "id")).collect()
}

/// Within the caller's transaction.
pub(super) async fn remove_member(tx: &mut SqliteConnection, room: &RoomId, user: &UserId) -> Result<()> {
    spare_owner(tx, room, user).await?;
    sqlx::query("DELETE FROM members WHERE room_id = ? AND user_id = ?")
        .bind(room.as_str())
        .bind(user.as_str())
        .execute(tx)
        .await?;
    Ok(())
}

pub(super) async fn change(store: &SqliteStore, room: &RoomId, change: &ChangeRoom) -> Result<RoomChange> {
    let mut tx = store.begin().await?;
    let row = sqlx::query("SELECT * FROM rooms WHERE id = ?")
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
        "UPDATE rooms SET name = ?, locked = ?, lobby = ?, retention_days = ?, policy = ? WHERE id = ?",
    )
    .bind(&now.name)
    .bind(now.settings.locked)
    .bind(now.settings.lobby)
    .bind(now.settings.retention_days)
    .bind(policy)
    .bind(room.as_str())
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(now)
}
