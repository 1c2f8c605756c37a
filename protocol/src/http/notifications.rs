//! What each person wants to hear of while they are not looking, and where they want to hear it.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use crate::ids::{DeviceId, RoomId};

/// What a notice tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub enum NotificationEvent {
    #[serde(rename = "chat.message.created")]
    ChatMessageCreated,
    #[serde(rename = "call.missed")]
    CallMissed,
    #[serde(rename = "share.completed")]
    ShareCompleted,
    #[serde(rename = "terminal.share.started")]
    TerminalShareStarted,
    /// Somebody asks for a terminal, its control, a screen or a transfer, or waits before a room.
    #[serde(rename = "access.requested")]
    AccessRequested,
}

impl NotificationEvent {
    /// Every event.
    pub const ALL: [Self; 5] = [
        Self::ChatMessageCreated,
        Self::CallMissed,
        Self::ShareCompleted,
        Self::TerminalShareStarted,
        Self::AccessRequested,
    ];

    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ChatMessageCreated => "chat.message.created",
            Self::CallMissed => "call.missed",
            Self::ShareCompleted => "share.completed",
            Self::TerminalShareStarted => "terminal.share.started",
            Self::AccessRequested => "access.requested",
        }
    }
}

/// What of one room is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "lowercase")]
pub enum RoomNotices {
    #[default]
    All,
    /// Of its chat only messages that name the reader; everything else as usual.
    Mentions,
    None,
}

/// A time of day in which nothing rings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct QuietHours {
    /// `22:00`.
    pub from: String,
    /// Before `from` where they pass midnight.
    pub to: String,
    /// A name of the IANA time zone database, such as `Europe/Paris`.
    pub zone: String,
}

/// The language of notices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "lowercase")]
pub enum Language {
    #[default]
    En,
    Fr,
}

/// Somebody's own Gotify application. Its token is never told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export, optional_fields))]
pub struct GotifyInfo {
    /// Absent: the Gotify of this server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    pub token_set: bool,
}

/// Somebody's own ntfy topic. Its token is never told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct NtfyInfo {
    pub url: String,
    pub topic: String,
    pub token_set: bool,
}

/// A browser that gets notices by Web Push while it is signed in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct PushBrowser {
    pub device_id: DeviceId,
    pub name: String,
}

/// `GET /notifications/preferences`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export, optional_fields))]
pub struct NotificationPreferences {
    /// Nothing at all is told.
    pub muted: bool,
    pub events: BTreeMap<NotificationEvent, bool>,
    /// Rooms that differ from `all`.
    pub rooms: BTreeMap<RoomId, RoomNotices>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quiet_hours: Option<QuietHours>,
    pub language: Language,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gotify: Option<GotifyInfo>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ntfy: Option<NtfyInfo>,
    pub browsers: Vec<PushBrowser>,
    /// Notices on their way: places that do not answer are tried again, and quiet hours end.
    pub waiting: u64,
    /// Whether this server has a Gotify, which a token alone then names.
    pub server_gotify: bool,
    /// Whether who names no place of their own is told at that Gotify.
    pub server_default: bool,
    /// The server's key for `PushManager.subscribe`: P-256, uncompressed, base64url.
    pub push_key: String,
}

/// Where somebody's own Gotify is.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export, optional_fields))]
pub struct GotifyChange {
    /// Absent: the Gotify of this server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Of an application. Absent: the one from before, which stays with its address only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
}

/// Where somebody's own ntfy topic is.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export, optional_fields))]
pub struct NtfyChange {
    pub url: String,
    pub topic: String,
    /// Absent: the one from before, which stays with its address only; empty: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
}

/// `PUT /notifications/preferences`: what is absent stays.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export, optional_fields))]
pub struct ChangeNotifications {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub muted: Option<bool>,
    /// Those that change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events: Option<BTreeMap<NotificationEvent, bool>>,
    /// Those that change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rooms: Option<BTreeMap<RoomId, RoomNotices>>,
    /// Null: none.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "given")]
    #[cfg_attr(test, ts(as = "Option<QuietHours>", optional = nullable))]
    pub quiet_hours: Option<Option<QuietHours>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<Language>,
    /// Null: none.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "given")]
    #[cfg_attr(test, ts(as = "Option<GotifyChange>", optional = nullable))]
    pub gotify: Option<Option<GotifyChange>>,
    /// Null: none.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "given")]
    #[cfg_attr(test, ts(as = "Option<NtfyChange>", optional = nullable))]
    pub ntfy: Option<Option<NtfyChange>>,
}

/// Null is a value here, and not an absence.
fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(value: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(value).map(Some)
}

/// `PUT /notifications/browser`: the subscription of the device that asks, as `PushSubscription` tells it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct PushSubscription {
    pub endpoint: String,
    pub keys: PushKeys,
}

/// The keys of a subscription, base64url.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct PushKeys {
    /// P-256, uncompressed.
    pub p256dh: String,
    /// 16 bytes.
    pub auth: String,
}

/// Where a notice goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "snake_case")]
pub enum NotificationChannel {
    /// The Gotify of this server, for who has named no place of their own.
    Server,
    Gotify,
    Ntfy,
    WebPush,
}

/// What became of a test notice at one place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export, optional_fields))]
pub struct TestOutcome {
    pub channel: NotificationChannel,
    pub ok: bool,
    /// What went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// `POST /notifications/test`: one outcome for each place; none where there is no place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct TestOutcomes {
    pub results: Vec<TestOutcome>,
}

redacted! {
    GotifyChange { url },
    NtfyChange { url },
    ChangeNotifications { muted, events, rooms, quiet_hours, language },
    PushSubscription {},
    PushKeys {},
}
