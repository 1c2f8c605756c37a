//! Why a session was not opened, or why it ended: each a sentence that says what to do.

use mesh_protocol::capability::CapabilityError;
use mesh_protocol::channel::Bye;
use mesh_protocol::signal::Reason;

use super::HelloError;
use crate::rtc::RtcError;
use crate::signal::{ApiError, KeysError, SignalError};

/// What was waited for in vain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The other person's answer.
    Consent,
    /// The direct connection.
    Connection,
}

/// Why a session was not opened.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The other end's permission does not hold: it is for another session, room, device or connection, or too old.
    #[error("{}", refused(.0))]
    Refused(#[from] CapabilityError),
    /// The certificate is not the one that both ends agreed on without the server.
    #[error("it is not the device that the code was exchanged with; nothing was exchanged, make a new code")]
    Unvouched,
    /// The control plane refused or could not be reached.
    #[error(transparent)]
    Network(#[from] ApiError),
    /// A message was refused, or the socket is not connected.
    #[error(transparent)]
    Signal(#[from] SignalError),
    /// Nobody answered, or no path was found, in time.
    #[error("{}", timeout(*.0))]
    Timeout(Step),
    /// The other end said no.
    #[error("{}", declined(*.0))]
    Declined(Reason),
    /// The other end left the room, or its connection to the server is gone.
    #[error("the other device has left; try again when it is back")]
    PeerGone,
    /// The permission was taken back.
    #[error("the permission was taken back ({0}); ask the room's owner")]
    Revoked(String),
    /// The direct connection could not be made.
    #[error("no direct connection: {0}; check both networks, or set up a relay on the server")]
    Rtc(#[from] RtcError),
    /// The connection ended before it was open.
    #[error("no direct connection: {0}; check both networks, or set up a relay on the server")]
    Closed(String),
    /// The other end refused our HELLO, or ended the session at once.
    #[error("the other device ended the session ({code}): {}", .0.detail, code = .0.code)]
    Bye(Bye),
    /// The other end does not keep to the protocol.
    #[error("the other device does not speak this protocol ({0}); update the older one")]
    Protocol(String),
    /// The other end sent more than a session has to say.
    #[error("the other device flooded the session with messages; it was ended")]
    Overrun,
}

impl SessionError {
    /// What to tell the other end in a decline or cancel.
    pub fn reason(&self) -> Reason {
        match self {
            Self::Timeout(_) => Reason::Timeout,
            Self::Declined(reason) => *reason,
            _ => Reason::Failed,
        }
    }
}

fn refused(error: &CapabilityError) -> String {
    if *error == CapabilityError::Other("fingerprint") {
        return "the other device's certificate is not the one that its permission names: somebody in between, it may be the \
                server, tried to take its place; nothing was exchanged, tell who runs the server"
            .to_owned();
    }
    format!("the other device could not prove its permission ({error}); nothing was exchanged, try again")
}

fn timeout(step: Step) -> &'static str {
    match step {
        Step::Consent => "nobody answered in time; ask the other person and try again",
        Step::Connection => {
            "no direct connection came about in time; check both networks, or set up a relay on the server"
        }
    }
}

fn declined(reason: Reason) -> &'static str {
    match reason {
        Reason::Declined => "the other person declined",
        Reason::Busy => "the other device is busy; try again later",
        Reason::Timeout => "nobody answered there in time; ask the other person and try again",
        Reason::Cancelled => "the other person cancelled",
        Reason::Taken => "another device took it",
        Reason::Unsupported => "the other device cannot do this; choose another one",
        Reason::Failed => "it failed on the other device; look there for the cause",
    }
}

impl From<KeysError> for SessionError {
    fn from(error: KeysError) -> Self {
        match error {
            KeysError::Refused(error) => Self::Refused(error),
            KeysError::Fetch(error) => Self::Network(error),
        }
    }
}

impl From<HelloError> for SessionError {
    fn from(error: HelloError) -> Self {
        match error {
            HelloError::Refused(error) => Self::Refused(error),
            HelloError::Keys(error) => Self::Network(error),
            HelloError::Timeout => Self::Timeout(Step::Connection),
            HelloError::Bye(bye) => Self::Bye(bye),
            HelloError::Closed => {
                Self::Closed("it was closed before both ends had shown who they are".to_owned())
            }
            HelloError::NotHello(_) | HelloError::Version(_) => Self::Protocol(error.to_string()),
        }
    }
}

/// Why an open session is over.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SessionEnd {
    /// The channel was closed; the reason is for a person to read.
    #[error("the connection was closed: {0}")]
    Closed(String),
    /// The permission was taken back.
    #[error("the permission was taken back: {0}")]
    Revoked(String),
    /// The other end said over the server that it is over, and closed it.
    #[error("{}", declined(*.0))]
    Stopped(Reason),
    /// The other end left the room and did not come back.
    #[error("the other device has left the room")]
    PeerLeft,
    /// The other end sent more messages over the server than a session has to say.
    #[error("the other device flooded the session with messages")]
    Overrun,
    /// It was ended here.
    #[error("the session was ended here")]
    Dropped,
}

impl From<SessionEnd> for SessionError {
    fn from(end: SessionEnd) -> Self {
        match end {
            SessionEnd::Closed(why) => Self::Closed(why),
            SessionEnd::Revoked(why) => Self::Revoked(why),
            SessionEnd::Stopped(reason) => Self::Declined(reason),
            SessionEnd::PeerLeft => Self::PeerGone,
            SessionEnd::Overrun => Self::Overrun,
            SessionEnd::Dropped => Self::Closed(end.to_string()),
        }
    }
}
