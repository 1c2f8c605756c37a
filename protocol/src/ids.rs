//! Identifiers as types of their own, so that a room can never be passed where a peer is meant.

use std::marker::PhantomData;
use std::str::FromStr;

use serde::Serialize;
use serde::de::{Deserialize, Deserializer, Error, Visitor};
use smallstr::SmallString;
use utoipa::ToSchema;

/// The longest identifier accepted, in bytes.
pub const MAX_ID_BYTES: usize = 64;

/// An identifier that is empty, too long, or has a character outside `A–Z a–z 0–9 _ -`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an identifier is 1 to 64 characters from A-Z a-z 0-9 _ -")]
pub struct InvalidId;

/// Whether the text is an identifier.
pub fn is_id(text: &str) -> bool {
    (1..=MAX_ID_BYTES).contains(&text.len()) && text.bytes().all(|b| ALLOWED[usize::from(b)])
}

/// Looked up, since every message of a relay has several identifiers.
const ALLOWED: [bool; 256] = {
    let (mut allowed, mut b) = ([false; 256], 0);
    while b < 256 {
        let byte = b as u8;
        allowed[b] = byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        b += 1;
    }
    allowed
};

/// Text of which a UUID's fits where the identifier stands: a relay looks at several with each message, of thousands of peers.
type Text = SmallString<[u8; 36]>;

fn check(text: &str) -> Result<Text, InvalidId> {
    if is_id(text) {
        Ok(Text::from_str(text))
    } else {
        Err(InvalidId)
    }
}

/// Reads an identifier from where the text stands.
struct Read<T>(PhantomData<T>);

impl<T: FromStr<Err = InvalidId>> Visitor<'_> for Read<T> {
    type Value = T;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, ToSchema)]
        #[cfg_attr(test, derive(ts_rs::TS), ts(export))]
        #[serde(transparent)]
        #[schema(value_type = String, min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9_-]+$")]
        pub struct $name(
            #[cfg_attr(test, ts(as = "String"))]
            Text,
        );

        impl $name {
            /// The identifier as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                check(text).map(Self)
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;
            fn try_from(text: String) -> Result<Self, InvalidId> {
                check(&text).map(Self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_str(Read(PhantomData))
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    )+};
}

ids! {
    /// An account or a guest.
    UserId,
    /// Something a user signed in with: an agent with its key, or a page.
    DeviceId,
    /// One live connection of a device; new each time, except on resume.
    PeerId,
    /// Who may meet.
    RoomId,
    /// One use of a feature between two peers.
    SessionId,
    /// What an owner offers to a room.
    ShareId,
    /// One message on the WebSocket.
    MessageId,
    /// A sender's own name for a chat message, unique within its device.
    ClientId,
    /// One invitation; not its secret token.
    InviteId,
    /// One issued capability token (the `jti` claim).
    TokenId,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_uuids_and_refuses_what_could_break_a_path_or_a_log() {
        assert!("7f8c3c1e-5b0a-4c8e-9d3a-0f4f4a6f1f10".parse::<PeerId>().is_ok());
        for bad in ["", "a b", "../x", "a\n", "é", &"x".repeat(65)] {
            assert_eq!(bad.parse::<PeerId>(), Err(InvalidId), "{bad:?}");
            assert!(serde_json::from_value::<RoomId>(bad.into()).is_err());
        }
    }
}
