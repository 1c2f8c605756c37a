//! The values that go into and come out of the store.

use std::net::IpAddr;

use mesh_protocol::capability::Capability;
use mesh_protocol::http::{AuditAct, AuditParty, ChatMessage, DeviceKind, Member, Role};
use mesh_protocol::ids::{ClientId, DeviceId, InviteId, RoomId, SessionId, TokenId, UserId};

/// SHA-256 of a secret with at least 128 random bits, which is all that the store keeps of it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenHash(pub [u8; 32]);

impl std::fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TokenHash(***)")
    }
}

/// One sign-in of a device: what the session token names. (A `SessionId` is one use of a feature between two peers.)
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct SignInId(pub String);

/// An account to be made.
#[derive(Clone)]
pub struct NewUser {
    pub id: UserId,
    pub name: String,
    pub name_key: String,
    /// PHC string; `None` signs in by link only.
    pub password_hash: Option<String>,
    pub admin: bool,
    /// Unix milliseconds.
    pub now: u64,
}

/// An account.
#[derive(Clone)]
pub struct User {
    pub id: UserId,
    pub name: String,
    pub password_hash: Option<String>,
    pub admin: bool,
    /// No account: one room, for as long as the membership lasts.
    pub guest: bool,
}

/// Somebody at an OpenID provider.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity {
    pub issuer: String,
    pub subject: String,
}

/// A device to be enrolled.
#[derive(Clone, Debug)]
pub struct NewDevice {
    /// Used where no device of the same key exists.
    pub id: DeviceId,
    pub user_id: UserId,
    pub name: String,
    pub kind: DeviceKind,
    pub key: Option<String>,
    pub now: u64,
}

/// An enrolled device.
#[derive(Clone, Debug)]
pub struct Device {
    pub id: DeviceId,
    pub name: String,
    pub kind: DeviceKind,
    pub created_at: u64,
    pub last_seen_at: u64,
}

/// A sign-in to be recorded.
#[derive(Clone, Debug)]
pub struct NewSignIn {
    pub id: SignInId,
    pub user_id: UserId,
    pub device_id: DeviceId,
    pub address: IpAddr,
    pub now: u64,
    /// Unix milliseconds.
    pub expires_at: u64,
}

/// A sign-in with whom and what it belongs to.
#[derive(Clone, Debug)]
pub struct SignIn {
    pub id: SignInId,
    pub user_id: UserId,
    pub user_name: String,
    pub admin: bool,
    pub guest: bool,
    pub device_id: DeviceId,
    pub device_name: String,
    pub kind: DeviceKind,
    /// From which it was last used, where that is known.
    pub address: Option<IpAddr>,
    pub created_at: u64,
    pub last_seen_at: u64,
    pub expires_at: u64,
    pub ended_at: Option<u64>,
}

/// A room to be made, with its first owner.
#[derive(Clone, Debug)]
pub struct NewRoom {
    pub id: RoomId,
    pub name: String,
    pub owner: UserId,
    pub now: u64,
    /// Unix milliseconds from which it may be removed; `None` stays.
    pub expires_at: Option<u64>,
}

/// An invitation to be made.
#[derive(Clone, Debug)]
pub struct NewInvite {
    pub id: InviteId,
    pub room_id: RoomId,
    pub token_hash: TokenHash,
    pub role: Role,
    pub created_by: UserId,
    pub now: u64,
    /// Unix milliseconds.
    pub expires_at: u64,
    pub max_uses: u32,
    /// Whether people without an account may use it.
    pub guest: bool,
}

/// Where a good invitation leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invited {
    pub room_id: RoomId,
    pub room_name: String,
    pub guest: bool,
}

/// A good invitation.
#[derive(Clone, Debug)]
pub struct InviteRow {
    pub id: InviteId,
    pub role: Role,
    pub expires_at: u64,
    pub max_uses: u32,
    pub uses: u32,
    pub guest: bool,
}

/// A chat message to be stored.
#[derive(Clone, Debug)]
pub struct NewMessage {
    pub room_id: RoomId,
    pub user_id: UserId,
    pub name: String,
    pub device_id: DeviceId,
    pub client_id: ClientId,
    pub text: String,
    /// Whom the text names.
    pub mentions: Vec<UserId>,
    pub now: u64,
}

/// A new text for a message.
#[derive(Clone, Debug)]
pub struct MessageEdit {
    pub room_id: RoomId,
    pub seq: u64,
    pub text: String,
    pub mentions: Vec<UserId>,
    pub now: u64,
}

/// Where an invitation led.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A member already; nothing changed.
    Known(RoomId),
    /// In the lobby, as before.
    Waits(RoomId),
    /// In the lobby from now on.
    Asks(RoomId, UserId),
    /// A member from now on.
    Entered(RoomId, Member),
}

impl Entry {
    /// The room.
    pub fn room_id(&self) -> &RoomId {
        match self {
            Self::Known(room) | Self::Waits(room) | Self::Asks(room, _) | Self::Entered(room, _) => room,
        }
    }
}

/// What became of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Appended {
    /// It is stored now.
    Stored(Box<ChatMessage>),
    /// The device had sent it to this room before; this is the `seq` it got then.
    Repeated(u64),
    /// The device used this `client_id` in another room.
    Conflict,
    /// The author is not a member of the room, or there is none.
    NotAMember,
}

/// A line for the record of a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewAuditEntry {
    pub room_id: RoomId,
    /// Unix milliseconds.
    pub at: u64,
    pub act: AuditAct,
    /// `None`: the operator.
    pub actor: Option<AuditParty>,
    pub capabilities: Vec<Capability>,
    pub target: Option<AuditParty>,
    pub session_id: Option<SessionId>,
    pub jti: Option<TokenId>,
    pub detail: Option<String>,
}

impl NewAuditEntry {
    /// One that says who did what, and no more.
    pub fn new(room_id: RoomId, at: u64, act: AuditAct, actor: Option<AuditParty>) -> Self {
        Self {
            room_id,
            at,
            act,
            actor,
            capabilities: Vec::new(),
            target: None,
            session_id: None,
            jti: None,
            detail: None,
        }
    }
}

/// An account as the operator sees it.
#[derive(Clone, Debug)]
pub struct UserRow {
    pub id: UserId,
    pub name: String,
    pub admin: bool,
    pub has_password: bool,
    /// How many rooms it is a member of.
    pub rooms: u64,
    pub created_at: u64,
}

/// A room as the operator sees it.
#[derive(Clone, Debug)]
pub struct RoomRow {
    pub id: RoomId,
    pub name: String,
    pub members: u64,
    /// Messages so far.
    pub messages: u64,
    pub created_at: u64,
}

/// What a command changed, and a running server tells its sockets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bulletin {
    SignInEnded(SignInId),
    MemberGone(RoomId, UserId),
    RoomGone(RoomId),
}

/// Some of them, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bulletins {
    pub bulletins: Vec<Bulletin>,
    /// The number of the newest one there is.
    pub last: u64,
}
