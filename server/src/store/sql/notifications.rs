//! Notifications: choices, places, and the outbox.

use std::collections::HashMap;

use mesh_protocol::http::NotificationEvent;
use sqlx::Row as _;

use super::*;
use crate::config::Secret;

fn choices(row: &Row) -> Result<Choices> {
    let text: Option<&str> = row.try_get("choices")?;
    let read = text.map(serde_json::from_str).transpose();
    Ok(read
        .map_err(|_| StoreError::Corrupt("column choices".into()))?
        .unwrap_or_default())
}

fn event(row: &Row) -> Result<NotificationEvent> {
    let text: &str = row.try_get("event")?;
    let known = NotificationEvent::ALL.into_iter().find(|e| e.as_str() == text);
    known.ok_or_else(|| StoreError::Corrupt("column event".into()))
}

pub(super) async fn profile(store: &Engine, user: &UserId) -> Result<NotificationProfile> {
    let row = sqlx::query("SELECT choices, gotify_url, gotify_token, ntfy_url, ntfy_topic, ntfy_token FROM notification_profiles WHERE user_id = $1")
        .bind(user.as_str())
        .fetch_optional(store.reader())
        .await?;
    let Some(row) = row else {
        return Ok(NotificationProfile::default());
    };
    let secret = |column| -> Result<Option<Secret>> {
        let text: Option<String> = row.try_get(column)?;
        Ok(text.map(Secret::new))
    };
    let gotify = secret("gotify_token")?;
    let ntfy: (Option<String>, Option<String>) = (row.try_get("ntfy_url")?, row.try_get("ntfy_topic")?);
    Ok(NotificationProfile {
        choices: choices(&row)?,
        gotify: match gotify {
            Some(token) => Some(GotifyPlace {
                url: row.try_get("gotify_url")?,
                token,
            }),
            None => None,
        },
        ntfy: match ntfy {
            (Some(url), Some(topic)) => Some(NtfyPlace {
                url,
                topic,
                token: secret("ntfy_token")?,
            }),
            _ => None,
        },
    })
}

pub(super) async fn put_profile(store: &Engine, user: &UserId, profile: &NotificationProfile) -> Result<()> {
    let choices = serde_json::to_string(&profile.choices).map_err(|e| StoreError::Corrupt(e.to_string()))?;
    let (gotify, ntfy) = (profile.gotify.as_ref(), profile.ntfy.as_ref());
    sqlx::query(
        "INSERT INTO notification_profiles
         (user_id, choices, gotify_url, gotify_token, ntfy_url, ntfy_topic, ntfy_token) VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (user_id) DO UPDATE SET choices = $2, gotify_url = $3, gotify_token = $4, ntfy_url = $5,
           ntfy_topic = $6, ntfy_token = $7",
    )
    .bind(user.as_str())
    .bind(choices)
    .bind(gotify.and_then(|place| place.url.as_deref()))
    .bind(gotify.map(|place| place.token.expose()))
    .bind(ntfy.map(|place| place.url.as_str()))
    .bind(ntfy.map(|place| place.topic.as_str()))
    .bind(ntfy.and_then(|place| place.token.as_ref()).map(Secret::expose))
    .execute(store.writer())
    .await?;
    Ok(())
}

pub(super) async fn put_browser(store: &Engine, user: &UserId, browser: &Browser) -> Result<()> {
    sqlx::query(
        "INSERT INTO push_subscriptions (device_id, user_id, endpoint, p256dh, auth)
         VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (device_id) DO UPDATE SET user_id = $2, endpoint = $3, p256dh = $4, auth = $5",
    )
    .bind(browser.device_id.as_str())
    .bind(user.as_str())
    .bind(browser.endpoint.expose())
    .bind(&browser.p256dh)
    .bind(&browser.auth)
    .execute(store.writer())
    .await?;
    Ok(())
}

pub(super) async fn remove_browser(store: &Engine, user: &UserId, device: &DeviceId) -> Result<()> {
    sqlx::query("DELETE FROM push_subscriptions WHERE user_id = $1 AND device_id = $2")
        .bind(user.as_str())
        .bind(device.as_str())
        .execute(store.writer())
        .await?;
    Ok(())
}

pub(super) async fn browsers(store: &Engine, user: &UserId, now: u64) -> Result<Vec<Browser>> {
    let rows = sqlx::query(
        "SELECT p.device_id, p.endpoint, p.p256dh, p.auth, d.name FROM push_subscriptions p JOIN devices d ON d.id = p.device_id
         WHERE p.user_id = $1 AND d.removed_at IS NULL AND EXISTS
           (SELECT 1 FROM sessions s WHERE s.device_id = d.id AND s.ended_at IS NULL AND s.expires_at > $2)
         ORDER BY d.created_at, d.id",
    )
    .bind(user.as_str())
    .bind(integer(now))
    .fetch_all(store.reader())
    .await?;
    rows.iter()
        .map(|row| {
            Ok(Browser {
                device_id: parsed(row, "device_id")?,
                name: row.try_get("name")?,
                endpoint: Secret::new(row.try_get::<String, _>("endpoint")?),
                p256dh: row.try_get("p256dh")?,
                auth: row.try_get("auth")?,
            })
        })
        .collect()
}

pub(super) async fn audience(
    store: &Engine,
    room: &RoomId,
    now: u64,
) -> Result<Option<(String, Vec<Recipient>)>> {
    let name = sqlx::query("SELECT name FROM rooms WHERE id = $1")
        .bind(room.as_str())
        .fetch_optional(store.reader())
        .await?;
    let Some(name) = name else { return Ok(None) };
    let rows = sqlx::query(
        "SELECT p.user_id, p.device_id FROM push_subscriptions p
         JOIN members m ON m.user_id = p.user_id AND m.room_id = $1
         JOIN devices d ON d.id = p.device_id AND d.removed_at IS NULL
         WHERE EXISTS (SELECT 1 FROM sessions s WHERE s.device_id = d.id AND s.ended_at IS NULL AND s.expires_at > $2)",
    )
    .bind(room.as_str())
    .bind(integer(now))
    .fetch_all(store.reader())
    .await?;
    let mut browsers: HashMap<UserId, Vec<DeviceId>> = HashMap::new();
    for row in &rows {
        let of_user = browsers.entry(parsed(row, "user_id")?).or_default();
        of_user.push(parsed(row, "device_id")?);
    }
    let rows = sqlx::query(
        "SELECT m.user_id, m.role, n.choices, n.gotify_token IS NOT NULL AS gotify, n.ntfy_url IS NOT NULL AS ntfy
         FROM members m JOIN users u ON u.id = m.user_id
         LEFT JOIN notification_profiles n ON n.user_id = m.user_id
         WHERE m.room_id = $1 AND u.guest_invite IS NULL ORDER BY m.joined_at, m.user_id",
    )
    .bind(room.as_str())
    .fetch_all(store.reader())
    .await?;
    let members = rows.iter().map(|row| {
        let user_id = parsed(row, "user_id")?;
        Ok(Recipient {
            role: parsed(row, "role")?,
            choices: choices(row)?,
            gotify: row.try_get("gotify")?,
            ntfy: row.try_get("ntfy")?,
            browsers: browsers.remove(&user_id).unwrap_or_default(),
            user_id,
        })
    });
    let members = members.collect::<Result<_>>()?;
    Ok(Some((name.try_get("name")?, members)))
}

pub(super) async fn queue(store: &Engine, notices: &[NewNotice], window: u64, now: u64) -> Result<usize> {
    let mut tx = store.begin().await?;
    let users = notices.iter().map(|notice| notice.user_id.as_str()).collect();
    locks::users(&mut tx, &users).await?;
    let mut queued = 0;
    for notice in notices {
        // The room or the user may be gone meanwhile: then there is nothing to select.
        let done = sqlx::query(
            "INSERT INTO outbox (dedup_key, user_id, destination, event, room_id, title, message, created_at, next_at)
             SELECT $1, u.id, $3, $4, r.id, $6, $7, $8, $9 FROM users u, rooms r
             WHERE u.id = $2 AND r.id = $5
               AND (SELECT count(*) FROM outbox o WHERE o.user_id = u.id AND o.done_at IS NULL) < $10
             ON CONFLICT (dedup_key) DO UPDATE SET
               user_id = excluded.user_id, title = excluded.title, message = excluded.message,
               created_at = excluded.created_at, attempts = 0, next_at = excluded.next_at, done_at = NULL
             WHERE outbox.done_at IS NOT NULL AND outbox.created_at <= $11",
        )
        .bind(&notice.dedup_key)
        .bind(notice.user_id.as_str())
        .bind(notice.destination.to_string())
        .bind(notice.event.as_str())
        .bind(notice.room_id.as_str())
        .bind(text(&notice.title))
        .bind(text(&notice.message))
        .bind(integer(now))
        .bind(integer(notice.at))
        .bind(i64::from(MOST_WAITING))
        .bind(integer(now.saturating_sub(window)))
        .execute(&mut *tx)
        .await?;
        queued += usize::from(done.rows_affected() > 0);
    }
    tx.commit().await?;
    Ok(queued)
}

pub(super) async fn take(store: &Engine, limit: u32, again_at: u64, now: u64) -> Result<Vec<Notice>> {
    // Nothing is written where nothing is due, which is most of the time.
    let due = sqlx::query("SELECT 1 FROM outbox WHERE done_at IS NULL AND next_at <= $1 LIMIT 1")
        .bind(integer(now))
        .fetch_optional(store.reader())
        .await?;
    if due.is_none() {
        return Ok(Vec::new());
    }
    // What another node took between the choice and the lock is looked at once more: it is not due any longer.
    let rows = sqlx::query(
        "UPDATE outbox SET attempts = attempts + 1, next_at = $1 WHERE id IN
           (SELECT min(id) FROM outbox o WHERE done_at IS NULL AND next_at <= $2 AND NOT EXISTS
             (SELECT 1 FROM outbox b WHERE b.user_id = o.user_id AND b.destination = o.destination
                AND b.done_at IS NULL AND b.attempts > 0 AND b.next_at > $2)
            GROUP BY user_id, destination ORDER BY min(next_at) LIMIT $3)
           AND done_at IS NULL AND next_at <= $2
         RETURNING id, dedup_key, user_id, destination, event, room_id, title, message, created_at, attempts",
    )
    .bind(integer(again_at))
    .bind(integer(now))
    .bind(i64::from(limit))
    .fetch_all(store.writer())
    .await?;
    rows.iter()
        .map(|row| {
            Ok(Notice {
                id: row.try_get("id")?,
                dedup_key: row.try_get("dedup_key")?,
                user_id: parsed(row, "user_id")?,
                destination: parsed(row, "destination")?,
                event: event(row)?,
                room_id: parsed(row, "room_id")?,
                title: row.try_get("title")?,
                message: row.try_get("message")?,
                created_at: number(row, "created_at")?,
                attempts: small(row, "attempts")?,
            })
        })
        .collect()
}

pub(super) async fn done(store: &Engine, id: i64, now: u64) -> Result<()> {
    sqlx::query("UPDATE outbox SET done_at = $1 WHERE id = $2")
        .bind(integer(now))
        .bind(id)
        .execute(store.writer())
        .await?;
    Ok(())
}

pub(super) async fn postpone(store: &Engine, id: i64, next_at: u64) -> Result<()> {
    sqlx::query("UPDATE outbox SET next_at = $1 WHERE id = $2")
        .bind(integer(next_at))
        .bind(id)
        .execute(store.writer())
        .await?;
    Ok(())
}

pub(super) async fn waiting(store: &Engine, user: &UserId) -> Result<u64> {
    let row = sqlx::query("SELECT count(*) AS waiting FROM outbox WHERE user_id = $1 AND done_at IS NULL")
        .bind(user.as_str())
        .fetch_one(store.reader())
        .await?;
    number(&row, "waiting")
}

pub(super) async fn forget(store: &Engine, before: u64) -> Result<u64> {
    let done = sqlx::query("DELETE FROM outbox WHERE done_at IS NOT NULL AND created_at < $1")
        .bind(integer(before))
        .execute(store.writer())
        .await?;
    Ok(done.rows_affected())
}
