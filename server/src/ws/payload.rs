//! Decodes the payload of a known type, and checks what the types cannot say.

use std::borrow::Cow;

use mesh_protocol::capability::Feature;
use mesh_protocol::ids::{PeerId, SessionId, ShareId};
use mesh_protocol::limits::{MAX_CHAT_CHARS, MAX_LISTED_FILES};
use mesh_protocol::safe_path::SafePath;
use mesh_protocol::signal::{
    ClientType, ControlGrant, CreateMessage, Description, Destination, InRoom, SessionAnswer, SessionRequest,
    SetPresence, ShareNotice, TerminalData, TransferRequest, TrickledCandidate, Typing,
};
use serde::Deserialize;

/// The longest label of a share, in characters.
const MAX_LABEL_CHARS: usize = 256;
/// The longest capability token looked at, in bytes. Ours have some 600.
pub(super) const MAX_TOKEN_BYTES: usize = 4_096;

/// What a client asks for beside passing the message on.
#[derive(Debug)]
pub(super) enum Act {
    Join,
    Leave,
    Presence(SetPresence),
    Chat(CreateMessage),
    /// Only passed on.
    Relay,
    /// Opens a session.
    Open(Feature),
    /// Opens a transfer of so many bytes.
    Transfer(Feature, u64),
    Accept,
    End,
    ShareStarted(Feature, ShareId, String),
    ShareEnded(ShareId),
}

/// A payload whose form is right.
#[derive(Debug)]
pub(super) struct Payload<'a> {
    pub(super) target: Option<PeerId>,
    pub(super) session_id: Option<SessionId>,
    pub(super) cap_token: Option<Cow<'a, str>>,
    /// What `rtc.*` names.
    pub(super) feature: Option<Feature>,
    pub(super) act: Act,
}

/// What is wrong with a payload; the text goes to the client.
pub(super) type BadPayload = Cow<'static, str>;

fn read<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, BadPayload> {
    serde_json::from_str(text).map_err(|error| error.to_string().into())
}

const PLAIN: Payload<'static> = Payload {
    target: None,
    session_id: None,
    cap_token: None,
    feature: None,
    act: Act::Relay,
};

pub(super) fn decode(kind: ClientType, text: &str) -> Result<Payload<'static>, BadPayload> {
    let payload = decode_form(kind, text)?;
    if kind.destination() == Destination::Target && payload.target.is_none() {
        return Err("target is missing".into());
    }
    if payload
        .cap_token
        .as_ref()
        .is_some_and(|token| token.len() > MAX_TOKEN_BYTES)
    {
        return Err("cap_token is too long".into());
    }
    Ok(payload)
}

fn decode_form(kind: ClientType, text: &str) -> Result<Payload<'static>, BadPayload> {
    use ClientType as T;
    Ok(match kind {
        T::RoomJoin => {
            read::<InRoom>(text)?;
            Payload {
                act: Act::Join,
                ..PLAIN
            }
        }
        T::RoomLeave => {
            read::<InRoom>(text)?;
            Payload {
                act: Act::Leave,
                ..PLAIN
            }
        }
        T::PresenceSet => {
            let mut presence: SetPresence = read(text)?;
            presence.offers.sort_unstable();
            presence.offers.dedup();
            Payload {
                act: Act::Presence(presence),
                ..PLAIN
            }
        }
        T::ChatMessageCreate => {
            let message: CreateMessage = read(text)?;
            let length = message.text.chars().count();
            if length == 0 || length > MAX_CHAT_CHARS {
                return Err(format!("text must have 1 to {MAX_CHAT_CHARS} characters").into());
            }
            Payload {
                act: Act::Chat(message),
                ..PLAIN
            }
        }
        T::ChatTyping => {
            read::<Typing>(text)?;
            PLAIN
        }
        T::CallRequest => request(text, Act::Open(Feature::Call))?,
        T::ScreenShareRequest => request(text, Act::Open(Feature::Screen))?,
        T::TerminalShareRequest | T::TerminalControlTake | T::TerminalControlRelease => {
            request(text, Act::Open(Feature::Terminal))?
        }
        T::ShareFileRequest => transfer(text, Feature::File)?,
        T::ShareFolderRequest => transfer(text, Feature::Folder)?,
        T::CallAccept | T::ScreenShareAccept | T::ShareAccept | T::TerminalShareAccept => {
            answer(text, Act::Accept)?
        }
        T::CallEnd | T::CallDecline | T::ScreenShareStop | T::ScreenShareDecline => answer(text, Act::End)?,
        T::ShareDecline | T::ShareCancel | T::ShareCompleted | T::TerminalShareDecline => {
            answer(text, Act::End)?
        }
        T::TerminalControlDeny => answer(text, Act::Relay)?,
        T::TerminalControlGrant => {
            let grant: ControlGrant = read(text)?;
            Payload {
                target: Some(grant.target),
                session_id: Some(grant.session_id),
                ..PLAIN
            }
        }
        T::TerminalData => {
            let piece: TerminalData = read(text)?;
            Payload {
                target: Some(piece.target),
                session_id: Some(piece.session_id),
                ..PLAIN
            }
        }
        T::TerminalShareStarted | T::TerminalShareEnded | T::ShareFolderStarted | T::ShareFolderEnded => {
            let notice: ShareNotice = read(text)?;
            if notice.label.chars().count() > MAX_LABEL_CHARS || notice.label.chars().any(char::is_control) {
                return Err(format!("label must have at most {MAX_LABEL_CHARS} printable characters").into());
            }
            let act = match kind {
                T::TerminalShareStarted => {
                    Act::ShareStarted(Feature::Terminal, notice.share_id, notice.label)
                }
                T::ShareFolderStarted => Act::ShareStarted(Feature::Folder, notice.share_id, notice.label),
                _ => Act::ShareEnded(notice.share_id),
            };
            Payload {
                cap_token: notice.cap_token.map(Cow::Owned),
                act,
                ..PLAIN
            }
        }
        T::RtcOffer | T::RtcAnswer => {
            let rtc: Description = read(text)?;
            Payload {
                target: Some(rtc.target),
                session_id: Some(rtc.session_id),
                cap_token: rtc.cap_token.map(Cow::Owned),
                feature: rtc.feature,
                act: Act::Relay,
            }
        }
        T::RtcIce => {
            let rtc: TrickledCandidate = read(text)?;
            Payload {
                target: Some(rtc.target),
                session_id: Some(rtc.session_id),
                cap_token: rtc.cap_token.map(Cow::Owned),
                feature: rtc.feature,
                act: Act::Relay,
            }
        }
    })
}

fn request(text: &str, act: Act) -> Result<Payload<'static>, BadPayload> {
    let request: SessionRequest = read(text)?;
    Ok(Payload {
        target: request.target,
        session_id: request.session_id,
        cap_token: request.cap_token.map(Cow::Owned),
        feature: None,
        act,
    })
}

fn answer(text: &str, act: Act) -> Result<Payload<'static>, BadPayload> {
    let answer: SessionAnswer = read(text)?;
    Ok(Payload {
        target: answer.target,
        session_id: Some(answer.session_id),
        act,
        ..PLAIN
    })
}

fn transfer(text: &str, feature: Feature) -> Result<Payload<'static>, BadPayload> {
    let request: TransferRequest = read(text)?;
    if request.files.len() > MAX_LISTED_FILES {
        return Err(format!("files may list at most {MAX_LISTED_FILES}").into());
    }
    let names = request.files.iter().map(|file| file.path.as_str());
    for path in names.chain([request.name.as_str()]) {
        SafePath::parse(path).map_err(|error| BadPayload::from(error.to_string()))?;
    }
    if request.name.contains('/') {
        return Err("name must be one component".into());
    }
    // What is shared with the room already is opened, and nothing is offered.
    let act = match (feature, &request.share_id) {
        (Feature::Folder, Some(_)) => Act::Open(feature),
        _ => Act::Transfer(feature, request.size),
    };
    Ok(Payload {
        target: request.target,
        session_id: request.session_id,
        cap_token: request.cap_token.map(Cow::Owned),
        feature: None,
        act,
    })
}
