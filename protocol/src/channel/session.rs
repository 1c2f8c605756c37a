//! Frames of every session.

use serde::{Deserialize, Serialize};

use crate::error_code::ChannelCode;
use crate::ids::SessionId;

/// `01`: the first frame each way.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct Hello {
    pub protocol: u32,
    pub session_id: SessionId,
    pub cap_token: String,
}

impl std::fmt::Debug for Hello {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hello")
            .field("session_id", &self.session_id)
            .finish_non_exhaustive()
    }
}

/// `02`: the last frame of an orderly end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct Bye {
    pub code: ChannelCode,
    /// For the person at the other end.
    pub detail: String,
}

/// `03`: renews the leases that the token's capabilities name.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct Renew {
    pub cap_token: String,
}

impl std::fmt::Debug for Renew {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Renew").finish_non_exhaustive()
    }
}
