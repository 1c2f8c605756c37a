//! Secrets and identifiers from the system's random source.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

use crate::store::TokenHash;

/// 128 random bits, base64url: an invitation, a link, a ticket.
pub fn token() -> String {
    URL_SAFE_NO_PAD.encode(rand::random::<[u8; 16]>())
}

/// What the store keeps of a token. It has 128 random bits, so a plain hash cannot be reversed.
pub fn hash(token: &str) -> TokenHash {
    TokenHash(Sha256::digest(token.as_bytes()).into())
}

/// A new identifier of any kind: a UUID, version 4.
pub fn id<T: TryFrom<String>>() -> T
where
    T::Error: std::fmt::Debug,
{
    // From the thread's generator: no system call for each identifier.
    let uuid = uuid::Builder::from_random_bytes(rand::random()).into_uuid();
    match T::try_from(uuid.to_string()) {
        Ok(id) => id,
        Err(error) => unreachable!("a UUID is a valid identifier: {error:?}"),
    }
}
