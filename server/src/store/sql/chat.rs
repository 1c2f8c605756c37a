//! Chat: numbered within the transaction that stores it.

use sqlx::Row as _;

use super::*;

pub(super) async fn append(store: &Engine, messages: &[NewMessage]) -> Result<Vec<Appended>> {
    let mut tx = store.begin().await?;
    let rooms = messages.iter().map(|message| message.room_id.as_str()).collect();
    locks::rooms(&mut tx, &rooms).await?;
    let mut outcomes = Vec::with_capacity(messages.len());
    for message in messages {
        outcomes.push(append_one(&mut tx, message).await?);
    }
    tx.commit().await?;
    Ok(outcomes)
}

async fn append_one(tx: &mut Connection, message: &NewMessage) -> Result<Appended> {
    let earlier = sqlx::query("SELECT room_id, seq FROM messages WHERE device_id = $1 AND client_id = $2")
        .bind(message.device_id.as_str())
        .bind(message.client_id.as_str())
        .fetch_optional(&mut *tx)
        .await?;
    if let Some(row) = earlier {
        let room: RoomId = parsed(&row, "room_id")?;
        let same = room == message.room_id;
        return Ok(if same {
            Appended::Repeated(number(&row, "seq")?)
        } else {
            Appended::Conflict
        });
    }
    let numbered = sqlx::query(
        "UPDATE rooms SET last_seq = last_seq + 1
         WHERE id = $1 AND EXISTS (SELECT 1 FROM members WHERE room_id = $1 AND user_id = $2) RETURNING last_seq",
    )
    .bind(message.room_id.as_str())
    .bind(message.user_id.as_str())
    .fetch_optional(&mut *tx)
    .await?;
    let Some(row) = numbered else {
        return Ok(Appended::NotAMember);
    };
    let seq = number(&row, "last_seq")?;
    let said = text(&message.text);
    sqlx::query(
        "INSERT INTO messages (room_id, seq, user_id, name, device_id, client_id, text, created_at, mentions)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind(message.room_id.as_str())
    .bind(integer(seq))
    .bind(message.user_id.as_str())
    .bind(&message.name)
    .bind(message.device_id.as_str())
    .bind(message.client_id.as_str())
    .bind(&*said)
    .bind(integer(message.now))
    .bind(joined(&message.mentions))
    .execute(&mut *tx)
    .await?;
    Ok(Appended::Stored(Box::new(ChatMessage {
        room_id: message.room_id.clone(),
        seq,
        user_id: message.user_id.clone(),
        name: message.name.clone(),
        device_id: message.device_id.clone(),
        client_id: message.client_id.clone(),
        text: said.into_owned(),
        created_at: message.now,
        mentions: message.mentions.clone(),
        edited_at: None,
        deleted_at: None,
    })))
}

/// Identifiers hold no space.
pub(super) fn joined(mentions: &[UserId]) -> String {
    let ids: Vec<_> = mentions.iter().map(UserId::as_str).collect();
    ids.join(" ")
}

pub(super) fn message(row: &Row) -> Result<ChatMessage> {
    let time = |column| -> Result<Option<u64>> {
        let at: Option<i64> = row.try_get(column)?;
        Ok(at.and_then(|at| u64::try_from(at).ok()))
    };
    let mentions: &str = row.try_get("mentions")?;
    let mentions = mentions
        .split_ascii_whitespace()
        .map(str::parse)
        .collect::<Result<_, _>>();
    Ok(ChatMessage {
        room_id: parsed(row, "room_id")?,
        seq: number(row, "seq")?,
        user_id: parsed(row, "user_id")?,
        name: row.try_get("name")?,
        device_id: parsed(row, "device_id")?,
        client_id: parsed(row, "client_id")?,
        text: row.try_get("text")?,
        created_at: number(row, "created_at")?,
        mentions: mentions
            .map_err(|_: mesh_protocol::ids::InvalidId| StoreError::Corrupt("column mentions".into()))?,
        edited_at: time("edited_at")?,
        deleted_at: time("deleted_at")?,
    })
}

pub(super) async fn page(
    store: &Engine,
    room: &RoomId,
    before: Option<u64>,
    limit: u32,
) -> Result<Vec<ChatMessage>> {
    let rows = sqlx::query("SELECT room_id, seq, user_id, name, device_id, client_id, text, created_at, mentions, edited_at, deleted_at
         FROM messages WHERE room_id = $1 AND seq < $2 ORDER BY seq DESC LIMIT $3")
        .bind(room.as_str())
        .bind(before.map_or(i64::MAX, integer))
        .bind(i64::from(limit))
        .fetch_all(store.reader())
        .await?;
    rows.iter().rev().map(message).collect()
}
