//! Devices and their sign-ins.

use sqlx::Row as _;

use super::*;

fn kind(row: &Row) -> Result<mesh_protocol::http::DeviceKind> {
    match row.try_get::<&str, _>("kind")? {
        "page" => Ok(mesh_protocol::http::DeviceKind::Page),
        "agent" => Ok(mesh_protocol::http::DeviceKind::Agent),
        _ => Err(StoreError::Corrupt("column kind".into())),
    }
}

pub(super) async fn enroll(store: &Engine, device: &NewDevice) -> Result<DeviceId> {
    let kind = match device.kind {
        mesh_protocol::http::DeviceKind::Page => "page",
        mesh_protocol::http::DeviceKind::Agent => "agent",
    };
    let row = sqlx::query(
        "INSERT INTO devices (id, user_id, name, kind, public_key, created_at, last_seen_at)
         VALUES ($1, $2, $3, $4, $5, $6, $6)
         ON CONFLICT (user_id, public_key) WHERE public_key IS NOT NULL AND removed_at IS NULL
         DO UPDATE SET name = $3, kind = $4, last_seen_at = $6
         RETURNING id",
    )
    .bind(device.id.as_str())
    .bind(device.user_id.as_str())
    .bind(&device.name)
    .bind(kind)
    .bind(&device.key)
    .bind(integer(device.now))
    .fetch_one(store.writer())
    .await?;
    parsed(&row, "id")
}

pub(super) async fn devices(store: &Engine, user: &UserId) -> Result<Vec<Device>> {
    let query = sqlx::query(
        "SELECT id, name, kind, created_at, last_seen_at FROM devices
         WHERE user_id = $1 AND removed_at IS NULL ORDER BY last_seen_at DESC, id",
    );
    let rows = query.bind(user.as_str()).fetch_all(store.reader()).await?;
    rows.iter()
        .map(|row| {
            Ok(Device {
                id: parsed(row, "id")?,
                name: row.try_get("name")?,
                kind: kind(row)?,
                created_at: number(row, "created_at")?,
                last_seen_at: number(row, "last_seen_at")?,
            })
        })
        .collect()
}

pub(super) async fn remove_device(
    store: &Engine,
    user: &UserId,
    device: &DeviceId,
    now: u64,
) -> Result<Vec<SignInId>> {
    let mut tx = store.begin().await?;
    let removed = sqlx::query(
        "UPDATE devices SET removed_at = $1 WHERE id = $2 AND user_id = $3 AND removed_at IS NULL",
    )
    .bind(integer(now))
    .bind(device.as_str())
    .bind(user.as_str())
    .execute(&mut *tx)
    .await?;
    touched(removed.rows_affected())?;
    let ended = sqlx::query(
        "UPDATE sessions SET ended_at = $1 WHERE device_id = $2 AND ended_at IS NULL RETURNING id",
    )
    .bind(integer(now))
    .bind(device.as_str())
    .fetch_all(&mut *tx)
    .await?;
    tx.commit().await?;
    ended.iter().map(|row| Ok(SignInId(row.try_get("id")?))).collect()
}

pub(super) async fn create(store: &Engine, sign_in: &NewSignIn) -> Result<()> {
    sqlx::query(
        "INSERT INTO sessions (id, user_id, device_id, created_at, last_seen_at, expires_at, address)
         VALUES ($1, $2, $3, $4, $4, $5, $6)",
    )
    .bind(&sign_in.id.0)
    .bind(sign_in.user_id.as_str())
    .bind(sign_in.device_id.as_str())
    .bind(integer(sign_in.now))
    .bind(integer(sign_in.expires_at))
    .bind(sign_in.address.to_string())
    .execute(store.writer())
    .await?;
    Ok(())
}

const SELECT: &str =
    "SELECT s.id, s.user_id, u.name AS user_name, u.admin, u.guest_invite IS NOT NULL AS guest,
    s.device_id, d.name AS device_name, d.kind, s.address, s.created_at, s.last_seen_at, s.expires_at, s.ended_at
    FROM sessions s JOIN users u ON u.id = s.user_id JOIN devices d ON d.id = s.device_id WHERE s.id = $1";
const SELECT_OF_USER: &str =
    "SELECT s.id, s.user_id, u.name AS user_name, u.admin, u.guest_invite IS NOT NULL AS guest,
    s.device_id, d.name AS device_name, d.kind, s.address, s.created_at, s.last_seen_at, s.expires_at, s.ended_at
    FROM sessions s JOIN users u ON u.id = s.user_id JOIN devices d ON d.id = s.device_id
    WHERE s.user_id = $1 AND s.ended_at IS NULL AND s.expires_at > $2 ORDER BY s.last_seen_at DESC, s.id";

fn sign_in(row: &Row) -> Result<SignIn> {
    let ended: Option<i64> = row.try_get("ended_at")?;
    let address: Option<&str> = row.try_get("address")?;
    Ok(SignIn {
        id: SignInId(row.try_get("id")?),
        user_id: parsed(row, "user_id")?,
        user_name: row.try_get("user_name")?,
        admin: row.try_get("admin")?,
        guest: row.try_get("guest")?,
        device_id: parsed(row, "device_id")?,
        device_name: row.try_get("device_name")?,
        kind: kind(row)?,
        address: address.and_then(|text| text.parse().ok()),
        created_at: number(row, "created_at")?,
        last_seen_at: number(row, "last_seen_at")?,
        expires_at: number(row, "expires_at")?,
        ended_at: ended.and_then(|at| u64::try_from(at).ok()),
    })
}

pub(super) async fn get(store: &Engine, id: &SignInId) -> Result<Option<SignIn>> {
    let row = sqlx::query(SELECT)
        .bind(&id.0)
        .fetch_optional(store.reader())
        .await?;
    row.as_ref().map(sign_in).transpose()
}

pub(super) async fn list(store: &Engine, user: &UserId, now: u64) -> Result<Vec<SignIn>> {
    let query = sqlx::query(SELECT_OF_USER).bind(user.as_str()).bind(integer(now));
    query
        .fetch_all(store.reader())
        .await?
        .iter()
        .map(sign_in)
        .collect()
}

pub(super) async fn touch(store: &Engine, id: &SignInId, address: IpAddr, now: u64) -> Result<()> {
    let mut tx = store.begin().await?;
    // The device first, as everywhere: two transactions then wait for each other in one order.
    sqlx::query(
        "UPDATE devices SET last_seen_at = $1 WHERE id = (SELECT device_id FROM sessions WHERE id = $2)",
    )
    .bind(integer(now))
    .bind(&id.0)
    .execute(&mut *tx)
    .await?;
    sqlx::query("UPDATE sessions SET last_seen_at = $1, address = $2 WHERE id = $3")
        .bind(integer(now))
        .bind(address.to_string())
        .bind(&id.0)
        .execute(&mut *tx)
        .await?;
    Ok(tx.commit().await?)
}

pub(super) async fn end(store: &Engine, user: &UserId, id: &SignInId, now: u64) -> Result<()> {
    let query =
        sqlx::query("UPDATE sessions SET ended_at = $1 WHERE id = $2 AND user_id = $3 AND ended_at IS NULL")
            .bind(integer(now))
            .bind(&id.0)
            .bind(user.as_str());
    touched(query.execute(store.writer()).await?.rows_affected())
}

pub(super) async fn ended_since(store: &Engine, since: u64) -> Result<Vec<SignInId>> {
    let rows = sqlx::query("SELECT id FROM sessions WHERE ended_at IS NOT NULL AND ended_at >= $1")
        .bind(integer(since))
        .fetch_all(store.reader())
        .await?;
    rows.iter().map(|row| Ok(SignInId(row.try_get("id")?))).collect()
}
