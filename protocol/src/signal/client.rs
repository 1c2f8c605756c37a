//! What a client may send: a closed list, relayed only as `docs/protocol.md` says.

use serde::{Deserialize, Serialize};

use super::payload::*;
use crate::capability::{Capability, Feature};
use crate::ids::{ClientId, RoomId};

/// `chat.message.create`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct CreateMessage {
    pub room_id: RoomId,
    pub client_id: ClientId,
    pub text: String,
}

macro_rules! client_messages {
    ($($variant:ident($payload:ty) = $text:literal $(| $alias:literal)?),+ $(,)?) => {
        /// A message of a client: `type` and `payload`.
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[cfg_attr(test, derive(ts_rs::TS), ts(export))]
        #[serde(tag = "type", content = "payload")]
        pub enum ClientMessage {
            $(#[serde(rename = $text $(, alias = $alias)?)] $variant($payload)),+
        }

        /// The type of a client's message, known before its payload is decoded.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum ClientType { $($variant),+ }

        impl ClientType {
            /// Every type.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The name on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }

            /// The type of that name; `None` is `UNKNOWN_TYPE`.
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($text $(| $alias)? => Some(Self::$variant),)+ _ => None }
            }
        }

        impl ClientMessage {
            /// Its type.
            pub const fn kind(&self) -> ClientType {
                match self { $(Self::$variant(_) => ClientType::$variant),+ }
            }
        }
    };
}

client_messages! {
    RoomJoin(InRoom) = "room.join",
    RoomLeave(InRoom) = "room.leave",
    PresenceSet(SetPresence) = "presence.set",
    ChatMessageCreate(CreateMessage) = "chat.message.create" | "chat.message.created",
    ChatTyping(Typing) = "chat.typing",
    CallRequest(SessionRequest) = "call.request",
    CallAccept(SessionAnswer) = "call.accept",
    CallDecline(SessionAnswer) = "call.decline",
    CallEnd(SessionAnswer) = "call.end",
    ScreenShareRequest(SessionRequest) = "screen.share.request",
    ScreenShareAccept(SessionAnswer) = "screen.share.accept",
    ScreenShareDecline(SessionAnswer) = "screen.share.decline",
    ScreenShareStop(SessionAnswer) = "screen.share.stop",
    ShareFileRequest(TransferRequest) = "share.file.request",
    ShareFolderRequest(TransferRequest) = "share.folder.request",
    ShareFolderStarted(ShareNotice) = "share.folder.started",
    ShareFolderEnded(ShareNotice) = "share.folder.ended",
    ShareAccept(SessionAnswer) = "share.accept",
    ShareDecline(SessionAnswer) = "share.decline",
    ShareCancel(SessionAnswer) = "share.cancel",
    ShareCompleted(SessionAnswer) = "share.completed",
    TerminalShareStarted(ShareNotice) = "terminal.share.started",
    TerminalShareEnded(ShareNotice) = "terminal.share.ended",
    TerminalShareRequest(SessionRequest) = "terminal.share.request",
    TerminalShareAccept(SessionAnswer) = "terminal.share.accept",
    TerminalShareDecline(SessionAnswer) = "terminal.share.decline",
    TerminalControlTake(SessionRequest) = "terminal.control.take",
    TerminalControlGrant(ControlGrant) = "terminal.control.grant",
    TerminalControlDeny(SessionAnswer) = "terminal.control.deny",
    TerminalControlRelease(SessionRequest) = "terminal.control.release",
    TerminalData(TerminalData) = "terminal.data",
    RtcOffer(Description) = "rtc.offer",
    RtcAnswer(Description) = "rtc.answer",
    RtcIce(TrickledCandidate) = "rtc.ice",
}

/// What the server asks of a message before it passes it on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// To be in the room.
    Membership,
    /// A capability token with this right.
    Capability(Capability),
    /// To be a party of the session, whose feature is this.
    Party(Feature),
    /// A party of a session of either transfer feature.
    TransferParty,
    /// The capability of the feature that the message names, else `rtc`.
    NamedFeature,
}

/// Where a message may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destination {
    Room,
    Target,
    TargetOrRoom,
}

impl ClientType {
    /// The check of rule 5.
    pub const fn admission(self) -> Admission {
        use Admission::{Membership, NamedFeature, Party, TransferParty};
        match self {
            Self::RoomJoin
            | Self::RoomLeave
            | Self::PresenceSet
            | Self::ChatMessageCreate
            | Self::ChatTyping => Membership,
            Self::CallRequest => Admission::Capability(Capability::Call),
            Self::CallAccept | Self::CallDecline | Self::CallEnd => Party(Feature::Call),
            Self::ScreenShareRequest => Admission::Capability(Capability::Screen),
            Self::ScreenShareAccept | Self::ScreenShareDecline | Self::ScreenShareStop => {
                Party(Feature::Screen)
            }
            Self::ShareFileRequest => Admission::Capability(Capability::ShareFile),
            Self::ShareFolderRequest | Self::ShareFolderStarted | Self::ShareFolderEnded => {
                Admission::Capability(Capability::ShareFolder)
            }
            Self::ShareAccept | Self::ShareDecline | Self::ShareCancel | Self::ShareCompleted => {
                TransferParty
            }
            Self::TerminalShareStarted | Self::TerminalShareEnded | Self::TerminalShareRequest => {
                Admission::Capability(Capability::TerminalView)
            }
            Self::TerminalShareAccept | Self::TerminalShareDecline => Party(Feature::Terminal),
            Self::TerminalControlTake | Self::TerminalControlRelease => {
                Admission::Capability(Capability::TerminalControl)
            }
            Self::TerminalControlGrant | Self::TerminalControlDeny | Self::TerminalData => {
                Party(Feature::Terminal)
            }
            Self::RtcOffer | Self::RtcAnswer | Self::RtcIce => NamedFeature,
        }
    }

    /// The check of rule 6.
    pub const fn destination(self) -> Destination {
        match self {
            Self::RoomJoin
            | Self::RoomLeave
            | Self::PresenceSet
            | Self::ChatMessageCreate
            | Self::ChatTyping
            | Self::ShareFolderStarted
            | Self::ShareFolderEnded
            | Self::TerminalShareStarted
            | Self::TerminalShareEnded => Destination::Room,
            Self::CallRequest
            | Self::CallAccept
            | Self::CallDecline
            | Self::CallEnd
            | Self::ScreenShareRequest
            | Self::ScreenShareAccept
            | Self::ScreenShareDecline
            | Self::ScreenShareStop
            | Self::ShareFileRequest
            | Self::ShareFolderRequest
            | Self::ShareAccept
            | Self::ShareDecline
            | Self::ShareCancel
            | Self::ShareCompleted => Destination::TargetOrRoom,
            Self::TerminalShareRequest
            | Self::TerminalShareAccept
            | Self::TerminalShareDecline
            | Self::TerminalControlTake
            | Self::TerminalControlGrant
            | Self::TerminalControlDeny
            | Self::TerminalControlRelease
            | Self::TerminalData
            | Self::RtcOffer
            | Self::RtcAnswer
            | Self::RtcIce => Destination::Target,
        }
    }
}
