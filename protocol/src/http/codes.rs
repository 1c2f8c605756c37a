//! Codes: a sender and a device without an account that share a number and two words find each other. What the two say is
//! sealed under a key from the words, which never come here.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// `POST /codes`, and the answer to `GET /codes/{nameplate}`: the sender's message of the key exchange.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct CodeOffer {
    /// base64url.
    pub pake: String,
}

/// The answer to `POST /codes`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct Nameplate {
    /// The number of the code: the smallest that was free.
    pub nameplate: u32,
    /// Unix seconds.
    pub expires_at: u64,
}

/// `POST /codes/{nameplate}`: the other device's message of the key exchange, and what proves that it had the right words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct CodeGuess {
    /// base64url.
    pub pake: String,
    /// base64url; for the sender only.
    pub sealed: String,
}

/// The answer to `GET /codes/{nameplate}/guess`, for the sender.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct CodeGuessed {
    /// Null while nobody has come: ask again.
    pub guess: Option<CodeGuess>,
}

/// `PUT /codes/{nameplate}`: what the sender tells the device that had the right words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct CodeReply {
    /// base64url; for the other device only.
    pub sealed: String,
}

/// The answer to `POST /codes/{nameplate}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct CodeReplied {
    /// Null while the sender has not answered: send the same again.
    pub reply: Option<CodeReply>,
}
