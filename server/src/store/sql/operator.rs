//! What the operator's commands see and remove, and the bulletins by which a running server learns of it.

use sqlx::Row as _;

use super::*;

/// A server looks every few seconds.
const NOTICES_KEPT_MS: u64 = 3_600_000;

pub(super) async fn users(store: &Engine) -> Result<Vec<UserRow>> {
    let rows = sqlx::query(
        "SELECT id, name, admin, password_hash IS NOT NULL AS has_password, created_at,
                (SELECT count(*) FROM members m WHERE m.user_id = users.id) AS rooms
         FROM users WHERE guest_invite IS NULL ORDER BY name_key",
    )
    .fetch_all(store.reader())
    .await?;
    rows.iter()
        .map(|row| {
            Ok(UserRow {
                id: parsed(row, "id")?,
                name: row.try_get("name")?,
                admin: row.try_get("admin")?,
                has_password: row.try_get("has_password")?,
                rooms: number(row, "rooms")?,
                created_at: number(row, "created_at")?,
            })
        })
        .collect()
}

pub(super) async fn all_rooms(store: &Engine) -> Result<Vec<RoomRow>> {
    let rows = sqlx::query(
        "SELECT id, name, last_seq, created_at,
                (SELECT count(*) FROM members m WHERE m.room_id = rooms.id) AS members
         FROM rooms ORDER BY name, id",
    )
    .fetch_all(store.reader())
    .await?;
    rows.iter()
        .map(|row| {
            Ok(RoomRow {
                id: parsed(row, "id")?,
                name: row.try_get("name")?,
                members: number(row, "members")?,
                messages: number(row, "last_seq")?,
                created_at: number(row, "created_at")?,
            })
        })
        .collect()
}

pub(super) async fn remove_user(store: &Engine, user: &UserId, now: u64) -> Result<()> {
    let mut tx = store.begin_long().await?;
    locks::user_with_rooms(&mut tx, user).await?;
    let rooms = sqlx::query(
        "SELECT m.room_id, m.role = 'owner' AS owner,
                (SELECT count(*) FROM members o WHERE o.room_id = m.room_id AND o.user_id <> $1) AS others,
                EXISTS (SELECT 1 FROM members o WHERE o.room_id = m.room_id AND o.user_id <> $1 AND o.role = 'owner')
                    AS owned
         FROM members m WHERE m.user_id = $1",
    )
    .bind(user.as_str())
    .fetch_all(&mut *tx)
    .await?;
    for room in &rooms {
        let id: RoomId = parsed(room, "room_id")?;
        if number(room, "others")? == 0 {
            end_room(&mut tx, &id, now).await?;
        } else if room.try_get("owner")? && !room.try_get("owned")? {
            return Err(StoreError::LastOwner);
        } else {
            bulletin(&mut tx, &Bulletin::MemberGone(id, user.clone()), now).await?;
        }
    }
    let open = sqlx::query("SELECT id FROM sessions WHERE user_id = $1 AND ended_at IS NULL")
        .bind(user.as_str())
        .fetch_all(&mut *tx)
        .await?;
    for row in &open {
        bulletin(&mut tx, &Bulletin::SignInEnded(SignInId(row.try_get("id")?)), now).await?;
    }
    // Devices, sessions, links, memberships and invitations go with it.
    let done = sqlx::query("DELETE FROM users WHERE id = $1")
        .bind(user.as_str())
        .execute(&mut *tx)
        .await?;
    touched(done.rows_affected())?;
    Ok(tx.commit().await?)
}

pub(super) async fn remove_room(store: &Engine, room: &RoomId, now: u64) -> Result<()> {
    let mut tx = store.begin_long().await?;
    locks::room(&mut tx, room).await?;
    end_room(&mut tx, room, now).await?;
    Ok(tx.commit().await?)
}

async fn end_room(tx: &mut Connection, room: &RoomId, now: u64) -> Result<()> {
    for sign_in in guests::end_all(tx, room, now).await? {
        bulletin(tx, &Bulletin::SignInEnded(sign_in), now).await?;
    }
    let done = sqlx::query("DELETE FROM rooms WHERE id = $1")
        .bind(room.as_str())
        .execute(&mut *tx)
        .await?;
    touched(done.rows_affected())?;
    bulletin(tx, &Bulletin::RoomGone(room.clone()), now).await
}

async fn bulletin(tx: &mut Connection, bulletin: &Bulletin, now: u64) -> Result<()> {
    locks::bulletins(tx).await?;
    sqlx::query("DELETE FROM bulletins WHERE at < $1")
        .bind(integer(now.saturating_sub(NOTICES_KEPT_MS)))
        .execute(&mut *tx)
        .await?;
    let (kind, subject, user) = match bulletin {
        Bulletin::SignInEnded(sign_in) => ("sign_in_ended", sign_in.0.as_str(), None),
        Bulletin::MemberGone(room, user) => ("member_gone", room.as_str(), Some(user.as_str())),
        Bulletin::RoomGone(room) => ("room_gone", room.as_str(), None),
    };
    sqlx::query("INSERT INTO bulletins (at, kind, subject, user_id) VALUES ($1, $2, $3, $4)")
        .bind(integer(now))
        .bind(kind)
        .bind(subject)
        .bind(user)
        .execute(tx)
        .await?;
    Ok(())
}

pub(super) async fn bulletins(store: &Engine, after: Option<u64>) -> Result<Bulletins> {
    let Some(after) = after else {
        let row = sqlx::query("SELECT coalesce(max(id), 0) AS last FROM bulletins")
            .fetch_one(store.reader())
            .await?;
        let last = number(&row, "last")?;
        return Ok(Bulletins {
            bulletins: Vec::new(),
            last,
        });
    };
    let rows = sqlx::query("SELECT id, kind, subject, user_id FROM bulletins WHERE id > $1 ORDER BY id")
        .bind(integer(after))
        .fetch_all(store.reader())
        .await?;
    let mut read = Bulletins {
        bulletins: Vec::new(),
        last: after,
    };
    for row in &rows {
        read.last = number(row, "id")?;
        read.bulletins.push(match row.try_get::<&str, _>("kind")? {
            "sign_in_ended" => Bulletin::SignInEnded(SignInId(row.try_get("subject")?)),
            "room_gone" => Bulletin::RoomGone(parsed(row, "subject")?),
            _ => Bulletin::MemberGone(parsed(row, "subject")?, parsed(row, "user_id")?),
        });
    }
    Ok(read)
}
