//! The record of a room: who asked for, got, used and took back which capability, and who changed what. No content.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::capability::Capability;
use crate::ids::{DeviceId, PeerId, SessionId, TokenId, UserId};

macro_rules! acts {
    ($($(#[$doc:meta])* $variant:ident = $text:tt),+ $(,)?) => {
        /// What was done.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
        #[cfg_attr(test, derive(ts_rs::TS), ts(export))]
        pub enum AuditAct { $($(#[$doc])* #[serde(rename = $text)] $variant),+ }

        impl AuditAct {
            /// The name on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }

        impl std::str::FromStr for AuditAct {
            type Err = UnknownAct;
            fn from_str(text: &str) -> Result<Self, UnknownAct> {
                match text { $($text => Ok(Self::$variant),)+ _ => Err(UnknownAct) }
            }
        }
    };
}

/// Names no act.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the record holds an act that this version does not know")]
pub struct UnknownAct;

acts! {
    /// Asked for and given.
    CapabilityGranted = "capability.granted",
    /// Asked for and not given; `detail` says why.
    CapabilityRefused = "capability.refused",
    /// A token was used for the first time, for this session.
    CapabilityUsed = "capability.used",
    /// A token or a session was taken back.
    CapabilityRevoked = "capability.revoked",
    /// Came in by an invitation.
    MemberJoined = "member.joined",
    MemberLeft = "member.left",
    MemberRemoved = "member.removed",
    MemberBanned = "member.banned",
    MemberUnbanned = "member.unbanned",
    /// Has another role; `detail` is the role.
    MemberRole = "member.role",
    /// Let in from the lobby, or refused there.
    LobbyAdmitted = "lobby.admitted",
    LobbyRefused = "lobby.refused",
    /// `detail` names the settings that were changed.
    RoomChanged = "room.changed",
    /// `detail` is the invitation's id and role.
    InviteCreated = "invite.created",
    /// `detail` is the invitation's id.
    InviteRevoked = "invite.revoked",
}

/// Somebody at the time: people leave and are renamed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export, optional_fields))]
pub struct AuditParty {
    pub user_id: UserId,
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_id: Option<DeviceId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer_id: Option<PeerId>,
}

/// One line of the record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export, optional_fields))]
pub struct AuditEntry {
    /// Counts from 1 in each room.
    pub seq: u64,
    /// Unix milliseconds.
    pub at: u64,
    pub act: AuditAct,
    /// Who did it; absent for the operator of the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<AuditParty>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub capabilities: Vec<Capability>,
    /// Towards whom, or whom it concerns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<AuditParty>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<SessionId>,
    /// The name of the token; never the token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jti: Option<TokenId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// `GET /rooms/{room_id}/audit`, newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct AuditPage {
    pub entries: Vec<AuditEntry>,
}
