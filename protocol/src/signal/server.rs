//! What the server sends: its own events, and the relayed messages of other clients.

use serde::{Deserialize, Serialize};

use super::payload::*;
use crate::error_code::SignalCode;
use crate::http::{ChatMessage, RoomChange};
use crate::ids::{DeviceId, MessageId, PeerId, RoomId, SessionId, TokenId, UserId};

/// Nothing to say beyond the type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct Nothing {}

/// `system.welcome`: the first message of every connection.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct Welcome {
    pub peer_id: PeerId,
    pub user_id: UserId,
    pub device_id: DeviceId,
    /// Goes into `?resume=` after a cut.
    pub resume: String,
    pub protocol: u32,
    /// Whether this server passes `terminal.data` on.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub terminal_data: bool,
}

impl std::fmt::Debug for Welcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Welcome")
            .field("peer_id", &self.peer_id)
            .field("user_id", &self.user_id)
            .finish_non_exhaustive()
    }
}

/// `room.left`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct PeerLeft {
    pub room_id: RoomId,
    pub peer_id: PeerId,
    pub user_id: UserId,
}

/// `ack`: the message that it names is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export, optional_fields))]
pub struct Ack {
    #[serde(rename = "ref")]
    pub reference: MessageId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
}

/// `error`: the message that it names was not passed on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export, optional_fields))]
pub struct SignalError {
    pub code: SignalCode,
    /// What to do; for `CAP_REQUIRED` the name of the capability.
    pub detail: String,
    #[serde(default, rename = "ref", skip_serializing_if = "Option::is_none")]
    pub reference: Option<MessageId>,
}

/// `call.missed`: a request for a call ended without an answer. To who was called.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct CallMissed {
    pub room_id: RoomId,
    pub session_id: SessionId,
    /// Who called.
    pub user_id: UserId,
    pub name: String,
}

/// `cap.revoked`: end the session now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export, optional_fields))]
pub struct Revoked {
    pub session_id: SessionId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jti: Option<TokenId>,
    pub reason: String,
}

/// A message from the server: `type` and `payload`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(tag = "type", content = "payload")]
pub enum ServerMessage {
    #[serde(rename = "system.welcome")]
    Welcome(Welcome),
    #[serde(rename = "system.resync")]
    Resync(Nothing),
    #[serde(rename = "system.drain")]
    Drain(Nothing),
    #[serde(rename = "room.state")]
    RoomState(RoomState),
    #[serde(rename = "room.joined")]
    RoomJoined(PeerInRoom),
    #[serde(rename = "room.left")]
    RoomLeft(PeerLeft),
    #[serde(rename = "presence.changed")]
    PresenceChanged(PeerInRoom),
    #[serde(rename = "room.changed")]
    RoomChanged(RoomChange),
    #[serde(rename = "room.member.changed")]
    MemberChanged(MemberChange),
    #[serde(rename = "room.member.removed")]
    MemberRemoved(MemberRemoved),
    #[serde(rename = "room.lobby.changed")]
    LobbyChanged(LobbyChange),
    /// To who waited: come in.
    #[serde(rename = "room.admitted")]
    RoomAdmitted(InRoom),
    /// To who waited: not this time.
    #[serde(rename = "room.refused")]
    RoomRefused(InRoom),
    #[serde(rename = "ack")]
    Ack(Ack),
    #[serde(rename = "error")]
    Error(SignalError),
    #[serde(rename = "cap.revoked")]
    CapRevoked(Revoked),
    #[serde(rename = "chat.message.created")]
    ChatMessageCreated(ChatMessage),
    #[serde(rename = "chat.message.edited")]
    ChatMessageEdited(ChatMessage),
    #[serde(rename = "chat.message.deleted")]
    ChatMessageDeleted(MessageDeleted),
    #[serde(rename = "chat.typing")]
    ChatTyping(Typing),
    #[serde(rename = "call.request")]
    CallRequest(SessionRequest),
    #[serde(rename = "call.accept")]
    CallAccept(SessionAnswer),
    #[serde(rename = "call.decline")]
    CallDecline(SessionAnswer),
    #[serde(rename = "call.end")]
    CallEnd(SessionAnswer),
    #[serde(rename = "call.missed")]
    CallMissed(CallMissed),
    #[serde(rename = "screen.share.request")]
    ScreenShareRequest(SessionRequest),
    #[serde(rename = "screen.share.accept")]
    ScreenShareAccept(SessionAnswer),
    #[serde(rename = "screen.share.decline")]
    ScreenShareDecline(SessionAnswer),
    #[serde(rename = "screen.share.stop")]
    ScreenShareStop(SessionAnswer),
    #[serde(rename = "share.file.request")]
    ShareFileRequest(TransferRequest),
    #[serde(rename = "share.folder.request")]
    ShareFolderRequest(TransferRequest),
    #[serde(rename = "share.folder.started")]
    ShareFolderStarted(ShareNotice),
    #[serde(rename = "share.folder.ended")]
    ShareFolderEnded(ShareNotice),
    #[serde(rename = "share.accept")]
    ShareAccept(SessionAnswer),
    #[serde(rename = "share.decline")]
    ShareDecline(SessionAnswer),
    #[serde(rename = "share.cancel")]
    ShareCancel(SessionAnswer),
    #[serde(rename = "share.completed")]
    ShareCompleted(SessionAnswer),
    #[serde(rename = "terminal.share.started")]
    TerminalShareStarted(ShareNotice),
    #[serde(rename = "terminal.share.ended")]
    TerminalShareEnded(ShareNotice),
    #[serde(rename = "terminal.share.request")]
    TerminalShareRequest(SessionRequest),
    #[serde(rename = "terminal.share.accept")]
    TerminalShareAccept(SessionAnswer),
    #[serde(rename = "terminal.share.decline")]
    TerminalShareDecline(SessionAnswer),
    #[serde(rename = "terminal.control.take")]
    TerminalControlTake(SessionRequest),
    #[serde(rename = "terminal.control.grant")]
    TerminalControlGrant(ControlGrant),
    #[serde(rename = "terminal.control.deny")]
    TerminalControlDeny(SessionAnswer),
    #[serde(rename = "terminal.control.release")]
    TerminalControlRelease(SessionRequest),
    #[serde(rename = "terminal.data")]
    TerminalData(TerminalData),
    #[serde(rename = "rtc.offer")]
    RtcOffer(Description),
    #[serde(rename = "rtc.answer")]
    RtcAnswer(Description),
    #[serde(rename = "rtc.ice")]
    RtcIce(TrickledCandidate),
}
