//! The store in one SQLite file: WAL, `synchronous=FULL`, one writing connection and a few that read.
//!
//! The writer pool has one connection, so that writers of this process wait for each other in order instead of meeting
//! `SQLITE_BUSY`; other processes (the operator's commands) are waited for by `busy_timeout`.

mod accounts;
mod audit;
mod chat;
mod chat_changes;
mod door;
mod guests;
mod identities;
mod invites;
mod migrate;
mod notifications;
mod operator;
mod rooms;
mod sign_ins;
pub mod snapshot;

use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use mesh_protocol::http::{
    AuditEntry, Ban, ChangeRoom, ChatMessage, LobbyRequest, Member, Role, Room, RoomChange,
};
use mesh_protocol::ids::{DeviceId, InviteId, RoomId, UserId};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteRow, SqliteSynchronous,
};
use sqlx::{Row as _, Sqlite, Transaction};

use super::*;

/// How long a writer waits for another process.
const BUSY: Duration = Duration::from_secs(5);
/// How long a caller waits for a connection of the pool.
const ACQUIRE: Duration = Duration::from_secs(10);
const READERS: u32 = 3;

/// The store in one SQLite file.
pub struct SqliteStore {
    writer: SqlitePool,
    reader: SqlitePool,
}

impl SqliteStore {
    /// Opens or makes the file, and brings its tables up to date.
    pub async fn open(path: &Path) -> Result<Self> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY)
            .foreign_keys(true);
        let pool = |connections| {
            SqlitePoolOptions::new()
                .max_connections(connections)
                .acquire_timeout(ACQUIRE)
        };
        let writer = pool(1).connect_with(options.clone()).await?;
        migrate::run(&writer).await?;
        let reader = pool(READERS).connect_with(options).await?;
        Ok(Self { writer, reader })
    }

    async fn begin(&self) -> Result<Transaction<'static, Sqlite>> {
        // The lock is taken before the first read, so no transaction fails at its first write.
        const BEGIN: &str = "BEGIN IMMEDIATE";
        match self.writer.begin_with(BEGIN).await {
            // A disk that was full or broken made SQLite end a transaction by itself, which the driver does not learn: it would
            // take this connection for one in a transaction for ever.
            Err(sqlx::Error::InvalidSavePointStatement) => {
                self.writer.acquire().await?.close().await?;
                Ok(self.writer.begin_with(BEGIN).await?)
            }
            begun => Ok(begun?),
        }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::RowNotFound => Self::Absent,
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::ColumnNotFound(_) | sqlx::Error::Decode(_) => {
                Self::Corrupt(error.to_string())
            }
            other => Self::Unavailable(Box::new(other)),
        }
    }
}

/// Whether the database refused a row because an equal one exists.
fn is_conflict(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Database(e) if e.is_unique_violation())
}

fn parsed<T: std::str::FromStr>(row: &SqliteRow, column: &str) -> Result<T> {
    let text: &str = row.try_get(column)?;
    text.parse()
        .map_err(|_| StoreError::Corrupt(format!("column {column}")))
}

fn number(row: &SqliteRow, column: &str) -> Result<u64> {
    let value: i64 = row.try_get(column)?;
    u64::try_from(value).map_err(|_| StoreError::Corrupt(format!("column {column}")))
}

fn integer(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// `Absent` where a statement touched no row.
fn touched(done: &sqlx::sqlite::SqliteQueryResult) -> Result<()> {
    if done.rows_affected() == 0 {
        Err(StoreError::Absent)
    } else {
        Ok(())
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn ping(&self) -> Result<()> {
        sqlx::query("SELECT 1 FROM settings LIMIT 1")
            .fetch_optional(&self.reader)
            .await?;
        Ok(())
    }

    async fn close(&self) {
        self.reader.close().await;
        self.writer.close().await;
    }

    async fn setting(&self, key: &str) -> Result<Option<String>> {
        let row = sqlx::query("SELECT value FROM settings WHERE key = ?")
            .bind(key)
            .fetch_optional(&self.reader)
            .await?;
        Ok(row.map(|row| row.try_get("value")).transpose()?)
    }

    async fn put_setting(&self, key: &str, value: &str) -> Result<()> {
        sqlx::query(
            "INSERT INTO settings (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = ?2",
        )
        .bind(key)
        .bind(value)
        .execute(&self.writer)
        .await?;
        Ok(())
    }

    async fn has_users(&self) -> Result<bool> {
        accounts::has_users(self).await
    }
    async fn create_user(&self, user: &NewUser) -> Result<()> {
        accounts::create(self, user).await
    }
    async fn put_setup_token(&self, hash: &TokenHash) -> Result<()> {
        accounts::put_setup_token(self, hash).await
    }
    async fn set_up(&self, token: &TokenHash, user: &NewUser, room: &NewRoom) -> Result<()> {
        accounts::set_up(self, token, user, room).await
    }
    async fn register(&self, invite: &TokenHash, user: &NewUser) -> Result<Entry> {
        accounts::register(self, invite, user).await
    }
    async fn user_by_name(&self, name_key: &str) -> Result<Option<User>> {
        accounts::by_name(self, name_key).await
    }
    async fn user(&self, id: &UserId) -> Result<Option<User>> {
        accounts::by_id(self, id).await
    }
    async fn change_password(
        &self,
        user: &UserId,
        password_hash: Option<&str>,
        keep: Option<&SignInId>,
        now: u64,
    ) -> Result<Vec<SignInId>> {
        accounts::change_password(self, user, password_hash, keep, now).await
    }
    async fn admit_guest(&self, invite: &TokenHash, guest: &NewUser) -> Result<Entry> {
        guests::admit(self, invite, guest).await
    }
    async fn user_by_identity(&self, identity: &Identity) -> Result<Option<User>> {
        identities::user(self, identity).await
    }
    async fn is_linked(&self, user: &UserId, issuer: &str) -> Result<bool> {
        identities::is_linked(self, user, issuer).await
    }
    async fn register_identity(
        &self,
        identity: &Identity,
        user: &NewUser,
        invite: Option<&TokenHash>,
    ) -> Result<Option<Entry>> {
        identities::register(self, identity, user, invite).await
    }
    async fn link_identity(&self, identity: &Identity, user: &UserId, now: u64) -> Result<()> {
        identities::link(self, identity, user, now).await
    }
    async fn unlink_identity(&self, user: &UserId, issuer: &str) -> Result<()> {
        identities::unlink(self, user, issuer).await
    }
    async fn create_link(&self, hash: &TokenHash, user: &UserId, expires_at: u64, now: u64) -> Result<()> {
        accounts::create_link(self, hash, user, expires_at, now).await
    }
    async fn take_link(&self, hash: &TokenHash, now: u64) -> Result<UserId> {
        accounts::take_link(self, hash, now).await
    }

    async fn enroll_device(&self, device: &NewDevice) -> Result<DeviceId> {
        sign_ins::enroll(self, device).await
    }
    async fn devices(&self, user: &UserId) -> Result<Vec<Device>> {
        sign_ins::devices(self, user).await
    }
    async fn remove_device(&self, user: &UserId, device: &DeviceId, now: u64) -> Result<Vec<SignInId>> {
        sign_ins::remove_device(self, user, device, now).await
    }
    async fn create_sign_in(&self, sign_in: &NewSignIn) -> Result<()> {
        sign_ins::create(self, sign_in).await
    }
    async fn sign_in(&self, id: &SignInId) -> Result<Option<SignIn>> {
        sign_ins::get(self, id).await
    }
    async fn sign_ins(&self, user: &UserId, now: u64) -> Result<Vec<SignIn>> {
        sign_ins::list(self, user, now).await
    }
    async fn touch_sign_in(&self, id: &SignInId, address: IpAddr, now: u64) -> Result<()> {
        sign_ins::touch(self, id, address, now).await
    }
    async fn end_sign_in(&self, user: &UserId, id: &SignInId, now: u64) -> Result<()> {
        sign_ins::end(self, user, id, now).await
    }
    async fn ended_since(&self, since: u64) -> Result<Vec<SignInId>> {
        sign_ins::ended_since(self, since).await
    }

    async fn create_room(&self, room: &NewRoom) -> Result<()> {
        let mut tx = self.begin().await?;
        rooms::insert(&mut tx, room).await?;
        Ok(tx.commit().await?)
    }
    async fn room_of(&self, room: &RoomId, user: &UserId) -> Result<Option<Room>> {
        rooms::room_of(self, room, user).await
    }
    async fn rooms_of(&self, user: &UserId) -> Result<Vec<Room>> {
        rooms::rooms_of(self, user).await
    }
    async fn change_room(&self, room: &RoomId, change: &ChangeRoom) -> Result<RoomChange> {
        rooms::change(self, room, change).await
    }
    async fn delete_room(&self, room: &RoomId, now: u64) -> Result<Vec<SignInId>> {
        rooms::delete(self, room, now).await
    }
    async fn expired_rooms(&self, limit: u32, now: u64) -> Result<Vec<RoomId>> {
        rooms::expired(self, limit, now).await
    }
    async fn members(&self, room: &RoomId) -> Result<Vec<Member>> {
        rooms::members(self, room).await
    }
    async fn set_role(&self, room: &RoomId, user: &UserId, role: Role) -> Result<()> {
        rooms::set_role(self, room, user, role).await
    }
    async fn remove_member(&self, room: &RoomId, user: &UserId, now: u64) -> Result<Vec<SignInId>> {
        let mut tx = self.begin().await?;
        rooms::remove_member(&mut tx, room, user).await?;
        let ended = guests::end_sign_ins(&mut tx, user, now).await?;
        tx.commit().await?;
        Ok(ended)
    }
    async fn expel_member(&self, room: &RoomId, user: &UserId, now: u64) -> Result<Vec<SignInId>> {
        door::expel(self, room, user, now).await
    }
    async fn ban(&self, room: &RoomId, user: &UserId, now: u64) -> Result<Vec<SignInId>> {
        door::ban(self, room, user, now).await
    }
    async fn bans(&self, room: &RoomId) -> Result<Vec<Ban>> {
        door::bans(self, room).await
    }
    async fn unban(&self, room: &RoomId, user: &UserId) -> Result<()> {
        door::unban(self, room, user).await
    }
    async fn lobby(&self, room: &RoomId) -> Result<Vec<LobbyRequest>> {
        door::lobby(self, room).await
    }
    async fn waits(&self, room: &RoomId, user: &UserId) -> Result<bool> {
        door::waits(self, room, user).await
    }
    async fn admit(&self, room: &RoomId, user: &UserId, now: u64) -> Result<Member> {
        door::admit(self, room, user, now).await
    }
    async fn refuse(&self, room: &RoomId, user: &UserId, withdrawn: bool, now: u64) -> Result<Vec<SignInId>> {
        door::refuse(self, room, user, withdrawn, now).await
    }

    async fn create_invite(&self, invite: &NewInvite) -> Result<()> {
        invites::create(self, invite).await
    }
    async fn invites(&self, room: &RoomId, now: u64) -> Result<Vec<InviteRow>> {
        invites::list(self, room, now).await
    }
    async fn invite_role(&self, room: &RoomId, invite: &InviteId) -> Result<Role> {
        invites::role(self, room, invite).await
    }
    async fn revoke_invite(&self, room: &RoomId, invite: &InviteId, now: u64) -> Result<()> {
        invites::revoke(self, room, invite, now).await
    }
    async fn peek_invite(&self, hash: &TokenHash, now: u64) -> Result<Invited> {
        invites::peek(self, hash, now).await
    }
    async fn join_by_invite(&self, hash: &TokenHash, user: &UserId, now: u64) -> Result<Entry> {
        invites::join(self, hash, user, now).await
    }

    async fn append_messages(&self, messages: &[NewMessage]) -> Result<Vec<Appended>> {
        chat::append(self, messages).await
    }
    async fn messages(&self, room: &RoomId, before: Option<u64>, limit: u32) -> Result<Vec<ChatMessage>> {
        chat::page(self, room, before, limit).await
    }
    async fn message(&self, room: &RoomId, seq: u64) -> Result<ChatMessage> {
        chat_changes::get(self, room, seq).await
    }
    async fn edit_message(&self, edit: &MessageEdit) -> Result<ChatMessage> {
        chat_changes::edit(self, edit).await
    }
    async fn delete_message(&self, room: &RoomId, seq: u64, now: u64) -> Result<()> {
        chat_changes::delete(self, room, seq, now).await
    }
    async fn expire_messages(&self, limit: u32, now: u64) -> Result<u64> {
        chat_changes::expire(self, limit, now).await
    }

    async fn append_audit(&self, entries: &[NewAuditEntry], kept: u64) -> Result<()> {
        audit::append(self, entries, kept).await
    }
    async fn audit(&self, room: &RoomId, before: Option<u64>, limit: u32) -> Result<Vec<AuditEntry>> {
        audit::page(self, room, before, limit).await
    }
    async fn expire_audit(&self, limit: u32, until: u64) -> Result<u64> {
        audit::expire(self, limit, until).await
    }

    async fn users(&self) -> Result<Vec<UserRow>> {
        operator::users(self).await
    }
    async fn remove_user(&self, user: &UserId, now: u64) -> Result<()> {
        operator::remove_user(self, user, now).await
    }
    async fn all_rooms(&self) -> Result<Vec<RoomRow>> {
        operator::all_rooms(self).await
    }
    async fn remove_room(&self, room: &RoomId, now: u64) -> Result<()> {
        operator::remove_room(self, room, now).await
    }
    async fn bulletins(&self, after: Option<u64>) -> Result<Bulletins> {
        operator::bulletins(self, after).await
    }
}
