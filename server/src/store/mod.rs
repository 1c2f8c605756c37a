//! What must survive a restart: accounts, devices, sign-ins, rooms, invitations, chat.
//!
//! Owns the contract that every database implements; one suite (`tests/store_contract.rs`) holds each implementation to
//! it. Knows no HTTP, no sockets and no clock: the time is always passed in. A returned `Ok` of a writing method means
//! that the change is on disk.

mod notifications;
pub mod postgres;
mod rows;
pub mod sqlite;

pub use notifications::*;
pub use rows::*;

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use mesh_protocol::http::{
    AuditEntry, Ban, ChangeRoom, ChatMessage, LobbyRequest, Member, Role, Room, RoomChange,
};
use mesh_protocol::ids::{DeviceId, InviteId, RoomId, UserId};

use crate::config::Secret;

/// Why the store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("the database did not answer")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the database holds something that this version does not understand: {0}")]
    Corrupt(String),
    #[error("the name is taken")]
    NameTaken,
    #[error("there is an account already")]
    SetupDone,
    #[error("the link is wrong, used or expired")]
    LinkInvalid,
    #[error("the invitation is unknown, expired, used up or revoked")]
    InviteInvalid,
    #[error("no such row")]
    Absent,
    #[error("a room needs an owner")]
    LastOwner,
    #[error("the room is locked")]
    RoomLocked,
    #[error("the user was banned from the room")]
    Banned,
    #[error("the provider's account belongs to somebody, or the user has another one there")]
    IdentityTaken,
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

/// The result of every method of [`Store`].
pub type Result<T, E = StoreError> = std::result::Result<T, E>;

/// The store that the settings name: PostgreSQL where there is a URL, else the SQLite file.
pub async fn open(url: Option<&Secret>, file: &Path) -> Result<Arc<dyn Store>> {
    Ok(match url {
        Some(url) => Arc::new(postgres::PostgresStore::open(url).await?),
        None => Arc::new(sqlite::SqliteStore::open(file).await?),
    })
}

/// The contract. Every method is one transaction: it happens whole or not at all.
#[async_trait]
pub trait Store: NotificationStore {
    /// Whether the store answers.
    async fn ping(&self) -> Result<()>;
    /// Ends every connection after the running transactions.
    async fn close(&self);

    /// A value that one process leaves for another.
    async fn setting(&self, key: &str) -> Result<Option<String>>;
    async fn put_setting(&self, key: &str, value: &str) -> Result<()>;
    /// Puts `after` where the value is `before` (`None`: where there is none); whether it was.
    async fn swap_setting(&self, key: &str, before: Option<&str>, after: &str) -> Result<bool>;

    // Accounts ---------------------------------------------------------------------------------------------------

    async fn has_users(&self) -> Result<bool>;
    /// Fails with `NameTaken`.
    async fn create_user(&self, user: &NewUser) -> Result<()>;
    /// Keeps the hash of the only setup token, in place of an earlier one.
    async fn put_setup_token(&self, hash: &TokenHash) -> Result<()>;
    /// Makes the first account and its room. Fails with `SetupDone` or `LinkInvalid`.
    async fn set_up(&self, token: &TokenHash, user: &NewUser, room: &NewRoom) -> Result<()>;
    /// Counts one use of the invitation, makes the account and lets it in as [`Self::join_by_invite`] does. Fails with
    /// `InviteInvalid`, `RoomLocked` or `NameTaken`, and then counts nothing.
    async fn register(&self, invite: &TokenHash, user: &NewUser) -> Result<Entry>;
    async fn user_by_name(&self, name_key: &str) -> Result<Option<User>>;
    async fn user(&self, id: &UserId) -> Result<Option<User>>;
    /// Another name. Fails with `NameTaken` or `Absent`.
    async fn rename_user(&self, user: &UserId, name: &str, name_key: &str) -> Result<()>;
    /// Sets another password, or none, and ends what the old one opened: unused links and all sign-ins but `keep`. Returns
    /// those that it ended. Fails with `Absent`.
    async fn change_password(
        &self,
        user: &UserId,
        password_hash: Option<&str>,
        keep: Option<&SignInId>,
        now: u64,
    ) -> Result<Vec<SignInId>>;
    /// Counts one use of an invitation that takes guests, and lets the guest in as [`Self::join_by_invite`] does. Fails with
    /// `InviteInvalid` or `RoomLocked`.
    async fn admit_guest(&self, invite: &TokenHash, guest: &NewUser) -> Result<Entry>;

    async fn user_by_identity(&self, identity: &Identity) -> Result<Option<User>>;
    /// Whether the account signs in by this provider.
    async fn is_linked(&self, user: &UserId, issuer: &str) -> Result<bool>;
    /// Makes an account that signs in by a provider; with an invitation it is used and lets in as [`Self::register`]
    /// does. Fails with `IdentityTaken` too, and then makes and counts nothing.
    async fn register_identity(
        &self,
        identity: &Identity,
        user: &NewUser,
        invite: Option<&TokenHash>,
    ) -> Result<Option<Entry>>;
    /// Lets an account sign in by a provider, with one account there. Fails with `IdentityTaken`.
    async fn link_identity(&self, identity: &Identity, user: &UserId, now: u64) -> Result<()>;
    /// Fails with `Absent`.
    async fn unlink_identity(&self, user: &UserId, issuer: &str) -> Result<()>;

    async fn create_link(&self, hash: &TokenHash, user: &UserId, expires_at: u64, now: u64) -> Result<()>;
    /// Uses the link up. Fails with `LinkInvalid`.
    async fn take_link(&self, hash: &TokenHash, now: u64) -> Result<UserId>;

    // Devices and sign-ins ---------------------------------------------------------------------------------------

    /// The user's device with the same key, brought up to date, or a new one. Returns its id.
    async fn enroll_device(&self, device: &NewDevice) -> Result<DeviceId>;
    async fn devices(&self, user: &UserId) -> Result<Vec<Device>>;
    /// Removes the device and ends its sign-ins, which are returned. Fails with `Absent`.
    async fn remove_device(&self, user: &UserId, device: &DeviceId, now: u64) -> Result<Vec<SignInId>>;

    async fn create_sign_in(&self, sign_in: &NewSignIn) -> Result<()>;
    /// Whatever its state.
    async fn sign_in(&self, id: &SignInId) -> Result<Option<SignIn>>;
    /// Those of the user that are good now, newest first.
    async fn sign_ins(&self, user: &UserId, now: u64) -> Result<Vec<SignIn>>;
    async fn touch_sign_in(&self, id: &SignInId, address: IpAddr, now: u64) -> Result<()>;
    /// Fails with `Absent` where it is not the user's or has ended.
    async fn end_sign_in(&self, user: &UserId, id: &SignInId, now: u64) -> Result<()>;
    /// Those that any process ended at `since` or later.
    async fn ended_since(&self, since: u64) -> Result<Vec<SignInId>>;

    // Rooms ------------------------------------------------------------------------------------------------------

    async fn create_room(&self, room: &NewRoom) -> Result<()>;
    /// The room as this user sees it; `None` where it is absent or not theirs.
    async fn room_of(&self, room: &RoomId, user: &UserId) -> Result<Option<Room>>;
    async fn rooms_of(&self, user: &UserId) -> Result<Vec<Room>>;
    /// Changes what is given, and returns the room's name and settings as they are then. Fails with `Absent`.
    async fn change_room(&self, room: &RoomId, change: &ChangeRoom) -> Result<RoomChange>;
    /// Fails with `Absent`.
    async fn delete_room(&self, room: &RoomId, now: u64) -> Result<Vec<SignInId>>;
    /// Some of the rooms whose time is over, the first first.
    async fn expired_rooms(&self, limit: u32, now: u64) -> Result<Vec<RoomId>>;

    /// In the order in which they joined.
    async fn members(&self, room: &RoomId) -> Result<Vec<Member>>;
    /// Fails with `Absent` or `LastOwner`.
    async fn set_role(&self, room: &RoomId, user: &UserId, role: Role) -> Result<()>;
    /// The user goes by themselves, and may come back by any good invitation. Fails with `Absent` or `LastOwner`.
    async fn remove_member(&self, room: &RoomId, user: &UserId, now: u64) -> Result<Vec<SignInId>>;
    /// The user is put out and cannot come back by an invitation from before; the one by which a guest came is revoked,
    /// since a guest comes back under another name. Fails with `Absent` or `LastOwner`.
    async fn expel_member(&self, room: &RoomId, user: &UserId, now: u64) -> Result<Vec<SignInId>>;
    /// The same for a member or anybody else, and for every invitation to come. Fails with `Absent` where there is no
    /// such user, or `LastOwner`.
    async fn ban(&self, room: &RoomId, user: &UserId, now: u64) -> Result<Vec<SignInId>>;
    async fn bans(&self, room: &RoomId) -> Result<Vec<Ban>>;
    /// Fails with `Absent`.
    async fn unban(&self, room: &RoomId, user: &UserId) -> Result<()>;

    /// Who waits to be let in, the first first.
    async fn lobby(&self, room: &RoomId) -> Result<Vec<LobbyRequest>>;
    async fn waits(&self, room: &RoomId, user: &UserId) -> Result<bool>;
    /// Makes who waits a member. Fails with `Absent`.
    async fn admit(&self, room: &RoomId, user: &UserId, now: u64) -> Result<Member>;
    /// Who waits goes: put out like a member, or by themselves (`withdrawn`). Fails with `Absent`.
    async fn refuse(&self, room: &RoomId, user: &UserId, withdrawn: bool, now: u64) -> Result<Vec<SignInId>>;

    async fn create_invite(&self, invite: &NewInvite) -> Result<()>;
    /// Those that are still good.
    async fn invites(&self, room: &RoomId, now: u64) -> Result<Vec<InviteRow>>;
    /// Good or not. Fails with `Absent`.
    async fn invite_role(&self, room: &RoomId, invite: &InviteId) -> Result<Role>;
    /// Fails with `Absent`.
    async fn revoke_invite(&self, room: &RoomId, invite: &InviteId, now: u64) -> Result<()>;
    /// Where a good invitation leads, without using it. Fails with `InviteInvalid`.
    async fn peek_invite(&self, hash: &TokenHash, now: u64) -> Result<Invited>;
    /// Counts one use and makes the user a member, or lets them wait where the room has a lobby; who is or waits there
    /// already uses nothing up. Fails with `InviteInvalid`, `RoomLocked` or `Banned`, and then counts nothing.
    async fn join_by_invite(&self, hash: &TokenHash, user: &UserId, now: u64) -> Result<Entry>;

    // Chat -------------------------------------------------------------------------------------------------------

    /// Stores the messages, in order, in one transaction: one outcome each.
    async fn append_messages(&self, messages: &[NewMessage]) -> Result<Vec<Appended>>;
    /// The newest `limit` messages before `before`, oldest first.
    async fn messages(&self, room: &RoomId, before: Option<u64>, limit: u32) -> Result<Vec<ChatMessage>>;
    /// Fails with `Absent`, also where it was deleted.
    async fn message(&self, room: &RoomId, seq: u64) -> Result<ChatMessage>;
    /// Fails with `Absent`, also where it was deleted.
    async fn edit_message(&self, edit: &MessageEdit) -> Result<ChatMessage>;
    /// Takes the text away and leaves the place. Fails with `Absent`, also where it was deleted.
    async fn delete_message(&self, room: &RoomId, seq: u64, now: u64) -> Result<()>;
    /// Removes at most `limit` messages of each room that are older than it keeps them. Returns how many.
    async fn expire_messages(&self, limit: u32, now: u64) -> Result<u64>;

    // The record -------------------------------------------------------------------------------------------------

    /// Records the entries, in order, in one transaction; those of rooms that are gone are passed over. Of each room the
    /// newest `kept` stay.
    async fn append_audit(&self, entries: &[NewAuditEntry], kept: u64) -> Result<()>;
    /// The newest `limit` entries before `before`, newest first.
    async fn audit(&self, room: &RoomId, before: Option<u64>, limit: u32) -> Result<Vec<AuditEntry>>;
    /// Removes at most `limit` entries from before `until`. Returns how many.
    async fn expire_audit(&self, limit: u32, until: u64) -> Result<u64>;

    // For the operator -------------------------------------------------------------------------------------------

    /// Every account, in the order of their names; no guests.
    async fn users(&self) -> Result<Vec<UserRow>>;
    /// Removes an account with all that is its own; its messages stay. A running server is told. Fails with `Absent`, or with
    /// `LastOwner` where it is the only owner of a room that has other members; rooms that it is alone in go with it.
    async fn remove_user(&self, user: &UserId, now: u64) -> Result<()>;
    /// Every room, in the order of their names.
    async fn all_rooms(&self) -> Result<Vec<RoomRow>>;
    /// As `delete_room`, and a running server is told. Fails with `Absent`.
    async fn remove_room(&self, room: &RoomId, now: u64) -> Result<()>;
    /// What commands changed, after the one with this number; `None`: only the newest one's number counts.
    async fn bulletins(&self, after: Option<u64>) -> Result<Bulletins>;
}
