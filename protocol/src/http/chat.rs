//! Chat messages as they are stored, and how they are changed.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::ids::{ClientId, DeviceId, RoomId, UserId};

/// A stored chat message: a row of history, and the payload of `chat.message.created` and `chat.message.edited`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export, optional_fields))]
pub struct ChatMessage {
    pub room_id: RoomId,
    /// Position in the room, from 1, without gaps.
    pub seq: u64,
    pub user_id: UserId,
    /// The author's name when it was written.
    pub name: String,
    pub device_id: DeviceId,
    pub client_id: ClientId,
    /// Empty where the message was deleted.
    pub text: String,
    /// Unix milliseconds.
    pub created_at: u64,
    /// The members whom the text names as `@name`, resolved when it was stored.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mentions: Vec<UserId>,
    /// Unix milliseconds of the last edit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edited_at: Option<u64>,
    /// Unix milliseconds; the message keeps its place and nothing else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted_at: Option<u64>,
}

/// `GET /rooms/{room_id}/messages`, oldest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct Messages {
    pub messages: Vec<ChatMessage>,
}

/// `PATCH /rooms/{room_id}/messages/{seq}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct EditMessage {
    pub text: String,
}
