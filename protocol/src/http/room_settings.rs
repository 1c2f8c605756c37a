//! What owners decide about a room: its policy, its door, how long its chat is kept.

use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use super::Role;
use crate::capability::Capability;
use crate::ids::{RoomId, UserId};

/// Which role may ask for which capability. Owners may ask for all; `rtc` goes beside any.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct Policy {
    pub guest: Vec<Capability>,
    pub member: Vec<Capability>,
    pub moderator: Vec<Capability>,
}

impl Default for Policy {
    fn default() -> Self {
        let all = || {
            Capability::ALL
                .into_iter()
                .filter(|c| *c != Capability::Rtc)
                .collect()
        };
        Self {
            guest: vec![Capability::Call, Capability::Screen, Capability::ShareFile],
            member: all(),
            moderator: all(),
        }
    }
}

impl Policy {
    /// Whether someone of that role may ask for the capability.
    pub fn allows(&self, role: Role, capability: Capability) -> bool {
        let list = match role {
            Role::Owner => return true,
            Role::Moderator => &self.moderator,
            Role::Member => &self.member,
            Role::Guest => &self.guest,
        };
        capability == Capability::Rtc || list.contains(&capability)
    }
}

/// The settings of a room.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct RoomSettings {
    /// Nobody new comes in.
    #[serde(default)]
    pub locked: bool,
    /// Who comes by an invitation waits until an owner or moderator lets them in.
    #[serde(default)]
    pub lobby: bool,
    /// Days after which a message is removed; null keeps all.
    #[serde(default)]
    pub retention_days: Option<u32>,
    #[serde(default)]
    pub policy: Policy,
}

/// The part of a policy that is to change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export, optional_fields))]
pub struct PolicyChange {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guest: Option<Vec<Capability>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member: Option<Vec<Capability>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moderator: Option<Vec<Capability>>,
}

/// `PATCH /rooms/{room_id}`: what is absent stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export, optional_fields))]
pub struct ChangeRoom {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locked: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lobby: Option<bool>,
    /// Null keeps all.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "given")]
    #[cfg_attr(test, ts(type = "number | null"))]
    pub retention_days: Option<Option<u32>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<PolicyChange>,
}

/// Null is a value here, and not an absence.
fn given<'de, D: Deserializer<'de>>(value: D) -> Result<Option<Option<u32>>, D::Error> {
    Option::deserialize(value).map(Some)
}

/// Someone who was banned from a room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct Ban {
    pub user_id: UserId,
    pub name: String,
    /// Unix milliseconds.
    pub banned_at: u64,
}

/// `GET /rooms/{room_id}/bans`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct Bans {
    pub bans: Vec<Ban>,
}

/// Someone who waits to be let in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct LobbyRequest {
    pub user_id: UserId,
    pub name: String,
    /// What the invitation makes of them.
    pub role: Role,
    /// Unix milliseconds.
    pub asked_at: u64,
}

/// `GET /rooms/{room_id}/lobby`, the oldest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct Lobby {
    pub requests: Vec<LobbyRequest>,
}

/// `room.changed`: the name and the settings as they are now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct RoomChange {
    pub room_id: RoomId,
    pub name: String,
    #[serde(flatten)]
    pub settings: RoomSettings,
}
