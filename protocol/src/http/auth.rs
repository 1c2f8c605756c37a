//! Accounts, sessions and devices.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::ids::{DeviceId, RoomId, UserId};

/// What kind of program a device is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "lowercase")]
pub enum DeviceKind {
    Page,
    Agent,
}

/// How a program introduces itself when it signs in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export, optional_fields))]
pub struct DeviceIntro {
    pub name: String,
    pub kind: DeviceKind,
    /// Ed25519 public key, base64url; the same key is the same device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// `POST /auth/login`.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export, optional_fields))]
pub struct Login {
    pub username: String,
    pub password: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<DeviceIntro>,
}

/// `POST /auth/setup`: makes the first account.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export, optional_fields))]
pub struct Setup {
    pub setup_token: String,
    pub username: String,
    pub password: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<DeviceIntro>,
}

/// `POST /auth/register`: an account by invitation.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export, optional_fields))]
pub struct Register {
    pub invite: String,
    pub username: String,
    pub password: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<DeviceIntro>,
}

/// `POST /auth/link`: a one-time sign-in link.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export, optional_fields))]
pub struct LinkLogin {
    pub token: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<DeviceIntro>,
}

/// The answer to every sign-in.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct Session {
    /// The bearer token.
    pub token: String,
    pub user_id: UserId,
    pub name: String,
    pub device_id: DeviceId,
    /// Unix seconds.
    pub expires_at: u64,
    /// The one room of a guest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub room_id: Option<RoomId>,
}

redacted! {
    Login { username, device },
    Setup { username, device },
    Register { username, device },
    LinkLogin { device },
    Session { user_id, device_id, expires_at },
}

/// `POST /auth/links`: a link to go on with on another device.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct SignInLink {
    pub token: String,
    pub url: String,
    /// Unix seconds.
    pub expires_at: u64,
}

redacted! { SignInLink { expires_at } }

/// `POST /auth/guest`: into the one room of an invitation, without an account.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export, optional_fields))]
pub struct GuestLogin {
    pub invite: String,
    /// What the others see.
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<DeviceIntro>,
}

/// `PATCH /me`: another name, another password, or both. Another password ends the other sessions.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export, optional_fields))]
pub struct AccountChange {
    /// What the others see, and what one signs in by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// For another password; absent only where the account has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old_password: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_password: Option<String>,
}

redacted! { GuestLogin { name, device }, AccountChange { name } }

/// `GET /me`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct Me {
    pub user_id: UserId,
    pub name: String,
    pub admin: bool,
    pub device_id: DeviceId,
    /// Whether there is no account, but one room for as long as the membership lasts.
    pub guest: bool,
    /// Whether the account has a password.
    pub has_password: bool,
    /// Whether the account signs in by the server's OpenID provider.
    #[serde(default)]
    pub oidc: bool,
}

/// One row of `GET /auth/sessions`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export, optional_fields))]
pub struct SessionInfo {
    pub id: String,
    pub device_id: DeviceId,
    pub device_name: String,
    pub kind: DeviceKind,
    /// Where it was last used from; absent where that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub address: Option<IpAddr>,
    /// Unix milliseconds.
    pub created_at: u64,
    /// Unix milliseconds.
    pub last_seen_at: u64,
    /// Whether this is the session that asks.
    pub current: bool,
}

/// `GET /auth/sessions`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct Sessions {
    pub sessions: Vec<SessionInfo>,
}

/// One row of `GET /devices`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct DeviceInfo {
    pub device_id: DeviceId,
    pub name: String,
    pub kind: DeviceKind,
    /// Unix milliseconds.
    pub created_at: u64,
    /// Unix milliseconds.
    pub last_seen_at: u64,
}

/// `GET /devices`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct Devices {
    pub devices: Vec<DeviceInfo>,
}
