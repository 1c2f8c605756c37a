//! Accounts, the setup token, one-time links.

use sqlx::Row as _;

use super::*;

const SETUP_TOKEN: &str = "setup_token_hash";

pub(super) async fn has_users(store: &Engine) -> Result<bool> {
    Ok(sqlx::query("SELECT 1 FROM users LIMIT 1")
        .fetch_optional(store.reader())
        .await?
        .is_some())
}

pub(super) async fn insert(tx: &mut Connection, user: &NewUser) -> Result<()> {
    sqlx::query(
        "INSERT INTO users (id, name, name_key, password_hash, admin, created_at) VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(user.id.as_str())
    .bind(&user.name)
    .bind(&user.name_key)
    .bind(&user.password_hash)
    .bind(user.admin)
    .bind(integer(user.now))
    .execute(tx)
    .await
    .map_err(name_taken)?;
    Ok(())
}

/// Of the columns of an account only the name is unique, beside the id, which is random.
fn name_taken(error: sqlx::Error) -> StoreError {
    if is_conflict(&error) {
        StoreError::NameTaken
    } else {
        error.into()
    }
}

pub(super) async fn create(store: &Engine, user: &NewUser) -> Result<()> {
    let mut tx = store.begin().await?;
    insert(&mut tx, user).await?;
    Ok(tx.commit().await?)
}

pub(super) async fn put_setup_token(store: &Engine, hash: &TokenHash) -> Result<()> {
    settings::put(store, SETUP_TOKEN, &hex(hash)).await
}

fn hex(hash: &TokenHash) -> String {
    hash.0.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(super) async fn set_up(store: &Engine, token: &TokenHash, user: &NewUser, room: &NewRoom) -> Result<()> {
    let mut tx = store.begin().await?;
    locks::accounts(&mut tx).await?;
    if sqlx::query("SELECT 1 FROM users LIMIT 1")
        .fetch_optional(&mut *tx)
        .await?
        .is_some()
    {
        return Err(StoreError::SetupDone);
    }
    let used = sqlx::query("DELETE FROM settings WHERE key = $1 AND value = $2")
        .bind(SETUP_TOKEN)
        .bind(hex(token))
        .execute(&mut *tx)
        .await?;
    if used.rows_affected() == 0 {
        return Err(StoreError::LinkInvalid);
    }
    insert(&mut tx, user).await?;
    rooms::insert(&mut tx, room).await?;
    Ok(tx.commit().await?)
}

pub(super) async fn register(store: &Engine, invite: &TokenHash, user: &NewUser) -> Result<Entry> {
    let mut tx = store.begin().await?;
    locks::room_of_invite(&mut tx, invite).await?;
    let used = invites::use_one(&mut tx, invite, user.now).await?;
    insert(&mut tx, user).await?;
    let entry = door::enter(&mut tx, &used, &user.id, user.now).await?;
    tx.commit().await?;
    Ok(entry)
}

fn user(row: &Row) -> Result<User> {
    Ok(User {
        id: parsed(row, "id")?,
        name: row.try_get("name")?,
        password_hash: row.try_get("password_hash")?,
        admin: row.try_get("admin")?,
        guest: row.try_get("guest")?,
    })
}

pub(super) async fn by_name(store: &Engine, name_key: &str) -> Result<Option<User>> {
    if !storable(name_key) {
        return Ok(None);
    }
    let query = sqlx::query(
        "SELECT id, name, password_hash, admin, guest_invite IS NOT NULL AS guest FROM users WHERE name_key = $1",
    )
    .bind(name_key);
    query
        .fetch_optional(store.reader())
        .await?
        .as_ref()
        .map(user)
        .transpose()
}

pub(super) async fn by_id(store: &Engine, id: &UserId) -> Result<Option<User>> {
    let query = sqlx::query(
        "SELECT id, name, password_hash, admin, guest_invite IS NOT NULL AS guest FROM users WHERE id = $1",
    )
    .bind(id.as_str());
    query
        .fetch_optional(store.reader())
        .await?
        .as_ref()
        .map(user)
        .transpose()
}

pub(super) async fn rename(store: &Engine, user: &UserId, name: &str, name_key: &str) -> Result<()> {
    let mut tx = store.begin().await?;
    let changed = sqlx::query("UPDATE users SET name = $1, name_key = $2 WHERE id = $3")
        .bind(name)
        .bind(name_key)
        .bind(user.as_str())
        .execute(&mut *tx)
        .await
        .map_err(name_taken)?;
    touched(changed.rows_affected())?;
    Ok(tx.commit().await?)
}

pub(super) async fn change_password(
    store: &Engine,
    user: &UserId,
    password_hash: Option<&str>,
    keep: Option<&SignInId>,
    now: u64,
) -> Result<Vec<SignInId>> {
    let mut tx = store.begin().await?;
    let changed = sqlx::query("UPDATE users SET password_hash = $1 WHERE id = $2")
        .bind(password_hash)
        .bind(user.as_str())
        .execute(&mut *tx)
        .await?;
    touched(changed.rows_affected())?;
    sqlx::query("DELETE FROM links WHERE user_id = $1 AND used_at IS NULL")
        .bind(user.as_str())
        .execute(&mut *tx)
        .await?;
    let ended = sqlx::query(
        "UPDATE sessions SET ended_at = $1 WHERE user_id = $2 AND ended_at IS NULL AND id IS DISTINCT FROM $3 RETURNING id",
    )
    .bind(integer(now))
    .bind(user.as_str())
    .bind(keep.map(|id| id.0.as_str()))
    .fetch_all(&mut *tx)
    .await?;
    tx.commit().await?;
    ended.iter().map(|row| Ok(SignInId(row.try_get("id")?))).collect()
}

pub(super) async fn create_link(
    store: &Engine,
    hash: &TokenHash,
    user: &UserId,
    expires_at: u64,
    now: u64,
) -> Result<()> {
    let mut tx = store.begin().await?;
    sqlx::query("DELETE FROM links WHERE expires_at < $1")
        .bind(integer(now))
        .execute(&mut *tx)
        .await?;
    sqlx::query("INSERT INTO links (token_hash, user_id, expires_at) VALUES ($1, $2, $3)")
        .bind(hash.0.as_slice())
        .bind(user.as_str())
        .bind(integer(expires_at))
        .execute(&mut *tx)
        .await?;
    Ok(tx.commit().await?)
}

pub(super) async fn take_link(store: &Engine, hash: &TokenHash, now: u64) -> Result<UserId> {
    let row = sqlx::query(
        "UPDATE links SET used_at = $2 WHERE token_hash = $1 AND used_at IS NULL AND expires_at > $2 RETURNING user_id",
    )
    .bind(hash.0.as_slice())
    .bind(integer(now))
    .fetch_optional(store.writer())
    .await?
    .ok_or(StoreError::LinkInvalid)?;
    parsed(&row, "user_id")
}
