//! The statements, in the SQL that SQLite and PostgreSQL have in common; compiled once for each of them.
//!
//! Owns what is asked of a database. The engine around it (`sqlite/mod.rs`, `postgres/mod.rs`) owns connections, how a
//! transaction begins and ends, and `locks`: what one that is not alone must hold. Placeholders are `$1`; columns are named,
//! so that a table which grows under a running server changes no answer.

mod accounts;
mod audit;
mod chat;
mod chat_changes;
mod door;
mod guests;
mod identities;
mod invites;
mod notifications;
mod operator;
mod rooms;
mod settings;
mod sign_ins;

use std::borrow::Cow;
use std::net::IpAddr;

use async_trait::async_trait;
use mesh_protocol::http::{
    AuditEntry, Ban, ChangeRoom, ChatMessage, LobbyRequest, Member, Role, Room, RoomChange,
};
use mesh_protocol::ids::{DeviceId, InviteId, RoomId, UserId};
use sqlx::Row as _;

use super::super::*;
use super::{Connection, Engine, Row, locks};

/// Whether the database refused a row because an equal one exists.
fn is_conflict(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Database(e) if e.is_unique_violation())
}

fn parsed<T: std::str::FromStr>(row: &Row, column: &str) -> Result<T> {
    let text: &str = row.try_get(column)?;
    text.parse()
        .map_err(|_| StoreError::Corrupt(format!("column {column}")))
}

fn number(row: &Row, column: &str) -> Result<u64> {
    let value: i64 = row.try_get(column)?;
    u64::try_from(value).map_err(|_| StoreError::Corrupt(format!("column {column}")))
}

/// A count that never grows large.
fn small(row: &Row, column: &str) -> Result<u32> {
    let value: i64 = row.try_get(column)?;
    u32::try_from(value).map_err(|_| StoreError::Corrupt(format!("column {column}")))
}

fn integer(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// `Absent` where a statement touched no row.
fn touched(rows: u64) -> Result<()> {
    if rows == 0 {
        Err(StoreError::Absent)
    } else {
        Ok(())
    }
}

/// Whether a text can be in the database: in PostgreSQL none holds U+0000.
fn storable(text: &str) -> bool {
    !text.contains('\0')
}

/// A text as it is stored.
fn text(text: &str) -> Cow<'_, str> {
    if storable(text) {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(text.replace('\0', "\u{FFFD}"))
    }
}

#[async_trait]
impl Store for Engine {
    async fn ping(&self) -> Result<()> {
        self.answers().await
    }
    async fn close(&self) {
        self.end().await;
    }
    async fn setting(&self, key: &str) -> Result<Option<String>> {
        self.run(|| settings::get(self, key)).await
    }
    async fn put_setting(&self, key: &str, value: &str) -> Result<()> {
        self.run(|| settings::put(self, key, value)).await
    }
    async fn swap_setting(&self, key: &str, before: Option<&str>, after: &str) -> Result<bool> {
        self.run(|| settings::swap(self, key, before, after)).await
    }

    async fn has_users(&self) -> Result<bool> {
        self.run(|| accounts::has_users(self)).await
    }
    async fn create_user(&self, user: &NewUser) -> Result<()> {
        self.run(|| accounts::create(self, user)).await
    }
    async fn put_setup_token(&self, hash: &TokenHash) -> Result<()> {
        self.run(|| accounts::put_setup_token(self, hash)).await
    }
    async fn set_up(&self, token: &TokenHash, user: &NewUser, room: &NewRoom) -> Result<()> {
        self.run(|| accounts::set_up(self, token, user, room)).await
    }
    async fn register(&self, invite: &TokenHash, user: &NewUser) -> Result<Entry> {
        self.run(|| accounts::register(self, invite, user)).await
    }
    async fn user_by_name(&self, name_key: &str) -> Result<Option<User>> {
        self.run(|| accounts::by_name(self, name_key)).await
    }
    async fn user(&self, id: &UserId) -> Result<Option<User>> {
        self.run(|| accounts::by_id(self, id)).await
    }
    async fn rename_user(&self, user: &UserId, name: &str, name_key: &str) -> Result<()> {
        self.run(|| accounts::rename(self, user, name, name_key)).await
    }
    async fn change_password(
        &self,
        user: &UserId,
        password_hash: Option<&str>,
        keep: Option<&SignInId>,
        now: u64,
    ) -> Result<Vec<SignInId>> {
        self.run(|| accounts::change_password(self, user, password_hash, keep, now))
            .await
    }
    async fn admit_guest(&self, invite: &TokenHash, guest: &NewUser) -> Result<Entry> {
        self.run(|| guests::admit(self, invite, guest)).await
    }
    async fn user_by_identity(&self, identity: &Identity) -> Result<Option<User>> {
        self.run(|| identities::user(self, identity)).await
    }
    async fn is_linked(&self, user: &UserId, issuer: &str) -> Result<bool> {
        self.run(|| identities::is_linked(self, user, issuer)).await
    }
    async fn register_identity(
        &self,
        identity: &Identity,
        user: &NewUser,
        invite: Option<&TokenHash>,
    ) -> Result<Option<Entry>> {
        self.run(|| identities::register(self, identity, user, invite))
            .await
    }
    async fn link_identity(&self, identity: &Identity, user: &UserId, now: u64) -> Result<()> {
        self.run(|| identities::link(self, identity, user, now)).await
    }
    async fn unlink_identity(&self, user: &UserId, issuer: &str) -> Result<()> {
        self.run(|| identities::unlink(self, user, issuer)).await
    }
    async fn create_link(&self, hash: &TokenHash, user: &UserId, expires_at: u64, now: u64) -> Result<()> {
        self.run(|| accounts::create_link(self, hash, user, expires_at, now))
            .await
    }
    async fn take_link(&self, hash: &TokenHash, now: u64) -> Result<UserId> {
        self.run(|| accounts::take_link(self, hash, now)).await
    }

    async fn enroll_device(&self, device: &NewDevice) -> Result<DeviceId> {
        self.run(|| sign_ins::enroll(self, device)).await
    }
    async fn devices(&self, user: &UserId) -> Result<Vec<Device>> {
        self.run(|| sign_ins::devices(self, user)).await
    }
    async fn remove_device(&self, user: &UserId, device: &DeviceId, now: u64) -> Result<Vec<SignInId>> {
        self.run(|| sign_ins::remove_device(self, user, device, now))
            .await
    }
    async fn create_sign_in(&self, sign_in: &NewSignIn) -> Result<()> {
        self.run(|| sign_ins::create(self, sign_in)).await
    }
    async fn sign_in(&self, id: &SignInId) -> Result<Option<SignIn>> {
        self.run(|| sign_ins::get(self, id)).await
    }
    async fn sign_ins(&self, user: &UserId, now: u64) -> Result<Vec<SignIn>> {
        self.run(|| sign_ins::list(self, user, now)).await
    }
    async fn touch_sign_in(&self, id: &SignInId, address: IpAddr, now: u64) -> Result<()> {
        self.run(|| sign_ins::touch(self, id, address, now)).await
    }
    async fn end_sign_in(&self, user: &UserId, id: &SignInId, now: u64) -> Result<()> {
        self.run(|| sign_ins::end(self, user, id, now)).await
    }
    async fn ended_since(&self, since: u64) -> Result<Vec<SignInId>> {
        self.run(|| sign_ins::ended_since(self, since)).await
    }

    async fn create_room(&self, room: &NewRoom) -> Result<()> {
        self.run(|| rooms::create(self, room)).await
    }
    async fn room_of(&self, room: &RoomId, user: &UserId) -> Result<Option<Room>> {
        self.run(|| rooms::room_of(self, room, user)).await
    }
    async fn rooms_of(&self, user: &UserId) -> Result<Vec<Room>> {
        self.run(|| rooms::rooms_of(self, user)).await
    }
    async fn change_room(&self, room: &RoomId, change: &ChangeRoom) -> Result<RoomChange> {
        self.run(|| rooms::change(self, room, change)).await
    }
    async fn delete_room(&self, room: &RoomId, now: u64) -> Result<Vec<SignInId>> {
        self.run_long(|| rooms::delete(self, room, now)).await
    }
    async fn expired_rooms(&self, limit: u32, now: u64) -> Result<Vec<RoomId>> {
        self.run(|| rooms::expired(self, limit, now)).await
    }
    async fn members(&self, room: &RoomId) -> Result<Vec<Member>> {
        self.run(|| rooms::members(self, room)).await
    }
    async fn set_role(&self, room: &RoomId, user: &UserId, role: Role) -> Result<()> {
        self.run(|| rooms::set_role(self, room, user, role)).await
    }
    async fn remove_member(&self, room: &RoomId, user: &UserId, now: u64) -> Result<Vec<SignInId>> {
        self.run(|| rooms::leave(self, room, user, now)).await
    }
    async fn expel_member(&self, room: &RoomId, user: &UserId, now: u64) -> Result<Vec<SignInId>> {
        self.run(|| door::expel(self, room, user, now)).await
    }
    async fn ban(&self, room: &RoomId, user: &UserId, now: u64) -> Result<Vec<SignInId>> {
        self.run(|| door::ban(self, room, user, now)).await
    }
    async fn bans(&self, room: &RoomId) -> Result<Vec<Ban>> {
        self.run(|| door::bans(self, room)).await
    }
    async fn unban(&self, room: &RoomId, user: &UserId) -> Result<()> {
        self.run(|| door::unban(self, room, user)).await
    }
    async fn lobby(&self, room: &RoomId) -> Result<Vec<LobbyRequest>> {
        self.run(|| door::lobby(self, room)).await
    }
    async fn waits(&self, room: &RoomId, user: &UserId) -> Result<bool> {
        self.run(|| door::waits(self, room, user)).await
    }
    async fn admit(&self, room: &RoomId, user: &UserId, now: u64) -> Result<Member> {
        self.run(|| door::admit(self, room, user, now)).await
    }
    async fn refuse(&self, room: &RoomId, user: &UserId, withdrawn: bool, now: u64) -> Result<Vec<SignInId>> {
        self.run(|| door::refuse(self, room, user, withdrawn, now)).await
    }

    async fn create_invite(&self, invite: &NewInvite) -> Result<()> {
        self.run(|| invites::create(self, invite)).await
    }
    async fn invites(&self, room: &RoomId, now: u64) -> Result<Vec<InviteRow>> {
        self.run(|| invites::list(self, room, now)).await
    }
    async fn invite_role(&self, room: &RoomId, invite: &InviteId) -> Result<Role> {
        self.run(|| invites::role(self, room, invite)).await
    }
    async fn revoke_invite(&self, room: &RoomId, invite: &InviteId, now: u64) -> Result<()> {
        self.run(|| invites::revoke(self, room, invite, now)).await
    }
    async fn peek_invite(&self, hash: &TokenHash, now: u64) -> Result<Invited> {
        self.run(|| invites::peek(self, hash, now)).await
    }
    async fn join_by_invite(&self, hash: &TokenHash, user: &UserId, now: u64) -> Result<Entry> {
        self.run(|| invites::join(self, hash, user, now)).await
    }

    async fn append_messages(&self, messages: &[NewMessage]) -> Result<Vec<Appended>> {
        self.run(|| chat::append(self, messages)).await
    }
    async fn messages(&self, room: &RoomId, before: Option<u64>, limit: u32) -> Result<Vec<ChatMessage>> {
        self.run(|| chat::page(self, room, before, limit)).await
    }
    async fn message(&self, room: &RoomId, seq: u64) -> Result<ChatMessage> {
        self.run(|| chat_changes::get(self, room, seq)).await
    }
    async fn edit_message(&self, edit: &MessageEdit) -> Result<ChatMessage> {
        self.run(|| chat_changes::edit(self, edit)).await
    }
    async fn delete_message(&self, room: &RoomId, seq: u64, now: u64) -> Result<()> {
        self.run(|| chat_changes::delete(self, room, seq, now)).await
    }
    async fn expire_messages(&self, limit: u32, now: u64) -> Result<u64> {
        self.run(|| chat_changes::expire(self, limit, now)).await
    }

    async fn append_audit(&self, entries: &[NewAuditEntry], kept: u64) -> Result<()> {
        self.run(|| audit::append(self, entries, kept)).await
    }
    async fn audit(&self, room: &RoomId, before: Option<u64>, limit: u32) -> Result<Vec<AuditEntry>> {
        self.run(|| audit::page(self, room, before, limit)).await
    }
    async fn expire_audit(&self, limit: u32, until: u64) -> Result<u64> {
        self.run(|| audit::expire(self, limit, until)).await
    }

    async fn users(&self) -> Result<Vec<UserRow>> {
        self.run(|| operator::users(self)).await
    }
    async fn remove_user(&self, user: &UserId, now: u64) -> Result<()> {
        self.run_long(|| operator::remove_user(self, user, now)).await
    }
    async fn all_rooms(&self) -> Result<Vec<RoomRow>> {
        self.run(|| operator::all_rooms(self)).await
    }
    async fn remove_room(&self, room: &RoomId, now: u64) -> Result<()> {
        self.run_long(|| operator::remove_room(self, room, now)).await
    }
    async fn bulletins(&self, after: Option<u64>) -> Result<Bulletins> {
        self.run(|| operator::bulletins(self, after)).await
    }
}

#[async_trait]
impl NotificationStore for Engine {
    async fn notification_profile(&self, user: &UserId) -> Result<NotificationProfile> {
        self.run(|| notifications::profile(self, user)).await
    }
    async fn put_notification_profile(&self, user: &UserId, profile: &NotificationProfile) -> Result<()> {
        self.run(|| notifications::put_profile(self, user, profile)).await
    }
    async fn put_browser(&self, user: &UserId, browser: &Browser) -> Result<()> {
        self.run(|| notifications::put_browser(self, user, browser)).await
    }
    async fn remove_browser(&self, user: &UserId, device: &DeviceId) -> Result<()> {
        self.run(|| notifications::remove_browser(self, user, device))
            .await
    }
    async fn browsers(&self, user: &UserId, now: u64) -> Result<Vec<Browser>> {
        self.run(|| notifications::browsers(self, user, now)).await
    }
    async fn audience(&self, room: &RoomId, now: u64) -> Result<Option<(String, Vec<Recipient>)>> {
        self.run(|| notifications::audience(self, room, now)).await
    }
    async fn queue_notices(&self, notices: &[NewNotice], window: u64, now: u64) -> Result<usize> {
        self.run(|| notifications::queue(self, notices, window, now))
            .await
    }
    async fn take_notices(&self, limit: u32, again_at: u64, now: u64) -> Result<Vec<Notice>> {
        self.run(|| notifications::take(self, limit, again_at, now)).await
    }
    async fn notice_done(&self, id: i64, now: u64) -> Result<()> {
        self.run(|| notifications::done(self, id, now)).await
    }
    async fn postpone_notice(&self, id: i64, next_at: u64) -> Result<()> {
        self.run(|| notifications::postpone(self, id, next_at)).await
    }
    async fn waiting_notices(&self, user: &UserId) -> Result<u64> {
        self.run(|| notifications::waiting(self, user)).await
    }
    async fn forget_notices(&self, before: u64) -> Result<u64> {
        self.run(|| notifications::forget(self, before)).await
    }
}
