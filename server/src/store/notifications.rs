//! What the store keeps of notifications: choices, places with their secrets, and the outbox.
//!
//! A part of the contract of [`Store`](super::Store), held by the same suite. The outbox keeps no secret: where a notice
//! goes is looked up when it is sent.

use std::collections::BTreeMap;

use async_trait::async_trait;
use mesh_protocol::http::{Language, NotificationEvent, QuietHours, Role, RoomNotices};
use mesh_protocol::ids::{DeviceId, RoomId, UserId};
use serde::{Deserialize, Serialize};

use super::Result;
use crate::config::Secret;

/// Notices of one user that may wait; further ones are dropped.
pub const MOST_WAITING: u32 = 100;

/// What somebody wants to hear of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Choices {
    pub muted: bool,
    /// Those that were switched; the rest is on.
    pub events: BTreeMap<NotificationEvent, bool>,
    /// Those that differ from `all`.
    pub rooms: BTreeMap<RoomId, RoomNotices>,
    pub quiet_hours: Option<QuietHours>,
    pub language: Language,
}

/// An application of a Gotify.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GotifyPlace {
    /// `None`: the Gotify of this server.
    pub url: Option<String>,
    pub token: Secret,
}

/// A topic of an ntfy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NtfyPlace {
    pub url: String,
    pub topic: String,
    pub token: Option<Secret>,
}

/// One user's choices and places, but for the browsers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NotificationProfile {
    pub choices: Choices,
    pub gotify: Option<GotifyPlace>,
    pub ntfy: Option<NtfyPlace>,
}

/// A browser's subscription.
#[derive(Clone)]
pub struct Browser {
    pub device_id: DeviceId,
    /// The device's name; not written.
    pub name: String,
    /// Whoever knows it may send to it, so it is kept like a secret.
    pub endpoint: Secret,
    /// P-256, uncompressed.
    pub p256dh: Vec<u8>,
    /// 16 bytes.
    pub auth: Vec<u8>,
}

/// A member of a room who has an account, with what decides whether and where they are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipient {
    pub user_id: UserId,
    pub role: Role,
    pub choices: Choices,
    pub gotify: bool,
    pub ntfy: bool,
    pub browsers: Vec<DeviceId>,
}

/// Where a notice goes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Destination {
    /// The Gotify of this server.
    Server,
    Gotify,
    Ntfy,
    Browser(DeviceId),
}

impl std::fmt::Display for Destination {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Server => f.write_str("server"),
            Self::Gotify => f.write_str("gotify"),
            Self::Ntfy => f.write_str("ntfy"),
            Self::Browser(device) => write!(f, "browser:{device}"),
        }
    }
}

impl std::str::FromStr for Destination {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "server" => Ok(Self::Server),
            "gotify" => Ok(Self::Gotify),
            "ntfy" => Ok(Self::Ntfy),
            other => {
                let device = other.strip_prefix("browser:").and_then(|id| id.parse().ok());
                device.map(Self::Browser).ok_or(())
            }
        }
    }
}

/// A notice to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewNotice {
    /// Equal ones fall together.
    pub dedup_key: String,
    pub user_id: UserId,
    pub destination: Destination,
    pub event: NotificationEvent,
    pub room_id: RoomId,
    pub title: String,
    pub message: String,
    /// Unix milliseconds, at the earliest.
    pub at: u64,
}

/// A notice that was taken out to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    pub id: i64,
    pub dedup_key: String,
    pub user_id: UserId,
    pub destination: Destination,
    pub event: NotificationEvent,
    pub room_id: RoomId,
    pub title: String,
    pub message: String,
    pub created_at: u64,
    /// With the one that is about to be made.
    pub attempts: u32,
}

/// The part of [`Store`](super::Store) about notifications.
#[async_trait]
pub trait NotificationStore: Send + Sync + 'static {
    /// The defaults for who has chosen nothing.
    async fn notification_profile(&self, user: &UserId) -> Result<NotificationProfile>;
    async fn put_notification_profile(&self, user: &UserId, profile: &NotificationProfile) -> Result<()>;

    /// In place of the device's earlier subscription.
    async fn put_browser(&self, user: &UserId, browser: &Browser) -> Result<()>;
    /// Where there is none, nothing happens.
    async fn remove_browser(&self, user: &UserId, device: &DeviceId) -> Result<()>;
    /// Those of devices that are signed in now.
    async fn browsers(&self, user: &UserId, now: u64) -> Result<Vec<Browser>>;

    /// The room's name and its members who have an account; `None` where there is no such room.
    async fn audience(&self, room: &RoomId, now: u64) -> Result<Option<(String, Vec<Recipient>)>>;

    /// Queues each notice, unless an equal one waits, or one was queued less than `window` milliseconds before, or too
    /// many of its user wait. Returns how many were queued.
    async fn queue_notices(&self, notices: &[NewNotice], window: u64, now: u64) -> Result<usize>;
    /// Takes at most `limit` due notices, the first of each user and destination, and counts the attempt. They come again
    /// at `again_at`, unless they are settled before. Where one was tried and is still to come again, the others of its
    /// user and destination wait behind it.
    async fn take_notices(&self, limit: u32, again_at: u64, now: u64) -> Result<Vec<Notice>>;
    /// It was told, or never will be.
    async fn notice_done(&self, id: i64, now: u64) -> Result<()>;
    async fn postpone_notice(&self, id: i64, next_at: u64) -> Result<()>;
    /// How many of the user's wait or are on their way.
    async fn waiting_notices(&self, user: &UserId) -> Result<u64>;
    /// Forgets those that were queued before `before` and are done. Returns how many.
    async fn forget_notices(&self, before: u64) -> Result<u64>;
}
