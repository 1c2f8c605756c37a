//! Who is who at an OpenID provider.

use super::*;

pub(super) async fn user(store: &Engine, identity: &Identity) -> Result<Option<User>> {
    let row = sqlx::query("SELECT user_id FROM identities WHERE issuer = $1 AND subject = $2")
        .bind(&identity.issuer)
        .bind(&identity.subject)
        .fetch_optional(store.reader())
        .await?;
    match row {
        Some(row) => accounts::by_id(store, &parsed(&row, "user_id")?).await,
        None => Ok(None),
    }
}

pub(super) async fn is_linked(store: &Engine, user: &UserId, issuer: &str) -> Result<bool> {
    let query = sqlx::query("SELECT 1 FROM identities WHERE user_id = $1 AND issuer = $2")
        .bind(user.as_str())
        .bind(issuer);
    Ok(query.fetch_optional(store.reader()).await?.is_some())
}

async fn insert(tx: &mut Connection, user: &UserId, identity: &Identity, now: u64) -> Result<()> {
    sqlx::query("INSERT INTO identities (issuer, subject, user_id, created_at) VALUES ($1, $2, $3, $4)")
        .bind(&identity.issuer)
        .bind(&identity.subject)
        .bind(user.as_str())
        .bind(integer(now))
        .execute(tx)
        .await
        .map_err(|e| {
            if is_conflict(&e) {
                StoreError::IdentityTaken
            } else {
                e.into()
            }
        })?;
    Ok(())
}

pub(super) async fn register(
    store: &Engine,
    identity: &Identity,
    user: &NewUser,
    invite: Option<&TokenHash>,
) -> Result<Option<Entry>> {
    let mut tx = store.begin().await?;
    let used = match invite {
        Some(invite) => {
            locks::room_of_invite(&mut tx, invite).await?;
            Some(invites::use_one(&mut tx, invite, user.now).await?)
        }
        None => None,
    };
    accounts::insert(&mut tx, user).await?;
    insert(&mut tx, &user.id, identity, user.now).await?;
    let entry = match &used {
        Some(used) => Some(door::enter(&mut tx, used, &user.id, user.now).await?),
        None => None,
    };
    tx.commit().await?;
    Ok(entry)
}

pub(super) async fn link(store: &Engine, identity: &Identity, user: &UserId, now: u64) -> Result<()> {
    let mut tx = store.begin().await?;
    let own = sqlx::query("SELECT 1 FROM identities WHERE issuer = $1 AND subject = $2 AND user_id = $3")
        .bind(&identity.issuer)
        .bind(&identity.subject)
        .bind(user.as_str())
        .fetch_optional(&mut *tx)
        .await?;
    if own.is_none() {
        insert(&mut tx, user, identity, now).await?;
    }
    Ok(tx.commit().await?)
}

pub(super) async fn unlink(store: &Engine, user: &UserId, issuer: &str) -> Result<()> {
    let query = sqlx::query("DELETE FROM identities WHERE user_id = $1 AND issuer = $2")
        .bind(user.as_str())
        .bind(issuer);
    touched(query.execute(store.writer()).await?.rows_affected())
}
