//! The first frame each way: who are you, and may you?
//!
//! Owns [`HelloExchange`], which judges without I/O and without a clock, and [`exchange_hello`], which drives it over
//! two queues. Until it is done nothing that the other end sent reaches anyone.
//!
//! The end that opened the channel speaks first, the other one when it was spoken to: Chromium loses now and then what
//! arrives on a channel while it announces to its page that the channel is open.

use bytes::Bytes;
use mesh_protocol::PROTOCOL_VERSION;
use mesh_protocol::capability::{CapabilityError, CapabilityVerifier, Claims};
use mesh_protocol::channel::{Bye, Frame, Hello};
use mesh_protocol::error_code::ChannelCode;
use mesh_protocol::limits::HELLO_TIMEOUT;
use tokio::time::timeout;

use super::{Binding, UnixClock};
use crate::signal::{ApiError, Keys};
use crate::transport::{FrameReceiver, FrameSender};

/// Why the other end's HELLO was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HelloError {
    /// The token is not good for this session.
    #[error("the capability was refused: {0}")]
    Refused(#[from] CapabilityError),
    /// The token could not be judged: the server's keys could not be fetched.
    #[error("the capability could not be judged: {0}")]
    Keys(ApiError),
    /// None came.
    #[error("no HELLO came in time")]
    Timeout,
    /// Something else came first.
    #[error("the first frame was not a HELLO: {0}")]
    NotHello(String),
    /// The other end is of another time.
    #[error("the other device speaks version {0}")]
    Version(u32),
    /// The other end took its leave.
    #[error("the other device ended the session: {0:?}")]
    Bye(Bye),
    /// The transport ended.
    #[error("the connection was closed")]
    Closed,
}

impl HelloError {
    /// What the other end is told, where there is anyone to tell. No word about which check it was that failed: whoever
    /// presents another's token learns nothing from it.
    pub fn bye(&self) -> Option<Bye> {
        let (code, detail) = match self {
            Self::Refused(_) | Self::Keys(_) => (
                ChannelCode::CapRefused,
                "the permission was not accepted; try again",
            ),
            Self::Timeout => (ChannelCode::HelloTimeout, "no HELLO came in time; try again"),
            Self::NotHello(_) => (ChannelCode::Protocol, "the first frame must be a HELLO"),
            Self::Version(_) => (
                ChannelCode::Protocol,
                "this device speaks version 1; update the older one",
            ),
            Self::Bye(_) | Self::Closed => return None,
        };
        Some(Bye {
            code,
            detail: detail.to_owned(),
        })
    }
}

/// A fingerprint as SDP and tokens write it (`sha-256 AB:CD:…`), from the bare form that transports use.
pub fn sdp_fingerprint(fingerprint: &str) -> String {
    let fingerprint = fingerprint.trim();
    match fingerprint.split_once(' ') {
        Some(_) => fingerprint.to_owned(),
        None => format!("sha-256 {}", fingerprint.to_ascii_uppercase()),
    }
}

/// Whose HELLO goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// This end's, which opened the channel.
    Ours,
    /// The other end's.
    Theirs,
}

/// One end's view of the exchange.
#[derive(Debug)]
pub struct HelloExchange {
    binding: Binding,
    cap_token: String,
    remote_fingerprint: String,
}

impl HelloExchange {
    /// `cap_token` is this end's own; `remote_fingerprint` is that of the certificate that the other end presented, as
    /// [`crate::transport::Transport::remote_fingerprint`] gives it.
    pub fn new(binding: Binding, cap_token: String, remote_fingerprint: &str) -> Self {
        Self {
            binding,
            cap_token,
            remote_fingerprint: sdp_fingerprint(remote_fingerprint),
        }
    }

    /// The frame to send, before any other.
    pub fn hello(&self) -> Bytes {
        let session_id = self.binding.session_id.clone();
        let cap_token = self.cap_token.clone();
        Frame::Hello(Hello {
            protocol: PROTOCOL_VERSION,
            session_id,
            cap_token,
        })
        .encode()
    }

    /// The token in the first frame that came. What is in it is not yet believed.
    pub fn read(&self, message: &Bytes) -> Result<String, HelloError> {
        match Frame::decode(message) {
            Ok(Frame::Hello(hello)) if hello.protocol != PROTOCOL_VERSION => {
                Err(HelloError::Version(hello.protocol))
            }
            Ok(Frame::Hello(hello)) if hello.session_id != self.binding.session_id => {
                Err(CapabilityError::Other("session").into())
            }
            Ok(Frame::Hello(hello)) => Ok(hello.cap_token),
            Ok(Frame::Bye(bye)) => Err(HelloError::Bye(bye)),
            Ok(other) => Err(HelloError::NotHello(format!("{:?}", other.frame_type()))),
            Err(error) => Err(HelloError::NotHello(error.to_string())),
        }
    }

    /// Whether the token opens this session over this connection; `now` in Unix seconds.
    pub fn judge(&self, token: &str, keys: &CapabilityVerifier, now: u64) -> Result<Claims, HelloError> {
        let claims = keys.verify(token, now)?;
        let capability = self.binding.feature.capability();
        claims.check(&self.binding.expected(capability, &self.remote_fingerprint))?;
        Ok(claims)
    }
}

/// Sends this end's HELLO when it is its turn and judges the other's, within [`HELLO_TIMEOUT`]. After an error the other end has been told,
/// and the caller drops both queues, which ends the connection.
pub async fn exchange_hello(
    exchange: &HelloExchange,
    turn: Turn,
    frames_tx: &FrameSender,
    frames_rx: &mut FrameReceiver,
    keys: &Keys,
    clock: UnixClock,
) -> Result<Claims, HelloError> {
    let say = async || {
        frames_tx
            .send(exchange.hello())
            .await
            .map_err(|_| HelloError::Closed)
    };
    let judged = async {
        if turn == Turn::Ours {
            say().await?;
        }
        let first = frames_rx.recv().await.ok_or(HelloError::Closed)?;
        let token = exchange.read(&first)?;
        if turn == Turn::Theirs {
            say().await?;
        }
        let keys = keys.verifier_for(&token).await.map_err(HelloError::Keys)?;
        exchange.judge(&token, &keys, clock())
    };
    let judged = timeout(HELLO_TIMEOUT, judged)
        .await
        .unwrap_or(Err(HelloError::Timeout));
    if let Err(error) = &judged {
        tracing::info!(session_id = %exchange.binding.session_id, remote = %exchange.binding.remote, %error, "refused");
        if let Some(bye) = error.bye() {
            // At most the HELLO stands before it in the queue; an end that takes nothing is closed without a word.
            let _ = frames_tx.try_send(Frame::Bye(bye).encode());
        }
    }
    judged
}
