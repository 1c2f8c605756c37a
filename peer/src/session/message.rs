//! Which messages belong to a session, and how each feature says yes, no and stop.

use mesh_protocol::capability::Feature;
use mesh_protocol::ids::SessionId;
use mesh_protocol::signal::{ClientMessage, Reason, ServerMessage, SessionAnswer};

/// "Yes" to a request of this feature.
pub fn accept(feature: Feature, answer: SessionAnswer) -> ClientMessage {
    match feature {
        Feature::Call => ClientMessage::CallAccept(answer),
        Feature::Screen => ClientMessage::ScreenShareAccept(answer),
        Feature::File | Feature::Folder => ClientMessage::ShareAccept(answer),
        Feature::Terminal => ClientMessage::TerminalShareAccept(answer),
    }
}

/// "No" to a request of this feature.
pub fn decline(feature: Feature, answer: SessionAnswer) -> ClientMessage {
    match feature {
        Feature::Call => ClientMessage::CallDecline(answer),
        Feature::Screen => ClientMessage::ScreenShareDecline(answer),
        Feature::File | Feature::Folder => ClientMessage::ShareDecline(answer),
        Feature::Terminal => ClientMessage::TerminalShareDecline(answer),
    }
}

/// "Stop", of either end. A terminal has no word of its own for it: the viewer's end is that of the channel, and what
/// did not open is declined.
pub fn end(feature: Feature, answer: SessionAnswer) -> ClientMessage {
    match feature {
        Feature::Call => ClientMessage::CallEnd(answer),
        Feature::Screen => ClientMessage::ScreenShareStop(answer),
        Feature::File | Feature::Folder => ClientMessage::ShareCancel(answer),
        Feature::Terminal => ClientMessage::TerminalShareDecline(answer),
    }
}

/// What the other end says to a request, or to a session that is being opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// From an end that puts DTLS records of up to so many bytes together from several datagrams, where it says so.
    Yes {
        max_record: Option<usize>,
    },
    No(Reason),
}

pub(super) fn answer_of(message: &ServerMessage) -> Option<Answer> {
    Some(match message {
        ServerMessage::CallAccept(said)
        | ServerMessage::ScreenShareAccept(said)
        | ServerMessage::ShareAccept(said)
        | ServerMessage::TerminalShareAccept(said) => Answer::Yes {
            max_record: said.max_record.map(|bytes| bytes as usize),
        },
        ServerMessage::CallDecline(said)
        | ServerMessage::ScreenShareDecline(said)
        | ServerMessage::ShareDecline(said)
        | ServerMessage::TerminalShareDecline(said) => Answer::No(said.reason.unwrap_or(Reason::Declined)),
        ServerMessage::CallEnd(said)
        | ServerMessage::ScreenShareStop(said)
        | ServerMessage::ShareCancel(said) => Answer::No(said.reason.unwrap_or(Reason::Cancelled)),
        _ => return None,
    })
}

/// The session that a message of another peer speaks of; `None` for those that open one, and for all that is not
/// about sessions.
pub fn session_of(message: &ServerMessage) -> Option<&SessionId> {
    match message {
        ServerMessage::CallAccept(said)
        | ServerMessage::CallDecline(said)
        | ServerMessage::CallEnd(said)
        | ServerMessage::ScreenShareAccept(said)
        | ServerMessage::ScreenShareDecline(said)
        | ServerMessage::ScreenShareStop(said)
        | ServerMessage::ShareAccept(said)
        | ServerMessage::ShareDecline(said)
        | ServerMessage::ShareCancel(said)
        | ServerMessage::ShareCompleted(said)
        | ServerMessage::TerminalShareAccept(said)
        | ServerMessage::TerminalShareDecline(said)
        | ServerMessage::TerminalControlDeny(said) => Some(&said.session_id),
        ServerMessage::TerminalControlTake(asked) | ServerMessage::TerminalControlRelease(asked) => {
            asked.session_id.as_ref()
        }
        ServerMessage::TerminalControlGrant(grant) => Some(&grant.session_id),
        ServerMessage::RtcOffer(description) | ServerMessage::RtcAnswer(description) => {
            Some(&description.session_id)
        }
        ServerMessage::RtcIce(candidate) => Some(&candidate.session_id),
        ServerMessage::TerminalData(piece) => Some(&piece.session_id),
        _ => None,
    }
}
