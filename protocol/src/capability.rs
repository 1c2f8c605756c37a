//! Capability tokens: what may be asked for, signed by the server and judged by every receiving peer on its own.
//!
//! A compact JWS (RFC 7515) over EdDSA (RFC 8037), checked after RFC 8725: fixed algorithm, explicit `typ`, required
//! claims. The time is always passed in.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::pkcs8::EncodePrivateKey as _;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::ids::{PeerId, RoomId, SessionId, TokenId};
use crate::limits::CLOCK_LEEWAY;

/// The `iss` claim.
pub const ISSUER: &str = "mesh:caps";
/// The `aud` claim.
pub const AUDIENCE: &str = "mesh:cap";
/// The `typ` header, which no session token has.
pub const TYP: &str = "mesh-cap+jwt";

/// The closed list of rights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub enum Capability {
    #[serde(rename = "call")]
    Call,
    #[serde(rename = "screen")]
    Screen,
    #[serde(rename = "share:file")]
    ShareFile,
    #[serde(rename = "share:folder")]
    ShareFolder,
    #[serde(rename = "terminal:view")]
    TerminalView,
    #[serde(rename = "terminal:control")]
    TerminalControl,
    /// The seed's general right to signal; issued only beside another.
    #[serde(rename = "rtc")]
    Rtc,
}

impl Capability {
    /// Every capability, in the order of `WIRE.md`.
    pub const ALL: [Self; 7] = [
        Self::Call,
        Self::Screen,
        Self::ShareFile,
        Self::ShareFolder,
        Self::TerminalView,
        Self::TerminalControl,
        Self::Rtc,
    ];

    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Call => "call",
            Self::Screen => "screen",
            Self::ShareFile => "share:file",
            Self::ShareFolder => "share:folder",
            Self::TerminalView => "terminal:view",
            Self::TerminalControl => "terminal:control",
            Self::Rtc => "rtc",
        }
    }
}

impl std::fmt::Display for Capability {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Names no capability.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a capability is one of call, screen, share:file, share:folder, terminal:view, terminal:control, rtc"
)]
pub struct UnknownCapability;

impl std::str::FromStr for Capability {
    type Err = UnknownCapability;
    fn from_str(text: &str) -> Result<Self, UnknownCapability> {
        Self::ALL
            .into_iter()
            .find(|c| c.as_str() == text)
            .ok_or(UnknownCapability)
    }
}

/// What two peers can do together over a connection of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "lowercase")]
pub enum Feature {
    Call,
    Screen,
    File,
    Folder,
    Terminal,
}

impl Feature {
    /// The capability that opens it.
    pub const fn capability(self) -> Capability {
        match self {
            Self::Call => Capability::Call,
            Self::Screen => Capability::Screen,
            Self::File => Capability::ShareFile,
            Self::Folder => Capability::ShareFolder,
            Self::Terminal => Capability::TerminalView,
        }
    }

    /// The name on the wire, which is also the DataChannel's label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Call => "call",
            Self::Screen => "screen",
            Self::File => "file",
            Self::Folder => "folder",
            Self::Terminal => "terminal",
        }
    }
}

impl std::fmt::Display for Feature {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The `cnf` claim (RFC 7800): the certificate that the bearer's connection must present.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirmation {
    /// `sha-256 AB:CD:…`, as in the SDP attribute `fingerprint` (RFC 8122).
    pub fp: String,
}

/// The claims of a capability token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    pub iss: String,
    pub aud: String,
    /// The peer that bears it.
    pub sub: PeerId,
    pub room_id: RoomId,
    pub caps: Vec<Capability>,
    /// The only peer it may be shown to; absent for a request to a room.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_peer_id: Option<PeerId>,
    /// The most bytes that a transfer may carry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_size: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<SessionId>,
    pub jti: TokenId,
    /// Issued at, Unix seconds.
    pub iat: u64,
    /// Good until, Unix seconds.
    pub exp: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cnf: Option<Confirmation>,
}

/// Why a token was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CapabilityError {
    #[error("not a capability token of this server")]
    Invalid,
    #[error("the capability has expired")]
    Expired,
    #[error("the capability is not valid yet: a clock is wrong")]
    NotYet,
    #[error("the capability does not include {0}")]
    Missing(Capability),
    #[error("the capability is for another {0}")]
    Other(&'static str),
    #[error("the capability names no {0}")]
    Unbound(&'static str),
    #[error("the key is not a usable Ed25519 key")]
    Key,
}

/// A published key, as in RFC 8037.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct Jwk {
    pub kty: String,
    pub crv: String,
    pub kid: String,
    /// The public key, base64url.
    pub x: String,
    #[serde(rename = "use")]
    pub usage: String,
    pub alg: String,
}

/// The body of `/.well-known/jwks.json` (RFC 7517).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct Jwks {
    pub keys: Vec<Jwk>,
}

/// Signs capabilities; only the server has one.
pub struct CapabilitySigner {
    kid: String,
    key: EncodingKey,
    jwk: Jwk,
}

impl std::fmt::Debug for CapabilitySigner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CapabilitySigner")
            .field("kid", &self.kid)
            .finish_non_exhaustive()
    }
}

impl CapabilitySigner {
    /// From a 32-byte Ed25519 seed and the name under which the public key is published.
    pub fn from_seed(kid: &str, seed: &[u8; 32]) -> Result<Self, CapabilityError> {
        let signing = ed25519_dalek::SigningKey::from_bytes(seed);
        let der = signing.to_pkcs8_der().map_err(|_| CapabilityError::Key)?;
        let jwk = Jwk {
            kty: "OKP".into(),
            crv: "Ed25519".into(),
            kid: kid.to_owned(),
            x: URL_SAFE_NO_PAD.encode(signing.verifying_key().as_bytes()),
            usage: "sig".into(),
            alg: "EdDSA".into(),
        };
        Ok(Self {
            kid: kid.to_owned(),
            key: EncodingKey::from_ed_der(der.as_bytes()),
            jwk,
        })
    }

    /// The public half, to be published.
    pub fn jwk(&self) -> &Jwk {
        &self.jwk
    }

    /// Signs the claims as they are.
    pub fn sign(&self, claims: &Claims) -> Result<String, CapabilityError> {
        let mut header = Header::new(Algorithm::EdDSA);
        header.typ = Some(TYP.into());
        header.kid = Some(self.kid.clone());
        jsonwebtoken::encode(&header, claims, &self.key).map_err(|_| CapabilityError::Key)
    }
}

/// Judges tokens against the published keys.
#[derive(Clone, Default)]
pub struct CapabilityVerifier {
    keys: HashMap<String, DecodingKey>,
}

impl std::fmt::Debug for CapabilityVerifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CapabilityVerifier")
            .field("kids", &self.keys.keys())
            .finish()
    }
}

impl CapabilityVerifier {
    /// From published keys; keys of another kind are left out.
    pub fn from_jwks(jwks: &Jwks) -> Self {
        let usable = |jwk: &&Jwk| jwk.kty == "OKP" && jwk.crv == "Ed25519";
        let keys = jwks
            .keys
            .iter()
            .filter(usable)
            .filter_map(|jwk| Some((jwk.kid.clone(), DecodingKey::from_ed_components(&jwk.x).ok()?)))
            .collect();
        Self { keys }
    }

    /// Whether the key that signed `token` is known; when it is not, the keys may have been rotated: fetch them again.
    pub fn knows_key_of(&self, token: &str) -> bool {
        jsonwebtoken::decode_header(token)
            .ok()
            .and_then(|header| header.kid)
            .is_some_and(|kid| self.keys.contains_key(&kid))
    }

    /// Checks the signature, the form and the time; what it is good for is [`Claims::check`].
    pub fn verify(&self, token: &str, now: u64) -> Result<Claims, CapabilityError> {
        let header = jsonwebtoken::decode_header(token).map_err(|_| CapabilityError::Invalid)?;
        if header.typ.as_deref() != Some(TYP) || header.alg != Algorithm::EdDSA {
            return Err(CapabilityError::Invalid);
        }
        let key = header
            .kid
            .and_then(|kid| self.keys.get(&kid))
            .ok_or(CapabilityError::Invalid)?;
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[AUDIENCE]);
        validation.set_required_spec_claims(&["iss", "aud", "sub", "exp"]);
        // The library reads the system clock; ours is passed in.
        validation.validate_exp = false;
        let claims = jsonwebtoken::decode::<Claims>(token, key, &validation)
            .map_err(|_| CapabilityError::Invalid)?
            .claims;
        claims.check_time(now)?;
        Ok(claims)
    }
}

/// What the verifier of a session knows for itself, against which a token is held.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    pub capability: Capability,
    pub room_id: &'a RoomId,
    pub session_id: &'a SessionId,
    /// The peer that the server named as the sender.
    pub bearer: &'a PeerId,
    /// The verifier itself.
    pub target: &'a PeerId,
    /// The fingerprint of the certificate that this connection was made with (`sha-256 AB:CD:…`).
    pub fingerprint: &'a str,
}

impl Claims {
    /// `exp` and `iat` against the time given, in Unix seconds, with at most [`CLOCK_LEEWAY`].
    pub fn check_time(&self, now: u64) -> Result<(), CapabilityError> {
        let leeway = CLOCK_LEEWAY.as_secs();
        if now > self.exp.saturating_add(leeway) {
            return Err(CapabilityError::Expired);
        }
        if self.iat > now.saturating_add(leeway) {
            return Err(CapabilityError::NotYet);
        }
        Ok(())
    }

    /// Whether it includes a right.
    pub fn allows(&self, capability: Capability) -> Result<(), CapabilityError> {
        self.caps
            .contains(&capability)
            .then_some(())
            .ok_or(CapabilityError::Missing(capability))
    }

    /// The receiving peer's own judgement, with no call to the server: for this session, this room, itself, this sender
    /// and this very connection. A token that leaves one of them open is refused.
    pub fn check(&self, expected: &Expected<'_>) -> Result<(), CapabilityError> {
        self.allows(expected.capability)?;
        if &self.room_id != expected.room_id {
            return Err(CapabilityError::Other("room"));
        }
        if &self.sub != expected.bearer {
            return Err(CapabilityError::Other("sender"));
        }
        let target = self
            .target_peer_id
            .as_ref()
            .ok_or(CapabilityError::Unbound("target"))?;
        if target != expected.target {
            return Err(CapabilityError::Other("target"));
        }
        let session = self
            .session_id
            .as_ref()
            .ok_or(CapabilityError::Unbound("session"))?;
        if session != expected.session_id {
            return Err(CapabilityError::Other("session"));
        }
        let bound = self.cnf.as_ref().ok_or(CapabilityError::Unbound("fingerprint"))?;
        if !same_fingerprint(&bound.fp, expected.fingerprint) {
            return Err(CapabilityError::Other("fingerprint"));
        }
        Ok(())
    }
}

/// Compares `sha-256 AB:CD:…` without regard to case (RFC 8122 allows both); anything but SHA-256 is never equal.
pub fn same_fingerprint(a: &str, b: &str) -> bool {
    fn hex(text: &str) -> Option<&str> {
        let (algorithm, hex) = text.split_once(' ')?;
        let shaped = hex.len() == 95 && hex.bytes().all(|c| c.is_ascii_hexdigit() || c == b':');
        (algorithm.eq_ignore_ascii_case("sha-256") && shaped).then_some(hex)
    }
    matches!((hex(a), hex(b)), (Some(a), Some(b)) if a.eq_ignore_ascii_case(b))
}

#[cfg(test)]
#[path = "capability_tests.rs"]
mod tests;
