//! The session token: a JWT (HS256) that names a sign-in. Whether that still stands, the store says.
//!
//! It shares no key, `typ`, `iss` or `aud` with a capability token, so neither passes for the other.

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};

use mesh_protocol::ids::UserId;

use crate::store::SignInId;

const ISSUER: &str = "mesh:session";
const AUDIENCE: &str = "mesh:session";
const TYP: &str = "mesh-session+jwt";

#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    sub: UserId,
    sid: String,
    jti: String,
    /// Unix seconds.
    iat: u64,
    exp: u64,
}

/// Not a session token of this server, or one whose time is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a valid session token")]
pub struct InvalidToken;

/// Signs and checks session tokens.
pub struct SignInTokens {
    sign: EncodingKey,
    check: DecodingKey,
}

impl SignInTokens {
    /// From a secret of at least 32 bytes.
    pub fn new(secret: &[u8]) -> Self {
        Self {
            sign: EncodingKey::from_secret(secret),
            check: DecodingKey::from_secret(secret),
        }
    }

    /// Times in Unix seconds.
    pub fn issue(
        &self,
        sign_in: &SignInId,
        user: &UserId,
        now: u64,
        exp: u64,
    ) -> Result<String, InvalidToken> {
        let mut header = Header::new(Algorithm::HS256);
        header.typ = Some(TYP.into());
        let claims = Claims {
            iss: ISSUER.into(),
            aud: AUDIENCE.into(),
            sub: user.clone(),
            sid: sign_in.0.clone(),
            jti: super::random::token(),
            iat: now,
            exp,
        };
        jsonwebtoken::encode(&header, &claims, &self.sign).map_err(|_| InvalidToken)
    }

    /// The sign-in and the user that the token names.
    pub fn verify(&self, token: &str, now: u64) -> Result<(SignInId, UserId), InvalidToken> {
        let header = jsonwebtoken::decode_header(token).map_err(|_| InvalidToken)?;
        if header.typ.as_deref() != Some(TYP) {
            return Err(InvalidToken);
        }
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[AUDIENCE]);
        validation.set_required_spec_claims(&["iss", "aud", "sub", "exp"]);
        // The library reads the system clock; ours is passed in.
        validation.validate_exp = false;
        let data =
            jsonwebtoken::decode::<Claims>(token, &self.check, &validation).map_err(|_| InvalidToken)?;
        let claims = data.claims;
        if claims.exp <= now {
            return Err(InvalidToken);
        }
        Ok((SignInId(claims.sid), claims.sub))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_lasts_until_its_time_and_fits_its_key_only() {
        let user: UserId = "u".parse().unwrap();
        let tokens = SignInTokens::new(&[7; 32]);
        let token = tokens.issue(&SignInId("s".into()), &user, 100, 200).unwrap();
        assert_eq!(tokens.verify(&token, 199), Ok((SignInId("s".into()), user)));
        assert_eq!(tokens.verify(&token, 200), Err(InvalidToken));
        assert_eq!(SignInTokens::new(&[8; 32]).verify(&token, 150), Err(InvalidToken));
    }
}
