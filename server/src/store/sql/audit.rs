//! The record of each room: numbered like its chat, bounded by number and by age.

use std::collections::BTreeSet;

use mesh_protocol::capability::Capability;
use mesh_protocol::http::AuditParty;
use sqlx::Row as _;

use super::*;

pub(super) async fn append(store: &Engine, entries: &[NewAuditEntry], kept: u64) -> Result<()> {
    let mut tx = store.begin().await?;
    let rooms: BTreeSet<_> = entries.iter().map(|entry| entry.room_id.as_str()).collect();
    locks::rooms(&mut tx, &rooms).await?;
    for entry in entries {
        append_one(&mut tx, entry).await?;
    }
    for room in rooms {
        sqlx::query(
            "DELETE FROM audit WHERE room_id = $1 AND seq <= (SELECT last_audit FROM rooms WHERE id = $1) - $2",
        )
        .bind(room)
        .bind(integer(kept))
        .execute(&mut *tx)
        .await?;
    }
    Ok(tx.commit().await?)
}

async fn append_one(tx: &mut Connection, entry: &NewAuditEntry) -> Result<()> {
    let numbered =
        sqlx::query("UPDATE rooms SET last_audit = last_audit + 1 WHERE id = $1 RETURNING last_audit")
            .bind(entry.room_id.as_str())
            .fetch_optional(&mut *tx)
            .await?;
    let Some(row) = numbered else {
        return Ok(());
    };
    let capabilities: Vec<_> = entry.capabilities.iter().map(|c| c.as_str()).collect();
    sqlx::query(
        "INSERT INTO audit (room_id, seq, at, act, actor, capabilities, target, session_id, jti, detail)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    )
    .bind(entry.room_id.as_str())
    .bind(row.try_get::<i64, _>("last_audit")?)
    .bind(integer(entry.at))
    .bind(entry.act.as_str())
    .bind(json(entry.actor.as_ref())?)
    .bind(capabilities.join(" "))
    .bind(json(entry.target.as_ref())?)
    .bind(entry.session_id.as_ref().map(|id| id.as_str()))
    .bind(entry.jti.as_ref().map(|id| id.as_str()))
    .bind(entry.detail.as_deref().map(text))
    .execute(tx)
    .await?;
    Ok(())
}

fn json(party: Option<&AuditParty>) -> Result<Option<String>> {
    party
        .map(|party| serde_json::to_string(party).map_err(|error| StoreError::Corrupt(error.to_string())))
        .transpose()
}

pub(super) async fn page(
    store: &Engine,
    room: &RoomId,
    before: Option<u64>,
    limit: u32,
) -> Result<Vec<AuditEntry>> {
    let rows = sqlx::query(
        "SELECT seq, at, act, actor, capabilities, target, session_id, jti, detail FROM audit
         WHERE room_id = $1 AND seq < $2 ORDER BY seq DESC LIMIT $3",
    )
    .bind(room.as_str())
    .bind(before.map_or(i64::MAX, integer))
    .bind(i64::from(limit))
    .fetch_all(store.reader())
    .await?;
    rows.iter().map(entry).collect()
}

fn entry(row: &Row) -> Result<AuditEntry> {
    let party = |column: &str| -> Result<Option<AuditParty>> {
        let text: Option<&str> = row.try_get(column)?;
        text.map(serde_json::from_str)
            .transpose()
            .map_err(|_| StoreError::Corrupt(format!("column {column}")))
    };
    let capabilities: &str = row.try_get("capabilities")?;
    let capabilities: Result<Vec<Capability>, _> =
        capabilities.split_ascii_whitespace().map(str::parse).collect();
    Ok(AuditEntry {
        seq: number(row, "seq")?,
        at: number(row, "at")?,
        act: parsed(row, "act")?,
        actor: party("actor")?,
        capabilities: capabilities.map_err(|_| StoreError::Corrupt("column capabilities".into()))?,
        target: party("target")?,
        session_id: optional(row, "session_id")?,
        jti: optional(row, "jti")?,
        detail: row.try_get("detail")?,
    })
}

fn optional<T: std::str::FromStr>(row: &Row, column: &str) -> Result<Option<T>> {
    match row.try_get::<Option<&str>, _>(column)? {
        Some(_) => parsed(row, column).map(Some),
        None => Ok(None),
    }
}

pub(super) async fn expire(store: &Engine, limit: u32, until: u64) -> Result<u64> {
    let done = sqlx::query(
        "DELETE FROM audit WHERE (room_id, seq) IN (SELECT room_id, seq FROM audit WHERE at < $1 LIMIT $2)",
    )
    .bind(integer(until))
    .bind(i64::from(limit))
    .execute(store.writer())
    .await?;
    Ok(done.rows_affected())
}
