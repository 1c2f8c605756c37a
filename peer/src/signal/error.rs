//! Why a call to the control plane or a message on the socket failed, in words that say what to do.
//!
//! Owns the error types of this module and nothing else.

use mesh_protocol::error_code::{HttpCode, SignalCode};

/// Why a REST call failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApiError {
    /// The server answered with problem details. `detail` is the server's own sentence for the person.
    #[error("{detail}")]
    Problem {
        /// The HTTP status.
        status: u16,
        /// The stable code; where the server named one that this version does not know, the nearest of its status.
        code: HttpCode,
        /// What went wrong and what to do.
        detail: String,
    },
    /// The server could not be reached, or did not answer in time.
    #[error("{sentence}")]
    Network {
        /// What went wrong and what to do.
        sentence: String,
    },
    /// Something answered that does not speak this protocol.
    #[error("{sentence}")]
    NotMesh {
        /// What went wrong and what to do.
        sentence: String,
    },
    /// The address given for the server cannot be used.
    #[error("{sentence}")]
    Address {
        /// What is wrong with it and what to write instead.
        sentence: String,
    },
}

impl ApiError {
    /// Whether the session has ended, so that only signing in again helps.
    pub fn sign_in_needed(&self) -> bool {
        matches!(
            self,
            Self::Problem {
                code: HttpCode::Unauthenticated,
                ..
            }
        )
    }

    /// Whether the same call may succeed later without anyone doing something.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Network { .. } => true,
            Self::Problem { code, .. } => {
                matches!(
                    code,
                    HttpCode::Throttled | HttpCode::StoreUnavailable | HttpCode::Internal
                )
            }
            Self::NotMesh { .. } | Self::Address { .. } => false,
        }
    }

    /// The code of the problem, where the server gave one.
    pub fn code(&self) -> Option<HttpCode> {
        match self {
            Self::Problem { code, .. } => Some(*code),
            _ => None,
        }
    }
}

/// Why a message was not sent, or not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignalError {
    /// There is no connection now. Nothing is kept for later but rooms and presence: by then it would be stale.
    #[error("not connected to the server right now; it is retried by itself, try again in a moment")]
    Offline,
    /// No answer came in time.
    #[error("the server did not answer in time; try again")]
    Timeout,
    /// The server did not pass the message on.
    #[error("{}", refusal(*code, detail))]
    Refused {
        /// The stable code.
        code: SignalCode,
        /// The server's words; for `CAP_REQUIRED` the name of the capability.
        detail: String,
    },
    /// More answers are awaited at once than a client of good sense has.
    #[error("too many messages wait for an answer; wait for some of them first")]
    Busy,
    /// The message is larger than the server takes.
    #[error("the message has {0} bytes, more than the server takes; send less at once")]
    TooLarge(usize),
    /// The connection was given up for good.
    #[error("the connection to the server has ended; start it again")]
    Ended,
}

fn refusal(code: SignalCode, detail: &str) -> String {
    match code {
        SignalCode::CapRequired => {
            format!("the server wants the capability {detail}; ask the room's owner for it")
        }
        SignalCode::CapExpired => "the permission ran out before it was used; try again".to_owned(),
        SignalCode::Unroutable => {
            "the other device is not in the room any more; try again when it is back".to_owned()
        }
        SignalCode::RoomNotFound => {
            "this room is not there, or not open to you; ask for an invitation".to_owned()
        }
        _ if detail.is_empty() => format!("the server refused the message ({code})"),
        _ => format!("{detail} ({code})"),
    }
}
