//! Payloads that both directions share.

use serde::{Deserialize, Serialize};

use crate::capability::Feature;
use crate::http::{DeviceKind, Member, Role, RoomSettings};
use crate::ids::{DeviceId, PeerId, RoomId, SessionId, ShareId, UserId};

/// How a device is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "lowercase")]
pub enum Status {
    #[default]
    Online,
    Away,
    Busy,
}

/// One live connection in a room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct Peer {
    pub peer_id: PeerId,
    pub user_id: UserId,
    /// The user's name.
    pub name: String,
    pub device_id: DeviceId,
    pub device_name: String,
    pub kind: DeviceKind,
    pub status: Status,
    /// The features that this device answers requests for.
    pub offers: Vec<Feature>,
}

/// A peer within the room that the event is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct PeerInRoom {
    pub room_id: RoomId,
    #[serde(flatten)]
    pub peer: Peer,
}

/// Something that an owner offers to the room for as long as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct Share {
    pub share_id: ShareId,
    pub feature: Feature,
    pub peer_id: PeerId,
    pub user_id: UserId,
    pub label: String,
}

/// Why a session was not opened or ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "lowercase")]
pub enum Reason {
    Declined,
    Busy,
    Timeout,
    Cancelled,
    /// Another device accepted.
    Taken,
    Unsupported,
    Failed,
}

/// The payload of messages that only name a room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct InRoom {
    pub room_id: RoomId,
}

/// `presence.set`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct SetPresence {
    pub room_id: RoomId,
    pub status: Status,
    #[serde(default)]
    pub offers: Vec<Feature>,
}

/// `chat.typing`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct Typing {
    pub room_id: RoomId,
    pub typing: bool,
}

/// A request that opens a session: `call.request`, `screen.share.request`, `terminal.share.request`,
/// `terminal.control.take`, `terminal.control.release`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export, optional_fields))]
pub struct SessionRequest {
    pub room_id: RoomId,
    #[serde(default, alias = "target_peer_id", skip_serializing_if = "Option::is_none")]
    pub target: Option<PeerId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<SessionId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cap_token: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share_id: Option<ShareId>,
}

/// One file that is offered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct OfferedFile {
    pub path: String,
    /// Bytes.
    pub size: u64,
}

/// `share.file.request` and `share.folder.request`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export, optional_fields))]
pub struct TransferRequest {
    pub room_id: RoomId,
    #[serde(default, alias = "target_peer_id", skip_serializing_if = "Option::is_none")]
    pub target: Option<PeerId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<SessionId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cap_token: Option<String>,
    /// What the person sees: a file's or folder's name.
    pub name: String,
    /// Total bytes.
    pub size: u64,
    /// How many files.
    pub count: u64,
    /// At most 100 of them.
    #[serde(default)]
    pub files: Vec<OfferedFile>,
    /// Of `share.folder.request`: the shared folder that it asks for; `size` and `count` are then 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share_id: Option<ShareId>,
}

/// An answer or an end within a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export, optional_fields))]
pub struct SessionAnswer {
    pub room_id: RoomId,
    #[serde(default, alias = "target_peer_id", skip_serializing_if = "Option::is_none")]
    pub target: Option<PeerId>,
    pub session_id: SessionId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// Of an accept: how long a DTLS record may be that this end puts together from several datagrams, bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_record: Option<u32>,
}

/// `terminal.control.grant`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct ControlGrant {
    pub room_id: RoomId,
    #[serde(alias = "target_peer_id")]
    pub target: PeerId,
    pub session_id: SessionId,
    /// Goes with every TERM_IN of this grant.
    pub epoch: u32,
}

/// `terminal.data`: a piece of a terminal's frames, which go through the server where no direct connection could be made and its
/// operator allows it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct TerminalData {
    pub room_id: RoomId,
    #[serde(alias = "target_peer_id")]
    pub target: PeerId,
    pub session_id: SessionId,
    /// Counts the pieces of this direction from 0.
    #[cfg_attr(test, ts(type = "number"))]
    pub seq: u64,
    /// Base64: of the frames one after the other, each after its length (u32, big-endian), the next bytes. Empty: this
    /// direction has ended.
    pub data: String,
}

impl std::fmt::Debug for TerminalData {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TerminalData")
            .field("session_id", &self.session_id)
            .field("seq", &self.seq)
            .finish_non_exhaustive()
    }
}

/// `terminal.share.started`, `share.folder.started`, and their `.ended`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export, optional_fields))]
pub struct ShareNotice {
    pub room_id: RoomId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cap_token: Option<String>,
    pub share_id: ShareId,
    #[serde(default)]
    pub label: String,
}

/// `rtc.offer` and `rtc.answer`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export, optional_fields))]
pub struct Description {
    pub room_id: RoomId,
    #[serde(alias = "target_peer_id")]
    pub target: PeerId,
    pub session_id: SessionId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub feature: Option<Feature>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cap_token: Option<String>,
    pub sdp: String,
}

/// `rtc.ice`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export, optional_fields))]
pub struct TrickledCandidate {
    pub room_id: RoomId,
    #[serde(alias = "target_peer_id")]
    pub target: PeerId,
    pub session_id: SessionId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub feature: Option<Feature>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cap_token: Option<String>,
    /// Null after the last one.
    #[cfg_attr(test, ts(optional = false))]
    pub candidate: Option<IceCandidate>,
}

/// An RTCIceCandidateInit of the WebRTC specification.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export, optional_fields))]
#[serde(rename_all = "camelCase")]
pub struct IceCandidate {
    pub candidate: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sdp_mid: Option<String>,
    #[serde(default, rename = "sdpMLineIndex", skip_serializing_if = "Option::is_none")]
    pub sdp_mline_index: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username_fragment: Option<String>,
}

/// `room.state`, to the one that joined.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct RoomState {
    pub room_id: RoomId,
    pub name: String,
    pub role: Role,
    pub members: Vec<Member>,
    pub peers: Vec<Peer>,
    pub shares: Vec<Share>,
    pub last_seq: u64,
    #[serde(flatten)]
    pub settings: RoomSettings,
    /// How many wait to be let in; 0 for those who may not let them in.
    #[serde(default)]
    pub waiting: u32,
}

/// `room.member.changed`: someone is a member, and in this role from now on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct MemberChange {
    pub room_id: RoomId,
    #[serde(flatten)]
    pub member: Member,
}

/// `room.member.removed`: someone is no longer a member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct MemberRemoved {
    pub room_id: RoomId,
    pub user_id: UserId,
}

/// `room.lobby.changed`, to owners and moderators.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct LobbyChange {
    pub room_id: RoomId,
    /// How many wait.
    pub waiting: u32,
}

/// `chat.message.deleted`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct MessageDeleted {
    pub room_id: RoomId,
    pub seq: u64,
}
