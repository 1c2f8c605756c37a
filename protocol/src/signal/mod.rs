//! Messages on the WebSocket: the envelope, what clients send, what the server sends.
//!
//! A relayed message has one payload on both sides: the server fills in `session_id` and takes `cap_token` out where it
//! is not bound to the receiver. Shapes and rules are in `docs/protocol.md`, section 3.

mod client;
mod payload;
mod server;

pub use client::*;
pub use payload::*;
pub use server::*;

use serde::{Deserialize, Serialize};

use crate::ids::MessageId;

/// What every message is wrapped in. `M` is [`ClientMessage`] or [`ServerMessage`]: `type` and `payload`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct Envelope<M> {
    /// The sender's name for the message; answers carry it as `ref`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub id: Option<MessageId>,
    /// RFC 3339, seconds, UTC; written by the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub timestamp: Option<String>,
    /// `server`, or the peer that sent it; written by the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub from: Option<String>,
    /// The peer or room that it went to; written by the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub to: Option<String>,
    #[serde(flatten)]
    pub message: M,
}

impl<M> Envelope<M> {
    /// A client's message, named so that its answer can be told.
    pub fn named(id: MessageId, message: M) -> Self {
        Self {
            id: Some(id),
            timestamp: None,
            from: None,
            to: None,
            message,
        }
    }
}

/// The value of `from` in what the server says itself.
pub const FROM_SERVER: &str = "server";
