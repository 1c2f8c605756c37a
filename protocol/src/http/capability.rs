//! Asking for capabilities and taking them back.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::capability::Capability;
use crate::ids::{PeerId, RoomId, SessionId, TokenId};

/// `POST /caps`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export, optional_fields))]
pub struct CapabilityRequest {
    pub room_id: RoomId,
    /// The caller's own live socket.
    pub peer_id: PeerId,
    pub caps: Vec<Capability>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_peer_id: Option<PeerId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_size: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<SessionId>,
    /// `sha-256 AB:CD:…` of the certificate that the connection will present.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
}

/// The answer to `POST /caps`.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct CapabilityGrant {
    pub cap_token: String,
    /// Unix seconds.
    pub exp: u64,
}

impl std::fmt::Debug for CapabilityGrant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CapabilityGrant")
            .field("exp", &self.exp)
            .finish_non_exhaustive()
    }
}

/// `POST /caps/revoke`: one token or a whole session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(untagged)]
pub enum Revocation {
    Token { jti: TokenId },
    Session { session_id: SessionId },
}
