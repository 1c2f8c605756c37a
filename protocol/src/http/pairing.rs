//! Pairing of a device without a page, after RFC 8628: it shows a code, and somebody who is signed in enters that on a page.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{DeviceIntro, DeviceKind};

/// `POST /auth/device/code`: the device asks for a code.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export, optional_fields))]
pub struct AskPairing {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<DeviceIntro>,
}

/// The answer, as RFC 8628, section 3.2, names its members.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct PairingCode {
    /// What the device polls with; nobody else sees it.
    pub device_code: String,
    /// What the person enters: `WDJB-MJHT`.
    pub user_code: String,
    /// Where they enter it.
    pub verification_uri: String,
    /// The same with the code filled in, for a QR code.
    pub verification_uri_complete: String,
    /// Seconds.
    pub expires_in: u64,
    /// Seconds between two polls, at least.
    pub interval: u64,
}

/// `POST /auth/device/token`: the device polls. Answers the session once somebody has approved.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct PollPairing {
    pub device_code: String,
}

/// `POST /auth/device/request`: which device shows this code.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct UserCode {
    pub user_code: String,
}

/// The answer: who asks to be let in, and from where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct PairingRequest {
    /// What the device says about itself.
    pub device_name: String,
    pub kind: DeviceKind,
    /// Where it asked from.
    #[schema(value_type = String)]
    pub address: IpAddr,
    /// Unix seconds.
    pub expires_at: u64,
}

/// `POST /auth/device/approve`.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export, optional_fields))]
pub struct AnswerPairing {
    pub user_code: String,
    /// Default true; false declines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approve: Option<bool>,
}

redacted! {
    PairingCode { verification_uri, expires_in, interval },
    PollPairing {},
    UserCode {},
    AnswerPairing { approve },
}
