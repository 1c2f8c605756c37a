//! Rooms, members and invitations.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::RoomSettings;
use crate::ids::{InviteId, RoomId, UserId};

/// What a member is in a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "lowercase")]
pub enum Role {
    Guest,
    Member,
    Moderator,
    Owner,
}

impl Role {
    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Guest => "guest",
            Self::Member => "member",
            Self::Moderator => "moderator",
            Self::Owner => "owner",
        }
    }
}

/// Names no role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a role is one of owner, moderator, member, guest")]
pub struct UnknownRole;

impl std::str::FromStr for Role {
    type Err = UnknownRole;
    fn from_str(text: &str) -> Result<Self, UnknownRole> {
        [Self::Guest, Self::Member, Self::Moderator, Self::Owner]
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or(UnknownRole)
    }
}

/// `POST /rooms`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export, optional_fields))]
pub struct RoomName {
    pub name: String,
    /// Seconds after which the room is removed, once nobody is in it; absent, it stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in: Option<u64>,
}

/// The answer to `POST /rooms`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct RoomRef {
    pub room_id: RoomId,
}

/// A room as one of its members sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct Room {
    pub room_id: RoomId,
    pub name: String,
    /// The caller's role.
    pub role: Role,
    /// The `seq` of the newest chat message; 0 when there is none.
    pub last_seq: u64,
    #[serde(flatten)]
    pub settings: RoomSettings,
}

/// `GET /rooms`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct Rooms {
    pub rooms: Vec<Room>,
}

/// The answer to `POST /rooms/join` and `POST /rooms/{room_id}/join`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct Joined {
    pub ok: bool,
    pub room_id: RoomId,
    /// Not in yet: an owner or moderator has to let one in.
    #[serde(default)]
    pub waiting: bool,
}

/// `POST /rooms/{room_id}/join` and `POST /rooms/join`.
#[derive(Clone, Default, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export, optional_fields))]
pub struct JoinRoom {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invite: Option<String>,
}

impl std::fmt::Debug for JoinRoom {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JoinRoom").finish_non_exhaustive()
    }
}

/// A member of a room, present or not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct Member {
    pub user_id: UserId,
    pub name: String,
    pub role: Role,
}

/// `GET /rooms/{room_id}/members`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct Members {
    pub members: Vec<Member>,
}

/// `PUT /rooms/{room_id}/members/{user_id}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct MemberRole {
    pub role: Role,
}

/// `POST /rooms/{room_id}/invites`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export, optional_fields))]
pub struct CreateInvite {
    /// Default `member`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// Seconds; default one week.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in: Option<u64>,
    /// Default 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_uses: Option<u32>,
    /// Whether people without an account may use it too; they come in as guests, whatever `role` says. Default false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guest: Option<bool>,
}

/// The answer to `POST …/invites`; the token is shown this once.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct Invite {
    pub invite_id: InviteId,
    pub token: String,
    pub url: String,
    /// Unix seconds.
    pub expires_at: u64,
}

impl std::fmt::Debug for Invite {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Invite")
            .field("invite_id", &self.invite_id)
            .finish_non_exhaustive()
    }
}

/// One row of `GET …/invites`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct InviteInfo {
    pub invite_id: InviteId,
    pub role: Role,
    /// Unix seconds.
    pub expires_at: u64,
    pub max_uses: u32,
    pub uses: u32,
    /// Whether people without an account may use it.
    pub guest: bool,
}

/// The answer to `POST /auth/invite`: where an invitation leads, for whoever holds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct InviteView {
    pub room_name: String,
    /// Whether it takes people without an account.
    pub guest: bool,
}

/// `GET /rooms/{room_id}/invites`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct Invites {
    pub invites: Vec<InviteInfo>,
}
